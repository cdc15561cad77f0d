"""Tracebacks with local variables, as error reporters collect them, contain no passwords, codes or client secrets."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from attrs import evolve
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import SecretStr
from starlette.requests import Request

from cognito_async import AsyncCognitoSession, CognitoClient, CognitoError, errors
from cognito_async.fastapi import (
    PROBLEMS,
    Cognito,
    CognitoSettings,
    MemoryRateLimit,
    RateLimitedError,
    RequestRejectedError,
    ResetConfirmation,
    WeakPasswordError,
    password_reset_router,
)
from cognito_async.fastapi.password_reset import ResetPasswordBody
from cognito_async.fastapi.request import MAX_BODY_BYTES, read_body
from tests.support.asgi import asgi_client
from tests.support.canaries import CANARY, leaking_frames
from tests.support.scripted_server import Action, ScriptedServer, answer, never

PASSWORD = f"{CANARY}-Analytical-1843"
BODY = {"username": "ada@example.com", "code": CANARY, "password": PASSWORD, "encoded_data": CANARY}
FORM = f"username=ada&code={CANARY}&password={PASSWORD}".encode()
URLENCODED = "application/x-www-form-urlencoded"


def refuse(code: str) -> Action:
    """Return an error of the service."""
    return answer({"__type": code, "message": "a message of AWS"}, 400)


@pytest.mark.parametrize(
    ("response", "password", "attempts", "expected"),
    [
        (refuse("CodeMismatchException"), PASSWORD, 1, errors.CodeMismatchException),
        (refuse("InvalidPasswordException"), PASSWORD, 1, CognitoError),
        (answer(b"{}", 500), PASSWORD, 1, errors.AmbiguousOutcomeError),
        (answer(), CANARY, 1, WeakPasswordError),
        (answer(), PASSWORD, 2, RateLimitedError),
        (never(), PASSWORD, 1, asyncio.CancelledError),
    ],
)
async def test_frames_of_confirm_contain_no_secrets(
    response: Action, password: str, attempts: int, expected: type[BaseException]
) -> None:
    """Neither errors of the service nor those before the call have the code or the password in their frames."""
    confirmation = ResetConfirmation(minimum_duration=0.0, client_limit=MemoryRateLimit(1, 900.0))
    async with (
        ScriptedServer(otherwise=response) as server,
        AsyncCognitoSession("eu-west-1", endpoint_url=server.url) as session,
    ):
        client = session.client("abc", CANARY)

        async def confirm() -> None:
            for _ in range(attempts):
                await confirmation.confirm(client, username="ada", code=CANARY, password=password)

        task = asyncio.create_task(confirm())
        if expected is asyncio.CancelledError:
            await server.until(lambda: server.requests)
            task.cancel()
        with pytest.raises(expected) as caught:
            await task
    assert "password_reset.py" in {Path(entry.path).name for entry in caught.traceback}
    assert leaking_frames(caught.value) == []


def request_with(*chunks: bytes, kind: str = "application/json", then: str = "http.request") -> Request:
    """Return a request whose body arrives in chunks, the last one followed by another event."""
    events: list[dict[str, Any]] = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    events.append({"type": then})

    async def receive() -> dict[str, Any]:
        if len(events) == 1 and then == "never":
            await asyncio.Event().wait()
        return events.pop(0)

    return Request({"type": "http", "method": "POST", "headers": [(b"content-type", kind.encode())]}, receive)


@pytest.mark.virtual_clock
@pytest.mark.parametrize(
    "make",
    [
        lambda: request_with(f'{{"code": "{CANARY}"}}'.encode()),
        lambda: request_with(f'{{"code": "{CANARY}", "password": 1}}'.encode()),
        lambda: request_with(f'["{CANARY}"]'.encode()),
        lambda: request_with(f'{{"code": "{CANARY}'.encode()),
        lambda: request_with(CANARY.encode() * MAX_BODY_BYTES),
        lambda: request_with(CANARY.encode(), then="http.disconnect"),
        lambda: request_with(CANARY.encode(), then="never"),
        lambda: request_with(FORM + b"%00", kind=URLENCODED),
        lambda: request_with(FORM + b"&code=1", kind=URLENCODED),
        lambda: request_with(FORM + b"&x=1" * 30, kind=URLENCODED),
        lambda: request_with(FORM, kind="multipart/form-data; boundary=x"),
    ],
)
async def test_frames_of_invalid_bodies_contain_no_secrets(make: Callable[[], Request]) -> None:
    """No frame of a body that is rejected, too large or late has a part of it."""
    with pytest.raises((RequestRejectedError, RequestValidationError)) as caught:
        await read_body(make(), ResetPasswordBody)
    assert "read_body" in {entry.name for entry in caught.traceback}
    assert leaking_frames(caught.value) == []


async def test_frames_of_a_cancelled_body_contain_no_secrets() -> None:
    """The server cancels requests when it shuts down."""
    task = asyncio.create_task(read_body(request_with(CANARY.encode(), then="never"), ResetPasswordBody))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    frames = [frame for frame in leaking_frames(caught.value) if not frame.startswith("requests.py:")]  # Starlette's
    assert frames == []


@pytest.mark.parametrize("how", [{"json": BODY}, {"data": BODY}])
@pytest.mark.parametrize("response", [refuse("CodeMismatchException"), answer(b"{}", 500)])
async def test_frames_of_the_router_contain_no_secrets(how: dict[str, Any], response: Action) -> None:
    """The error that reaches the table of problems has no secrets in the frames of the routes."""
    caught: list[CognitoError] = []

    def detail(error: CognitoError) -> str:
        caught.append(error)
        return "failed"

    problems = {name: evolve(problem, detail=detail) for name, problem in PROBLEMS.items()}
    async with ScriptedServer(otherwise=response) as server:
        settings = CognitoSettings(client_id="abc", region="eu-west-1", endpoint_url=server.url)
        app = FastAPI(lifespan=Cognito(settings=settings).lifespan)
        confirmation = ResetConfirmation(minimum_duration=0.0)
        app.include_router(password_reset_router(confirmation=confirmation, problems=problems))
        async with asgi_client(app) as http:
            result: httpx.Response = await http.post("/reset-password", **how)
    assert result.json()["detail"] == "failed"
    (error,) = caught
    assert leaking_frames(error) == []


async def test_frames_of_the_lifespan_contain_no_client_secret() -> None:
    """A session that fails while the pool is opened has the frame of the lifespan in its traceback."""
    settings = CognitoSettings(client_id="abc", client_secret=SecretStr(CANARY), region="eu-west-1")

    class FailingSession(AsyncCognitoSession):
        """Creates no clients."""

        def client(self, *_: object, **__: object) -> CognitoClient:
            """Fail."""
            raise OSError("disk full")

    cognito = Cognito(settings=settings, session=lambda _: FailingSession("eu-west-1"))
    with pytest.raises(OSError, match="disk full") as caught:
        async with cognito.lifespan(None):
            pass
    assert "lifespan" in {entry.name for entry in caught.traceback}
    assert leaking_frames(caught.value) == []
