"""What the tests share: clocks that cost no time, a transport that answers as told, and a clean environment."""

import asyncio
import inspect
import json
import os
import selectors
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any
from unittest.mock import Mock

import aiohttp
import pytest
from aioresponses import aioresponses
from attrs import frozen
from hypothesis import settings
from multidict import CIMultiDict

from cognito_async import AsyncCognitoSession, CognitoClient, RetryPolicy, Timeouts, TransportError
from cognito_async.protocol.wire import HttpRequest, HttpResponse

# A run finds what the last one found, on slow machines too.
settings.register_profile("tests", deadline=None, derandomize=True)
settings.load_profile("tests")

# --- clocks -----------------------------------------------------------------------------------------------------------

START = 1024.0  # not zero, so that nothing passes by mistaking "never" for "at the start"


class _JumpingSelector(selectors.DefaultSelector):
    """Moves the clock to the next timer instead of waiting for it."""

    now = START

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise RuntimeError("every task waits for something that will never happen")
            self.now += max(timeout, 0.0)
        return ready


class VirtualClockLoop(asyncio.SelectorEventLoop):
    """A loop whose time jumps to the next timer when nothing is ready: pauses and time limits cost nothing.

    For what happens inside one process: to it, an answer that is still on its way through a socket is nothing at all.
    """

    def __init__(self) -> None:
        self._clock = _JumpingSelector()
        super().__init__(self._clock)

    def time(self) -> float:
        """Give the virtual time in seconds."""
        return self._clock.now

    def run_in_executor(self, *_: Any) -> Any:  # type: ignore[override]
        """Refuse: the clock would run away while a thread works."""
        raise RuntimeError("a virtual clock does not wait for threads")


class ManualClockLoop(asyncio.SelectorEventLoop):
    """A loop for real sockets whose time stands still but for what a test moves it on."""

    _ahead = 0.0

    def time(self) -> float:
        """Give the time in seconds."""
        return START + self._ahead

    def advance(self, seconds: float) -> None:
        """Let seconds go by at once."""
        self._ahead += seconds


def advance(seconds: float) -> None:
    """Let seconds go by on the manual clock."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, ManualClockLoop), "mark the test with manual_clock"
    loop.advance(seconds)


def now() -> float:
    """Give the running loop's time, counted from the start of the virtual clock."""
    return asyncio.get_running_loop().time() - START


CLOCKS: Mapping[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "virtual_clock": VirtualClockLoop,
    "manual_clock": ManualClockLoop,
}


def pytest_configure(config: pytest.Config) -> None:
    """Register the marks."""
    config.addinivalue_line("markers", "virtual_clock: run on a loop whose time jumps to the next timer")
    config.addinivalue_line("markers", "manual_clock: run on a loop whose time moves with advance()")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly that pages were not looked at."""
    reasons = [str(report.longrepr) for report in terminalreporter.stats.get("skipped", [])]
    if blind := [reason for reason in reasons if "Chromium" in reason]:
        told = f"{len(blind)} tests of pages did not run: they need Chromium (apt-get install chromium)"
        terminalreporter.write_sep("!", told, red=True, bold=True)


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Choose the loop by the test's mark."""
    for name, factory in CLOCKS.items():
        if item.get_closest_marker(name) is not None:
            return {name: factory}
    return {"asyncio": asyncio.new_event_loop}


# --- a transport that answers as told ---------------------------------------------------------------------------------


@frozen(kw_only=True)
class Attempt:
    """One attempt as the transport got it.

    Attributes:
        url: Where it went.
        headers: Its headers at that moment.
        body: Its body.
        at: The loop's time, counted from the start of the virtual clock.
        connect_timeout: The limit it gave for connecting.
    """

    url: str
    headers: Mapping[str, str]
    body: bytes
    at: float
    connect_timeout: float | None

    @property
    def json(self) -> Any:
        """Give the parsed body."""
        return json.loads(self.body)


Step = HttpResponse | BaseException | Callable[[HttpRequest], Awaitable[HttpResponse]]


