"""Crash-safe bulk operations on the users of a pool, at the quota rate.

    job = Job(client, "reset", "users.csv", journal="users.journal")
    summary = await job.run_to_end()

Each name is imported on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cognito_async.bulk.actions import ACTIONS, CONFIRM, FORGOT, RESET, SIGN_OUT, Action, set_password
    from cognito_async.bulk.errors import (
        BulkError,
        JobMismatchError,
        JournalError,
        JournalInUseError,
        JournalLostError,
        SourceError,
    )
    from cognito_async.bulk.job import Job
    from cognito_async.bulk.policy import BulkPolicy
    from cognito_async.bulk.progress import Estimate, Progress, StopReason, Summary
    from cognito_async.bulk.rows import ErrorGroup, Outcome, Row, State
    from cognito_async.bulk.sources import FileSource, IterableSource, JournaledSource, PoolSource, Source, SourceInfo

__all__ = [
    "ACTIONS",
    "CONFIRM",
    "FORGOT",
    "RESET",
    "SIGN_OUT",
    "Action",
    "BulkError",
    "BulkPolicy",
    "ErrorGroup",
    "Estimate",
    "FileSource",
    "IterableSource",
    "Job",
    "JobMismatchError",
    "JournalError",
    "JournalInUseError",
    "JournalLostError",
    "JournaledSource",
    "Outcome",
    "PoolSource",
    "Progress",
    "Row",
    "Source",
    "SourceError",
    "SourceInfo",
    "State",
    "StopReason",
    "Summary",
    "set_password",
]

_NAMES = {
    "actions": "ACTIONS CONFIRM FORGOT RESET SIGN_OUT Action set_password",
    "errors": "BulkError JobMismatchError JournalError JournalInUseError JournalLostError SourceError",
    "job": "Job",
    "policy": "BulkPolicy",
    "progress": "Estimate Progress StopReason Summary",
    "rows": "ErrorGroup Outcome Row State",
    "sources": "FileSource IterableSource JournaledSource PoolSource Source SourceInfo",
}
_MODULES = {name: module for module, names in _NAMES.items() for name in names.split()}


def __dir__() -> list[str]:
    return sorted(__all__)


if not TYPE_CHECKING:  # type checkers use the imports above, so typos are errors

    def __getattr__(name: str) -> object:
        """Import a public name on first use."""
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
        return value
