"""How an error finds its row in the table of problems, and how it is logged."""

import logging
from collections.abc import Iterator

from cognito_async.errors import AmbiguousOutcomeError, CognitoError, ParameterValidationError
from cognito_async.fastapi.problem import Problem, Problems
from cognito_async.fastapi.problem_table import MISCONFIGURED, PROBLEMS

_LOG = logging.getLogger("cognito_async.fastapi")


def names_of(error: CognitoError) -> Iterator[str]:
    """Name an error, the most telling name first.

    Args:
        error: The error.

    Yields:
        ``"AmbiguousOutcomeError"`` if it is one, whatever else it may be; its operation or parameter with its code,
        such as ``"InitiateAuth:NotAuthorizedException"``; its code; the names of its classes.
    """
    if isinstance(error, AmbiguousOutcomeError):
        yield from (f"{error.operation}:{AmbiguousOutcomeError.__name__}", AmbiguousOutcomeError.__name__)
    kinds = [kind.__name__ for kind in type(error).__mro__ if issubclass(kind, CognitoError)]
    names = ([] if error.code is None else [error.code]) + kinds
    if isinstance(error, ParameterValidationError):
        yield f"{kinds[0]}:{error.parameter}"
    yield from (f"{error.operation}:{name}" for name in names)
    yield from names


def problem_of(error: CognitoError, problems: Problems = PROBLEMS) -> Problem:
    """Find what a visitor is told about an error.

    Args:
        error: What happened.
        problems: The table.

    Returns:
        The row; an empty table still has one that tells nothing.
    """
    return next((problems[name] for name in names_of(error) if name in problems), MISCONFIGURED)


def report(error: Exception, problems: Problems = PROBLEMS) -> None:
    """Log an error for the operator, as loudly as its row says, without a secret or a user's name.

    Args:
        error: What happened. One that is no CognitoError is a bug, and is logged with its traceback.
        problems: The table.
    """
    if not isinstance(error, CognitoError):
        _LOG.error("a call to Cognito ended in a bug", exc_info=error)
        return
    problem = problem_of(error, problems)
    if problem.log_level is not None:
        name = error.code or type(error).__name__
        # Only the operator's own mistakes need the service's words; those about a user may hold the user's name.
        said = f": {error.message}" if problem.log_level >= logging.ERROR else ""
        facts = f"{error.operation or 'before any call'}, {error.attempts} attempts, request id {error.request_id}"
        _LOG.log(problem.log_level, "%s (%s)%s", name, facts, said)
