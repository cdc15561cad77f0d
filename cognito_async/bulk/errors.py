"""What a job itself can fail with; what single rows fail with is in their outcomes."""

from cognito_async.errors import CognitoError


class BulkError(CognitoError):
    """Base of what stops a job before its end; nothing is lost, and the message says how to go on."""


class SourceError(BulkError, ValueError):
    """The input can't be used: it is not there, is empty, lacks a column, or holds a bad row under ``strict``.

    Attributes:
        line: The line that it is about, from 1; None where it is about all of it.
    """

    def __init__(self, message: str, *, line: int | None = None) -> None:
        super().__init__(message)
        self.line: int | None = line


class JournalError(BulkError, OSError):
    """The journal can't be read or written: no permission, a full disk, another kind of file."""


class JournalInUseError(JournalError):
    """Another process works on the job; only one may."""


class JobMismatchError(BulkError, ValueError):
    """The journal belongs to another job: another action, user pool or app client, or an input that has changed."""
