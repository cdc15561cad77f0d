"""What to do about a row in trouble: a table by code, with what depends on the action or on the row's state."""

from collections.abc import Mapping
from typing import Final

from attrs import field, frozen

from cognito_async.bulk.rows import DAILY_EMAIL, DUPLICATE, INTERRUPTED, INVALID, State


@frozen
class Advice:
    """What a code means for a row.

    Attributes:
        title: What happened, in a few words.
        todo: What to do about it.
        by_action: What it means instead for some actions, by their names.
    """

    title: str
    todo: str
    by_action: Mapping[str, "Advice"] = field(factory=dict[str, "Advice"])


AGAIN: Final = "run the job once more for its refused rows"
RESUME: Final = "Nothing is lost: resume the job."
RETRIED: Final = "Nothing: the job tries again by itself when the time has come. If it has ended, resume it then."
CREDENTIALS: Final = "Look at the AWS credentials and their rights, the region and the machine's clock; then resume."
SENDING: Final = (
    "Look at the pool's settings for e-mail and SMS: the role, its trust policy, the verified sender; then resume."
)
LAMBDA: Final = f"Look into the trigger's log in CloudWatch for these users; mend it, then {AGAIN}."
NO_ADDRESS: Final = Advice(
    "As a rule: no verified address to send a code to",
    "The user has, as a rule, no verified e-mail address or phone number. Verify it with AdminUpdateUserAttributes"
    f" (email_verified or phone_number_verified), then {AGAIN}; or give the user a password with set-password.",
)
WRONG_STATE: Final = (
    "The user is disabled, or still has the temporary password of an invitation. Enable the user with AdminEnableUser;"
    " invite anew with AdminCreateUser (MessageAction RESEND), or give a password with set-password. Users who sign in"
    " through another provider have no password here."
)
NOT_ALLOWED: Final = "Not allowed in the user's present state"
STATE_REASON: Final = "Read the reason."
MEND: Final = f"Mend it, then {AGAIN}."
NEW_CODE: Final = "Send the user a new code with forgot, and let the user enter the latest one."

