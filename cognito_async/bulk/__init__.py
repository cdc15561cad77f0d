"""Crash-safe bulk operations on the users of a pool, at the quota rate.

job = Job(client, "reset", "users.csv", journal="users.journal")
summary = await job.run_to_end()
"""

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

# fmt: off
__all__ = [
    "ACTIONS", "CONFIRM", "FORGOT", "RESET", "SIGN_OUT", "Action", "BulkError", "BulkPolicy", "ErrorGroup",
    "Estimate", "FileSource", "IterableSource", "Job", "JobMismatchError", "JournalError", "JournalInUseError",
    "JournalLostError", "JournaledSource", "Outcome", "PoolSource", "Progress", "Row", "Source", "SourceError",
    "SourceInfo", "State", "StopReason", "Summary", "set_password",
]
# fmt: on

for _name in __all__:  # classes belong to the package that exports them, for tracebacks and reprs
    if isinstance(globals()[_name], type):
        globals()[_name].__module__ = __name__
