"""Every error that this library raises.

The tree::

    CognitoError
     ├─ ParameterValidationError     (also ValueError) caught before anything was sent
     ├─ SessionClosedError           (also RuntimeError) used after close
     ├─ CredentialsError             a signed operation without usable AWS credentials
     ├─ PaginationError              the service repeated a page token
     ├─ AmbiguousOutcomeError        it may or may not have been done; says how to find out
     ├─ InvalidResponseError         an answer that can't be read
     ├─ TransportError               no usable answer; .sent is False, True or None (unknown)
     │   ├─ ConnectError
     │   └─ RequestTimeoutError      (also TimeoutError)
     │       ├─ ConnectTimeoutError  (also ConnectError)
     │       └─ RateLimitTimeoutError     the quota leaves no turn within the time limit
     └─ ServiceError                 the service's answer; unknown codes are kept in .code
         └─ CodeMismatchException, ExpiredCodeException, … as AWS names them
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cognito_async.errors.tree import *  # noqa: F403 - the names of tree.__all__
from cognito_async.errors.tree import __all__ as _tree

if TYPE_CHECKING:
    from cognito_async.errors.modelled import *  # noqa: F403 - one name per declared error; __all__ is generated


def __dir__() -> list[str]:
    return sorted([*_tree, *import_module(f"{__name__}.modelled").__all__])


if not TYPE_CHECKING:  # the checkers see the imports above, and so each misspelt name

    def __getattr__(name: str) -> Any:
        """Load the declared errors when the first is used: a call that succeeds has no need of 59 classes."""
        modelled = import_module(f"{__name__}.modelled")
        if name == "__all__":
            return __dir__()
        if name not in modelled.__all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(modelled, name)
        return value
