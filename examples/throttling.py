"""A proxy with a rate limit, since the local user pool has none."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Self

from aiohttp import ClientSession, web

TARGET = "X-Amz-Target"
THROTTLED = json.dumps({"__type": "TooManyRequestsException", "message": "Too many requests"})


class ThrottlingProxy:
    """Forward requests up to a rate, and refuse the others as Amazon Cognito does."""

    def __init__(self, target_url: str, *, rate: float, burst: int) -> None:
        """Create a proxy; it listens inside its `async with` block.

        Args:
            target_url: URL of the service.
            rate: Requests per second.
            burst: Requests that may follow each other without delay.
        """
        self._target_url = target_url
        self._rate = rate
        self._burst = burst
        self._available = float(burst)
        self._filled_at = 0.0
        self._client: ClientSession | None = None
        application = web.Application()
        application.router.add_post("/", self._handle)
        self._runner = web.AppRunner(application)
        self.passed: Counter[str] = Counter()
        """Number of forwarded requests, by operation."""

        self.throttled: int = 0
        """Number of refused requests."""

        self.on_passed: Callable[[], None] | None = None
        """Called after each forwarded request; None for no call."""

    @property
    def url(self) -> str:
        """Return the URL that the proxy listens on."""
        host, port, *_ = self._runner.addresses[0]
        return f"http://{host}:{port}"

    async def __aenter__(self) -> Self:
        self._client = ClientSession()
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._runner.cleanup()
        if self._client is not None:
            await self._client.close()

    async def _handle(self, request: web.Request) -> web.Response:
        if not self._take_token():
            self.throttled += 1
            return web.Response(status=400, text=THROTTLED, content_type="application/x-amz-json-1.1")
        headers = {name: value for name, value in request.headers.items() if name.lower() != "host"}
        body = await request.read()
        if self._client is None:
            raise web.HTTPServiceUnavailable
        async with self._client.post(self._target_url, data=body, headers=headers) as response:
            content = await response.read()
        self.passed[request.headers.get(TARGET, "").rpartition(".")[2]] += 1
        if self.on_passed is not None:
            self.on_passed()
        return web.Response(status=response.status, body=content, content_type=response.content_type)

    def _take_token(self) -> bool:
        """Take a token from the bucket; return False if it is empty."""
        now = asyncio.get_running_loop().time()
        self._available = min(self._available + (now - self._filled_at) * self._rate, self._burst)
        self._filled_at = now
        if self._available < 1:
            return False
        self._available -= 1
        return True
