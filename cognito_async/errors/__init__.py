"""All errors of this library.

The tree::

    CognitoError
     ├─ ParameterValidationError      (also ValueError) a parameter is invalid; nothing was sent
     ├─ SessionClosedError            (also RuntimeError) the session is closed
     ├─ CredentialsError              no usable AWS credentials for an operation that needs them
     ├─ PaginationError               the service returned a page token twice
     ├─ SignInExpiredError            start a new sign-in
     ├─ ChallengeAlreadyAnsweredError (also RuntimeError) the challenge was answered before; nothing was sent
     ├─ SignedOutError                there are no usable tokens; sign in
     ├─ TokenStoreError               a token store cannot be read, written or locked
     ├─ AmbiguousOutcomeError         may or may not have been applied; .how_to_verify
     ├─ InvalidResponseError          the response cannot be read
     ├─ TokenError                    a token is not acceptable
     │   ├─ TokenMissingError             the request has none
     │   ├─ TokenMalformedError, TokenSignatureError, TokenUnknownKeyError
     │   ├─ TokenExpiredError, TokenNotYetValidError
     │   ├─ TokenIssuerError, TokenUseError, TokenClientError
     │   └─ TokenScopeError, TokenGroupError
     ├─ JwksUnavailableError          no usable keys to verify tokens with
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

from cognito_async.errors.tokens import *  # noqa: F403 - the names of tokens.__all__
from cognito_async.errors.tree import *  # noqa: F403 - the names of tree.__all__

if TYPE_CHECKING:
    from cognito_async.errors.modelled import *  # noqa: F403 - one name for each declared error

# fmt: off
__all__ = [
    "AccessDeniedException", "AliasExistsException", "AmbiguousOutcomeError", "CachedCIMDURLDoesNotExistException",
    "ChallengeAlreadyAnsweredError", "CodeDeliveryFailureException", "CodeMismatchException", "CognitoError",
    "ConcurrentModificationException", "ConnectError", "ConnectTimeoutError", "CredentialsError",
    "DeviceKeyExistsException", "DuplicateProviderException", "EnableSoftwareTokenMFAException", "ExpiredCodeException",
    "Fault", "FeatureUnavailableInTierException", "ForbiddenException", "GroupExistsException",
    "InternalErrorException", "InternalServerException", "InvalidEmailRoleAccessPolicyException",
    "InvalidLambdaResponseException", "InvalidOAuthFlowException", "InvalidParameterException",
    "InvalidPasswordException", "InvalidResponseError", "InvalidSmsRoleAccessPolicyException",
    "InvalidSmsRoleTrustRelationshipException", "InvalidUserPoolConfigurationException", "JwksUnavailableError",
    "LimitExceededException", "MFAMethodNotFoundException", "ManagedLoginBrandingExistsException",
    "NotAuthorizedException", "OperationNotEnabledException", "PaginationError", "ParameterValidationError",
    "PasswordHistoryPolicyViolationException", "PasswordResetRequiredException", "PreconditionNotMetException",
    "RateLimitTimeoutError", "RefreshTokenReuseException", "RequestTimeoutError", "ResourceNotFoundException",
    "ScopeDoesNotExistException", "ServiceError", "ServiceQuotaExceededException", "SessionClosedError",
    "SignInExpiredError", "SignedOutError", "SoftwareTokenMFANotFoundException", "TermsExistsException",
    "TierChangeNotAllowedException", "TokenClientError", "TokenError", "TokenExpiredError", "TokenGroupError",
    "TokenIssuerError", "TokenMalformedError", "TokenMissingError", "TokenNotYetValidError", "TokenScopeError",
    "TokenSignatureError", "TokenStoreError", "TokenUnknownKeyError", "TokenUseError", "TooManyFailedAttemptsException",
    "TooManyRequestsException", "TransportError", "UnauthorizedException", "UnexpectedLambdaException",
    "UnsupportedIdentityProviderException", "UnsupportedOperationException", "UnsupportedTokenTypeException",
    "UnsupportedUserStateException", "UserImportInProgressException", "UserLambdaValidationException",
    "UserNotConfirmedException", "UserNotFoundException", "UserPoolAddOnNotEnabledException",
    "UserPoolTaggingException", "UsernameExistsException", "WebAuthnChallengeNotFoundException",
    "WebAuthnClientMismatchException", "WebAuthnConfigurationMissingException",
    "WebAuthnCredentialNotSupportedException", "WebAuthnNotEnabledException", "WebAuthnOriginNotAllowedException",
    "WebAuthnRelyingPartyMismatchException",
]
# fmt: on


def __dir__() -> list[str]:
    return sorted(__all__)


if not TYPE_CHECKING:  # type checkers use the imports above, so typos are errors

    def __getattr__(name: str) -> Any:
        """Load the declared errors on first use: successful calls do not need them."""
        modelled = import_module(f"{__name__}.modelled")
        if name not in modelled.__all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(modelled, name)
        return value
