"""What a job was given, made sure of: a caller without a type checker hears at once what can't be right."""

# pyright: reportUnnecessaryIsInstance=false
# (that is what this file is for)

import os
from collections.abc import AsyncIterable, Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, cast

from cognito_async.bulk.actions import ACTIONS, Action
from cognito_async.bulk.files import FileSource
from cognito_async.bulk.policy import BulkPolicy
from cognito_async.bulk.rows import State
from cognito_async.bulk.source import IterableSource, Source
from cognito_async.errors import ParameterValidationError

JOURNAL_ENDS: Final = ("", "-wal", "-shm", "-lock")
"""How the names end of the files that a journal is made of."""

AGAIN: Final = (State.DEFERRED, State.REFUSED, State.UNKNOWN)
"""The states whose rows may be sent for once more: what is done is not repeated."""


def action_of(action: Action | str) -> Action:
    """Find the action that is meant.

    Args:
        action: The action, or its name.

    Returns:
        The action.

    Raises:
        ParameterValidationError: There is none of that name.
    """
    if isinstance(action, Action):
        return action
    if action not in ACTIONS:
        raise ParameterValidationError("action", f"must be one of {', '.join(ACTIONS)}")
    return ACTIONS[action]


def source_of(source: object) -> Source:
    """Give the source that is meant.

    Args:
        source: A path, an async iterable, or what has the members of a Source.

    Returns:
        The source.

    Raises:
        ParameterValidationError: It is none of these.
        SourceError: It can't be what it should be.
    """
    if isinstance(source, str | Path):
        return FileSource(source)
    if hasattr(source, "chunks") and hasattr(source, "extent"):
        return cast("Source", source)
    if isinstance(source, AsyncIterable):
        return IterableSource(cast("AsyncIterable[Mapping[str, str] | str]", source))
    raise ParameterValidationError("source", "must be a path, an async iterable or a Source")


def policy_of(policy: BulkPolicy | None) -> BulkPolicy:
    """Give the policy that is meant.

    Args:
        policy: The policy; None for the default.

    Returns:
        The policy.

    Raises:
        ParameterValidationError: It is none.
    """
    if policy is None:
        return BulkPolicy()
    if not isinstance(policy, BulkPolicy):
        raise ParameterValidationError("policy", "must be a BulkPolicy")
    return policy


def states_of(again: Collection[State]) -> frozenset[State]:
    """Check which rows are to be sent for once more.

    Args:
        again: Their states.

    Returns:
        The states.

    Raises:
        ParameterValidationError: Rows in one of them can't be sent for once more.
    """
    given = {again} if isinstance(again, str) else set(again)
    if not given <= set(AGAIN):
        raise ParameterValidationError("again", f"must be of {', '.join(f'State.{state.name}' for state in AGAIN)}")
    return frozenset(State(state) for state in given)


def keep_apart(journal: Path, *, passwords: Path | None, input: Path | None) -> None:  # noqa: A002 - what it is
    """Make sure that no file is asked to be two things: passwords among a journal's pages would be lost.

    Args:
        journal: The journal.
        passwords: The file for generated passwords; None where there is none.
        input: The file with the rows; None where there is none.

    Raises:
        ParameterValidationError: Two are one.
    """
    journals = [Path(f"{os.path.realpath(journal)}{end}") for end in JOURNAL_ENDS]
    if input is not None and any(_is_same(input, path) for path in journals):
        raise ParameterValidationError("journal", "must be another file than input")
    if passwords is not None and any(_is_same(passwords, path) for path in journals):
        raise ParameterValidationError("passwords", "must be another file than the journal, and what belongs to it")
    if passwords is not None and input is not None and _is_same(passwords, input):
        raise ParameterValidationError("passwords", "must be another file than input")


def _is_same(one: Path, other: Path) -> bool:
    if os.path.realpath(one) == os.path.realpath(other):
        return True
    with suppress(OSError):  # one of them is not there
        return one.samefile(other)
    return False
