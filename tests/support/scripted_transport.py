"""A transport that returns scripted responses, and sessions that use it."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from itertools import pairwise
from typing import Any

from attrs import frozen
from multidict import CIMultiDict

from cognito_async import AsyncCognitoSession, CognitoClient, RetryPolicy, Timeouts, Transport
from cognito_async.protocol.wire import HttpRequest, HttpResponse
from tests.support.clocks import now


@frozen(kw_only=True)
class Attempt:
    """An attempt as the transport received it."""

    url: str
    """The URL."""

    headers: Mapping[str, str]
    """The headers at that time."""

    body: bytes
    """The body."""

    at: float
    """The loop's time since the start of the virtual clock."""

    connect_timeout: float | None
    """The connect timeout of the request."""

    @property
    def json(self) -> Any:
        """The parsed body."""
        return json.loads(self.body)


Step = HttpResponse | BaseException | Callable[[HttpRequest], Awaitable[HttpResponse]]


class ScriptedTransport:
    """A transport that responds with one step of its script per attempt."""

    def __init__(self, *script: Step) -> None:
        self.script: list[Step] = list(script)
        self.attempts: list[Attempt] = []
        self.closed = 0

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Run the next step."""
        self.attempts.append(
            Attempt(
                url=request.url,
                headers=dict(request.headers),
                body=request.body,
                at=now(),
                connect_timeout=request.connect_timeout,
            )
        )
        assert self.script, "more attempts than steps in the script"
        step = self.script.pop(0)
        if isinstance(step, BaseException):
            raise step
        return step if isinstance(step, HttpResponse) else await step(request)

    async def close(self) -> None:
        """Count the call."""
        self.closed += 1

    @property
    def pauses(self) -> list[float]:
        """The time between attempts in seconds; equals the backoff if responses take no time."""
        times = [attempt.at for attempt in self.attempts]
        return [later - earlier for earlier, later in pairwise(times)]


def respond(status: int = 200, body: bytes = b"{}", headers: Mapping[str, str] | None = None) -> HttpResponse:
    """Return a response."""
    return HttpResponse(status, CIMultiDict({"x-amzn-RequestId": "r-1", **(headers or {})}), body)


def refuse(code: str, message: str = "no", status: int = 400, **headers: str) -> HttpResponse:
    """Return an error of the service; underscores in header names stand for hyphens."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return respond(status, json.dumps({"__type": code, "message": message}).encode(), given)


def hang(*, sent: bool | None = True, status: int | None = None) -> Step:
    """Return a step that never ends, and reports the given state when it is cancelled."""

    async def wait(_: HttpRequest) -> HttpResponse:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError as error:
            error.sent, error.status = sent, status  # type: ignore[attr-defined]  # see Transport.send
            raise
        raise AssertionError("unreachable")

    return wait


def take(seconds: float, response: HttpResponse) -> Step:
    """Return a step that takes some (virtual) seconds."""

    async def wait(_: HttpRequest) -> HttpResponse:
        await asyncio.sleep(seconds)
        return response

    return wait


def scripted_session(
    transport: Transport,
    *,
    retry: RetryPolicy | None = None,
    timeouts: Timeouts | None = None,
    random: Callable[[], float] = lambda: 1.0,
    **options: Any,
) -> AsyncCognitoSession:
    """Open a session on a scripted transport, with the longest backoff that the jitter allows."""
    region = options.pop("region", "eu-west-1")
    return AsyncCognitoSession(region, transport=transport, retry=retry, timeouts=timeouts, random=random, **options)


def reset(client: CognitoClient, **changes: Any) -> Coroutine[Any, Any, None]:
    """Call confirm_forgot_password; each argument can be changed."""
    arguments = {"username": "ada", "confirmation_code": "123456", "password": "correct horse", **changes}
    return client.confirm_forgot_password(**arguments)