ADVICE: Final[Mapping[str, Advice]] = {
    # --- the user ---
    "UserNotFoundException": Advice(
        "No such user in this pool",
        "Look for typing errors, and for users who are deleted or live in another pool. An alias (e-mail address, phone"
        " number) only works where the pool signs in with it and where it is verified.",
    ),
    "UserNotConfirmedException": Advice(
        "The user never confirmed the sign-up",
        f"Confirm the user with AdminConfirmSignUp, verify the e-mail address or phone number, then {AGAIN}.",
    ),
    "NotAuthorizedException": Advice(
        NOT_ALLOWED,
        WRONG_STATE,
        {
            "set-password": Advice(
                NOT_ALLOWED, f"{STATE_REASON} The user may sign in through another provider. {MEND}"
            ),
            "sign-out": Advice(NOT_ALLOWED, f"{STATE_REASON} The user may be disabled. {MEND}"),
            "confirm": Advice(NOT_ALLOWED, f"{STATE_REASON} {WRONG_STATE}"),
        },
    ),
    "InvalidParameterException": Advice(
        "The service does not accept a value",
        f"Read the reason and mend the row's values, then {AGAIN}.",
        {"reset": NO_ADDRESS, "forgot": NO_ADDRESS},
    ),
    # --- passwords and codes ---
    "InvalidPasswordException": Advice(
        "The password breaks the pool's policy",
        "The reason names the rule. Choose a password that keeps to it; with one from the input, begin a new job.",
    ),
    "PasswordHistoryPolicyViolationException": Advice(
        "The password was used before",
        "The pool forbids the last passwords of a user. Choose another one.",
    ),
    "CodeMismatchException": Advice(
        "The code is wrong",
        f"Look for typing errors and lost leading zeros. {NEW_CODE} With an app client that hides which users exist, it"
        " may also mean that there is no such user.",
    ),
    "ExpiredCodeException": Advice("The code is too old, or used up", f"A code is good for one hour, once. {NEW_CODE}"),
    "TooManyFailedAttemptsException": Advice(
        "Too many wrong codes or passwords", f"Wait some hours, as the service blocks the user for a while. {NEW_CODE}"
    ),
    "LimitExceededException": Advice(
        "The user's hourly allowance is used up",
        f"The job put the row off as often as it may. Wait some hours, then {AGAIN}.",
    ),
    DAILY_EMAIL: Advice(
        "The pool has sent its e-mail for today",
        "Without Amazon SES a pool sends 50 e-mails a day. Give the pool a sender in SES, or go on day by day: the job"
        " resumes where it was.",
    ),
    "CodeDeliveryFailureException": Advice(
        "The code could not be delivered",
        "Look at the address or phone number, at SES's suppression list, and at SNS's spending limit and sandbox; then"
        f" {AGAIN}.",
    ),
    # --- the pool's Lambda triggers ---
    "UserLambdaValidationException": Advice("A Lambda trigger refused the user", f"The reason says why. {LAMBDA}"),
    "UnexpectedLambdaException": Advice("A Lambda trigger failed", LAMBDA),
    "InvalidLambdaResponseException": Advice("A Lambda trigger gave an answer that makes no sense", LAMBDA),
    # --- the job and the account ---
    "ResourceNotFoundException": Advice(
        "No such user pool or app client", "Look at the ids and at the region that the job was given, then resume."
    ),
    "OperationNotEnabledException": Advice(
        "The pool does not allow the operation",
        f"Look at the pool's settings and at whether this is a replica in another region; then {AGAIN}.",
    ),
    "ForbiddenException": Advice(
        "AWS WAF blocked the request",
        f"The web ACL of the pool blocks this machine: let it through, keep to a lower rate, then {AGAIN}.",
    ),
    **dict.fromkeys(
        (
            "InvalidEmailRoleAccessPolicyException",
            "InvalidSmsRoleAccessPolicyException",
            "InvalidSmsRoleTrustRelationshipException",
        ),
        Advice("The pool may not send its messages", SENDING),
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
        Advice("AWS did not accept the credentials", CREDENTIALS),
    ),
    "CredentialsError": Advice("There are no AWS credentials", CREDENTIALS),
    # --- the service and the way to it ---
    **dict.fromkeys(
        ("RequestLimitExceeded", "ThrottlingException", "TooManyRequestsException"),
        Advice("The service throttled", f"{RESUME} A lower rate may help."),
    ),
    **dict.fromkeys(
        ("InternalErrorException", "InternalFailure", "InternalServerException", "ServiceUnavailable"),
        Advice("The service had a fault", RESUME),
    ),
    **dict.fromkeys(
        ("ConnectError", "ConnectTimeoutError"),
        Advice("The service could not be reached", f"Look at the network. {RESUME}"),
    ),
    **dict.fromkeys(("RequestTimeoutError", "RateLimitTimeoutError"), Advice("No answer in time", RESUME)),
    "TransportError": Advice("The connection was lost", RESUME),
    "InvalidResponseError": Advice(
        "An answer that can't be read", "A proxy may answer in the service's place: look at the network, then resume."
    ),
    # --- ours ---
    INVALID: Advice(
        "The row can't be sent as it is written",
        "The reason names the column and the rule. Mend the row and put it into a new input for a new job.",
    ),
    DUPLICATE: Advice(
        "The user has come before", "Nothing: the user is served by the earlier row that the reason names."
    ),
    INTERRUPTED: Advice("The job was killed while the row was on its way", RESUME),
    "ParameterValidationError": Advice(
        "A value breaks a rule of the service", "The reason names it. Mend the row, and run a new job with it."
    ),
}
"""What the codes mean for a row, in the order of the likely causes."""

FIND_OUT: Final[Mapping[str, str]] = {
    "confirm": "Let the user try the new password. If it does not work, send a new code with forgot.",
    "forgot": "Ask the user whether a code came. If none did, send one more.",
    "reset": "Read the status with AdminGetUser: RESET_REQUIRED means that it was done. Ask the user whether a code"
    " came.",
    "set-password": "Let the user try the new password, or set it once more.",
    "sign-out": "Sign the user out once more: it does no harm.",
}
"""How to find out what became of a row that is unknown, by the action's name."""

HELD: Final[Mapping[str, Advice]] = {
    "NotAuthorizedException": Advice(
        "The service does not accept the app client", "Look at the app client's id and secret, then resume."
    ),
}
"""What codes mean for rows that stay planned: there the job is at fault, and not the row."""

UNKNOWN_CODE: Final = "Read the reason, and look the code up in the documentation of Amazon Cognito."


def advise(code: str | None, action: str, state: State = State.REFUSED) -> Advice:
    """Tell what a code means for a row, and what to do about it.

    Args:
        code: The row's code; None if it has none.
        action: The action's name or label, such as ``"reset"`` or ``"set-password temporary"``.
        state: The row's state.

    Returns:
        The advice; its ``todo`` fits the action and the state.
    """
    name = action.partition(" ")[0]
    known = (HELD.get(code or "") if state is State.PLANNED else None) or ADVICE.get(code or "")
    found = known or Advice(code or "Without a code", UNKNOWN_CODE)
    instead = {
        State.UNKNOWN: FIND_OUT.get(name, "Find out from the user, or with AdminGetUser."),
        State.DEFERRED: RETRIED if code != DAILY_EMAIL else f"{found.todo} {RETRIED}",
    }
    found = found.by_action.get(name, found)
    return Advice(found.title, instead.get(state, found.todo))
