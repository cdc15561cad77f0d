"""What an error means for whoever typed the command: an exit code, and what to do."""

import errno
from collections.abc import Iterator
from typing import Final

from cognito_async.bulk.errors import JobMismatchError, JournalError, JournalInUseError, SourceError
from cognito_async.cli.exits import Exit
from cognito_async.cli.wording import clean
from cognito_async.errors import (
    AmbiguousOutcomeError,
    CognitoError,
    CredentialsError,
    ParameterValidationError,
    ServiceError,
    TransportError,
)
from cognito_async.protocol.retry import classify

_EXITS: Final[tuple[tuple[type[CognitoError], Exit], ...]] = (
    (JournalInUseError, Exit.PAUSED),
    (JournalError, Exit.USAGE),
    (SourceError, Exit.USAGE),
    (JobMismatchError, Exit.USAGE),
    (ParameterValidationError, Exit.USAGE),
    (AmbiguousOutcomeError, Exit.ROWS),
    (TransportError, Exit.PAUSED),
    (ServiceError, Exit.ROWS),
)
"""The first that fits counts; anything else is trouble."""

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_ADVICE: Final[tuple[tuple[type[CognitoError], str], ...]] = (
    (CredentialsError, ""),
    (TransportError, "; check the network, the region and --endpoint-url, and try again"),
)


def exit_of(error: CognitoError) -> Exit:
    """Tell what to exit with.

    Args:
        error: What ended the command.

    Returns:
        The exit code.
    """
    if isinstance(error, JournalError) and _disk_is_full(error):
        return Exit.PAUSED
    if not isinstance(error, AmbiguousOutcomeError) and classify(error) is not None:
        return Exit.PAUSED  # throttled, or the service is in trouble: later it may go well
    return next((code for kind, code in _EXITS if isinstance(error, kind)), Exit.TROUBLE)


def explain(error: CognitoError) -> str:
    """Say what happened and what to do about it.

    Args:
        error: What ended the command.

    Returns:
        One line.
    """
    advice = next((advice for kind, advice in _ADVICE if isinstance(error, kind)), "")
    return clean(f"{error}{advice}")


def _disk_is_full(error: BaseException) -> bool:
    return any(
        getattr(cause, "errno", None) in _FULL or getattr(cause, "sqlite_errorname", "") == "SQLITE_FULL"
        for cause in _causes(error)
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__
