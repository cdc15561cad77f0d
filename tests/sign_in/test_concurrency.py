"""Many sign-ins at the same time in one event loop."""

import asyncio
from collections import Counter
from collections.abc import Generator

import pytest

from cognito_async.protocol.srp import Ephemeral
from cognito_async.sign_in import srp_exchange
from cognito_async.sign_in.user_input import Secret


async def test_run_of_many_computations_runs_one_slice_in_each_turn_of_the_loop() -> None:
    """So that other tasks wait for one slice, not for one of each sign-in."""
    turn = 0
    slices: Counter[int] = Counter()

    def computation() -> Generator[None, None, None]:
        for _ in range(20):
            slices[turn] += 1
            yield

    async def count_turns() -> None:
        nonlocal turn
        while True:
            await asyncio.sleep(0)
            turn += 1

    counter = asyncio.create_task(count_turns())
    await asyncio.gather(*(srp_exchange.run(computation()) for _ in range(10)))
    counter.cancel()
    assert slices.total() == 200
    assert max(slices.values()) <= 2  # the counter and the computation may run in either order within a turn
    assert not srp_exchange._QUEUES


async def test_computation_that_starts_later_waits_for_those_before() -> None:
    """Also if another one has ended since."""
    slices: list[str] = []

    def computation(name: str, number: int) -> Generator[None, None, None]:
        for _ in range(number):
            slices.append(name)
            yield

    first = asyncio.create_task(srp_exchange.run(computation("first", 1)))
    second = asyncio.create_task(srp_exchange.run(computation("second", 5)))
    await first
    await srp_exchange.run(computation("third", 1))
    await second
    assert slices == ["first", *["second"] * 5, "third"]


async def test_run_prefers_proofs_to_the_start_of_more_exchanges(monkeypatch: pytest.MonkeyPatch) -> None:
    """If all of many sign-ins started first, the service would reject the last proofs as late."""
    finished: list[str] = []
    pair = Ephemeral(private=1, public=2)

    def computation(name: str) -> Generator[None, None, Ephemeral]:
        yield
        finished.append(name)
        return pair

    monkeypatch.setattr(srp_exchange, "ephemeral", lambda _: computation("start"))
    starts = [srp_exchange.start_exchange("PASSWORD_VERIFIER", "pool", Secret("password")) for _ in range(3)]
    proofs = [srp_exchange.run(computation("proof")) for _ in range(3)]
    await asyncio.gather(*starts, *proofs)
    assert finished == ["start", *["proof"] * 3, *["start"] * 2]
    assert not srp_exchange._QUEUES
