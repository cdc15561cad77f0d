"""FastAPI integration: lifespan, dependencies, protected routes, problem details, sign-in and password reset routes.

    cognito = Cognito()
    app = FastAPI(lifespan=cognito.lifespan)
    app.include_router(sign_in_router())
    app.include_router(password_reset_router())

Settings are read from the environment, see ``CognitoSettings``. This package requires the extra ``fastapi``.
"""

try:
    import cryptography as _cryptography  # noqa: F401  # pyright: ignore[reportUnusedImport]
    import fastapi as _fastapi  # noqa: F401  # pyright: ignore[reportUnusedImport]
    import pydantic_settings as _pydantic_settings  # noqa: F401  # pyright: ignore[reportUnusedImport]
    import python_multipart as _python_multipart  # noqa: F401  # pyright: ignore[reportUnusedImport]
except ImportError as _error:
    raise ImportError(
        f"cognito_async.fastapi requires the extra 'fastapi' (module {_error.name!r} is missing): "
        "install cognito_async with this extra",
        name=_error.name,
    ) from _error

from cognito_async.fastapi.authentication import (
    CurrentUser,
    OptionalUser,
    TokenAuth,
    current_user,
    optional_user,
    require_any_group,
    require_groups,
    require_scopes,
)
from cognito_async.fastapi.dependencies import (
    ClientIpDep,
    ClientMetadataDep,
    Cognito,
    CognitoDep,
    CognitoSessionDep,
    CognitoSettingsDep,
    Dependencies,
    FormUserContextDep,
    ResetRequestsDep,
    UserContextDep,
    client_metadata,
    combine_lifespans,
    rate_limit,
    session_of,
)
from cognito_async.fastapi.password_reset import PasswordPolicy, PasswordRule, ResetConfirmation, password_reset_router
from cognito_async.fastapi.problems import (
    PROBLEMS,
    BadInputError,
    BodyTimeoutError,
    BodyTooLargeError,
    CrossOriginError,
    MalformedBodyError,
    NotAuthenticatedError,
    PasswordNotAcceptedError,
    PoolNotOpenError,
    Problem,
    Problems,
    RateLimitedError,
    RequestRejectedError,
    ResetQueueFullError,
    SettingsError,
    SignInStateError,
    UnsupportedBodyError,
    WeakPasswordError,
    log_problem,
    problem_of,
)
from cognito_async.fastapi.rate_limits import MemoryRateLimit, RateLimit, check_username_limit
from cognito_async.fastapi.request import same_origin
from cognito_async.fastapi.reset_queue import ResetLimits, ResetRequests
from cognito_async.fastapi.responses import (
    install_problems,
    minimum_duration,
    problem_response,
    problem_responses,
    problem_route,
)
from cognito_async.fastapi.settings import CognitoSettings
from cognito_async.fastapi.sign_in import SignInOptions, sign_in_router

__all__ = [
    "PROBLEMS",
    "BadInputError",
    "BodyTimeoutError",
    "BodyTooLargeError",
    "ClientIpDep",
    "ClientMetadataDep",
    "Cognito",
    "CognitoDep",
    "CognitoSessionDep",
    "CognitoSettings",
    "CognitoSettingsDep",
    "CrossOriginError",
    "CurrentUser",
    "Dependencies",
    "FormUserContextDep",
    "MalformedBodyError",
    "MemoryRateLimit",
    "NotAuthenticatedError",
    "OptionalUser",
    "PasswordNotAcceptedError",
    "PasswordPolicy",
    "PasswordRule",
    "PoolNotOpenError",
    "Problem",
    "Problems",
    "RateLimit",
    "RateLimitedError",
    "RequestRejectedError",
    "ResetConfirmation",
    "ResetLimits",
    "ResetQueueFullError",
    "ResetRequests",
    "ResetRequestsDep",
    "SettingsError",
    "SignInOptions",
    "SignInStateError",
    "TokenAuth",
    "UnsupportedBodyError",
    "UserContextDep",
    "WeakPasswordError",
    "check_username_limit",
    "client_metadata",
    "combine_lifespans",
    "current_user",
    "install_problems",
    "log_problem",
    "minimum_duration",
    "optional_user",
    "password_reset_router",
    "problem_of",
    "problem_response",
    "problem_responses",
    "problem_route",
    "rate_limit",
    "require_any_group",
    "require_groups",
    "require_scopes",
    "same_origin",
    "session_of",
    "sign_in_router",
]

# Tracebacks and documentation name the package that exports a class, not the module that defines it.
for _name in __all__:
    _value = globals()[_name]
    if isinstance(_value, type) and _value.__module__.startswith(f"{__name__}."):
        _value.__module__ = __name__