class ScriptedTransport:
    """Answers with one step of its script after the other; any object with these two methods is a transport."""

    def __init__(self, *script: Step) -> None:
        self.script: list[Step] = list(script)
        self.attempts: list[Attempt] = []
        self.closed = 0

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Take the next step, and keep ``sent`` and ``status`` as the contract of Transport says."""
        self.attempts.append(
            Attempt(
                url=request.url,
                headers=dict(request.headers),
                body=request.body,
                at=now(),
                connect_timeout=request.connect_timeout,
            )
        )
        assert self.script, "one more attempt than the script has steps"
        step = self.script.pop(0)
        if isinstance(step, BaseException):
            if isinstance(step, TransportError):
                request.sent = step.sent
            raise step
        request.sent = True
        response = step if isinstance(step, HttpResponse) else await step(request)
        request.status = response.status
        return response

    async def close(self) -> None:
        """Count."""
        self.closed += 1

    @property
    def pauses(self) -> list[float]:
        """Give the time between attempts, in seconds; the pauses, where answers come at once."""
        times = [attempt.at for attempt in self.attempts]
        return [later - earlier for earlier, later in pairwise(times)]


def respond(status: int = 200, body: bytes = b"{}", headers: Mapping[str, str] | None = None) -> HttpResponse:
    """Make an answer."""
    return HttpResponse(status, CIMultiDict({"x-amzn-RequestId": "r-1", **(headers or {})}), body)


def refuse(code: str, message: str = "no", status: int = 400, **headers: str) -> HttpResponse:
    """Make the service's refusal; underscores in the names of headers stand for hyphens."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return respond(status, json.dumps({"__type": code, "message": message}).encode(), given)


def hang(*, sent: bool | None = True, status: int | None = None) -> Step:
    """Make a step that never ends, and leaves the request's state as given."""

    async def wait(request: HttpRequest) -> HttpResponse:
        request.sent, request.status = sent, status
        await asyncio.get_running_loop().create_future()
        raise AssertionError("unreachable")

    return wait


def take(seconds: float, response: HttpResponse) -> Step:
    """Make a step that takes some (virtual) seconds."""

    async def wait(_: HttpRequest) -> HttpResponse:
        await asyncio.sleep(seconds)
        return response

    return wait


def scripted_session(
    transport: ScriptedTransport,
    *,
    retry: RetryPolicy | None = None,
    timeouts: Timeouts | None = None,
    random: Callable[[], float] = lambda: 1.0,
    **options: Any,
) -> AsyncCognitoSession:
    """Open a session on a scripted transport, with the longest pauses that the jitter allows."""
    region = options.pop("region", "eu-west-1")
    return AsyncCognitoSession(region, transport=transport, retry=retry, timeouts=timeouts, random=random, **options)


def reset(client: CognitoClient, **changes: Any) -> Coroutine[Any, Any, None]:
    """Confirm a forgotten password; each argument can be changed."""
    arguments = {"username": "ada", "confirmation_code": "123456", "password": "correct horse", **changes}
    return client.confirm_forgot_password(**arguments)


# --- aioresponses -----------------------------------------------------------------------------------------------------


class _MockedResponse(aiohttp.ClientResponse):
    """Supplies the argument that aiohttp wants since 3.14 and aioresponses 0.7.9 does not give (its issue 289)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "stream_writer" in inspect.signature(aiohttp.ClientResponse.__init__).parameters:
            kwargs.setdefault("stream_writer", Mock(output_size=0))
        super().__init__(*args, **kwargs)


class MockedHttp(aioresponses):
    """aioresponses that works with every aiohttp from 3.11.16 on."""

    def add(self, *args: Any, **kwargs: Any) -> None:
        """Add an answer."""
        super().add(*args, **{"response_class": _MockedResponse, **kwargs})

    @property
    def calls(self) -> Sequence[Any]:
        """Give the keyword arguments of all requests, in order of their URLs and then of time."""
        return [call.kwargs for calls in self.requests.values() for call in calls]


@pytest.fixture
def mocked() -> Iterator[MockedHttp]:
    """Put mocks in place of aiohttp's requests."""
    mocks = MockedHttp()
    with mocks:
        yield mocks


# --- a clean environment ----------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _no_aws_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what the machine says about AWS, so that no test depends on it."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)


WAITS_FOR_A_CHILD = "asyncio-waitpid-"  # the threads that await children, as in Python 3.11


@pytest.fixture(autouse=True)
def _no_thread_left() -> Iterator[None]:
    """Fail a test that leaves a thread behind."""
    before = set(threading.enumerate())
    yield
    for thread in threading.enumerate():
        if thread not in before and thread.name.startswith(WAITS_FOR_A_CHILD):
            thread.join(10)  # asyncio's own: it tells of the child's end a moment before its own
    left = [thread.name for thread in threading.enumerate() if thread not in before]
    assert not left, f"threads left behind: {left}"
