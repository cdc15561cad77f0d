"""A small loopback server that responds like Cognito and needs little CPU, in its own process.

Run as `python -m benchmarks.server [--rate N --burst N | --ledger --faults SHARE --seed N]`. It prints its port on
the first line, and ends when its standard input closes.

Three behaviours:

- steady (the default): every ConfirmForgotPassword succeeds, every ListUsers returns a full page;
- `--rate`: the same behind a token bucket; requests above the rate get TooManyRequestsException;
- `--ledger`: every user has one code, and confirming uses it up; every request for a code sends a message. A share of
  the users gets a fault on the first attempt, before or after the password is changed or the message is sent. The
  ledger records the changes that were applied.

`GET /stats` returns the numbers of requests and throttled requests; `GET /ledger` the users whose password was changed,
the number of messages sent to each user, and each user's fault.
"""

import argparse
import asyncio
import json
import random
import sys
import time
from collections import Counter
from email.utils import formatdate
from typing import NamedTuple, Protocol

REQUEST_ID = "6f2d3c1e-8a4b-4c5d-9e0f-112233445566"
TARGET_PREFIX = b"AWSCognitoIdentityProviderService."
USERS_IN_PAGE = 60
MAX_REQUEST_BYTES = 1 << 20


class Response(NamedTuple):
    """The bytes of a response, and whether the connection is closed after it."""

    wire: bytes
    cut: bool = False


class Behaviour(Protocol):
    """Decides how to respond, and counts requests."""

    counts: Counter[str]

    def respond(self, operation: bytes, body: bytes) -> Response:
        """Respond to a request for the named operation."""


def http_response(
    body: bytes,
    *,
    status: str = "200 OK",
    content_type: str = "application/x-amz-json-1.1",
    length: int | None = None,
    extra: str = "",
) -> bytes:
    """Build a whole HTTP response; `length` overrides the declared length of the body."""
    head = (
        f"HTTP/1.1 {status}\r\n"
        f"Date: {formatdate(usegmt=True)}\r\n"
        f"Content-Type: {content_type}\r\n"
        f"Content-Length: {len(body) if length is None else length}\r\n"
        f"Connection: keep-alive\r\n"
        f"x-amzn-RequestId: {REQUEST_ID}\r\n{extra}\r\n"
    )
    return head.encode("ascii") + body


def error_response(code: str, message: str, *, status: str = "400 Bad Request") -> bytes:
    """Build an error response as Cognito does: the code in the body, and in a header that ends with a colon."""
    body = json.dumps({"__type": code, "message": message}).encode()
    return http_response(body, status=status, extra=f"x-amzn-ErrorType: {code}:\r\n")


def user_page() -> bytes:
    """Build the ListUsers body: 60 users with 8 attributes each, the same at every run."""
    users = []
    for index in range(USERS_IN_PAGE):
        subject = f"{index:08x}-1111-2222-3333-444455556666"
        attributes = {
            "sub": subject,
            "email": f"user{index}@example.com",
            "email_verified": "true",
            "phone_number": f"+3161234{index:04d}",
            "phone_number_verified": "false",
            "given_name": "Ada",
            "family_name": f"Lovelace-{index}",
            "locale": "en-GB",
        }
        users.append(
            {
                "Username": subject,
                "Attributes": [{"Name": name, "Value": value} for name, value in attributes.items()],
                "UserCreateDate": 1_700_000_000.123 + index,
                "UserLastModifiedDate": 1_710_000_000.456 + index,
                "Enabled": True,
                "UserStatus": "CONFIRMED",
            }
        )
    return json.dumps({"Users": users}).encode()


CONFIRMED = Response(http_response(b"{}"))
CODE_SENT = Response(
    http_response(
        b'{"CodeDeliveryDetails": {"Destination": "u***@e***", "DeliveryMedium": "EMAIL", "AttributeName": "email"}}'
    )
)
PAGE = Response(http_response(user_page()))
UNKNOWN_OPERATION = Response(error_response("UnknownOperationException", "No such operation here"))
THROTTLED = Response(error_response("TooManyRequestsException", "Rate exceeded"))
EXPIRED = Response(error_response("ExpiredCodeException", "Invalid code provided, please request a code again."))
INTERNAL = Response(error_response("InternalErrorException", "Something broke", status="500 Internal Server Error"))
BAD_GATEWAY = Response(
    http_response(b"<html><h1>502 Bad Gateway</h1></html>", status="502 Bad Gateway", content_type="text/html")
)
TRUNCATED = Response(http_response(b"{", length=2), cut=True)
CUT = Response(b"", cut=True)

FAULTS = {
    "cut before applying": CUT,
    "cut after applying": CUT,
    "truncated 200": TRUNCATED,
    "500 before applying": INTERNAL,
    "500 after applying": INTERNAL,
    "proxy 502": BAD_GATEWAY,
    "throttled": THROTTLED,
}
APPLYING_FAULTS = frozenset({"cut after applying", "truncated 200", "500 after applying"})
SENDING = frozenset({b"ForgotPassword", b"AdminResetUserPassword"})


