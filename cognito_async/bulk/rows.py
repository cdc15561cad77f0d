"""Rows of a job and their recorded state."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from attrs import field, frozen


class State(StrEnum):
    """The state of a row."""

    __module__ = "cognito_async.bulk"

    PLANNED = "planned"
    """Nothing was sent for it."""
    SENT = "sent"
    """A request is in flight, or was when the job was killed."""
    DONE = "done"
    """The service confirmed success."""
    REFUSED = "refused"
    """The service rejected it, or it failed validation before anything was sent."""
    DEFERRED = "deferred"
    """It is tried again later."""
    UNKNOWN = "unknown"
    """The outcome is ambiguous, and repeating the request would be unsafe or inconclusive."""


FINAL_STATES: Final = frozenset({State.DONE, State.REFUSED, State.UNKNOWN})
"""A row in one of these states is settled; it is sent again only on request."""

USERNAME: Final = "username"
"""The column that every action needs."""

INVALID_ROW: Final = "InvalidRow"
"""The code of a row that cannot be parsed or fails validation."""

DUPLICATE_ROW: Final = "DuplicateRow"
"""The code of a row whose user has an earlier row."""

DAILY_EMAIL_LIMIT: Final = "DailyEmailLimit"
"""The code of a row that waits because the account reached its daily e-mail limit."""

INTERRUPTED: Final = "Interrupted"
"""The code of a row that was in flight when the job was killed."""


@frozen
class Row:
    """A row of a source. Its repr shows no values.

    Attributes:
        line: The line number in a file, or the position in any other source, from 1.
        values: The values by column; empty if the row is invalid.
        error: Why the row is invalid; None if it is valid.
    """

    __module__ = "cognito_async.bulk"

    line: int
    values: Mapping[str, str] = field(repr=False)
    error: str | None = None


@frozen(kw_only=True)
class Outcome:
    """The state of a row, as recorded in the journal and as yielded by ``Job.run``.

    Attributes:
        line: The line number or position, from 1.
        username: The user; empty if the row could not be parsed.
        state: The state. ``Job.run`` yields DONE, REFUSED, UNKNOWN and DEFERRED.
        code: The service's error code, ``"InvalidRow"``, ``"DuplicateRow"``, ``"DailyEmailLimit"``, ``"Interrupted"``
            or the name of an error class; None if there was no error.
        reason: The error message, without secrets; None if there was no error.
        attempts: The number of requests sent in this run.
        due: When a deferred row is tried again, in seconds since 1970; None if it is not deferred.
        ambiguous: Whether an earlier request may have been applied.
        deferrals: How often the row was deferred by a limit of its user.
    """

    __module__ = "cognito_async.bulk"

    line: int
    username: str
    state: State
    code: str | None = None
    reason: str | None = None
    attempts: int = 0
    due: float | None = None
    ambiguous: bool = False
    deferrals: int = 0
