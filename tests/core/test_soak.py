"""A seeded soak test: thousands of password resets against a server with many faults.

The server records what it applied. No applied reset may be reported as a plain failure, and no other as a success.
"""

import asyncio
import gc
import json
import logging
import random
import sys
from collections import Counter
from collections.abc import Mapping

import pytest
from attrs import frozen

from cognito_async import (
    AmbiguousOutcomeError,
    AsyncCognitoSession,
    CognitoClient,
    CognitoError,
    PoolLimits,
    RetryPolicy,
    Timeouts,
    TransportError,
)
from cognito_async.errors import TooManyRequestsException
from cognito_async.protocol.retry import RetryBudget
from tests.support.scripted_server import JSON_HEADERS, head
from tests.support.scripted_transport import reset

CALLS = 20_000
WARM_UP = 500
CONCURRENCY = 64
SHARE = 0.4
SEED = 4
POLICY = RetryPolicy(transient_base=0.001, throttled_base=0.001)
TIMEOUTS = Timeouts(total=30.0, attempt=0.5)
LATE_RESPONSES = 400
"""How many responses may be late because the machine is busy: 1 in 50 calls."""
LEFT_OVER = 2_000
"""How many more objects, and blocks of memory, may exist at the end than after the warm-up: 1 for 10 calls."""


@frozen(kw_only=True)
class Reply:
    """The server's action for a request."""

    wire: bytes = b""
    """The bytes that it writes."""

    ends: bool = False
    """Whether it closes the connection afterwards."""

    applies: bool = False
    """Whether it changes the password first."""


def wire(body: bytes, status: int = 200, **headers: str) -> bytes:
    """Return a complete response."""
    return head(status, {**JSON_HEADERS, "Content-Length": str(len(body)), **headers}) + body


def refused(code: str, status: int = 400) -> bytes:
    """Return an error of the service."""
    return wire(json.dumps({"__type": code, "message": "no"}).encode(), status)


DONE = wire(b"{}")
EXPIRED = refused("ExpiredCodeException")
INTERNAL = refused("InternalErrorException", 500)
PROXY = wire(b"<html><h1>Bad Gateway</h1></html>", 502)
FAULTS: Mapping[str, Reply] = {
    "closed before": Reply(ends=True),
    "closed after": Reply(ends=True, applies=True),
    "closed in the head after": Reply(wire=DONE[:30], ends=True, applies=True),
    "truncated 200": Reply(wire=DONE[:-1], ends=True, applies=True),
    "500 before": Reply(wire=INTERNAL),
    "500 after": Reply(wire=INTERNAL, applies=True),
    "503 empty before": Reply(wire=wire(b"", 503)),
    "proxy 502 before": Reply(wire=PROXY),
    "proxy 502 after": Reply(wire=PROXY, applies=True),
    "proxy 200 after": Reply(wire=wire(b"<html></html>"), applies=True),
    "no response before": Reply(),
    "no response after": Reply(applies=True),
    "throttled": Reply(wire=refused("TooManyRequestsException")),
}
CERTAIN = frozenset({"truncated 200"})
"""Faults after which the outcome is certain: a reset's response has no members, so its head is enough."""


class Ledger:
    """Applies each reset at most once; a share of the users meets a fault in the first attempt."""

    def __init__(self) -> None:
        self.applied: set[str] = set()
        """The users whose password was changed."""

        self.faults: dict[str, str | None] = {}
        """The fault that each user met."""

        self.open = 0
        """How many connections are open."""

        self.most = 0
        """The maximum number of open connections."""

        self.closed = asyncio.Event()
        """Set when no connection is open."""

    def reply(self, user: str) -> Reply:
        """Return the action for a request, and record it."""
        fault = None
        if user not in self.faults:
            rng = random.Random(f"{SEED}:{user}")  # the same for every order of requests
            fault = self.faults[user] = rng.choice(tuple(FAULTS)) if rng.random() < SHARE else None
        if fault is None:
            reply = Reply(wire=EXPIRED) if user in self.applied else Reply(wire=DONE, applies=True)
        else:
            reply = FAULTS[fault]
        if reply.applies:
            self.applied.add(user)
        return reply


class Connection(asyncio.Protocol):
    """A connection to the ledger, with one request at a time."""

    transport: asyncio.Transport

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connection."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._ledger.open += 1
        self._ledger.most = max(self._ledger.most, self._ledger.open)

    def connection_lost(self, exc: Exception | None) -> None:
        """Count the end of the connection."""
        self._ledger.open -= 1
        if not self._ledger.open:
            self._ledger.closed.set()

    def data_received(self, data: bytes) -> None:
        """Respond to a complete request."""
        self._received += data
        start, end, body = self._received.partition(b"\r\n\r\n")
        if not end or len(body) < int(start.lower().partition(b"content-length:")[2].split()[0]):
            return
        self._received = b""
        reply = self._ledger.reply(json.loads(body)["Username"])
        if reply.wire:
            self.transport.write(reply.wire)
        if reply.ends:
            self.transport.close()


