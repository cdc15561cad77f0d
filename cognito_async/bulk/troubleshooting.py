"""What the error codes of rows mean, and how to fix them."""

import re
from collections.abc import Mapping
from typing import Final

from attrs import field, frozen

from cognito_async.bulk.rows import DAILY_EMAIL_LIMIT, DUPLICATE_ROW, INTERRUPTED, INVALID_ROW, State


@frozen
class Advice:
    """The meaning of an error code."""

    title: str  # what happened, in a few words
    todo: str  # how to fix it
    by_action: Mapping[str, "Advice"] = field(factory=dict[str, "Advice"])  # replacements for some actions, by name
    # Replacements by a regular expression that the reason contains; the first counts.
    by_reason: Mapping[str, "Advice"] = field(factory=dict[str, "Advice"])


RETRY_REFUSED: Final = "resume with --again refused"
RESUME: Final = "Resume the job; nothing is lost."
AUTOMATIC: Final = "None needed: the job retries the row when it is due. If the job has ended, resume it then."
CREDENTIALS: Final = "Check the AWS credentials and their permissions, the region and the system clock; then resume."
SENDING: Final = (
    "Check the user pool's e-mail and SMS settings (the IAM role, its trust policy, the verified sender); then resume."
)
LAMBDA: Final = f"Check the trigger's log in CloudWatch for these users and fix the trigger; then {RETRY_REFUSED}."
NO_ADDRESS: Final = Advice(
    "No verified address to send a code to",
    "The user has no verified e-mail address or phone number. Verify it with AdminUpdateUserAttributes"
    f" (email_verified or phone_number_verified), then {RETRY_REFUSED}; or set a password with set-password.",
)
INVALID_VALUE: Final = Advice(
    "Invalid value",
    "The reason names the value and the rule; a username, for example, contains no spaces. Fix the row, and start a new"
    " job with it.",
)
WRONG_STATE: Final = (
    "The user is disabled, or still has the temporary password of an invitation. Enable the user with AdminEnableUser;"
    " resend the invitation with AdminCreateUser (MessageAction RESEND), or use set-password. Users of external"
    " identity providers have no password in the user pool."
)
NOT_ALLOWED: Final = "Not allowed in the user's current status"
READ_REASON: Final = "Read the reason."
FIX: Final = f"Fix the cause, then {RETRY_REFUSED}."
NEW_CODE: Final = "Send a new code with forgot; only the latest code is valid."

