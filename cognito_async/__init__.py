"""Async client for Amazon Cognito user pools.

    async with AsyncCognitoSession("eu-west-1") as session:
        client = session.client(client_id="…", client_secret="…")
        await client.confirm_forgot_password(username="ada@example.com", confirmation_code="123456", password="…")

Public names are imported on first use: importing the package loads no HTTP library. The requests, responses and nested
types of ``cognito_async.operations`` are names of this package, too, but ``from cognito_async import *`` omits them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cognito_async.version import __version__

if TYPE_CHECKING:
    from cognito_async import errors, operations
    from cognito_async.call import Timeouts
    from cognito_async.client import CognitoClient
    from cognito_async.errors import *  # noqa: F403 - each error by name
    from cognito_async.operations import *  # noqa: F403 - each type by name
    from cognito_async.operations import AnalyticsMetadataType, UserContextDataType
    from cognito_async.protocol.events import AmbiguousDetails, RateLimitDetails, ResponseMetadata, RetryDetails, Stats
    from cognito_async.protocol.pagination import Paginator
    from cognito_async.protocol.retry import RetryKind, RetryPolicy
    from cognito_async.protocol.signing import Credentials
    from cognito_async.quotas import Quotas
    from cognito_async.rate_limiter import CategoryLimiter, RateLimiter
    from cognito_async.session import AsyncCognitoSession
    from cognito_async.transport import PoolLimits, Transport

# fmt: off
__all__ = [
    "AccessDeniedException", "AliasExistsException", "AmbiguousDetails", "AmbiguousOutcomeError",
    "AnalyticsMetadataType", "AsyncCognitoSession", "CachedCIMDURLDoesNotExistException", "CategoryLimiter",
    "ChallengeAlreadyAnsweredError", "CodeDeliveryFailureException", "CodeMismatchException", "CognitoClient",
    "CognitoError", "ConcurrentModificationException", "ConnectError", "ConnectTimeoutError", "Credentials",
    "CredentialsError", "DeviceKeyExistsException", "DuplicateProviderException", "EnableSoftwareTokenMFAException",
    "ExpiredCodeException", "Fault", "FeatureUnavailableInTierException", "ForbiddenException", "GroupExistsException",
    "InternalErrorException", "InternalServerException", "InvalidEmailRoleAccessPolicyException",
    "InvalidLambdaResponseException", "InvalidOAuthFlowException", "InvalidParameterException",
    "InvalidPasswordException", "InvalidResponseError", "InvalidSmsRoleAccessPolicyException",
    "InvalidSmsRoleTrustRelationshipException", "InvalidUserPoolConfigurationException", "JwksUnavailableError",
    "LimitExceededException", "MFAMethodNotFoundException", "ManagedLoginBrandingExistsException",
    "NotAuthorizedException", "OperationNotEnabledException", "PaginationError", "Paginator",
    "ParameterValidationError", "PasswordHistoryPolicyViolationException", "PasswordResetRequiredException",
    "PoolLimits", "PreconditionNotMetException", "Quotas", "RateLimitDetails", "RateLimitTimeoutError", "RateLimiter",
    "RefreshTokenReuseException", "RequestTimeoutError", "ResourceNotFoundException", "ResponseMetadata",
    "RetryDetails", "RetryKind", "RetryPolicy", "ScopeDoesNotExistException", "ServiceError",
    "ServiceQuotaExceededException", "SessionClosedError", "SignInExpiredError", "SignedOutError",
    "SoftwareTokenMFANotFoundException", "Stats", "TermsExistsException", "TierChangeNotAllowedException", "Timeouts",
    "TokenClientError", "TokenError", "TokenExpiredError", "TokenGroupError", "TokenIssuerError", "TokenMalformedError",
    "TokenMissingError", "TokenNotYetValidError", "TokenScopeError", "TokenSignatureError", "TokenStoreError",
    "TokenUnknownKeyError", "TokenUseError", "TooManyFailedAttemptsException", "TooManyRequestsException", "Transport",
    "TransportError", "UnauthorizedException", "UnexpectedLambdaException", "UnsupportedIdentityProviderException",
    "UnsupportedOperationException", "UnsupportedTokenTypeException", "UnsupportedUserStateException",
    "UserContextDataType", "UserImportInProgressException", "UserLambdaValidationException",
    "UserNotConfirmedException", "UserNotFoundException", "UserPoolAddOnNotEnabledException",
    "UserPoolTaggingException", "UsernameExistsException", "WebAuthnChallengeNotFoundException",
    "WebAuthnClientMismatchException", "WebAuthnConfigurationMissingException",
    "WebAuthnCredentialNotSupportedException", "WebAuthnNotEnabledException", "WebAuthnOriginNotAllowedException",
    "WebAuthnRelyingPartyMismatchException", "__version__", "errors", "operations",
]
# fmt: on

_NAMES = {
    "call": ["Timeouts"],
    "client": ["CognitoClient"],
    "operations": ["AnalyticsMetadataType", "UserContextDataType"],
    "protocol.pagination": ["Paginator"],
    "protocol.events": ["AmbiguousDetails", "RateLimitDetails", "ResponseMetadata", "RetryDetails", "Stats"],
    "protocol.retry": ["RetryKind", "RetryPolicy"],
    "protocol.signing": ["Credentials"],
    "quotas": ["Quotas"],
    "rate_limiter": ["CategoryLimiter", "RateLimiter"],
    "session": ["AsyncCognitoSession"],
    "transport": ["PoolLimits", "Transport"],
}
_MODULES = {name: module for module, names in _NAMES.items() for name in names}


def __dir__() -> list[str]:
    return sorted({*__all__, *dir(import_module(f"{__name__}.operations"))})


if not TYPE_CHECKING:  # type checkers use the imports above, so typos are errors

    def __getattr__(name: str) -> Any:
        """Import a public name on first use."""
        if name in {"errors", "operations"}:
            return import_module(f"{__name__}.{name}")
        home = _MODULES.get(name, "errors") if name in __all__ else "operations"
        module = import_module(f"{__name__}.{home}")
        if name not in dir(module):
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(module, name)
        return value
