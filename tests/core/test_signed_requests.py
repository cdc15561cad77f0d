"""Signed requests as they arrive on a socket, and the one fresh signature after a rejection for its time."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial
from typing import Any
from unittest.mock import patch

import pytest
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials

from cognito_async import AsyncCognitoSession, Credentials, RetryPolicy, ServiceError, operations
from cognito_async.credentials import CredentialsResolver
from cognito_async.protocol.wire import HttpResponse
from cognito_async.signer import Signer, clock_offset
from tests.support.scripted_server import Received, ScriptedServer, answer
from tests.support.scripted_transport import ScriptedTransport, refuse, respond, scripted_session, take

KEYS = Credentials(access_key_id="AKIDEXAMPLE", secret_access_key="a secret", session_token="a token")
POOL = "eu-west-1_AbC"
NOON = datetime(2026, 11, 1, 12, 0, 0, tzinfo=UTC)

# --- what is signed is what is sent ---

SEGMENTS = (
    *("a", "a b", "a%20b", "%2F", "%2f", "ü", "%C3%BC", "%c3%bc", "%E4", "~", "%7E", "-._", "%", "%zz", "%25", "%2525"),
    *(
        "+",
        "%2B",
        ":",
        "@",
        "!$&'()*,;=",
        "%21%24%26",
        "[x]",
        "{x}",
        "<x>",
        "|",
        "^",
        "`",
        '"',
        "☃",
        "😀",
        "日本",
        "%00",
    ),
    *(
        "..",
        "a/..",
        "a/../b",
        ".",
        "a/./b",
        "%2e%2e",
        "a/%2E%2E/b",
        "//",
        "a//b",
        "a///",
        "/a",
        "...",
        "a/",
        "%E2%98%83",
    ),
    *("a b/%2F/ü/~", "v1/cognito-idp", "x" * 300, "İ", "\u0301", "%F0%9F%98%80", "%80", "é/%", "%5C", "%3F%23"),
)


def signature(received: Received) -> str:
    """Return the signature that botocore makes for a request as it arrived."""
    target = received.line.split(" ")[1]
    sent = {name: value for name, value in received.headers.items() if name in {"content-type", "x-amz-target"}}
    extra = {name: received.headers[name] for name in ("amz-sdk-invocation-id", "amz-sdk-request")}
    request = AWSRequest(
        method="POST", url=f"http://{received.headers['host']}{target}", data=received.body, headers={**sent, **extra}
    )
    sent_at = datetime.strptime(received.headers["x-amz-date"], "%Y%m%dT%H%M%SZ")  # noqa: DTZ007 - botocore's is naive
    keys = BotocoreCredentials(KEYS.access_key_id, KEYS.secret_access_key, KEYS.session_token)
    with patch.object(auth, "get_current_datetime", lambda: sent_at):
        auth.SigV4Auth(keys, "cognito-idp", "eu-west-1").add_auth(request)
    return str(request.headers["Authorization"])


async def received_at(path: str, host: Callable[[str], str] = str) -> Received:
    """Return a signed request as a server with this path receives it."""
    async with ScriptedServer(otherwise=answer({"Users": []})) as server:
        url = f"{host(server.url)}{path}"
        async with AsyncCognitoSession("eu-west-1", endpoint_url=url, credentials=KEYS) as session:
            await session.client(user_pool_id=POOL).list_users()
        return server.requests[0]


@pytest.mark.parametrize("segment", SEGMENTS, ids=lambda segment: repr(segment)[:20])
async def test_endpoint_path_is_signed_as_sent(segment: str) -> None:
    """Quoting and dot segments are resolved before signing: the signature fits the request line."""
    for path in (f"/{segment}", f"/base/{segment}/end"):
        received = await received_at(path)
        assert received.headers["authorization"] == signature(received)


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "LocalHost"])
async def test_endpoint_host_is_signed_as_sent(name: str) -> None:
    """The Host header has lower case."""
    received = await received_at("", lambda url: url.replace("127.0.0.1", name))
    assert received.headers["host"].partition(":")[0] == name.lower()
    assert received.headers["authorization"] == signature(received)


# --- a fresh signature ---

EXPIRED = "Signature expired: 20260101T000000Z is now earlier than 20260101T001000Z (20260101T001500Z - 5 min.)"
NOT_YET = "Signature not yet current: 20260101T001600Z is still later than 20260101T000500Z (20260101T000000Z + 5 min.)"
TIMED = [
    ("InvalidSignatureException", EXPIRED),
    ("InvalidSignatureException", NOT_YET),
    ("SignatureDoesNotMatch", EXPIRED),
    ("RequestExpired", "Request has expired."),
]


def dated(code: str, message: str = "no", ahead: timedelta = timedelta()) -> HttpResponse:
    """Return an error of a service whose clock is ahead of ours."""
    return refuse(code, message, Date=format_datetime(datetime.now(UTC) + ahead, usegmt=True))


async def list_users(transport: ScriptedTransport, **options: Any) -> None:
    """Send a signed request."""
    async with scripted_session(transport, credentials=KEYS, **options) as session:
        await session.client(user_pool_id=POOL).list_users()


@pytest.mark.parametrize("with_date", [True, False])
@pytest.mark.parametrize(("code", "message"), TIMED)
@pytest.mark.parametrize("max_attempts", [1, 3])
@pytest.mark.virtual_clock
async def test_expired_signature_is_made_again(code: str, message: str, max_attempts: int, *, with_date: bool) -> None:
    """With agreeing clocks or an unknown clock there is one more attempt, outside of the retry policy."""
    transport = ScriptedTransport(dated(code, message) if with_date else refuse(code, message), respond())
    await list_users(transport, retry=RetryPolicy(max_attempts=max_attempts))
    first, second = transport.attempts
    assert first.at == second.at
    assert first.headers["Authorization"] != second.headers["Authorization"]


@pytest.mark.parametrize(("code", "message"), TIMED)
@pytest.mark.virtual_clock
async def test_expired_signature_is_made_again_only_once(code: str, message: str) -> None:
    """A second rejection is the call's error."""
    transport = ScriptedTransport(refuse(code, message), refuse(code, message))
    with pytest.raises(ServiceError) as caught:
        await list_users(transport)
    assert (caught.value.code, caught.value.attempts) == (code, 2)


