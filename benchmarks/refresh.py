"""Many callers when tokens expire, in one process and in four that share a token file.

The service rotates refresh tokens without a retry grace period and revokes all tokens of a sign-in if a rotated refresh
token is used again, so that every superfluous refresh of another process would sign the user out.
"""

import asyncio
import json
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import web

from benchmarks.processes import ROOT, ChildFailedError, environment, last_line
from benchmarks.results import Table, with_targets
from cognito_async.tokens import FileTokenStore, Tokens

LIFETIME = 3600
TARGETS = ("1", "0", "0")


class RotatingService:
    """Refreshes the tokens of one user; each refresh token works once."""

    def __init__(self) -> None:
        self.refresh_token = "refresh-0"
        self.refreshes = 0
        self.sign_outs = 0

    async def respond(self, request: web.Request) -> web.Response:
        """Respond to GetTokensFromRefreshToken after a delay like that of the service."""
        members: dict[str, Any] = json.loads(await request.read())
        await asyncio.sleep(0.05)
        if self.sign_outs or members["RefreshToken"] != self.refresh_token:
            self.sign_outs += 1
            return web.json_response({"__type": "RefreshTokenReuseException", "message": "reused"}, status=400)
        self.refreshes += 1
        self.refresh_token = f"refresh-{self.refreshes}"
        result = {"AccessToken": f"access-{self.refreshes}", "RefreshToken": self.refresh_token, "ExpiresIn": LIFETIME}
        return web.json_response({"AuthenticationResult": result})


def refresh(*, quick: bool) -> list[Table]:
    """Let callers ask for tokens that have expired; count refreshes, failures and sign-outs."""
    table = Table(
        "Callers when the tokens expire, with refresh token rotation and without a grace period",
        "One rotation: the tokens of the file have expired, and all callers ask for an access token simultaneously. "
        "Median and worst of several rounds.",
        ("processes x callers", "refreshes", "target", "failed callers", "target", "sign-outs", "target"),
    )
    rounds = 2 if quick else 5
    for processes, callers in ((1, 1000), (4, 50)):
        name = f"{processes} x {callers:,}"
        try:
            results = [asyncio.run(one_round(processes, callers)) for _ in range(rounds)]
        except ChildFailedError as failure:
            table.add_failed(name, failure)
            continue
        columns = [sorted(column) for column in zip(*results, strict=True)]
        cells = [f"{column[len(column) // 2]} ({column[-1]})" for column in columns]
        table.add(name, *with_targets(cells, TARGETS))
    return [table]


async def one_round(processes: int, callers: int) -> tuple[int, int, int]:
    """Return the refreshes, the failed callers and the sign-outs of one rotation."""
    service = RotatingService()
    app = web.Application()
    app.router.add_post("/", service.respond)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tokens.json"
        expired = datetime.now(UTC) - timedelta(seconds=1)
        tokens = Tokens(access_token="access-0", refresh_token=service.refresh_token, expires_at=expired)
        await FileTokenStore(path).replace("default", None, tokens)
        try:
            failed = await run_processes(processes, runner.addresses[0][1], path, callers)
        finally:
            await runner.cleanup()
    return service.refreshes, failed, service.sign_outs


async def run_processes(processes: int, port: int, path: Path, callers: int) -> int:
    """Start processes, let their callers ask for tokens simultaneously, and return the number that failed."""
    command = (sys.executable, "-m", "benchmarks.programs.refresh", f"http://127.0.0.1:{port}", str(path), str(callers))
    started = [
        await asyncio.create_subprocess_exec(
            *command,
            env=environment(),
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        for _ in range(processes)
    ]
    for process in started:
        assert process.stdout is not None
        await process.stdout.readline()  # it is ready
    outputs = await asyncio.gather(*(process.communicate(b"\n") for process in started))
    for process, (_, errors) in zip(started, outputs, strict=True):
        if process.returncode != 0:
            raise ChildFailedError(last_line(errors.decode()))
    return sum(int(output) for output, _ in outputs)
