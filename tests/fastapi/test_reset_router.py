"""The router: what it sends, what it answers, what it hides."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from attrs import define, field
from fastapi import FastAPI

from cognito_async import errors
from cognito_async.errors import CognitoError
from cognito_async.errors.tree import ambiguous
from cognito_async.fastapi import Cognito, MemoryRateLimit, ResetLimits, password_reset_router
from cognito_async.fastapi.dependencies import client_metadata
from cognito_async.operations import UserContextDataType
from tests.fastapi.test_body import BAD, GOOD, MULTI
from tests.fastapi.test_lifespan import SETTINGS, visiting

FREE: dict[str, Any] = {"address_limit": MemoryRateLimit(10_000, 1.0), "username_limit": MemoryRateLimit(10_000, 1.0)}

LOST = errors.RequestTimeoutError("no", operation="ConfirmForgotPassword")


@define
class FakeClient:
    """Stands for the service.

    Attributes:
        error: What it answers with; None for success.
        sign_out_error: What it answers a sign-out with.
        calls: What it was asked.
    """

    error: Exception | None = None
    sign_out_error: BaseException | None = None
    calls: list[dict[str, Any]] = field(factory=list)

    async def _answer(self, error: BaseException | None, given: dict[str, Any]) -> None:
        self.calls.append({name: value for name, value in given.items() if value is not None})
        if error is not None:
            raise error

    async def forgot_password(self, **given: Any) -> None:
        """Send a code."""
        await self._answer(self.error, given)

    async def confirm_forgot_password(self, **given: Any) -> None:
        """Set a password."""
        await self._answer(self.error, given)

    async def admin_user_global_sign_out(self, **given: Any) -> None:
        """End sessions."""
        await self._answer(self.sign_out_error, given)


@asynccontextmanager
async def site(client: FakeClient, **options: Any) -> AsyncIterator[httpx.AsyncClient]:
    """Run an application with the router, and a fake in the service's place."""
    limits, overrides = options.pop("reset_limits", ResetLimits()), options.pop("overrides", {})
    cognito = Cognito(settings=SETTINGS, reset_limits=limits)
    app = FastAPI(lifespan=cognito.lifespan)
    app.include_router(password_reset_router(**{"floor": 0.0, **FREE, **options}))

    async def fake() -> FakeClient:  # a plain function would run in a thread
        return client

    app.dependency_overrides = {cognito.dependencies.client: fake, **overrides}
    async with visiting(app) as visitor:
        yield visitor


def kind_of(answer: httpx.Response) -> tuple[int, str]:
    """Give an answer's status, and its problem's type."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return answer.status_code, answer.json()["type"].rpartition(":")[2]


def refused(kind: type[CognitoError], **about: Any) -> CognitoError:
    """Make an error as a session raises it."""
    return kind("what AWS says", code=kind.__name__, status=400, operation="ConfirmForgotPassword", **about)


async def test_a_code_is_asked_for() -> None:
    """The answer comes at once; what is sent has the name, the address and the language."""
    client = FakeClient()
    async with site(client) as visitor:
        answer = await visitor.post(
            "/forgot-password",
            data={"username": "ada@example.com", "encoded_data": "eyJ9"},
            headers={"Accept-Language": "de-CH"},
        )
        assert (answer.status_code, answer.json()) == (
            202,
            {"detail": "If there is such a user, a code is on its way."},
        )
        assert answer.headers["cache-control"] == "no-store"
    (call,) = client.calls
    context = call.pop("user_context_data")
    assert (context.ip_address, context.encoded_data) == ("192.0.2.1", "eyJ9")
    assert call == {"username": "ada@example.com", "client_metadata": {"locale": "de-CH"}}


@pytest.mark.parametrize("how", [{"json": GOOD}, {"data": GOOD}, {"files": {k: (None, v) for k, v in GOOD.items()}}])
async def test_a_password_is_set(how: dict[str, Any]) -> None:
    """JSON and both kinds of forms do it."""
    client = FakeClient()
    async with site(client) as visitor:
        answer = await visitor.post("/reset-password", **how)
        told = {"detail": "The password was changed.", "signed_out_elsewhere": None}
        assert (answer.status_code, answer.json()) == (200, told)
    (call,) = client.calls
    assert call.pop("user_context_data").ip_address == "192.0.2.1"
    expected = {"username": GOOD["username"], "confirmation_code": GOOD["code"], "password": GOOD["password"]}
    assert call == expected


HIDDEN = [
    "CodeMismatchException", "ExpiredCodeException", "UserNotFoundException", "NotAuthorizedException",
    "UserNotConfirmedException", "PasswordResetRequiredException", "InvalidPasswordException",
    "PasswordHistoryPolicyViolationException",
]  # fmt: skip


async def test_what_would_tell_who_exists_looks_like_a_wrong_code() -> None:
    """The answers to all of these are the same: status, headers and bytes."""
    answers = set()
    for name in HIDDEN:
        async with site(FakeClient(refused(getattr(errors, name), request_id=name, retry_after=0.1))) as visitor:
            answer = await visitor.post("/reset-password", json=GOOD)
            answers.add((answer.status_code, tuple(sorted(answer.headers.items())), answer.content))
    ((status, _, content),) = answers
    assert status == 400
    assert b"AWS" not in content


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (refused(errors.TooManyFailedAttemptsException), 429, "too-many-attempts"),
        (refused(errors.TooManyRequestsException), 503, "busy"),
        (refused(errors.ResourceNotFoundException), 500, "misconfigured"),
        (refused(errors.InvalidParameterException), 400, "wrong-code"),
        (errors.ConnectError("no"), 503, "unavailable"),
        (errors.RequestTimeoutError("no"), 504, "timeout"),
        (ambiguous(LOST, (LOST,), "Sign in.", refused=False), 502, "outcome-unknown"),
    ],
)
async def test_other_failures_are_told_apart(error: CognitoError, status: int, kind: str) -> None:
    """What is nobody's secret has an answer of its own; an unknown outcome tells what to try."""
    async with site(FakeClient(error)) as visitor:
        answer = await visitor.post("/reset-password", json=GOOD)
        assert kind_of(answer) == (status, kind)
        assert ("Retry-After" in answer.headers) is (kind in {"too-many-attempts", "busy", "unavailable"})
        assert ("Try to sign in" in answer.text) is (kind == "outcome-unknown")


