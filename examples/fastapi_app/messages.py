"""The messages that the next page shows after a form: fixed ones, and those made from errors."""

import logging
from collections.abc import Mapping
from typing import Final, Literal

from attrs import evolve, field, frozen

from cognito_async import CognitoError, SignInExpiredError
from cognito_async.fastapi import PROBLEMS, BadInputError, Problem, log_problem, problem_of


@frozen
class Message:
    """A box at the top of the page, or texts at the fields: each error is shown once."""

    title: str  # empty for no box
    detail: str = ""
    tone: Literal["success", "info", "warning", "error"] = "success"
    errors: Mapping[str, str] = field(factory=dict[str, str])  # texts by the name of the field they are shown at


SIGN_IN_REQUIRED: Final = Message("Please sign in", "Sign in to see your account.", "info")
SIGN_IN_EXPIRED: Final = Message("Your sign-in has expired", "Please start again.", "info")
SIGNED_OUT: Final = Message("You are signed out", "See you soon.")
SESSION_ENDED: Final = Message("Your session has ended", "Please sign in again.", "info")
NOT_SUPPORTED: Final = Message("Your account needs another step", "This site does not support it.", "error")
# The messages about codes are the same for every address, so that they do not show who has an account.
_CHECK: Final = "Check your e-mail"
SIGN_UP_CODE_SENT: Final = Message(_CHECK, "A code is on its way, unless you have an account. Then sign in.", "info")
NEW_SIGN_UP_CODE_SENT: Final = Message(_CHECK, "If this address must be confirmed, a new code is on its way.", "info")
RESET_CODE_SENT: Final = Message(_CHECK, "If there is an account with this address, a code is on its way.", "info")
ADDRESS_CONFIRMED: Final = Message("Your address is confirmed", "You can sign in now.")
APP_ADDED: Final = Message("Your authenticator app is set up", "You need its code the next time you sign in.")
PASSWORD_CHANGED: Final = Message("Your password is changed", "Sign in with the new one.")
NOT_FOUND: Final = Message("Page not found", "Check the address for typos.", "error")
NOT_POSSIBLE: Final = Message("This is not possible here", "Use the buttons on the page.", "error")
BUG: Final = Message("Something went wrong on our side", "The error was logged. Try again later.", "error")

# The next page for a refused sign-in, by the error's code.
_ENTER_CODE: Final = "Enter the code that we sent you, or ask for a new one."
NEXT_STEPS: Final[Mapping[str | None, tuple[str, Message]]] = {
    "UserNotConfirmedException": ("/confirm-sign-up", Message("Confirm your address first", _ENTER_CODE, "warning")),
    "PasswordResetRequiredException": ("/reset-password", Message("You need a new password", _ENTER_CODE, "warning")),
}

# Sending a code fails only for users who are sent one, so these errors must look like success.
CODE_SENDING_ERRORS: Final = frozenset({
    *("CodeDeliveryFailureException", "LimitExceededException", "InvalidEmailRoleAccessPolicyException"),
    *("InvalidSmsRoleAccessPolicyException", "InvalidSmsRoleTrustRelationshipException"),
    *("UnexpectedLambdaException", "InvalidLambdaResponseException"),
})  # fmt: skip

_SIGN_IN: Final = ("InitiateAuth", "RespondToAuthChallenge")
_AUTHENTICATOR: Final = ("AssociateSoftwareToken", "VerifySoftwareToken", "SetUserMFAPreference")
_LAMBDA_ERRORS: Final = ("UserLambdaValidationException", "UnexpectedLambdaException", "InvalidLambdaResponseException")
_UNKNOWN: Final = PROBLEMS["AmbiguousOutcomeError"]
_REFUSED: Final = PROBLEMS["InitiateAuth:NotAuthorizedException"]
_FAILED: Final = evolve(
    _REFUSED, detail="The e-mail address or the password is wrong, or the address is not confirmed yet."
)
_WRONG_CODE: Final = evolve(PROBLEMS["CodeMismatchException"], detail="The code is wrong or expired. Check it.")
_LOGGED_LIMIT: Final = evolve(PROBLEMS["LimitExceededException"], log_level=logging.WARNING)
# The library's table of problems, with this site's texts.
_PROBLEMS: Final[Mapping[str, Problem]] = {
    **{name: _FAILED if problem is _REFUSED else problem for name, problem in PROBLEMS.items()},
    # Some Lambda triggers run only for users who exist, others only for those who do not.
    **{f"{name}:{code}": evolve(_FAILED, log_level=logging.WARNING) for name in _SIGN_IN for code in _LAMBDA_ERRORS},
    **{f"{name}:{code}": _WRONG_CODE for name in ("RespondToAuthChallenge", "VerifySoftwareToken") for code in (
        "CodeMismatchException", "ExpiredCodeException", "EnableSoftwareTokenMFAException",
    )},
    **dict.fromkeys(("ParameterValidationError:code", "ParameterValidationError:user_code"), _WRONG_CODE),
    **{f"{name}:NotAuthorizedException": _REFUSED for name in _AUTHENTICATOR},
    "SignedOutError": _REFUSED,
    "RespondToAuthChallenge:InvalidParameterException": PROBLEMS["ParameterValidationError"],  # a user attribute
    "SignUp:NotAuthorizedException": PROBLEMS["CognitoError"],  # about the app client: there is no user yet
    # Shown as success, so the operator has to learn of it from the log.
    "SignUp:LimitExceededException": _LOGGED_LIMIT,
    "ResendConfirmationCode:LimitExceededException": _LOGGED_LIMIT,
}  # fmt: skip
_FIELDS: Final = {_WRONG_CODE.type: "code", PROBLEMS["InvalidPasswordException"].type: "password"}


def from_error(error: CognitoError) -> Message:
    """Return the message for an error, and log it where the operator has to know."""
    if isinstance(error, BadInputError):
        return Message("", tone="error", errors={name: texts[0] for name, texts in error.field_errors.items()})
    if isinstance(error, SignInExpiredError):
        return SIGN_IN_EXPIRED
    log_problem(error, _PROBLEMS)
    problem = problem_of(error, _PROBLEMS)
    detail = str(problem.document(error).get("detail", ""))
    if problem.type in _FIELDS:
        return Message("", tone="error", errors={_FIELDS[problem.type]: detail})
    if (retry_after := problem.retry_after_of(error)) is not None:
        count, unit = (retry_after, "second") if retry_after <= 120 else (-(-retry_after // 60), "minute")  # noqa: PLR2004
        detail = f"{detail} Try again in {count} {unit}{'' if count == 1 else 's'}.".strip()
    return Message(problem.title, detail, "warning" if problem.type == _UNKNOWN.type else "error")


def is_sign_in_over(error: CognitoError) -> bool:
    """Return whether the challenge cannot be answered any more: the user has to start again."""
    problem = problem_of(error, _PROBLEMS)
    return isinstance(error, SignInExpiredError) or problem.type in {_REFUSED.type, _UNKNOWN.type}


def is_session_ended(error: CognitoError) -> bool:
    """Return whether the user is not, or no longer, signed in."""
    return problem_of(error, _PROBLEMS).type == _REFUSED.type and error.operation not in _SIGN_IN


def is_outcome_unknown(error: CognitoError) -> bool:
    """Return whether the change may have been applied."""
    return problem_of(error).type == _UNKNOWN.type


def is_about_the_site(error: CognitoError) -> bool:
    """Return whether an error does not depend on the user: any other one would reveal who has an account."""
    return problem_of(error).status >= 500 and error.code not in CODE_SENDING_ERRORS  # noqa: PLR2004 - server errors
