"""Bulk jobs: something done to each user of a list, at the edge of the quota, with nothing lost.

    job = Job(client, "reset", "users.csv", journal="users.journal")
    summary = await job.run_to_end()

Each name is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cognito_async.bulk.actions import ACTIONS as ACTIONS
    from cognito_async.bulk.actions import CONFIRM as CONFIRM
    from cognito_async.bulk.actions import FORGOT as FORGOT
    from cognito_async.bulk.actions import RESET as RESET
    from cognito_async.bulk.actions import SIGN_OUT as SIGN_OUT
    from cognito_async.bulk.actions import Action as Action
    from cognito_async.bulk.actions import set_password as set_password
    from cognito_async.bulk.errors import BulkError as BulkError
    from cognito_async.bulk.errors import JobMismatchError as JobMismatchError
    from cognito_async.bulk.errors import JournalError as JournalError
    from cognito_async.bulk.errors import JournalInUseError as JournalInUseError
    from cognito_async.bulk.errors import SourceError as SourceError
    from cognito_async.bulk.files import FileSource as FileSource
    from cognito_async.bulk.job import Job as Job
    from cognito_async.bulk.policy import BulkPolicy as BulkPolicy
    from cognito_async.bulk.progress import Ending as Ending
    from cognito_async.bulk.progress import Estimate as Estimate
    from cognito_async.bulk.progress import Progress as Progress
    from cognito_async.bulk.progress import Summary as Summary
    from cognito_async.bulk.rows import Outcome as Outcome
    from cognito_async.bulk.rows import Row as Row
    from cognito_async.bulk.rows import State as State
    from cognito_async.bulk.source import Extent as Extent
    from cognito_async.bulk.source import IterableSource as IterableSource
    from cognito_async.bulk.source import KnownRows as KnownRows
    from cognito_async.bulk.source import PoolSource as PoolSource
    from cognito_async.bulk.source import Source as Source

_HOME = {
    **dict.fromkeys(("ACTIONS", "CONFIRM", "FORGOT", "RESET", "SIGN_OUT", "Action", "set_password"), "actions"),
    **dict.fromkeys(("BulkError", "JobMismatchError", "JournalError", "JournalInUseError", "SourceError"), "errors"),
    **dict.fromkeys(("Ending", "Estimate", "Progress", "Summary"), "progress"),
    **dict.fromkeys(("Outcome", "Row", "State"), "rows"),
    **dict.fromkeys(("Extent", "IterableSource", "KnownRows", "PoolSource", "Source"), "source"),
    "BulkPolicy": "policy",
    "FileSource": "files",
    "Job": "job",
}


def __dir__() -> list[str]:
    return sorted(_HOME)


if not TYPE_CHECKING:  # the checkers see the imports above, and so each misspelt name

    def __getattr__(name: str) -> object:
        """Import a public name, and keep it here from then on."""
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
        return value
