"""What visitors are told after a form, made from the library's table of problems."""

import logging
from collections.abc import Mapping, Sequence
from typing import Final, Literal

from attrs import evolve, field, frozen

from cognito_async import CognitoError
from cognito_async.fastapi import PROBLEMS, Problem, problem_of

_LOG = logging.getLogger("fastapi_app")

WRONG_CODE: Final = PROBLEMS["CodeMismatchException"]
_MINUTE: Final = 60

Problems = Mapping[str, Problem]

RESET_PROBLEMS: Final[Problems] = {
    **PROBLEMS,
    # The site has checked the policy for everybody. What the pool refuses beyond it, it refuses only to users who
    # exist, so it has to look like a wrong code.
    **dict.fromkeys(("InvalidPasswordException", "PasswordHistoryPolicyViolationException"), WRONG_CODE),
    **{
        name: evolve(
            problem,
            title="Your password may have been changed",
            detail="Try signing in with the new one. If that does not work, ask for a new code.",
        )
        for name, problem in PROBLEMS.items()
        if problem is PROBLEMS["AmbiguousOutcomeError"]
    },
}
"""The reset: which user exists is not told, and a lost answer is told for what it is."""

CONFIRM_PROBLEMS: Final[Problems] = {
    name: evolve(problem, detail="The code is wrong or has expired. Check it, or ask for a new one.")
    if problem is WRONG_CODE
    else problem
    for name, problem in PROBLEMS.items()
}
"""The confirmation of an address: no password is at fault there."""

SIGN_IN_PROBLEMS: Final[Problems] = {
    name: evolve(
        problem,
        title="That did not work",
        detail="The e-mail address or the password is wrong, or the address is not confirmed yet.",
    )
    if problem is PROBLEMS["InitiateAuth:NotAuthorizedException"]
    else problem
    for name, problem in PROBLEMS.items()
}
"""Signing in."""


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


def fault_note(faults: Mapping[str, Sequence[str]]) -> Note:
    """Make the note for fields that can't be right.

    Args:
        faults: What is wrong with which field.

    Returns:
        The note.
    """
    return Note(title="Please check what you typed", tone="error", faults=faults)


def error_note(error: CognitoError, problems: Problems = PROBLEMS) -> Note:
    """Make the note for an error, and log what is for the operator.

    Args:
        error: What happened.
        problems: The table of what visitors are told.

    Returns:
        The note; it names the field ``code`` where that may be at fault.
    """
    problem = problem_of(error, problems)
    if problem.log_level is not None:  # no message of the service: it may hold a user's name
        name = error.code or type(error).__name__
        _LOG.log(problem.log_level, "%s (%s, request id %s)", name, error.operation, error.request_id)
    told = str(problem.document(error).get("detail", ""))
    if problem.type == WRONG_CODE.type:
        return Note(title=problem.title, tone="error", faults={"code": (told,)})
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