async def confirm(client: CognitoClient, users: list[str]) -> dict[str, CognitoError | None]:
    """Reset the passwords of all users with limited concurrency, and return the outcomes."""
    outcomes: dict[str, CognitoError | None] = {}
    left = iter(users)

    async def work() -> None:
        for user in left:
            try:
                await reset(client, username=user)
            except CognitoError as error:
                # A traceback would keep the call alive, which would count as a leak.
                outcomes[user] = error.with_traceback(None)
            else:
                outcomes[user] = None

    async with asyncio.TaskGroup() as tasks:
        for _ in range(CONCURRENCY):
            tasks.create_task(work())
    return outcomes


def check(outcomes: Mapping[str, CognitoError | None], ledger: Ledger) -> Counter[str]:
    """Compare the outcomes with the ledger, and count them."""
    counts: Counter[str] = Counter()
    for user, error in outcomes.items():
        applied = user in ledger.applied
        if error is None:
            assert applied, f"{user}: success, but not applied ({ledger.faults.get(user)})"
            counts["succeeded"] += 1
        elif isinstance(error, AmbiguousOutcomeError):
            assert error.history
            counts["unknown, applied" if applied else "unknown, not applied"] += 1
        else:
            assert not applied, f"{user}: {error!r}, but applied ({ledger.faults.get(user)})"
            # The only fault that is certain; or the machine was too busy to connect in time.
            assert type(error) is TooManyRequestsException or (
                isinstance(error, TransportError) and error.sent is False
            )
            counts["failed"] += 1
    return counts


@pytest.mark.parametrize("capacity", [RetryBudget().capacity, 1_000_000], ids=["the session's quota", "ample quota"])
async def test_soak(capacity: int, caplog: pytest.LogCaptureFixture) -> None:
    """No applied change is a plain failure, no unapplied one a success, and nothing is left behind.

    This much trouble uses up the session's retry quota, and calls that may not be repeated end unknown. With ample
    quota each is repeated: then only those are unknown whose password the lost attempt had changed.
    """
    caplog.set_level(logging.CRITICAL, "cognito_async")  # pytest keeps the records, and they refer to the calls
    ledger = Ledger()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(ledger), "127.0.0.1", 0, backlog=1024)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    tasks = asyncio.all_tasks()
    rng = random.Random(SEED)
    async with server:
        async with AsyncCognitoSession(
            "eu-west-1",
            endpoint_url=url,
            retry=POLICY,
            timeouts=TIMEOUTS,
            pool=PoolLimits(connections=CONCURRENCY),
            random=rng.random,
        ) as session:
            session._retry_budget.capacity = session._retry_budget.available = capacity
            client = session.client("abc")
            # Creates what exists once: classes, caches, connections.
            check(await confirm(client, [f"warm-{n}" for n in range(WARM_UP)]), ledger)
            gc.collect()
            objects, blocks = len(gc.get_objects()), sys.getallocatedblocks()

            outcomes = await confirm(client, [f"user-{n}" for n in range(CALLS)])
            counts = check(outcomes, ledger)
            stats = session.stats
            unknown = counts["unknown, applied"] + counts["unknown, not applied"]
            assert len(outcomes) == CALLS
            assert sum(counts.values()) == CALLS
            with_fault = sum(ledger.faults.get(user) is not None for user in outcomes)
            assert abs(with_fault / CALLS - SHARE) < 0.02
            assert counts["succeeded"] >= CALLS - with_fault - LATE_RESPONSES  # calls without a fault succeed
            lost = sum(
                FAULTS[fault].applies and fault not in CERTAIN for fault in map(ledger.faults.get, outcomes) if fault
            )
            if capacity >= CALLS:
                assert counts["failed"] + counts["unknown, not applied"] <= LATE_RESPONSES // 20
                assert lost <= unknown <= lost + LATE_RESPONSES
            else:
                assert unknown >= lost
            assert stats.calls == CALLS + WARM_UP
            assert stats.succeeded + stats.failed == stats.calls
            assert 0 <= session._retry_budget.available <= session._retry_budget.capacity
            print(f"{CALLS} calls, {with_fault} with a fault: {dict(counts)}; {stats}")  # noqa: T201 - seen with pytest -s

            outcomes.clear()
            ledger.applied.clear()
            ledger.faults.clear()
            gc.collect()
            assert len(gc.get_objects()) - objects < LEFT_OVER
            assert sys.getallocatedblocks() - blocks < LEFT_OVER
            assert ledger.most <= CONCURRENCY + CONCURRENCY  # those of the client, and those that are closing
            assert asyncio.all_tasks() == tasks
        while ledger.open:
            ledger.closed.clear()
            await ledger.closed.wait()
    assert ledger.open == 0
    assert asyncio.all_tasks() == tasks
