"""The loopback server as the measures use it: started, asked for its port and its counts, ended."""

import json
import subprocess
import sys
import urllib.request
from types import TracebackType
from typing import Any, Self

from benchmarks.child import ROOT, environment


class Loopback:
    """A server process on a free port of 127.0.0.1; use it as a context manager."""

    def __init__(self, *flags: str) -> None:
        self._flags = flags
        self.url = ""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.server", *self._flags],
            env=environment(),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def stats(self) -> dict[str, int]:
        """Return how many requests came and how many were throttled."""
        return {name: int(count) for name, count in self._get("stats").items()}

    def ledger(self) -> dict[str, Any]:
        """Return what was really done.

        Under `applied` the users whose password was changed, under `messages` how many each user was sent, under
        `faults` each user's fault.
        """
        return self._get("ledger")

    def _get(self, page: str) -> dict[str, Any]:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{self.url}/{page}", timeout=10) as response:
            answer: dict[str, Any] = json.load(response)
        return answer
