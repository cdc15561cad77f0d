"""Decoding a full ListUsers page: 60 users with 8 attributes each, the same bytes for everyone."""

from benchmarks.child import ChildFailedError, answer_of
from benchmarks.contenders import AIOBOTOCORE, CAPO, OURS, contenders
from benchmarks.programs.decode import JSON_ONLY
from benchmarks.rounds import Spread
from benchmarks.server import user_page
from benchmarks.table import Table

NAMES = (AIOBOTOCORE, OURS, CAPO)
RESULTS = {AIOBOTOCORE: "dicts", OURS: "attrs classes", CAPO: "typed dicts", JSON_ONLY: "raw JSON"}


def run(*, quick: bool) -> list[Table]:
    """Measure all decoders taking turns in one process, a few processes after each other."""
    processes, blocks = (2, 5) if quick else (4, 10)
    table = Table(
        "Decoding a ListUsers page of 60 users with 8 attributes",
        f"The same {len(user_page()):,} bytes; blocks of decodes taking turns in one process, {processes} processes x "
        f"{blocks} blocks; median (lowest-highest) of the ratios taken block by block.",
        ("contender", "gives", "x aiobotocore", "us a page", "bar"),
    )
    known = contenders()
    absent = {name: why for name in NAMES if (why := known[name].absence("CognitoClient.list_users"))}
    present = [*[name for name in NAMES if name not in absent], JSON_ONLY]
    try:
        samples = [
            block
            for _ in range(processes)
            for block in answer_of("benchmarks.programs.decode", str(blocks), *present, kind=list)
        ]
    except ChildFailedError as failure:
        table.add_failed(", ".join(present), failure)
        return [table]
    for name in (*NAMES, JSON_ONLY):
        if name in absent:
            table.add(name, absent[name])
            continue
        mine = [sample[present.index(name)] for sample in samples]
        ratio = ""
        if AIOBOTOCORE in present:
            theirs = [sample[present.index(AIOBOTOCORE)] for sample in samples]
            ratio = Spread.of(a / b for a, b in zip(mine, theirs, strict=True)).show()
        bar = "<= 0.50 x" if name == OURS else ""
        table.add(name, RESULTS[name], ratio, f"{Spread.of(mine).median * 1e6:.0f}", bar)
    return [table]
