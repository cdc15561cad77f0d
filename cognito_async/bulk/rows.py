"""Rows of a job and their recorded state."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final

from attrs import field, frozen


class State(StrEnum):
    """The state of a row."""

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


# A row in one of these states is settled; it is sent again only on request.
FINAL_STATES: Final = frozenset({State.DONE, State.REFUSED, State.UNKNOWN})

USERNAME: Final = "username"  # the column that every action needs

# Codes of this library.
INVALID_ROW: Final = "InvalidRow"  # it cannot be parsed or fails validation
DUPLICATE_ROW: Final = "DuplicateRow"  # its user has an earlier row
DAILY_EMAIL_LIMIT: Final = "DailyEmailLimit"  # it waits because the account reached its limit of messages
INTERRUPTED: Final = "Interrupted"  # it was in flight when the job was killed

# Control characters, and characters that Unicode calls default ignorable: zero-width, bidirectional and the like.
_INVISIBLE: Final = re.compile(
    "[\0-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff]"
)
_WHITESPACE: Final = re.compile(r"\s")


def username_error(username: str) -> str | None:
    """Return why a username is invalid; None if it contains neither invisible characters nor whitespace."""
    if found := _INVISIBLE.search(username):
        return f"username contains an invisible character (U+{ord(found[0]):04X})"
    if found := _WHITESPACE.search(username):
        return f"username contains whitespace (U+{ord(found[0]):04X}); remove it"
    return None


def username_key(username: str, *, case_sensitive: bool = False) -> str:
    """Return the same text for all spellings of a username: of upper and lower case, and of composed characters."""
    if username.isascii():
        return username if case_sensitive else username.lower()
    key = unicodedata.normalize("NFD", username)
    return key if case_sensitive else unicodedata.normalize("NFD", key.casefold())


class Values(dict[str, str]):
    """The values of a row by column. The repr shows the columns only, because values can be passwords and codes."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self)})"


def _stripped(values: Mapping[str, str]) -> Values:
    return Values((column, value.strip()) for column, value in values.items())


@frozen
class Row:
    """A row of a source. Its repr shows no values."""

    line: int
    """The line number in a file, or the position in any other source, from 1."""
    values: Mapping[str, str] = field(repr=False, converter=_stripped)
    """The values by column, without surrounding whitespace; empty if the row is invalid."""
    error: str | None = None
    """Why the row is invalid; None if it is valid."""


@frozen(kw_only=True)
class Outcome:
    """The state of a row, as recorded in the journal and as yielded by ``Job.run``."""

    line: int
    """The line number or position, from 1."""
    username: str
    """The user; empty if the row could not be parsed."""
    state: State
    """The state. ``Job.run`` yields DONE, REFUSED, UNKNOWN and DEFERRED."""
    code: str | None = None
    """The service's error code, ``"InvalidRow"``, ``"DuplicateRow"``, ``"DailyEmailLimit"``, ``"Interrupted"`` or the
    name of an error class; None if there was no error."""
    reason: str | None = None
    """The error message, without secrets; None if there was no error."""
    attempts: int = 0
    """The number of requests sent in this run."""
    due: float | None = None
    """When a deferred row is tried again, in seconds since 1970; None if it is not deferred."""
    ambiguous: bool = False
    """Whether an earlier request may have been applied."""
    deferrals: int = 0
    """How often the row was deferred by a limit of its user."""


@frozen(kw_only=True)
class ErrorGroup:
    """Rows with the same state and error code, and with reasons of the same kind."""

    state: State
    code: str
    reason: str | None
    """The reason of the first row."""
    rows: int
    """The number of rows."""


def count_kinds(errors: Iterable[ErrorGroup]) -> Counter[tuple[State, str]]:
    """Return the number of rows with an error, by state and code."""
    kinds: Counter[tuple[State, str]] = Counter()
    for group in errors:
        kinds[group.state, group.code] += group.rows
    return kinds