@pytest.mark.virtual_clock
async def test_fresh_signature_and_clock_correction_share_one_attempt() -> None:
    """After a correction of the clock, an expired signature is final, and the other way round."""
    skewed, expired = dated("InvalidSignatureException", ahead=timedelta(hours=1)), refuse(*TIMED[0])
    for script in ((skewed, expired), (expired, skewed)):
        transport = ScriptedTransport(*script)
        with pytest.raises(ServiceError):
            await list_users(transport)
        assert len(transport.attempts) == 2


@pytest.mark.virtual_clock
async def test_fresh_signature_for_each_call() -> None:
    """The next call may sign again, too, and so may each of several calls at the same time."""
    transport = ScriptedTransport(refuse(*TIMED[0]), respond(), take(1, refuse(*TIMED[0])), respond())
    async with scripted_session(transport, credentials=KEYS) as session:
        client = session.client(user_pool_id=POOL)
        await client.list_users()
        await client.list_users()
    assert len(transport.attempts) == 4


@pytest.mark.parametrize(
    "refusal",
    [
        partial(dated, "InvalidSignatureException", "The request signature we calculated does not match"),
        partial(dated, "NotAuthorizedException", EXPIRED),
        partial(dated, "AccessDeniedException", EXPIRED),
    ],
)
@pytest.mark.virtual_clock
async def test_other_rejections_are_final(refusal: Callable[[], HttpResponse]) -> None:
    """A wrong key is not the signature's time, and a message alone decides nothing."""
    transport = ScriptedTransport(refusal())
    with pytest.raises(ServiceError):
        await list_users(transport)
    assert len(transport.attempts) == 1


# --- the clock ---


def rejected(server_time: datetime) -> ServiceError:
    """Return the error of a service at a time."""
    date = format_datetime(server_time, usegmt=True)
    return ServiceError("no", code="InvalidSignatureException", server_date=date)


@pytest.mark.parametrize(
    ("signed_with", "ahead", "again"),
    [
        (0, 0, False),
        (0, 10, True),
        (0, -10, True),
        (60, 60, False),  # the offset is known already, and the signature is wrong for another reason
        (-60, -60, False),
        (60, -60, True),  # the local clock was corrected in the other direction since
        (-60, 60, True),
        (60, 0, True),
        (60, 63, False),
        (60, 57, False),
        (60, 65, True),
        (60, 55, True),
    ],
)
def test_clock_is_compared_with_the_signature(signed_with: int, ahead: int, *, again: bool) -> None:
    """The service's time is compared with the time of the signature, which has its own offset in minutes."""
    signer = Signer(CredentialsResolver(KEYS))
    offset, before = timedelta(minutes=ahead), signer.clock_offset
    assert signer.sign_again(rejected(datetime.now(UTC) + offset), timedelta(minutes=signed_with)) is again
    assert abs(signer.clock_offset - (offset if again else before)) < timedelta(seconds=5)


@pytest.mark.parametrize(
    ("date", "offset"),
    [
        ("Sun, 01 Nov 2026 12:00:00 GMT", timedelta()),
        ("Sun, 01 Nov 2026 12:10:00 GMT", timedelta(minutes=10)),
        ("Sun, 01 Nov 2026 11:50:00 GMT", timedelta(minutes=-10)),
        ("Sun, 01 Nov 2026 12:10:00 +0200", timedelta(minutes=-110)),
        ("Thu, 01 Jan 1970 00:00:00 GMT", datetime(1970, 1, 1, tzinfo=UTC) - NOON),
        (format_datetime(NOON + timedelta(days=36_500, seconds=-1)), timedelta(days=36_500, seconds=-1)),
        (format_datetime(NOON + timedelta(days=36_500)), None),
        ("Fri, 31 Dec 9999 23:59:59 GMT", None),
        ("Thu, 99 Jan 2026 00:00:00 GMT", None),
        ("Sun, 01 Nov 2026 12:00:00 -0000", None),
        ("yesterday", None),
        ("", None),
        (None, None),
    ],
)
def test_clock_offset_is_the_service_s_time_minus_ours(date: str | None, offset: timedelta | None) -> None:
    """Positive if the service is ahead; None if the header says nothing that can be used."""
    assert clock_offset(date, NOON) == offset


@pytest.mark.parametrize("hours", [0, 5, -5])
async def test_signature_has_the_service_s_time(hours: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In UTC: the local time plus the offset."""
    monkeypatch.setenv("TZ", "UTC-9")
    time.tzset()
    signer = Signer(CredentialsResolver(KEYS))
    signer.clock_offset = timedelta(hours=hours)
    headers = await signer.headers(operations.ListUsersRequest.OPERATION, {}, "https://a.example/", "eu-west-1", b"{}")
    monkeypatch.undo()
    time.tzset()
    signed = datetime.strptime(headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    assert abs(signed - datetime.now(UTC) - timedelta(hours=hours)) < timedelta(minutes=5)
