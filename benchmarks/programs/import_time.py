"""Import only cognito_async; print the time, the number of modules, and the large libraries that were loaded."""
# ruff: noqa: PLC0415 - the import is measured

import sys
import time

HEAVY = ("aiohttp", "attr", "attrs", "cattrs", "botocore", "asyncio", "json")


def main() -> None:
    """Import and print."""
    before = set(sys.modules)
    wall, cpu = time.perf_counter(), time.process_time()
    import cognito_async  # noqa: F401

    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    added = sorted(set(sys.modules) - before)
    loaded = [name for name in HEAVY if name in added]

    import json

    print(json.dumps({"wall": wall, "cpu": cpu, "modules": len(added), "heavy": loaded}))


if __name__ == "__main__":
    main()
