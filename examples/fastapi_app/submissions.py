"""Forms that are sent twice: the second click gets the answer to the first, whether that is there already or not.

Without this a second click on "Set the new password" would be told that the code is wrong: the first has used it up.
"""

import asyncio
import hmac
import secrets
from collections.abc import Awaitable, Callable, Iterable

from cognito_async import AmbiguousOutcomeError, CognitoError

from .stores import MemoryStore

_MOST = 10_000
_SECONDS = 60.0

Outcome = CognitoError | None
"""What came of a form: the error that it was refused with, or None if it worked."""

Work = Callable[[], Awaitable[object]]
"""Does what a form asks for, or raises a CognitoError."""


class Submissions:
    """What came of the forms that were sent a moment ago."""

    def __init__(self) -> None:
        self._running: MemoryStore[asyncio.Task[Outcome]] = MemoryStore(most=_MOST, seconds=_SECONDS)
        # What was typed is remembered only as a digest, whose key lives no longer than this process.
        self._key = secrets.token_bytes(32)

    def name(self, *parts: str) -> str:
        """Name a form by who sent it and what is in it.

        Args:
            *parts: The visitor, the form, and all that was typed into it.

        Returns:
            A name that tells none of it.
        """
        return hmac.digest(self._key, _joined(parts), "sha256").hex()

    async def once(self, name: str, work: Work, seconds: float) -> Outcome:
        """Do what a form asks for, unless that is being done, or was done a moment ago.

        What was refused may be tried again at once. What worked is not repeated, nor is what may have worked.

        Args:
            name: The form, by its name.
            work: Does it.
            seconds: How long the outcome stands for the same form.

        Returns:
            What came of it, now or before.
        """
        task = self._running.get(name)
        if task is None:
            task = asyncio.create_task(self._do(name, work))
            self._running.put(name, task, seconds=seconds)
        return await asyncio.shield(task)  # one visitor who leaves does not take it from the other click

    async def _do(self, name: str, work: Work) -> Outcome:
        done = False
        try:
            outcome = await outcome_of(work)
            done = outcome is None or isinstance(outcome, AmbiguousOutcomeError)
            return outcome
        finally:
            if not done:
                self._running.drop(name)


async def outcome_of(work: Work) -> Outcome:
    """Do what a form asks for.

    Args:
        work: Does it.

    Returns:
        The error that it ended in; None if it worked.
    """
    try:
        await work()
    except CognitoError as error:
        return error
    return None


def _joined(parts: Iterable[str]) -> bytes:
    """Join texts so that no two lists of them look the same."""
    return b"".join(b"%d:%b" % (len(data), data) for data in (part.encode() for part in parts))
