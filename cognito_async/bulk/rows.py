"""What goes into a job and what comes out: rows, their states, and what became of them."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from attrs import field, frozen


class State(StrEnum):
    """What is known of a row."""

    PLANNED = "planned"
    """Nothing was sent for it."""
    SENT = "sent"
    """A request is, or was when the job was killed, on its way."""
    DONE = "done"
    """The service did it."""
    REFUSED = "refused"
    """It can't be done as it stands: the service refused it, or it broke a rule before anything was sent."""
    DEFERRED = "deferred"
    """It is tried again later."""
    UNKNOWN = "unknown"
    """The service may or may not have done it, and asking again would not tell or would do harm."""


FINAL = frozenset({State.DONE, State.REFUSED, State.UNKNOWN})
"""The states that stay."""

USERNAME: Final = "username"
"""The column that every action needs."""

INVALID: Final = "InvalidRow"
"""The code of a row that breaks a rule, or can't be read."""

DUPLICATE: Final = "DuplicateRow"
"""The code of a row whose user has come before."""

DAILY_EMAIL: Final = "DailyEmailLimit"
"""The code of a row that waits because the pool has sent its e-mail for the day."""

INTERRUPTED: Final = "Interrupted"
"""The code of a row that was on its way when the job was killed."""


@frozen
class Row:
    """One row of a source. Its repr shows no values.

    Attributes:
        line: Its line in a file, or its place in any other source, from 1.
        values: Its values by column.
        fault: Why it can't be read; None if it can.
    """

    line: int
    values: Mapping[str, str] = field(repr=False)
    fault: str | None = None


@frozen(kw_only=True)
class Outcome:
    """What became of a row.

    Attributes:
        line: Its line or place, from 1.
        username: The user; empty where the row could not be read.
        state: DONE, REFUSED, UNKNOWN, or DEFERRED for a row that is tried again later.
        code: The kind of trouble: the service's error code, ``"InvalidRow"``, ``"DuplicateRow"``,
            ``"DailyEmailLimit"``, ``"Interrupted"`` or the name of an error class; None where it was done.
        reason: What happened, in a sentence that holds no secret; None where it was done.
        attempts: How many requests were sent for it in this run.
        due: When it is tried again, in seconds since 1970; None where it isn't.
        ambiguous: Whether a request for it may have been applied although no answer said so.
        deferrals: How often it was put off because of what the service allows a user.
    """

    line: int
    username: str
    state: State
    code: str | None = None
    reason: str | None = None
    attempts: int = 0
    due: float | None = None
    ambiguous: bool = False
    deferrals: int = 0