# The advice by error code.
ADVICE: Final[Mapping[str, Advice]] = {
    # --- the user ---
    "UserNotFoundException": Advice(
        "User not found in this user pool",
        "Check for typos, for deleted users and for users of another user pool. An alias (e-mail address, phone number)"
        " works only if the user pool allows it for sign-in and it is verified.",
    ),
    "UserNotConfirmedException": Advice(
        "The user has not confirmed the sign-up",
        f"Confirm the user with AdminConfirmSignUp, verify the e-mail address or phone number, then {RETRY_REFUSED}.",
    ),
    "NotAuthorizedException": Advice(
        NOT_ALLOWED,
        WRONG_STATE,
        {
            "set-password": Advice(NOT_ALLOWED, f"{READ_REASON} The user may be from an identity provider. {FIX}"),
            "sign-out": Advice(NOT_ALLOWED, f"{READ_REASON} The user may be disabled. {FIX}"),
            "confirm": Advice(NOT_ALLOWED, f"{READ_REASON} {WRONG_STATE}"),
        },
    ),
    "InvalidParameterException": Advice(
        "The service rejected the request",
        f"{READ_REASON} It can be a value of the row, or the user's status or attributes. {FIX}",
        by_reason={
            r"validation errors? detected|failed to satisfy constraint|regular expression": INVALID_VALUE,
            r"\b(?:registered|verified)\b.{0,40}\b(?:e-?mail|phone)|\bno (?:e-?mail|phone)": NO_ADDRESS,
        },
    ),
    # --- passwords and codes ---
    "InvalidPasswordException": Advice(
        "The password violates the password policy",
        "The reason names the rule. Choose a compliant password; for a password from the input, start a new job.",
    ),
    "PasswordHistoryPolicyViolationException": Advice(
        "The password was used before", "The user pool forbids the user's recent passwords. Choose another one."
    ),
    "CodeMismatchException": Advice(
        "Wrong code",
        f"Check for typos and lost leading zeros. {NEW_CODE} If the app client hides which users exist, the user may"
        " not exist.",
    ),
    "ExpiredCodeException": Advice(
        "The code has expired or was used", f"A code is valid once, for one hour. {NEW_CODE}"
    ),
    "TooManyFailedAttemptsException": Advice(
        "Too many wrong codes or passwords", f"Wait some hours, because the service blocks the user. {NEW_CODE}"
    ),
    "LimitExceededException": Advice(
        "The user reached an hourly limit",
        f"The job deferred the row as often as its policy allows. Wait some hours, then {RETRY_REFUSED}.",
    ),
    DAILY_EMAIL_LIMIT: Advice(
        "The account reached its limit of e-mails or SMS messages",
        "Without Amazon SES, an account sends 50 e-mails per day. Configure SES for the user pool, raise the quota of"
        " SES or the spending limit of SNS, or resume the job every day.",
    ),
    "CodeDeliveryFailureException": Advice(
        "The code could not be delivered",
        "Check the address or phone number, the SES suppression list, and the SNS spending limit and sandbox; then"
        f" {RETRY_REFUSED}.",
    ),
    # --- the user pool's Lambda triggers ---
    "UserLambdaValidationException": Advice("A Lambda trigger rejected the user", f"{READ_REASON} {LAMBDA}"),
    "UnexpectedLambdaException": Advice("A Lambda trigger failed", LAMBDA),
    "InvalidLambdaResponseException": Advice("A Lambda trigger returned an invalid response", LAMBDA),
    # --- the job and the account ---
    "ResourceNotFoundException": Advice(
        "User pool or app client not found", "Check the IDs and the region of the job, then resume."
    ),
    "OperationNotEnabledException": Advice(
        "The user pool does not allow the operation",
        "Check the user pool's settings, and whether it is a replica in another region; then resume.",
    ),
    "ForbiddenException": Advice(
        "AWS WAF blocked the request",
        "The user pool's web ACL blocks this machine: allow it, or use a lower rate; then resume.",
    ),
    **dict.fromkeys(
        (
            "InvalidEmailRoleAccessPolicyException",
            "InvalidSmsRoleAccessPolicyException",
            "InvalidSmsRoleTrustRelationshipException",
        ),
        Advice("The user pool has no permission to send messages", SENDING),
    ),
    **dict.fromkeys(
        (
            "AccessDeniedException",
            "ExpiredTokenException",
            "IncompleteSignatureException",
            "InvalidClientTokenId",
            "InvalidSignatureException",
            "MissingAuthenticationTokenException",
            "OptInRequired",
            "SignatureDoesNotMatch",
            "UnrecognizedClientException",
        ),
        Advice("AWS rejected the credentials", CREDENTIALS),
    ),
    "CredentialsError": Advice("No AWS credentials", CREDENTIALS),
    # --- the service and the network ---
    **dict.fromkeys(
        ("RequestLimitExceeded", "ThrottlingException", "TooManyRequestsException"),
        Advice("The service throttled the request", f"{RESUME} A lower rate may help."),
    ),
    **dict.fromkeys(
        ("InternalErrorException", "InternalFailure", "InternalServerException", "ServiceUnavailable"),
        Advice("The service failed", RESUME),
    ),
    **dict.fromkeys(
        ("ConnectError", "ConnectTimeoutError"), Advice("The service was unreachable", f"Check the network. {RESUME}")
    ),
    **dict.fromkeys(("RequestTimeoutError", "RateLimitTimeoutError"), Advice("The request timed out", RESUME)),
    "TransportError": Advice("The connection was lost", RESUME),
    "InvalidResponseError": Advice(
        "Invalid response", "A proxy may have responded instead of the service: check the network, then resume."
    ),
    # --- codes of this library ---
    INVALID_ROW: Advice(
        "Invalid row", "The reason names the column and the rule. Fix the row, and start a new job with a new input."
    ),
    DUPLICATE_ROW: Advice("Duplicate user", "None needed: the earlier row that the reason names covers the user."),
    INTERRUPTED: Advice("The job was killed while the row was in flight", RESUME),
    "ParameterValidationError": Advice(
        "Invalid value", "The reason names the value and the rule. Fix the row, and start a new job with it."
    ),
}

