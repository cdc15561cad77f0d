"""The memory of a job does not depend on the number of rows."""

import gc
import os
import sys
from contextlib import aclosing
from pathlib import Path

import pytest

from cognito_async.bulk import Job, State
from tests.support.bulk_server import JobHarness, ReceivedRequest, Reply, write_csv
from tests.support.scripted_transport import respond

ROWS = int(os.environ.get("BULK_ROWS", "10000"))
"""The number of rows; set BULK_ROWS=200000 for a longer run."""


def allocated_blocks() -> int:
    """Return the number of blocks that Python has allocated."""
    gc.collect()
    return sys.getallocatedblocks()


@pytest.mark.timeout(600)  # for the long run
@pytest.mark.parametrize("action", ["confirm", "forgot"])
async def test_job_memory_is_flat(action: str, tmp_path: Path) -> None:
    """The number of allocated blocks does not grow with the rows."""
    early = late = 0
    async with JobHarness(tmp_path) as harness:

        async def discard(request: ReceivedRequest) -> Reply:
            harness.service.requests.clear()  # not kept by the test
            return respond()

        harness.service.respond = discard
        write_csv(harness.source, ROWS)
        job: Job = harness.job(action)
        number = 0
        async with aclosing(job.run()) as outcomes:
            async for _ in outcomes:
                number += 1
                if number == ROWS // 10:
                    early = allocated_blocks()
                elif number == ROWS - ROWS // 100:
                    late = allocated_blocks()
        assert job.summary.states == {State.DONE: ROWS}
    assert late - early < ROWS // 4 + 1500
