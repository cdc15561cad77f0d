"""The password reset router: requests to Cognito, responses, and protection against user enumeration."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from ipaddress import ip_address
from random import Random
from typing import Any, cast

import httpx
import pytest
from attrs import define, field
from fastapi import FastAPI

from cognito_async import CognitoClient, errors
from cognito_async.errors import CognitoError, Fault
from cognito_async.errors.tree import ambiguous
from cognito_async.fastapi import (
    Cognito,
    MemoryRateLimit,
    RateLimitedError,
    ResetConfirmation,
    ResetLimits,
    minimum_duration,
    password_reset_router,
)
from cognito_async.fastapi.dependencies import client_metadata
from cognito_async.operations import UserContextDataType
from tests.fastapi.test_request_bodies import GOOD, INVALID, MULTI
from tests.support.asgi import SETTINGS, asgi_client

UNLIMITED = MemoryRateLimit(10_000, 1.0)
CONFIRM: dict[str, Any] = {"username": "ada", "code": "123456", "password": GOOD["password"]}
LOST = errors.RequestTimeoutError("no", operation="ConfirmForgotPassword")


@define
class FakeClient:
    """Replaces the client of the pool."""

    error: Exception | None = None
    """Raised by both password operations."""

    sign_out_error: BaseException | None = None
    """Raised by the sign-out."""

    calls: list[dict[str, Any]] = field(factory=list)
    """The arguments of each call."""

    async def _call(self, error: BaseException | None, arguments: dict[str, Any]) -> None:
        self.calls.append({name: value for name, value in arguments.items() if value is not None})
        if error is not None:
            raise error

    async def forgot_password(self, **arguments: Any) -> None:
        """Send a code."""
        await self._call(self.error, arguments)

    async def confirm_forgot_password(self, **arguments: Any) -> None:
        """Set a password."""
        await self._call(self.error, arguments)

    async def admin_user_global_sign_out(self, **arguments: Any) -> None:
        """End all sessions."""
        await self._call(self.sign_out_error, arguments)


@asynccontextmanager
async def site(client: FakeClient, **options: Any) -> AsyncIterator[httpx.AsyncClient]:
    """Run an application with the router and a fake client; options are those of the router or the confirmation."""
    limits, overrides = options.pop("reset_limits", ResetLimits()), options.pop("overrides", {})
    router = {name: options.pop(name) for name in ("address_limit", "allowed_origins") if name in options}
    confirmation = ResetConfirmation(**{"minimum_duration": 0.0, "username_limit": UNLIMITED, **options})
    cognito = Cognito(settings=SETTINGS, reset_limits=limits)
    app = FastAPI(lifespan=cognito.lifespan)
    app.include_router(password_reset_router(confirmation=confirmation, **{"address_limit": UNLIMITED, **router}))

    async def fake() -> FakeClient:  # a plain function would run in a thread
        return client

    app.dependency_overrides = {cognito.dependencies.client: fake, **overrides}
    async with asgi_client(app) as http:
        yield http


def kind_of(response: httpx.Response) -> tuple[int, str]:
    """Return the status and the type of a problem."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    return response.status_code, response.json()["type"].rpartition(":")[2]


def service_error(kind: type[CognitoError], **about: Any) -> CognitoError:
    """Return an error as a session raises it."""
    return kind("a message of AWS", code=kind.__name__, status=400, operation="ConfirmForgotPassword", **about)


async def test_forgot_password_sends_username_context_and_language() -> None:
    """The response is 202; the request has the client IP, the device data and the language."""
    client = FakeClient()
    async with site(client) as http:
        response = await http.post(
            "/forgot-password",
            data={"username": "ada@example.com", "encoded_data": "eyJ9"},
            headers={"Accept-Language": "de-CH"},
        )
        assert (response.status_code, list(response.json())) == (202, ["detail"])
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["content-type"] == "application/json"
    (call,) = client.calls
    context = call.pop("user_context_data")
    assert (context.ip_address, context.encoded_data) == ("192.0.2.1", "eyJ9")
    assert call == {"username": "ada@example.com", "client_metadata": {"locale": "de-CH"}}


