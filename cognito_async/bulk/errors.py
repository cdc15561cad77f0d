"""Errors of a job as a whole. Errors of single rows are recorded in their outcomes."""

from cognito_async.errors import CognitoError


class BulkError(CognitoError):
    """Base class of errors that end a job early. The journal stays valid; the message says how to continue."""


class SourceError(BulkError, ValueError):
    """The source is missing, empty or unreadable, changed, lacks a column, or has an invalid row under ``strict``."""

    def __init__(self, message: str, *, line: int | None = None) -> None:
        super().__init__(message)
        self.line: int | None = line
        """The line number, from 1; None if the error concerns the whole source."""


class JournalError(BulkError, OSError):
    """The journal cannot be read or written, for example because the disk is full or it is another kind of file."""


class JournalLostError(JournalError):
    """The journal was deleted or replaced while the job was running. Nothing more was sent."""


class JournalInUseError(JournalError):
    """Another process uses the journal."""


class JobMismatchError(BulkError, ValueError):
    """The journal belongs to another job: another action, user pool, app client or input."""

    def __init__(self, message: str, *, repeats: int = 0) -> None:
        super().__init__(message)
        self.repeats: int = repeats
        """If the input changed, the number of users for whom a new journal would repeat the action; otherwise 0."""
