"""Jobs need as much memory for many rows as for few."""

import gc
import os
import sys
from contextlib import aclosing
from pathlib import Path

import pytest

from cognito_async.bulk import Job, State
from tests.support.bulk_server import Asked, Bench, Reply, write_csv
from tests.support.scripted_transport import respond

ROWS = int(os.environ.get("BULK_ROWS", "10000"))
"""Set it to 200000 for the long run; one object kept for each row would be found either way."""


def blocks() -> int:
    """Count what Python has allocated."""
    gc.collect()
    return sys.getallocatedblocks()


@pytest.mark.timeout(600)  # for the long run
@pytest.mark.parametrize("action", ["confirm", "forgot"])
async def test_memory_does_not_grow_with_the_rows(action: str, tmp_path: Path) -> None:
    """Find as many blocks allocated after all rows as after the first tenth, and in flight no more than the limit."""
    early = late = 0
    async with Bench(tmp_path) as bench:

        async def forget(asked: Asked) -> Reply:
            bench.service.requests.clear()  # the test itself must not keep them
            return respond()

        bench.service.answer = forget
        write_csv(bench.source, ROWS)
        job: Job = bench.job(action)
        number = 0
        async with aclosing(job.run()) as outcomes:
            async for _ in outcomes:
                number += 1
                if number == ROWS // 10:
                    early = blocks()
                elif number == ROWS - ROWS // 100:
                    late = blocks()
        assert job.summary.states == {State.DONE: ROWS}
    assert late - early < ROWS // 4 + 1500
