"""Import cognito_async and nothing else; print how long that took and which heavy libraries came along."""
# ruff: noqa: PLC0415 - an import is what is measured

import sys
import time

HEAVY = ("aiohttp", "attr", "attrs", "cattrs", "botocore", "asyncio", "json")


def main() -> None:
    """Import, look, print."""
    before = set(sys.modules)
    wall, cpu = time.perf_counter(), time.process_time()
    import cognito_async  # noqa: F401

    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    came = sorted(set(sys.modules) - before)
    loaded = [name for name in HEAVY if name in came]

    import json

    print(json.dumps({"wall": wall, "cpu": cpu, "modules": len(came), "heavy": loaded}))


if __name__ == "__main__":
    main()