# How to find out whether a row in the state UNKNOWN was applied, by the action's name.
HOW_TO_VERIFY: Final[Mapping[str, str]] = {
    "confirm": "Ask the user to try the new password. If it does not work, send a new code with forgot.",
    "forgot": "Ask the user whether a code arrived. If none did, resume with --again unknown.",
    "reset": "Read the user's status with AdminGetUser: RESET_REQUIRED means that the reset was applied. Ask the user"
    " whether a code arrived.",
    "set-password": "Ask the user to try the new password, or set it again.",
    "sign-out": "Sign the user out again; repeating it is safe.",
}

# What to know about rows that are done, by the action's name.
NOTES: Final[Mapping[str, str]] = {
    "forgot": "An app client that hides which users exist (prevent user existence errors) reports success for users who"
    " do not exist; their rows count as done, and nothing is sent to them."
}

# Other advice for rows that are still planned, because the error concerns the job.
JOB_ERRORS: Final[Mapping[str, Advice]] = {
    "NotAuthorizedException": Advice(
        "The service rejected the app client",
        "Check the app client ID, the client secret and the user pool's account recovery settings; then resume.",
    ),
    "InvalidParameterException": Advice(
        "The service rejected the configuration", f"Check the app client and the user pool's settings. {SENDING}"
    ),
    "CodeDeliveryFailureException": Advice("The user pool cannot send messages", SENDING),
}


def reason_kind(code: str | None, reason: str | None) -> int:
    """Return which kind of reasons of its code a reason is of, as the place in ``Advice.by_reason``; 0 for others."""
    patterns = ADVICE[code].by_reason if code is not None and code in ADVICE else ()
    return next((place for place, each in enumerate(patterns, 1) if re.search(each, reason or "", re.IGNORECASE)), 0)


def advise(code: str | None, action: str, state: State = State.REFUSED, reason: str | None = None) -> Advice:
    """Return what an error code means for a row, and how to fix it.

    Args:
        code: The row's error code; None if it has none.
        action: The action's name or label, such as ``"reset"`` or ``"set-password temporary"``.
        state: The row's state.
        reason: The row's error message; None if it has none.
    """
    name = action.partition(" ")[0]
    job_error = JOB_ERRORS.get(code or "") if state is State.PLANNED else None
    unknown = Advice(code or "No error code", f"{READ_REASON} Look up the code in the Amazon Cognito documentation.")
    found = job_error or ADVICE.get(code or "") or unknown
    found = found.by_action.get(name, found)
    if found.by_reason and (kind := reason_kind(code, reason)):
        found = list(found.by_reason.values())[kind - 1]
    if state is State.UNKNOWN:
        return Advice(found.title, HOW_TO_VERIFY.get(name, "Ask the user, or check with AdminGetUser."))
    if state is State.DEFERRED:
        return Advice(found.title, AUTOMATIC if code != DAILY_EMAIL_LIMIT else f"{found.todo} {AUTOMATIC}")
    return Advice(found.title, found.todo)
