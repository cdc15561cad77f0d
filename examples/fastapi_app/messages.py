"""The messages that the next page shows after a form: fixed ones, and those made from errors."""

import logging
from collections.abc import Mapping
from typing import Final, Literal

from attrs import evolve, field, frozen
from fastapi import status

from cognito_async import CognitoError
from cognito_async.fastapi import PROBLEMS, Problem, log_problem, problem_of


@frozen
class Message:
    """A box at the top of the page, or texts at the fields: each error is shown once."""

    title: str  # empty for no box
    detail: str = ""
    tone: Literal["success", "info", "warning", "error"] = "success"
    errors: Mapping[str, str] = field(factory=dict[str, str])  # texts by the name of the field they are shown at


SIGN_IN_REQUIRED: Final = Message("Please sign in", "Sign in to see your account.", "info")
SIGNED_OUT: Final = Message("You are signed out", "See you soon.")
SESSION_ENDED: Final = Message("Your session has ended", "Please sign in again.", "info")
CHALLENGE_NOT_SUPPORTED: Final = Message(
    "Your account needs another step", "This site does not support second factors.", "error"
)
# The messages about codes are the same for every address, so that they do not show who has an account.
SIGN_UP_CODE_SENT: Final = Message(
    "Check your e-mail", "A code is on its way, unless you already have an account. Then sign in instead.", "info"
)
NEW_SIGN_UP_CODE_SENT: Final = Message(
    "Check your e-mail", "If this address has to be confirmed, a new code is on its way.", "info"
)
RESET_CODE_SENT: Final = Message(
    "Check your e-mail", "If there is an account with this address, a code is on its way.", "info"
)
ADDRESS_CONFIRMED: Final = Message("Your address is confirmed", "You can sign in now.")
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

_UNKNOWN: Final = PROBLEMS["AmbiguousOutcomeError"]
_SIGN_IN_REFUSED: Final = PROBLEMS["InitiateAuth:NotAuthorizedException"]
_SIGN_IN_FAILED: Final = evolve(
    _SIGN_IN_REFUSED,
    title="Sign-in failed",
    detail="The e-mail address or the password is wrong, or the address is not confirmed yet.",
)
_LOGGED_LIMIT: Final = evolve(PROBLEMS["LimitExceededException"], log_level=logging.WARNING)
_LAMBDA_ERRORS: Final = ("UserLambdaValidationException", "UnexpectedLambdaException", "InvalidLambdaResponseException")
# The library's table of problems, with this site's texts.
_PROBLEMS: Final[Mapping[str, Problem]] = {
    **{name: _SIGN_IN_FAILED if problem is _SIGN_IN_REFUSED else problem for name, problem in PROBLEMS.items()},
    # Some Lambda triggers run only for users who exist, others only for those who do not.
    **{f"InitiateAuth:{code}": evolve(_SIGN_IN_FAILED, log_level=logging.WARNING) for code in _LAMBDA_ERRORS},
    "SignUp:AmbiguousOutcomeError": evolve(
        _UNKNOWN,
        title="Your account may have been created",
        detail="If a code arrives, enter it here. If not, sign up again.",
    ),
    "SignUp:NotAuthorizedException": PROBLEMS["CognitoError"],  # about the app client: there is no user yet
    # Shown as success, so the operator has to learn of it from the log.
    "SignUp:LimitExceededException": _LOGGED_LIMIT,
    "ResendConfirmationCode:LimitExceededException": _LOGGED_LIMIT,
}
_FIELDS: Final = {
    PROBLEMS["CodeMismatchException"].type: "code",
    PROBLEMS["InvalidPasswordException"].type: "password",
}


def invalid(errors: Mapping[str, str]) -> Message:
    """Return the message that shows a text at each invalid field."""
    return Message("", tone="error", errors=errors)


def from_error(error: CognitoError) -> Message:
    """Return the message for an error, and log it where the operator has to know."""
    log_problem(error, _PROBLEMS)
    problem = problem_of(error, _PROBLEMS)
    detail = str(problem.document(error).get("detail", ""))
    if problem.type in _FIELDS:
        return invalid({_FIELDS[problem.type]: detail})
    retry_after = problem.retry_after_of(error)
    if retry_after is not None:
        detail = f"{detail} Try again in {duration(retry_after)}.".strip()
    return Message(problem.title, detail, "warning" if problem.type == _UNKNOWN.type else "error")


def is_sign_in_refused(error: CognitoError) -> bool:
    """Return whether the user is not, or no longer, allowed in."""
    return problem_of(error).type == _SIGN_IN_REFUSED.type


def is_outcome_unknown(error: CognitoError) -> bool:
    """Return whether the change may have been applied."""
    return problem_of(error).type == _UNKNOWN.type


def is_about_the_site(error: CognitoError) -> bool:
    """Return whether an error says nothing about the user: any other one would reveal who has an account."""
    server_error = problem_of(error).status >= status.HTTP_500_INTERNAL_SERVER_ERROR
    return server_error and error.code not in CODE_SENDING_ERRORS


def duration(seconds: int) -> str:
    """Format a duration: seconds up to two minutes, then minutes, rounded up."""
    count, unit = (seconds, "second") if seconds <= 120 else (-(-seconds // 60), "minute")  # noqa: PLR2004
    return f"{count} {unit}{'' if count == 1 else 's'}"