@pytest.mark.parametrize("path", ["/forgot-password", "/reset-password"])
async def test_a_test_replaces_what_the_routes_ask_for(path: str) -> None:
    """The visitor's context and language come from whatever stands in the dependencies' places."""
    context = UserContextDataType(ip_address="203.0.113.7")

    async def replaced_context() -> UserContextDataType:
        return context

    async def replaced_metadata() -> dict[str, str]:
        return {"locale": "tlh"}

    client = FakeClient()
    overrides = {Cognito().dependencies.user_context: replaced_context, client_metadata: replaced_metadata}
    async with site(client, overrides=overrides) as visitor:
        assert (await visitor.post(path, json=GOOD)).status_code in {200, 202}
    (call,) = client.calls
    assert call["user_context_data"] is context
    assert call["client_metadata"] == {"locale": "tlh"}


async def test_a_weak_password_is_refused_before_anybody_is_asked() -> None:
    """The policy is the same for all users, since the service is not asked; without one it is the service's."""
    client = FakeClient(refused(errors.InvalidPasswordException))
    async with site(client) as visitor:
        answer = await visitor.post("/reset-password", json={**GOOD, "password": "weak"})
        assert kind_of(answer) == (422, "weak-password")
        assert {fault["pointer"] for fault in answer.json()["errors"]} == {"#/password"}
    assert not client.calls
    async with site(client, password_policy=None) as visitor:
        assert kind_of(await visitor.post("/reset-password", json=GOOD)) == (422, "weak-password")


