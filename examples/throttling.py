"""A proxy that throttles as Amazon Cognito does, for the user pool on this machine, which never would."""

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
    """Passes requests on, so many a second; those that are too many are refused as the service refuses them.

    Attributes:
        passed: How many requests were passed on, by operation.
        throttled: How many were refused.
        on_passed: Called after each request that was passed on; None for nobody.
    """

    def __init__(self, target_url: str, *, rate: float, burst: int) -> None:
        """Say where requests go.

        Args:
            target_url: The service.
            rate: How many requests a second may pass.
            burst: How many may pass at once after a quiet time.
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
        self.throttled: int = 0
        self.on_passed: Callable[[], None] | None = None

    @property
    def url(self) -> str:
        """Return the address that it answers on."""
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
        if not self._takes():
            self.throttled += 1
            return web.Response(status=400, text=THROTTLED, content_type="application/x-amz-json-1.1")
        kept = {name: value for name, value in request.headers.items() if name.lower() != "host"}
        body = await request.read()
        if self._client is None:
            raise web.HTTPServiceUnavailable
        async with self._client.post(self._target_url, data=body, headers=kept) as answer:
            content = await answer.read()
        self.passed[request.headers.get(TARGET, "").rpartition(".")[2]] += 1
        if self.on_passed is not None:
            self.on_passed()
        return web.Response(status=answer.status, body=content, content_type=answer.content_type)

    def _takes(self) -> bool:
        """Take a request out of the bucket, if there is one left."""
        now = asyncio.get_running_loop().time()
        self._available = min(self._available + (now - self._filled_at) * self._rate, self._burst)
        self._filled_at = now
        if self._available < 1:
            return False
        self._available -= 1
        return True
