"""Who has to act on an error of the service: the table from error codes and messages to `Fault`.

Codes such as ``NotAuthorizedException`` cover situations that differ only in the message, see ``WORDINGS``.
"""

import re
from http import HTTPStatus
from typing import NamedTuple

from cognito_async.errors.tree import Fault

_CODES = {
    Fault.USER: """
        AliasExistsException CodeMismatchException DeviceKeyExistsException EnableSoftwareTokenMFAException
        ExpiredCodeException InvalidParameterException InvalidPasswordException LimitExceededException
        MFAMethodNotFoundException NotAuthorizedException PasswordHistoryPolicyViolationException
        PasswordResetRequiredException RefreshTokenReuseException TooManyFailedAttemptsException UnauthorizedException
        UnsupportedTokenTypeException UnsupportedUserStateException UserNotConfirmedException UserNotFoundException
        UsernameExistsException WebAuthnChallengeNotFoundException WebAuthnClientMismatchException
        WebAuthnCredentialNotSupportedException
    """,
    Fault.APP_CLIENT: """
        CachedCIMDURLDoesNotExistException DuplicateProviderException FeatureUnavailableInTierException
        GroupExistsException InvalidOAuthFlowException
        InvalidUserPoolConfigurationException ManagedLoginBrandingExistsException OperationNotEnabledException
        PreconditionNotMetException ResourceNotFoundException ScopeDoesNotExistException
        SoftwareTokenMFANotFoundException TermsExistsException TierChangeNotAllowedException UnknownOperationException
        UnsupportedIdentityProviderException UnsupportedOperationException UserImportInProgressException
        UserPoolAddOnNotEnabledException UserPoolTaggingException WebAuthnConfigurationMissingException
        WebAuthnNotEnabledException WebAuthnOriginNotAllowedException WebAuthnRelyingPartyMismatchException
    """,
    # Throttling counts the requests of the account, for all users together.
    Fault.QUOTA: """
        BandwidthLimitExceeded EC2ThrottledException PriorRequestNotComplete ProvisionedThroughputExceededException
        RequestLimitExceeded RequestThrottled RequestThrottledException ServiceQuotaExceededException SlowDown
        ThrottledException Throttling ThrottlingException TooManyRequestsException TransactionInProgressException
    """,
    # ForbiddenException: the web ACL (AWS WAF) of the user pool blocks the caller.
    Fault.PERMISSIONS: """
        AccessDenied AccessDeniedException AuthFailure ExpiredToken ExpiredTokenException ForbiddenException
        IncompleteSignature IncompleteSignatureException InvalidAccessKeyId InvalidClientTokenId
        InvalidEmailRoleAccessPolicyException InvalidSignatureException InvalidSmsRoleAccessPolicyException
        InvalidSmsRoleTrustRelationshipException InvalidToken MissingAuthenticationToken
        MissingAuthenticationTokenException NotAuthorized OptInRequired RequestExpired RequestTimeTooSkewed
        SignatureDoesNotMatch TokenRefreshRequired UnauthorizedOperation UnrecognizedClientException
    """,
    Fault.TRIGGER: "InvalidLambdaResponseException UnexpectedLambdaException UserLambdaValidationException",
    Fault.SERVICE: """
        CodeDeliveryFailureException ConcurrentModificationException InternalError InternalErrorException
        InternalFailure InternalServerError InternalServerException RequestTimeout RequestTimeoutException
        ServiceUnavailable ServiceUnavailableException
    """,
}
CODES: dict[str, Fault] = {code: fault for fault, codes in _CODES.items() for code in codes.split()}
"""The fault of each known code, unless one of ``WORDINGS`` applies."""


class Wording(NamedTuple):
    """A message that decides against the fault of its code."""

    fault: Fault
    codes: tuple[str, ...]
    pattern: str  # of the message's start, in any case; with the service's own words, which no quoted value can match
    operations: str = ".*"  # pattern of the AWS name