FULL = {**GOOD, "encoded_data": "eyJ9"}


@pytest.mark.parametrize("how", [{"json": FULL}, {"data": FULL}, {"files": {k: (None, v) for k, v in FULL.items()}}])
async def test_reset_password_accepts_json_and_forms(how: dict[str, Any]) -> None:
    """The request has the fields of the body and the client IP."""
    client = FakeClient()
    async with site(client) as http:
        response = await http.post("/reset-password", **how)
        assert (response.status_code, response.json()["signed_out_elsewhere"]) == (200, None)
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["content-type"] == "application/json"
    (call,) = client.calls
    context = call.pop("user_context_data")
    assert (context.ip_address, context.encoded_data) == ("192.0.2.1", "eyJ9")
    expected = {"username": GOOD["username"], "confirmation_code": GOOD["code"], "password": GOOD["password"]}
    assert call == expected


USER_ERRORS = [
    "CodeMismatchException", "ExpiredCodeException", "UserNotFoundException", "NotAuthorizedException",
    "UserNotConfirmedException", "PasswordResetRequiredException", "InvalidPasswordException",
    "PasswordHistoryPolicyViolationException",
]  # fmt: skip


async def test_user_existence_errors_are_byte_identical_to_a_wrong_code(caplog: pytest.LogCaptureFixture) -> None:
    """Status, headers and bytes are the same, with the fault of the error and without.

    The operator learns from the log that the password policies differ.
    """
    caplog.set_level(logging.INFO)
    responses = set()
    for name in USER_ERRORS:
        for fault in (Fault.USER, None):
            error = service_error(getattr(errors, name), request_id=name, retry_after=0.1, fault=fault)
            async with site(FakeClient(error)) as http:
                response = await http.post("/reset-password", json=GOOD)
                responses.add((response.status_code, tuple(sorted(response.headers.items())), response.content))
    ((status, _, content),) = responses
    assert status == 400
    assert b"AWS" not in content
    assert [record.levelname for record in caplog.records if "policy" in record.getMessage()] == ["INFO"] * 4