class Steady:
    """Respond to every known operation with success."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def respond(self, operation: bytes, body: bytes) -> Response:
        """Respond to a request, regardless of its body."""
        del body
        self.counts["requests"] += 1
        if operation == b"ConfirmForgotPassword":
            return CONFIRMED
        if operation == b"ListUsers":
            return PAGE
        return UNKNOWN_OPERATION


class Bucket:
    """Let `rate` requests per second through, with a burst; refuse the others as Cognito does."""

    def __init__(self, rate: float, burst: float) -> None:
        self.counts: Counter[str] = Counter()
        self._behind = Steady()
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._filled_at = time.monotonic()

    def respond(self, operation: bytes, body: bytes) -> Response:
        """Take a token and respond, or refuse if there is none."""
        self.counts["requests"] += 1
        now = time.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now
        if self._tokens < 1:
            self.counts["throttled"] += 1
            return THROTTLED
        self._tokens -= 1
        return self._behind.respond(operation, body)


class Ledger:
    """Change each user's password at most once, send messages; with a seeded share of faults on the first attempt."""

    def __init__(self, share: float, seed: int) -> None:
        self.counts: Counter[str] = Counter()
        self.applied: set[str] = set()
        self.messages: Counter[str] = Counter()
        self.faults: dict[str, str | None] = {}
        self._share = share
        self._seed = seed

    def respond(self, operation: bytes, body: bytes) -> Response:
        """Apply the change, or not, and respond as the user's fault requires."""
        self.counts["requests"] += 1
        if operation == b"ConfirmForgotPassword":
            apply = self._apply
        elif operation in SENDING:
            apply = self._send
        else:
            return UNKNOWN_OPERATION
        user: str = json.loads(body)["Username"]
        if user in self.faults:
            return apply(user)
        fault = self.faults[user] = self._fault_of(user)
        if fault is None:
            return apply(user)
        if fault in APPLYING_FAULTS:
            apply(user)
        if fault == "throttled":
            self.counts["throttled"] += 1
        return FAULTS[fault]

    def _fault_of(self, user: str) -> str | None:
        """Draw the user's fault; it does not depend on the client or the order of requests."""
        generator = random.Random(f"{self._seed}:{user}")
        return generator.choice(tuple(FAULTS)) if generator.random() < self._share else None

    def _apply(self, user: str) -> Response:
        """Use up the user's code."""
        if user in self.applied:
            return EXPIRED
        self.applied.add(user)
        return CONFIRMED

    def _send(self, user: str) -> Response:
        """Send the user another code."""
        self.messages[user] += 1
        return CODE_SENT


class Connection(asyncio.Protocol):
    """A keep-alive connection: reads requests, passes them to the behaviour, writes its responses."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; asyncio gives a full one for TCP."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Respond to all complete requests; keep the rest."""
        transport = self._transport
        assert transport is not None
        self._received = self._received + data if self._received else data
        while True:
            end = self._received.find(b"\r\n\r\n")
            if end < 0:
                break
            head = self._received[:end]
            lowered = head.lower()
            start = end + 4
            stop = start + int(_header(head, lowered, b"content-length") or 0)
            if len(self._received) < stop:
                break
            body = self._received[start:stop]
            self._received = self._received[stop:]
            response = self._respond(head, lowered, body)
            if response.wire:
                transport.write(response.wire)
            if response.cut:
                transport.close()
                return
        if len(self._received) > MAX_REQUEST_BYTES:
            transport.abort()

    def _respond(self, head: bytes, lowered: bytes, body: bytes) -> Response:
        """Respond to a complete request."""
        if head.startswith(b"POST / "):
            target = _header(head, lowered, b"x-amz-target")
            return self._behaviour.respond(target.removeprefix(TARGET_PREFIX), body)
        if head.startswith(b"GET /stats "):
            return Response(http_response(json.dumps(dict(self._behaviour.counts)).encode()))
        if head.startswith(b"GET /ledger ") and isinstance(self._behaviour, Ledger):
            ledger = self._behaviour
            known = {"applied": sorted(ledger.applied), "messages": ledger.messages, "faults": ledger.faults}
            return Response(http_response(json.dumps(known).encode()))
        return Response(http_response(b"{}", status="404 Not Found"))


def _header(head: bytes, lowered: bytes, name: bytes) -> bytes:
    """Return a header's value, empty when absent; `lowered` is the head in lower case."""
    at = lowered.find(b"\r\n" + name + b":")
    if at < 0:
        return b""
    start = at + len(name) + 3
    end = head.find(b"\r\n", start)
    return head[start : end if end >= 0 else len(head)].strip()


async def serve(behaviour: Behaviour) -> None:
    """Serve on a free port of the loopback interface until standard input closes."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(behaviour), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    stdin = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
    await stdin.read()
    server.close()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description="A loopback server that responds like Cognito.")
    parser.add_argument("--rate", type=float, help="requests per second (default: no limit)")
    parser.add_argument("--burst", type=float, default=10, help="requests that may follow each other without delay")
    parser.add_argument("--ledger", action="store_true", help="one code per user, with faults")
    parser.add_argument("--faults", type=float, default=0.4, help="share of users with a fault on the first attempt")
    parser.add_argument("--seed", type=int, default=1, help="seed of the faults")
    options = parser.parse_args()
    behaviour: Behaviour
    if options.ledger:
        behaviour = Ledger(options.faults, options.seed)
    elif options.rate is not None:
        behaviour = Bucket(options.rate, options.burst)
    else:
        behaviour = Steady()
    asyncio.run(serve(behaviour))


if __name__ == "__main__":
    main()
