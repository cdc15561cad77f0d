"""Who has to act on an error of the service: the table from error codes and messages to `Fault`.

Most codes have one fault. Some codes cover several situations that differ only in the message, such as
``NotAuthorizedException`` for a wrong password and for a wrong client secret; ``WORDINGS`` lists those messages.

Pure. Messages are classified as received, before secrets are masked in them.
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
    """A message that decides against the fault of its code.

    Attributes:
        fault: Who has to act.
        codes: The codes that the message comes with.
        pattern: Regular expression for the start of the message, regardless of case. It starts with the service's own
            words, so that no value of the request can match.
        sources: Messages as reported, with the address of the report or of the AWS page that explains them.
        operations: Regular expression for the AWS name of the operation.
    """

    fault: Fault
    codes: tuple[str, ...]
    pattern: str
    sources: dict[str, str]
    operations: str = ".*"


_GITHUB = "https://github.com/"
_GUIDE = "https://docs.aws.amazon.com/cognito/latest/developerguide/"
_REFUSED = ("NotAuthorizedException", "InvalidParameterException")
_DELIVERY = ("LimitExceededException", "CodeDeliveryFailureException", "InvalidParameterException")
_SENDING = r"(?:cognito received the following error from amazon s[en]s when attempting to send \w+: )?"
_TRIGGERS = (
    r"(?:(?:Pre|Post)(?:SignUp|Authentication|Confirmation|TokenGeneration)|(?:Define|Create|Verify)AuthChallenge"
    r"(?:Response)?|UserMigration|Custom(?:Message|SMSSender|EmailSender)|InboundFederation|arn:[\w-]+:lambda:\S+)"
)

WORDINGS: tuple[Wording, ...] = (
    # The client secret is wrong, missing (three wordings), or sent for an app client that has none.
    Wording(
        Fault.APP_CLIENT,
        _REFUSED,
        r"unable to verify (?:the )?(?:client )?secret\b",
        {"Unable to verify secret hash for client 1example23456789": f"{_GITHUB}aws-amplify/amplify-js/issues/277"},
    ),
    Wording(
        Fault.APP_CLIENT,
        _REFUSED,
        r"(?:the )?(?:app )?client\b.{0,200}\bconfigured (?:with|for)(?: an?)?(?: client)? secret\b",
        {
            "Client 1example23456789 is configured with secret but SECRET_HASH was not received": (
                f"{_GITHUB}aws-amplify/amplify-android/issues/2504"
            ),
            "Client 1example23456789 is configured for secret but secret was not received": (
                f"{_GITHUB}nordcloud/cognitocurl/issues/53"
            ),
            "Client 1example23456789 is not configured for secret but secret hash was received": (
                f"{_GITHUB}awslabs/aws-sdk-ios-samples/issues/102"
            ),
            "App client 1example23456789 is not configured for secret but secret hash was received": (
                f"{_GITHUB}pmill/aws-cognito/pull/23"
            ),
        },
    ),
    Wording(
        Fault.APP_CLIENT,
        _REFUSED,
        r"(?:the |invalid |missing )?(?:secret[ _]?hash|client[ _]?secret)\b",
        {
            "SecretHash does not match for the client: 1example23456789": (
                "https://dev.to/shamsup/creating-the-secret-hash-for-aws-cognito-in-nodejs-50f7"
            )
        },
    ),
    # Other settings of the app client.
    Wording(
        Fault.APP_CLIENT,
        _REFUSED,
        r"(?:\w+_)?auth(?: flow)? (?:is )?not enabled for this client",
        {
            "USER_PASSWORD_AUTH flow not enabled for this client": f"{_GITHUB}floci-io/floci/pull/3974",
            "Auth flow not enabled for this client": (
                f"{_GUIDE}amazon-cognito-user-pools-authentication-flow-methods.html"
            ),
        },
    ),
    Wording(
        Fault.APP_CLIENT,
        _REFUSED,
        r"initiate auth method not supported",
        {"Initiate Auth method not supported.": f"{_GITHUB}getmoto/moto/pull/4836"},
    ),
    Wording(
        Fault.APP_CLIENT,
        _REFUSED,
        r"(?:a )?client attempted to (?:read|write) unauthorized attribute",
        {"A client attempted to write unauthorized attribute": f"{_GITHUB}aws/aws-sdk-js/issues/1319"},
    ),
    Wording(
        Fault.APP_CLIENT,
        _REFUSED,
        r"access token does not have required scopes",
        {"Access Token does not have required scopes": f"{_GITHUB}aws-amplify/amplify-js/issues/1906"},
    ),
    Wording(
        Fault.APP_CLIENT,
        ("InvalidParameterException",),
        # No quote may follow: a value that imitates this message is itself quoted.
        r"1 validation error detected: value(?: '[^']*')? at '(?:clientId|clientSecret|secretHash|userPoolId)'"
        r" failed to satisfy constraint[^']*\Z",
        {
            "1 validation error detected: Value 'x y' at 'clientId' failed to satisfy constraint: Member must satisfy"
            r" regular expression pattern: [\w+]+": (
                "https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_ForgotPassword.html"
            )
        },
    ),
    # Settings of the user pool.
    Wording(
        Fault.APP_CLIENT,
        _REFUSED,
        r"\w+ is not permitted for this user pool",
        {"SignUp is not permitted for this user pool": f"{_GITHUB}pmill/aws-cognito/issues/37"},
    ),
    Wording(
        Fault.APP_CLIENT,  # the account recovery setting is admin_only: no user of the pool can reset a password
        _REFUSED,
        r"(?:unable to reset (?:the )?password\W*)?(?:please )?contact (?:an |the |your )?administrator\b",
        {"Contact administrator to reset password": f"{_GUIDE}managing-users-passwords.html"},
    ),
    Wording(
        Fault.APP_CLIENT,
        _REFUSED,
        r"custom auth lambda trigger is not configured",
        {
            "Custom auth lambda trigger is not configured for the user pool.": (
                f"{_GITHUB}aws-amplify/amplify-js/issues/5623"
            )
        },
    ),
    Wording(
        Fault.APP_CLIENT,
        _REFUSED,
        r"cannot perform specific action because there does not exist a valid use",
        {
            "Cannot perform specific action because there does not exist a valid use pool domain associated with the"
            " user pool": f"{_GITHUB}anomalyco/guide/issues/133"
        },
    ),
    # ResourceNotFoundException is the pool, the app client, a group or a provider, except for what belongs to a user.
    Wording(
        Fault.USER,
        ("ResourceNotFoundException",),
        r"(?:the )?(?:device|credential|passkey)\b",
        {
            "Device does not exist.": f"{_GITHUB}aws-amplify/amplify-android/pull/2605",
            "Device not found.": f"{_GITHUB}aws-amplify/amplify-js/issues/8895",
        },
    ),
    # LimitExceededException is the allowance of one user ("Attempt limit exceeded, please try after some time."),
    # except for the quotas of the account: e-mail, SMS, and the number of pools, app clients and the like.
    Wording(
        Fault.QUOTA,
        _DELIVERY,
        _SENDING
        + r"(?:you(?:r account)? ha(?:ve|s) )?exceeded (?:the |your )?(?:daily|monthly|e-?mail|sms|message|spend)",
        {
            "Exceeded daily email limit for the operation or the account. If a higher limit is required, please"
            " configure your user pool to use your own Amazon SES configuration for sending email.": (
                f"{_GITHUB}rahulpsd18/cognito-backup-restore/issues/46"
            )
        },
    ),
    Wording(
        Fault.QUOTA,
        _DELIVERY,
        _SENDING + r"(?:the |your |account |daily |monthly |maximum )*(?:e-?mail|sms|messages?|spend|sending)\b"
        r"[\w -]{0,80}\b(?:exceeded|reached)",
        {
            "Daily message quota exceeded": "https://docs.aws.amazon.com/ses/latest/dg/manage-sending-quotas-errors.html",
            "Maximum sending rate exceeded": "https://docs.aws.amazon.com/ses/latest/dg/manage-sending-quotas-errors.html",
        },
    ),
    Wording(
        Fault.QUOTA,
        ("LimitExceededException",),
        "",
        {"Limit exceeded": f"{_GUIDE}quotas.html"},
        r"Create\w+|(?:Add|Delete|List)UserPoolClientSecrets?",
    ),
    # Permissions.
    Wording(
        Fault.PERMISSIONS,
        _REFUSED,
        r"user: arn:[\w-]+:\S+ is not authorized to perform",
        {
            "User: arn:aws:iam::111122223333:user/ada is not authorized to perform: cognito-idp:AdminGetUser": (
                f"{_GUIDE}security_iam_troubleshoot.html"
            )
        },
    ),
    Wording(
        Fault.PERMISSIONS,
        ("InvalidParameterException", "CodeDeliveryFailureException"),
        _SENDING + r"email address is not verified\. the following identities failed the check",
        {
            "Cognito received the following error from Amazon SES when attempting to send email: Email address is not"
            " verified. The following identities failed the check in region US-EAST-1: ada@example.com": (
                f"{_GITHUB}aws/aws-cdk/issues/18964"
            )
        },
    ),
    # Lambda triggers, where the code does not say so.
    Wording(
        Fault.TRIGGER,
        _REFUSED,
        _TRIGGERS + " (?:invocation )?failed (?:due to|with) error",
        {
            "PreSignUp failed with error callback is not a function.": (
                f"{_GITHUB}aws-amplify/amplify-flutter/pull/1051"
            ),
            "PreTokenGeneration invocation failed due to error AccessDeniedException.": (
                f"{_GITHUB}anomalyco/sst/issues/4421"
            ),
        },
    ),
)
"""All messages that decide against the fault of their code. The first one that matches counts."""
_DECISIVE_LENGTH = 4_000


def fault_of(code: str, message: str = "", *, status: int | None = None, operation: str | None = None) -> Fault:
    """Return who has to act on an error of the service.

    Args:
        code: The error code without namespace, e.g. ``"NotAuthorizedException"``.
        message: The message as received.
        status: The HTTP status, which decides for unknown codes. None is treated like 400.
        operation: The operation's AWS name, e.g. ``"ForgotPassword"``; None if unknown.

    Returns:
        The fault.
    """
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
