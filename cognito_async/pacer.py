"""Lets requests wait for their turn: first come, first served, in one lane for each quota category."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from typing import Protocol

from cognito_async.deadline import Deadline
from cognito_async.errors import PaceTimeoutError
from cognito_async.protocol.operation import Operation
from cognito_async.protocol.pacing import Pace

UNPUBLISHED_RATE = 10.0
SHORTEST_TIMER = 0.001


class Lane(Protocol):
    """One category's budget, as a call uses it. Another implementation may share it between processes."""

    @property
    def rate(self) -> float | None:
        """Requests a second; None while nothing limits them."""
        ...

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        ...

    async def enter(self, time_left: float, told: Callable[[float], None]) -> None:
        """Wait for the right to one request.

        Args:
            time_left: How long the caller can wait, in seconds; infinite for as long as it takes.
            told: Called with the expected wait in seconds if there is one.

        Raises:
            PaceTimeoutError: The turn would not come in time.
        """
        ...

    def leave(self) -> None:
        """Give back a right that was not used."""
        ...

    def answered(self) -> None:
        """Note that the service took a request."""
        ...

    def throttled(self) -> None:
        """Note that the service refused a request for being one too many."""
        ...


class Pacer(Protocol):
    """Gives each operation its lane."""

    def lane(self, operation: Operation) -> Lane:
        """Give the lane of an operation's quota category."""
        ...

    def lanes(self) -> Mapping[str, Lane]:
        """Give the lanes that were used, by category."""
        ...


class LocalLane:
    """A category's budget within one session."""

    def __init__(self, category: str, told: float | None) -> None:
        """Take the category, and its rate if one was told."""
        self._category = category
        self._pace: Pace | None = None if told is None else Pace(told, told)
        self._turns: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def rate(self) -> float | None:
        """Requests a second; None while nothing limits them."""
        return None if self._pace is None else self._pace.rate

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return len(self._turns)

    async def enter(self, time_left: float, told: Callable[[float], None]) -> None:
        """Wait for the right to one request; see Lane."""
        pace = self._pace
        if pace is None:
            return
        loop = asyncio.get_running_loop()
        if not self._turns and pace.take(loop.time()):
            return
        wait = pace.wait(loop.time(), ahead=len(self._turns))
        if wait >= time_left:
            raise self._too_late(wait)
        told(wait)
        turn: asyncio.Future[None] = loop.create_future()
        self._turns.append(turn)
        self._arm()
        try:
            with Deadline(time_left if time_left < float("inf") else None):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self.leave()
            elif turn in self._turns:
                turn.cancel()
                self._turns.remove(turn)
            if isinstance(error, TimeoutError):
                raise self._too_late(wait) from None
            raise

    def leave(self) -> None:
        """Give back a right that was not used."""
        if self._pace is not None:
            self._pace.give_back()
            self._serve()

    def answered(self) -> None:
        """Note that the service took a request."""
        if self._pace is not None:
            self._pace.answered(asyncio.get_running_loop().time())

    def throttled(self) -> None:
        """Note that the service refused a request for being one too many; from the first time on there is a pace."""
        if self._pace is None:
            from cognito_async.operations.facts import PUBLISHED  # noqa: PLC0415 - only once a service throttles

            self._pace = Pace(PUBLISHED.get(self._category, UNPUBLISHED_RATE))
        self._pace.throttled(asyncio.get_running_loop().time())

    def _too_late(self, wait: float) -> PaceTimeoutError:
        return PaceTimeoutError(
            f"the turn in quota category {self._category} comes in {wait:.3g} s at {self.rate:.3g} requests a second, "
            "which is past the call's time limit",
            sent=False,
        )

    def _arm(self) -> None:
        if self._timer is None and self._turns and self._pace is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(self._pace.wait(loop.time()), SHORTEST_TIMER), self._ring)

    def _ring(self) -> None:
        self._timer = None
        self._serve()

    def _serve(self) -> None:
        """Let those go whose turn it is."""
        now = asyncio.get_running_loop().time()
        while self._turns and self._pace is not None:
            if self._turns[0].done():  # cancelled, and its task has not come to say so yet
                self._turns.popleft()
            elif self._pace.take(now):
                self._turns.popleft().set_result(None)
            else:
                break
        self._arm()


class LocalPacer:
    """The lanes of one session."""

    def __init__(self, told: Mapping[str, float]) -> None:
        """Take the told rates by category; the others are found out."""
        self._told = told
        self._lanes: dict[str, LocalLane] = {}

    def lane(self, operation: Operation) -> LocalLane:
        """Give the lane of an operation; one whose category AWS does not publish has its own."""
        category = operation.category or operation.name
        lane = self._lanes.get(category)
        if lane is None:
            lane = self._lanes[category] = LocalLane(category, self._told.get(category))
        return lane

    def lanes(self) -> Mapping[str, LocalLane]:
        """Give the lanes that were used, by category."""
        return self._lanes
