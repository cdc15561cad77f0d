"""Faults of the operator in responses of the service: reported and logged, without data of users."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from cognito_async.fastapi import Cognito, CognitoSettings, MemoryRateLimit, ResetConfirmation, password_reset_router
from tests.fastapi.test_password_reset import kind_of
from tests.support.asgi import asgi_client
from tests.support.scripted_server import Action, ScriptedServer, answer

NAME, CODE, PASSWORD = "ada.lovelace@example.com", "184318", "Analytical-1843"
BODY = {"username": NAME, "code": CODE, "password": PASSWORD, "encoded_data": "ZGV2aWNl"}
RECIPIENT = "recipient@example.net"

WRONG_CODE = ("CodeMismatchException", "Invalid verification code provided, please try again.")
SECRET_HASH = ("NotAuthorizedException", "Unable to verify secret hash for client 1example23456789")
DAILY_LIMIT = (
    "LimitExceededException",
    (
        "Exceeded daily email limit for the operation or the account. If a higher limit is required, please configure"
        " your user pool to use your own Amazon SES configuration for sending email."
    ),
)
SANDBOX = (
    "InvalidParameterException",
    (
        "Cognito received the following error from Amazon SES when attempting to send email: Email address is not"
        f" verified. The following identities failed the check in region US-EAST-1: {RECIPIENT}"
    ),
)
DISABLED = ("NotAuthorizedException", "User is disabled.")


def refuse(code: str, message: str) -> Action:
    """Return an error of the service."""
    return answer({"__type": code, "message": message}, 400)


@asynccontextmanager
async def site(response: Action) -> AsyncIterator[httpx.AsyncClient]:
    """Run an application whose service always sends this response."""
    async with ScriptedServer(otherwise=response) as server:
        settings = CognitoSettings(
            client_id="abc", client_secret=SecretStr("c4n4ry"), region="eu-west-1", endpoint_url=server.url
        )
        app = FastAPI(lifespan=Cognito(settings=settings).lifespan)
        confirmation = ResetConfirmation(minimum_duration=0.0)
        app.include_router(password_reset_router(confirmation=confirmation, address_limit=MemoryRateLimit(10_000, 1.0)))
        async with asgi_client(app) as http:
            yield http


def whole(response: httpx.Response) -> tuple[object, ...]:
    """Return all that a client sees of a response."""
    return response.status_code, sorted(response.headers.items()), response.content


def assert_no_user_data(caplog: pytest.LogCaptureFixture) -> None:
    """Check all records, their arguments and tracebacks."""
    texts = [f"{record.getMessage()} {record.args} {record.exc_text}" for record in caplog.records]
    for value in (*BODY.values(), RECIPIENT, "192.0.2.1", "c4n4ry"):
        assert not [text for text in texts if value in text]


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (SECRET_HASH, 500, "misconfigured"),
        (("NotAuthorizedException", "Client x is configured with secret but SECRET_HASH was not received"),
         500, "misconfigured"),
        (("NotAuthorizedException", "Contact administrator to reset password"), 500, "misconfigured"),
        (("ResourceNotFoundException", "User pool client x does not exist."), 500, "misconfigured"),
        (SANDBOX, 500, "misconfigured"),
        (DAILY_LIMIT, 503, "unavailable"),
    ],
)  # fmt: skip
async def test_operator_fault_is_a_server_error_with_one_error_record(
    error: tuple[str, str], status: int, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The response is not a wrong code and does not contain the message; the record has the message."""
    caplog.set_level(logging.DEBUG)
    async with site(refuse(*error)) as http:
        response = await http.post("/reset-password", json=BODY)
    assert kind_of(response) == (status, kind)
    assert error[1] not in response.text
    (record,) = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert record.levelname == "ERROR"
    assert record.name == "cognito_async.fastapi"
    assert error[0] in record.getMessage()
    assert error[1].removesuffix(RECIPIENT) in record.getMessage()
    assert_no_user_data(caplog)


@pytest.mark.parametrize("error", [SECRET_HASH, DAILY_LIMIT, SANDBOX])
async def test_operator_fault_in_background_is_logged_and_not_shown(
    error: tuple[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """The response is the one of a successful request; the log has one ERROR record."""
    caplog.set_level(logging.DEBUG)
    async with site(answer()) as http:
        expected = whole(await http.post("/forgot-password", json=BODY))
    async with site(refuse(*error)) as http:
        response = await http.post("/forgot-password", json=BODY)
    assert response.status_code == 202
    assert whole(response) == expected
    records = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(records) == 1
    assert [record.levelname for record in caplog.records if record.levelno >= logging.WARNING] == ["ERROR"]
    assert error[0] in records[0]
    assert_no_user_data(caplog)


async def test_disabled_user_is_byte_identical_to_a_wrong_code(caplog: pytest.LogCaptureFixture) -> None:
    """So are an unknown and an unconfirmed user; nothing is logged."""
    caplog.set_level(logging.DEBUG, logger="cognito_async.fastapi")
    seen = []
    for error in (
        WRONG_CODE,
        DISABLED,
        ("UserNotFoundException", "Username/client id combination not found."),
        ("UserNotConfirmedException", "User is not confirmed."),
        ("ExpiredCodeException", "Invalid code provided, please request a code again."),
    ):
        async with site(refuse(*error)) as http:
            seen.append(whole(await http.post("/reset-password", json=BODY)))
    assert seen[0][0] == 400
    assert all(each == seen[0] for each in seen)
    assert not caplog.records


@pytest.mark.parametrize("path", ["/forgot-password", "/reset-password"])
@pytest.mark.parametrize(
    "code",
    [
        *("UserNotFoundException", "UserLambdaValidationException", "UnexpectedLambdaException", "SomeNewException"),
        *("InvalidParameterException", "InternalErrorException", "NotAuthorizedException", "CodeMismatchException"),
    ],
)
async def test_messages_that_quote_the_user_are_not_logged(
    path: str, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Messages of Lambda triggers and of unknown errors may contain any data of a user."""
    caplog.set_level(logging.DEBUG)
    message = f"PreSignUp failed with error {NAME} Ada {CODE} {PASSWORD} from 192.0.2.1"
    async with site(refuse(code, message)) as http:
        await http.post(path, json=BODY)
    assert_no_user_data(caplog)
