"""All errors of this library.

The tree::

    CognitoError
     ├─ ParameterValidationError      (also ValueError) a parameter is invalid; nothing was sent
     ├─ SessionClosedError            (also RuntimeError) the session is closed
     ├─ CredentialsError              no usable AWS credentials for an operation that needs them
     ├─ PaginationError               the service returned a page token twice
     ├─ AmbiguousOutcomeError         may or may not have been applied; .how_to_verify
     ├─ InvalidResponseError          the response cannot be read
     ├─ TransportError                no usable response; .sent is False, True or None (unknown)
     │   ├─ ConnectError
     │   └─ RequestTimeoutError       (also TimeoutError)
     │       ├─ ConnectTimeoutError   (also ConnectError)
     │       └─ RateLimitTimeoutError the rate limit leaves no slot within the timeout
     └─ ServiceError                  the service's error; .code, .fault
         └─ CodeMismatchException, ExpiredCodeException, … with AWS's names
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cognito_async.errors.tree import *  # noqa: F403 - the names of tree.__all__
from cognito_async.errors.tree import __all__ as _tree

if TYPE_CHECKING:
    from cognito_async.errors.modelled import *  # noqa: F403 - one name per declared error; __all__ is generated


def __dir__() -> list[str]:
    return sorted([*_tree, *import_module(f"{__name__}.modelled").__all__])


if not TYPE_CHECKING:  # type checkers use the imports above, so typos are errors

    def __getattr__(name: str) -> Any:
        """Import the declared errors on first use: successful calls do not need the classes."""
        modelled = import_module(f"{__name__}.modelled")
        if name == "__all__":
            return __dir__()
        if name not in modelled.__all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(modelled, name)
        return value