_REFUSED = ("NotAuthorizedException", "InvalidParameterException")
_DELIVERY = ("LimitExceededException", "CodeDeliveryFailureException", "InvalidParameterException")
_SENDING = r"(?:cognito received the following error from amazon s[en]s when attempting to send \w+: )?"
_TRIGGERS = (
    r"(?:(?:Pre|Post)(?:SignUp|Authentication|Confirmation|TokenGeneration)|(?:Define|Create|Verify)AuthChallenge"
    r"(?:Response)?|UserMigration|Custom(?:Message|SMSSender|EmailSender)|InboundFederation|arn:[\w-]+:lambda:\S+)"
)
_APP_CLIENT_MESSAGES = (
    # The client secret is wrong, missing, or sent for an app client that has none.
    r"unable to verify (?:the )?(?:client )?secret\b",
    r"(?:the )?(?:app )?client\b.{0,200}\bconfigured (?:with|for)(?: an?)?(?: client)? secret\b",
    r"(?:the |invalid |missing )?(?:secret[ _]?hash|client[ _]?secret)\b",
    # Other settings of the app client.
    r"(?:\w+_)?auth(?: flow)? (?:is )?not enabled for this client",
    r"initiate auth method not supported",
    r"(?:a )?client attempted to (?:read|write) unauthorized attribute",
    r"access token does not have required scopes",
    # Settings of the user pool; an administrator has to be contacted if users cannot recover their accounts.
    r"\w+ is not permitted for this user pool",
    r"(?:unable to reset (?:the )?password\W*)?(?:please )?contact (?:an |the |your )?administrator\b",
    r"custom auth lambda trigger is not configured",
    r"cannot perform specific action because there does not exist a valid use",
)

WORDINGS: tuple[Wording, ...] = (
    *(Wording(Fault.APP_CLIENT, _REFUSED, pattern) for pattern in _APP_CLIENT_MESSAGES),
    Wording(
        Fault.APP_CLIENT,
        ("InvalidParameterException",),
        # No quote may follow: a value that imitates this message is itself quoted.
        r"1 validation error detected: value(?: '[^']*')? at '(?:clientId|clientSecret|secretHash|userPoolId)'"
        r" failed to satisfy constraint[^']*\Z",
    ),
    # ResourceNotFoundException is the pool, the app client, a group or a provider, except for what belongs to a user.
    Wording(Fault.USER, ("ResourceNotFoundException",), r"(?:the )?(?:device|credential|passkey)\b"),
    # LimitExceededException is the allowance of one user ("Attempt limit exceeded, please try after some time."),
    # except for the quotas of the account: e-mail, SMS, and the number of pools, app clients and the like.
    Wording(
        Fault.QUOTA,
        _DELIVERY,
        _SENDING
        + r"(?:you(?:r account)? ha(?:ve|s) )?exceeded (?:the |your )?(?:daily|monthly|e-?mail|sms|message|spend)",
    ),
    Wording(
        Fault.QUOTA,
        _DELIVERY,
        _SENDING + r"(?:the |your |account |daily |monthly |maximum )*(?:e-?mail|sms|messages?|spend|sending)\b"
        r"[\w -]{0,80}\b(?:exceeded|reached)",
    ),
    Wording(Fault.QUOTA, ("LimitExceededException",), "", r"Create\w+|(?:Add|Delete|List)UserPoolClientSecrets?"),
    Wording(Fault.PERMISSIONS, _REFUSED, r"user: arn:[\w-]+:\S+ is not authorized to perform"),
    Wording(
        Fault.PERMISSIONS,
        ("InvalidParameterException", "CodeDeliveryFailureException"),
        _SENDING + r"email address is not verified\. the following identities failed the check",
    ),
    Wording(Fault.TRIGGER, _REFUSED, _TRIGGERS + " (?:invocation )?failed (?:due to|with) error"),
)
"""All messages that decide against the fault of their code. The first one that matches counts."""
_DECISIVE_LENGTH = 4_000


def fault_of(code: str, message: str = "", *, status: int | None = None, operation: str | None = None) -> Fault:
    """Return who has to act on an error; the HTTP status decides for unknown codes."""
    text = message.strip()[:_DECISIVE_LENGTH]
    for wording in WORDINGS:
        if (
            code in wording.codes
            and re.fullmatch(wording.operations, operation or "")
            and re.match(wording.pattern, text, re.IGNORECASE | re.DOTALL)
        ):
            return wording.fault
    return CODES.get(code) or _by_status(status or HTTPStatus.BAD_REQUEST)


def _by_status(status: int) -> Fault:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Fault.SERVICE
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Fault.QUOTA
    return Fault.PERMISSIONS if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN} else Fault.USER


def is_signature_expired(code: str, message: str) -> bool:
    """Return whether the service rejected a signature for its time, so that a fresh one may be accepted."""
    if code not in {"InvalidSignatureException", "SignatureDoesNotMatch"}:
        return code == "RequestExpired"
    return re.match(r"\s*signature (?:has |is )?(?:expired|not yet current)", message, re.IGNORECASE) is not None
