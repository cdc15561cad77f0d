"""What visitors are told after a form, made from the library's table of problems."""

import logging
from collections.abc import Mapping, Sequence
from typing import Final, Literal

from attrs import evolve, field, frozen

from cognito_async import CognitoError
from cognito_async.fastapi import PROBLEMS, problem_of, report

_MINUTE: Final = 60
_REFUSED: Final = PROBLEMS["InitiateAuth:NotAuthorizedException"]
_SIGN_IN: Final = evolve(
    _REFUSED,
    title="That did not work",
    detail="The e-mail address or the password is wrong, or the address is not confirmed yet.",
)
_MAY_HAVE_JOINED: Final = evolve(
    PROBLEMS["AmbiguousOutcomeError"],
    title="Your account may have been made",
    detail="If a code arrives, type it here. If none does, sign up once more.",
)
_FUNCTIONS: Final = ("UserLambdaValidationException", "UnexpectedLambdaException", "InvalidLambdaResponseException")
# Nobody is told of it where codes are sent (see sign_up.py), so the operator has to be.
_MAIL_LIMIT: Final = evolve(PROBLEMS["LimitExceededException"], log_level=logging.WARNING)
_PROBLEMS: Final = {
    **{name: _SIGN_IN if problem is _REFUSED else problem for name, problem in PROBLEMS.items()},
    # The pool's functions for sign-ins run only for users who exist, or only for those who do not.
    **{f"InitiateAuth:{code}": evolve(_SIGN_IN, log_level=logging.WARNING) for code in _FUNCTIONS},
    "SignUp:AmbiguousOutcomeError": _MAY_HAVE_JOINED,
    "SignUp:NotAuthorizedException": PROBLEMS["CognitoError"],  # there is no user yet who may lack a right
    "SignUp:LimitExceededException": _MAIL_LIMIT,
    "ResendConfirmationCode:LimitExceededException": _MAIL_LIMIT,
}
# The field that is marked where it may be at fault.
_FIELDS: Final = {
    PROBLEMS["CodeMismatchException"].type: "code",
    PROBLEMS["InvalidPasswordException"].type: "password",
}


@frozen(kw_only=True)
class Note:
    """What the next page has to say.

    Attributes:
        title: It in a few words.
        detail: The rest of it; empty for nothing.
        tone: How it looks, and how soon a screen reader says it.
        faults: What is wrong with which field; the texts by the field's name.
    """

    title: str
    detail: str = ""
    tone: Literal["good", "plain", "warning", "error"] = "good"
    faults: Mapping[str, Sequence[str]] = field(factory=dict[str, Sequence[str]])


OVER: Final = Note(
    title="Your session has ended",
    detail="For your safety it does not last for ever. Please sign in again.",
    tone="plain",
)


def fault_note(faults: Mapping[str, Sequence[str]]) -> Note:
    """Make the note for fields that can't be right.

    Args:
        faults: What is wrong with which field.

    Returns:
        The note.
    """
    return Note(title="Please check what you typed", tone="error", faults=faults)


def error_note(error: CognitoError) -> Note:
    """Make the note for an error, and log what is for the operator.

    Args:
        error: What happened.

    Returns:
        The note; it names the field that may be at fault.
    """
    report(error, _PROBLEMS)
    problem = problem_of(error, _PROBLEMS)
    told = str(problem.document(error).get("detail", ""))
    if problem.type in _FIELDS:
        return Note(title=problem.title, tone="error", faults={_FIELDS[problem.type]: (told,)})
    wait = problem.wait(error)
    detail = told if wait is None else f"{told} Try again in {duration(wait)}.".strip()
    return Note(title=problem.title, detail=detail, tone="error")


def duration(seconds: int) -> str:
    """Write a time as people say it.

    Args:
        seconds: The time in seconds.

    Returns:
        Such as ``"5 seconds"`` or ``"15 minutes"``, rounded up.
    """
    if seconds <= 2 * _MINUTE:
        return f"{seconds} second{'' if seconds == 1 else 's'}"
    return f"{-(-seconds // _MINUTE)} minutes"