@pytest.mark.parametrize(
    ("code", "fault", "status", "kind"),
    [
        ("NotAuthorizedException", Fault.APP_CLIENT, 500, "misconfigured"),
        ("InvalidParameterException", Fault.APP_CLIENT, 500, "misconfigured"),
        ("InvalidEmailRoleAccessPolicyException", Fault.PERMISSIONS, 500, "misconfigured"),
        ("LimitExceededException", Fault.QUOTA, 503, "unavailable"),
    ],
)
async def test_operator_faults_are_reported_and_logged(
    code: str, fault: Fault, status: int, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A wrong client secret is not a wrong code; forgot-password responds as always, but logs an error."""
    error = service_error(getattr(errors, code), fault=fault)
    async with site(FakeClient(error)) as http:
        assert kind_of(await http.post("/reset-password", json=GOOD)) == (status, kind)
        assert [record.levelname for record in caplog.records] == ["ERROR"]
        assert (await http.post("/forgot-password", json=GOOD)).status_code == 202
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
    assert all(code in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (service_error(errors.TooManyFailedAttemptsException), 429, "too-many-attempts"),
        (service_error(errors.TooManyRequestsException), 503, "busy"),
        (service_error(errors.ResourceNotFoundException), 500, "misconfigured"),
        (service_error(errors.InvalidParameterException), 400, "wrong-code"),
        (errors.ConnectError("no"), 503, "unavailable"),
        (errors.RequestTimeoutError("no"), 504, "timeout"),
        (ambiguous(LOST, (LOST,), "Sign in.", refused=False), 502, "outcome-unknown"),
    ],
)
async def test_other_errors_have_their_own_problems(error: CognitoError, status: int, kind: str) -> None:
    """The user learns when to retry, and what to do after an unknown outcome."""
    async with site(FakeClient(error)) as http:
        response = await http.post("/reset-password", json=GOOD)
        assert kind_of(response) == (status, kind)
        assert ("Retry-After" in response.headers) is (kind in {"too-many-attempts", "busy", "unavailable"})
        assert ("Try to sign in" in response.text) is (kind == "outcome-unknown")


@pytest.mark.parametrize("path", ["/forgot-password", "/reset-password"])
async def test_router_uses_overridden_dependencies(path: str) -> None:
    """The user context and client metadata come from the replacements."""
    context = UserContextDataType(ip_address="203.0.113.7")

    async def replaced_context() -> UserContextDataType:
        return context

    async def replaced_metadata() -> dict[str, str]:
        return {"locale": "tlh"}

    client = FakeClient()
    overrides = {Cognito().dependencies.user_context: replaced_context, client_metadata: replaced_metadata}
    async with site(client, overrides=overrides) as http:
        assert (await http.post(path, json=GOOD)).status_code in {200, 202}
    (call,) = client.calls
    assert call["user_context_data"] is context
    assert call["client_metadata"] == {"locale": "tlh"}


async def test_weak_password_is_refused_before_cognito_is_called() -> None:
    """Without a policy, the refusal of the pool is shown."""
    client = FakeClient(service_error(errors.InvalidPasswordException))
    async with site(client) as http:
        response = await http.post("/reset-password", json={**GOOD, "password": "weak"})
        assert kind_of(response) == (422, "weak-password")
        assert {item["pointer"] for item in response.json()["errors"]} == {"#/password"}
    assert not client.calls
    async with site(client, password_policy=None) as http:
        assert kind_of(await http.post("/reset-password", json=GOOD)) == (422, "weak-password")


async def test_forgot_password_failures_return_202(caplog: pytest.LogCaptureFixture) -> None:
    """All responses are identical, and the log does not contain the username."""
    caplog.set_level(logging.DEBUG, logger="cognito_async")
    responses = set()
    for name in ("UserNotFoundException", "LimitExceededException", "InvalidParameterException", None):
        error = service_error(getattr(errors, name)) if name else None
        async with site(FakeClient(error)) as http:
            response = await http.post("/forgot-password", json={"username": "ada@example.com"})
            responses.add((response.status_code, tuple(sorted(response.headers.items())), response.content))
    assert len(responses) == 1
    assert "InvalidParameterException" in caplog.text
    assert "ada@example.com" not in caplog.text


async def test_full_queue_returns_503_for_every_username() -> None:
    """The responses are identical and have a Retry-After header."""
    started, finish = asyncio.Event(), asyncio.Event()

    class Slow(FakeClient):
        """Waits for an event."""

        async def forgot_password(self, **arguments: Any) -> None:
            """Wait."""
            started.set()
            await finish.wait()

    async with site(Slow(), reset_limits=ResetLimits(workers=1, waiting=2)) as http:
        sent = [await http.post("/forgot-password", json={"username": "ada"})]
        await started.wait()
        sent += [await http.post("/forgot-password", json={"username": f"user{number}"}) for number in range(4)]
        assert [response.status_code for response in sent] == [202, 202, 202, 503, 503]
        assert kind_of(sent[-1]) == (503, "busy")
        assert sent[-1].headers["retry-after"] == "5"
        assert sent[3].content == sent[4].content
        finish.set()


# --- sign-out ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failure", "name"),
    [
        (None, None),
        (service_error(errors.UserNotFoundException), "UserNotFoundException"),
        (errors.ServiceError("no", code="NewException"), "NewException"),
        (errors.CredentialsError("none"), "CredentialsError"),
        (ZeroDivisionError(), "ZeroDivisionError"),
    ],
)
async def test_sign_out_elsewhere_is_reported(
    failure: BaseException | None, name: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    """A failed sign-out is logged and reported; the reset is successful."""
    client = FakeClient(sign_out_error=failure)
    async with site(client, sign_out_elsewhere=True) as http:
        response = await http.post("/reset-password", json=GOOD)
    assert (response.status_code, response.json()["signed_out_elsewhere"]) == (200, failure is None)
    assert client.calls[1] == {"username": GOOD["username"]}
    found = [(record.levelname, record.getMessage().rpartition(" ")[2]) for record in caplog.records]
    assert found == ([] if name is None else [("ERROR", name)])
    assert ("other sessions may not have been ended" in caplog.text) is (name is not None)  # it may be unknown
    assert GOOD["username"] not in caplog.text


@pytest.mark.virtual_clock
async def test_slow_sign_out_does_not_delay_the_response() -> None:
    """It has failed after 10 seconds."""

    class Slow(FakeClient):
        """Takes an hour to end the sessions."""

        async def admin_user_global_sign_out(self, **_: Any) -> None:
            """Wait."""
            await asyncio.sleep(3600.0)

    clock = asyncio.get_running_loop().time
    async with site(Slow(), sign_out_elsewhere=True) as http:
        started = clock()
        response = await http.post("/reset-password", json=GOOD)
        assert (response.status_code, response.json()["signed_out_elsewhere"]) == (200, False)
        assert clock() - started == pytest.approx(10.0)


async def test_failed_reset_does_not_sign_out() -> None:
    """The sessions are ended after a successful reset only."""
    client = FakeClient(service_error(errors.CodeMismatchException))
    async with site(client, sign_out_elsewhere=True) as http:
        assert (await http.post("/reset-password", json=GOOD)).status_code == 400
    assert len(client.calls) == 1


# --- rejected requests ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", INVALID)
@pytest.mark.parametrize("path", ["/forgot-password", "/reset-password"])
async def test_invalid_body_is_a_client_error_without_values(path: str, name: str) -> None:
    """Each has a problem below 500, and Cognito is not called."""
    body, kind, _ = INVALID[name]
    client = FakeClient()
    async with site(client) as http:
        response = await http.post(path, content=body, headers={"Content-Type": kind} if kind else {})
    assert response.status_code == 202 or 400 <= kind_of(response)[0] < 500
    assert GOOD["password"] not in response.text
    assert not client.calls or path == "/forgot-password"


KINDS = [
    "application/json", "application/json; charset=utf-16", "application/x-www-form-urlencoded", "multipart/form-data",
    "multipart/form-data; boundary=x", "multipart/form-data; boundary=x; charset=unicode_escape",
    "multipart/form-data; boundary=x; charset=undefined", "multipart/form-data; boundary=x; charset=idna", "text/plain",
]  # fmt: skip


async def test_damaged_requests_are_never_server_errors() -> None:
    """Whatever the body and its content type, the response is below 500 and contains no value."""
    random = Random(1843)
    bodies = [body for body, *_ in INVALID.values() if len(body) < 1000] + [MULTI, json.dumps(GOOD).encode()]
    async with site(FakeClient()) as http:
        for _ in range(300):
            body, start = bytearray(random.choice(bodies)), random.randrange(100)
            body[start : start + random.randrange(10)] = random.randbytes(random.randrange(10))
            path = random.choice(["/forgot-password", "/reset-password"])
            response = await http.post(path, content=bytes(body), headers={"Content-Type": random.choice(KINDS)})
            assert response.status_code < 500
            assert GOOD["password"] not in response.text


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "http://site.example"}, 202),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "https://www.example.com"}, 202),
    ],
)
async def test_cross_origin_forms_are_refused(headers: dict[str, str], status: int) -> None:
    """Forms of other sites are refused, except from allowed origins."""
    client = FakeClient()
    async with site(client, allowed_origins=["https://www.example.com"]) as http:
        sent = {"urlencoded": {"data": {"username": "ada"}}, "multipart": {"files": {"username": (None, "ada")}}}
        for how in sent.values():
            assert (await http.post("/forgot-password", headers=headers, **how)).status_code == status  # type: ignore[arg-type]
        plain = {**headers, "Content-Type": "text/plain"}
        text = await http.post("/forgot-password", headers=plain, content=b'{"username": "ada"}')
        assert text.status_code == (415 if status == 202 else 403)
    assert len(client.calls) == (2 if status == 202 else 0)


async def test_reset_router_limits_requests_per_client_ip() -> None:
    """Both routes count together; the response has a Retry-After header."""
    async with site(FakeClient(), address_limit=MemoryRateLimit(2, 60.0)) as http:
        await http.post("/forgot-password", content=MULTI)
        await http.post("/reset-password", json=GOOD)
        response = await http.post("/reset-password", json=GOOD)
    assert kind_of(response) == (429, "rate-limited")
    assert response.headers["retry-after"] == "30"


async def test_reset_router_limits_attempts_per_username() -> None:
    """The limit ignores case and does not depend on whether the user exists."""
    client = FakeClient(service_error(errors.CodeMismatchException))
    async with site(client, username_limit=MemoryRateLimit(2, 900.0)) as http:
        for name in ("ada@example.com", "ADA@example.com"):
            assert (await http.post("/reset-password", json={**GOOD, "username": name})).status_code == 400
        assert kind_of(await http.post("/reset-password", json=GOOD)) == (429, "rate-limited")
        other = {**GOOD, "username": "grace@example.com"}
        assert (await http.post("/reset-password", json=other)).status_code == 400
    assert len(client.calls) == 3


async def test_confirm_limits_attempts_per_username_and_client() -> None:
    """The client IP is an argument or comes from the user context; all clients without one count as one."""
    confirmation = ResetConfirmation(minimum_duration=0.0, client_limit=MemoryRateLimit(1, 900.0))
    client = cast("CognitoClient", FakeClient())
    for address in ("192.0.2.1", "192.0.2.2", None):
        context = None if address is None else UserContextDataType(ip_address=address)
        await confirmation.confirm(client, **CONFIRM, user_context_data=context)
        with pytest.raises(RateLimitedError):
            await confirmation.confirm(client, **CONFIRM, client_ip=ip_address(address) if address else None)


@pytest.mark.virtual_clock
@pytest.mark.parametrize("error", [None, service_error(errors.CodeMismatchException)])
async def test_confirm_has_minimum_duration(error: CognitoError | None) -> None:
    """Success and failure take the same time."""
    clock = asyncio.get_running_loop().time
    async with site(FakeClient(error), minimum_duration=0.5) as http:
        started = clock()
        await http.post("/reset-password", json=GOOD)
        assert clock() - started == pytest.approx(0.5)


@pytest.mark.virtual_clock
async def test_minimum_duration_extends_short_blocks_only() -> None:
    """Successful and failed blocks take the minimum; longer blocks are not extended."""
    clock = asyncio.get_running_loop().time
    for pause, error in ((0.0, None), (0.2, None), (0.2, ZeroDivisionError()), (0.7, None)):
        start = clock()
        with pytest.raises(ZeroDivisionError) if error else nullcontext():
            async with minimum_duration(0.5):
                await asyncio.sleep(pause)
                if error:
                    raise error
        assert clock() - start == pytest.approx(max(pause, 0.5))


def test_openapi_describes_bodies_and_problems() -> None:
    """All three media types and all problems are described; the password has its format."""
    app = FastAPI()
    app.include_router(password_reset_router(), prefix="/account")
    paths = app.openapi()["paths"]
    confirm = paths["/account/reset-password"]["post"]
    assert confirm["tags"] == ["password reset"]
    content = confirm["requestBody"]["content"]
    assert set(content) == {"application/json", "application/x-www-form-urlencoded", "multipart/form-data"}
    assert content["application/json"]["schema"]["properties"]["password"]["format"] == "password"
    assert content["application/json"]["schema"]["required"] == ["username", "code", "password"]
    assert set(confirm["responses"]) == {
        "200", "400", "403", "408", "413", "415", "422", "429", "500", "502", "503", "504",
    }  # fmt: skip
    responses = paths["/account/forgot-password"]["post"]["responses"]
    assert set(responses) == {"202", "400", "403", "408", "413", "415", "422", "429", "503"}
