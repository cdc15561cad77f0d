"""One row from its first request to its outcome: the only place where a job sends."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final

from attrs import evolve, frozen

from cognito_async.bulk.actions import PASSWORD, Action, Values
from cognito_async.bulk.errors import JournalError
from cognito_async.bulk.halt import Halt
from cognito_async.bulk.journal import Entry
from cognito_async.bulk.judgement import Course, Ruling, next_email_day, rule
from cognito_async.bulk.passwords import new_password
from cognito_async.bulk.policy import BulkPolicy
from cognito_async.bulk.rows import Outcome, State
from cognito_async.client import CognitoClient
from cognito_async.errors import CognitoError, SessionClosedError
from cognito_async.operations.facts import IDEMPOTENCY
from cognito_async.protocol.idempotency import Idempotency
from cognito_async.protocol.retry import RetryPolicy

ONCE = RetryPolicy(max_attempts=1)
"""The job itself repeats: it has more patience than a call, and remembers what it does."""


@frozen(kw_only=True)
class Settled:
    """What a row came to.

    Attributes:
        outcome: The outcome.
        course: What ended its attempts: WAIT where it waited for as long as it may; None where it was done, or was told
            to stop.
        password: The password that was made for it and that the service took; None where none was.
    """

    outcome: Outcome
    course: Course | None = None
    password: str | None = None


class Attempts:
    """Sends for rows until each is settled, with the patience of a policy."""

    def __init__(
        self,
        client: CognitoClient,
        action: Action,
        policy: BulkPolicy,
        *,
        halt: Halt,
        wall_clock: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        """Take what to send with, what to do, and how patiently.

        Args:
            client: The client.
            action: The action.
            policy: The patience.
            halt: Tells when rows that wait are to give up.
            wall_clock: Gives the time in seconds since 1970.
            random: Gives random numbers in [0, 1).
        """
        self._client = client.with_options(retry=ONCE)
        self._action = action
        self._idempotency: Idempotency = IDEMPOTENCY[action.operation.name]
        self._policy = policy
        self._halt = halt
        self._wall_clock = wall_clock
        self._random = random
        self.trouble: Ruling | None = None
        """What a row waits for at present; None while all is well."""

    async def settle(self, entry: Entry, values: Values, before: Callable[[], Awaitable[object]]) -> Settled:
        """Send for a row until it is settled, or until it has waited for as long as it may.

        Args:
            entry: What the journal knows of it.
            values: What its source says.
            before: Awaited before each request leaves.

        Returns:
            What it came to; PLANNED again where the job has to stop first.
        """
        time = asyncio.get_running_loop().time
        give_up = time() + self._policy.patience
        line, username, ambiguous = entry.line, entry.username, entry.ambiguous
        attempts = repeats = 0
        while True:
            attempts += 1
            ruling, password = await self._attempt(values, before, ambiguous=ambiguous)
            if ruling is None:
                self.trouble = None
                outcome = Outcome(
                    line=line, username=username, state=State.DONE, attempts=attempts, deferrals=entry.deferrals
                )
                return Settled(outcome=outcome, password=password)
            ambiguous = ambiguous or ruling.course in {Course.REPEAT, Course.DOUBT}
            outcome = Outcome(
                line=line, username=username, state=State.PLANNED, code=ruling.code, reason=ruling.reason,
                attempts=attempts, ambiguous=ambiguous, deferrals=entry.deferrals,
            )  # fmt: skip
            repeats += ruling.course is Course.REPEAT
            again = ruling.course is Course.REPEAT and repeats <= self._policy.settle_attempts
            if ruling.course is not Course.WAIT and not again:
                return self._settled(outcome, ruling.course)
            self.trouble = ruling
            delay = self._policy.backoff.delay(ruling.kind, attempts, self._random(), ruling.retry_after)
            if time() + delay > give_up:
                return Settled(outcome=outcome, course=Course.WAIT)
            if await self._halt.within(delay):
                return Settled(outcome=outcome)

    async def _attempt(
        self, values: Values, before: Callable[[], Awaitable[object]], *, ambiguous: bool
    ) -> tuple[Ruling | None, str | None]:
        """Send once: give the ruling, None where it was done, and the password that was made up, if any."""
        password = new_password() if self._action.generates else None
        given = values if password is None else {**values, PASSWORD: password}
        try:
            await self._client.send(self._action.request(given), before=before)
        except JournalError:
            raise  # about the job, and no row
        except SessionClosedError as error:
            self._halt.fail(error)  # about the program, and no row
            return rule(error, self._idempotency, ambiguous=ambiguous), None
        except CognitoError as error:
            return rule(error, self._idempotency, ambiguous=ambiguous), None
        return None, password

    def _settled(self, outcome: Outcome, course: Course) -> Settled:
        """Give the outcome of a course that ends a row's attempts."""
        if course is Course.DEFER and outcome.deferrals < self._policy.max_deferrals:
            due = self._wall_clock() + self._policy.deferred_for(outcome.deferrals, self._random())
            outcome = evolve(outcome, state=State.DEFERRED, due=due, deferrals=outcome.deferrals + 1)
        elif course is Course.PAUSE:
            due = next_email_day(datetime.fromtimestamp(self._wall_clock(), UTC)).timestamp()
            outcome = evolve(outcome, state=State.DEFERRED, due=due)
        else:
            outcome = evolve(outcome, state=_STATES[course])
        return Settled(outcome=outcome, course=course)


_STATES: Final = {
    Course.REFUSE: State.REFUSED,
    Course.DEFER: State.REFUSED,  # it was put off as often as may be
    Course.DOUBT: State.UNKNOWN,
    Course.REPEAT: State.UNKNOWN,  # it was repeated as often as may be
    Course.BLAME: State.PLANNED,
    Course.STOP: State.PLANNED,
}
