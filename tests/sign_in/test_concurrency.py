"""Many sign-ins at the same time in one event loop."""

import asyncio
from collections import Counter
from collections.abc import Generator

from cognito_async.sign_in import srp_exchange


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
    assert not srp_exchange._TURNS


async def test_run_prefers_proofs_to_the_start_of_more_exchanges() -> None:
    """If all of many sign-ins started first, the service would reject the last proofs as late."""
    finished: list[str] = []

    def computation(name: str) -> Generator[None, None, None]:
        yield
        finished.append(name)

    starts = [srp_exchange.run(computation("start"), starts_exchange=True) for _ in range(3)]
    proofs = [srp_exchange.run(computation("proof")) for _ in range(3)]
    await asyncio.gather(*starts, *proofs)
    assert finished == ["start", *["proof"] * 3, *["start"] * 2]
    assert not srp_exchange._TURNS