async def test_the_request_s_failures_are_not_seen(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever the service says to ForgotPassword, the visitor gets the same answer, and no log has the name."""
    caplog.set_level(logging.DEBUG, logger="cognito_async")
    answers = set()
    for name in ("UserNotFoundException", "LimitExceededException", "InvalidParameterException", None):
        error = refused(getattr(errors, name)) if name else None
        async with site(FakeClient(error)) as visitor:
            answer = await visitor.post("/forgot-password", json={"username": "ada@example.com"})
            answers.add((answer.status_code, tuple(sorted(answer.headers.items())), answer.content))
    assert len(answers) == 1
    assert "InvalidParameterException" in caplog.text
    assert "ada@example.com" not in caplog.text


async def test_a_full_queue_is_the_same_for_everybody() -> None:
    """When no more resets can be taken, all get 503 and a time to come back."""
    began, gate = asyncio.Event(), asyncio.Event()

    class Slow(FakeClient):
        """Waits."""

        async def forgot_password(self, **given: Any) -> None:
            """Wait."""
            began.set()
            await gate.wait()

    async with site(Slow(), reset_limits=ResetLimits(workers=1, waiting=2)) as visitor:
        sent = [await visitor.post("/forgot-password", json={"username": "ada"})]
        await began.wait()
        sent += [await visitor.post("/forgot-password", json={"username": f"user{number}"}) for number in range(4)]
        assert [answer.status_code for answer in sent] == [202, 202, 202, 503, 503]
        assert kind_of(sent[-1]) == (503, "busy")
        assert sent[-1].headers["retry-after"] == "5"
        assert sent[3].content == sent[4].content
        gate.set()


# --- ending other sessions --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "failure", [None, refused(errors.UserNotFoundException), errors.CredentialsError("none"), ZeroDivisionError()]
)
async def test_other_sessions_are_ended(failure: BaseException | None, caplog: pytest.LogCaptureFixture) -> None:
    """After the reset the user is signed out elsewhere; where that fails, the answer says so, and the reset holds."""
    client = FakeClient(sign_out_error=failure)
    async with site(client, sign_out_elsewhere=True) as visitor:
        answer = await visitor.post("/reset-password", json=GOOD)
    assert (answer.status_code, answer.json()["signed_out_elsewhere"]) == (200, failure is None)
    assert client.calls[1] == {"username": GOOD["username"]}
    assert ("other sessions were not ended" in caplog.text) is (failure is not None)
    assert GOOD["username"] not in caplog.text


async def test_no_session_is_ended_for_nothing() -> None:
    """A reset that was refused signs nobody out."""
    client = FakeClient(refused(errors.CodeMismatchException))
    async with site(client, sign_out_elsewhere=True) as visitor:
        assert (await visitor.post("/reset-password", json=GOOD)).status_code == 400
    assert len(client.calls) == 1


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("path", ["/forgot-password", "/reset-password"])
async def test_no_body_breaks_it(path: str, name: str) -> None:
    """Each bad body is answered with a problem below 500 that repeats none of it."""
    body, kind, _ = BAD[name]
    client = FakeClient()
    async with site(client) as visitor:
        answer = await visitor.post(path, content=body, headers={"Content-Type": kind} if kind else {})
    assert answer.status_code == 202 or 400 <= kind_of(answer)[0] < 500
    assert GOOD["password"] not in answer.text
    assert not client.calls or path == "/forgot-password"


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
async def test_forms_from_elsewhere_are_refused(headers: dict[str, str], status: int) -> None:
    """A form of another site does nothing, unless its origin is named."""
    client = FakeClient()
    async with site(client, allowed_origins=["https://www.example.com"]) as visitor:
        sent = {"urlencoded": {"data": {"username": "ada"}}, "multipart": {"files": {"username": (None, "ada")}}}
        for how in sent.values():
            assert (await visitor.post("/forgot-password", headers=headers, **how)).status_code == status  # type: ignore[arg-type]
        plain = {**headers, "Content-Type": "text/plain"}
        text = await visitor.post("/forgot-password", headers=plain, content=b'{"username": "ada"}')
        assert text.status_code == (415 if status == 202 else 403)
    assert len(client.calls) == (2 if status == 202 else 0)


async def test_an_address_has_so_many_tries() -> None:
    """Too many requests from one address are refused with a time to come back, on both routes together."""
    async with site(FakeClient(), address_limit=MemoryRateLimit(2, 60.0)) as visitor:
        await visitor.post("/forgot-password", content=MULTI)
        await visitor.post("/reset-password", json=GOOD)
        answer = await visitor.post("/reset-password", json=GOOD)
    assert kind_of(answer) == (429, "rate-limited")
    assert answer.headers["retry-after"] == "30"


async def test_a_name_has_so_many_tries() -> None:
    """Guessing codes for one name ends soon, however it is written, whether or not there is such a user."""
    client = FakeClient(refused(errors.CodeMismatchException))
    async with site(client, username_limit=MemoryRateLimit(2, 900.0)) as visitor:
        for name in ("ada@example.com", "ADA@example.com"):
            assert (await visitor.post("/reset-password", json={**GOOD, "username": name})).status_code == 400
        assert kind_of(await visitor.post("/reset-password", json=GOOD)) == (429, "rate-limited")
        other = {**GOOD, "username": "grace@example.com"}
        assert (await visitor.post("/reset-password", json=other)).status_code == 400
    assert len(client.calls) == 3


@pytest.mark.virtual_clock
@pytest.mark.parametrize("error", [None, refused(errors.CodeMismatchException)])
async def test_an_answer_about_a_code_takes_its_time(error: CognitoError | None) -> None:
    """An answer that came quickly is held back."""
    clock = asyncio.get_running_loop().time
    async with site(FakeClient(error), floor=0.5) as visitor:
        started = clock()
        await visitor.post("/reset-password", json=GOOD)
        assert clock() - started == pytest.approx(0.5)


def test_the_document_describes_the_routes() -> None:
    """Bodies of all three kinds and the problems are in the OpenAPI document; the password is marked as one."""
    app = FastAPI()
    app.include_router(password_reset_router(), prefix="/account")
    paths = app.openapi()["paths"]
    confirm = paths["/account/reset-password"]["post"]
    content = confirm["requestBody"]["content"]
    assert set(content) == {"application/json", "application/x-www-form-urlencoded", "multipart/form-data"}
    assert content["application/json"]["schema"]["properties"]["password"]["format"] == "password"
    assert content["application/json"]["schema"]["required"] == ["username", "code", "password"]
    assert set(confirm["responses"]) == {
        "200", "400", "403", "413", "415", "422", "429", "500", "502", "503", "504",
    }  # fmt: skip
    asked = paths["/account/forgot-password"]["post"]["responses"]
    assert set(asked) == {"202", "400", "403", "413", "415", "422", "429", "503"}
