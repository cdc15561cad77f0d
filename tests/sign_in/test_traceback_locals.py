"""Tracebacks with local variables contain no password, code, session, token or private value of a sign-in."""

import asyncio
import inspect
import json
from collections.abc import Callable, Generator
from itertools import count
from traceback import walk_tb
from typing import Any

import pytest

from cognito_async import CognitoClient, CognitoError, Credentials, TransportError
from cognito_async.operations import UserContextDataType
from cognito_async.protocol import srp
from cognito_async.sign_in import Device, srp_exchange
from cognito_async.sign_in.challenges import result_of
from cognito_async.sign_in.flow import Flow, Step
from tests.support.canaries import CANARY, canary, leaking_frames
from tests.support.scripted_transport import ScriptedTransport, refuse, respond, scripted_session

POOL = "eu-west-1_FakePool1"
SESSION = CANARY.ljust(20, "x")
SRP = {"SALT": "1234", "SRP_B": "5678", "SECRET_BLOCK": "AAAA", "USER_ID_FOR_SRP": "ada"}
KEYS = Credentials(access_key_id="AKID", secret_access_key=canary(), session_token=canary())
DEVICE = Device(key="device", group_key="group", password=canary())
VERIFIER = {"ChallengeName": "PASSWORD_VERIFIER", "ChallengeParameters": SRP, "Session": SESSION}
TOKENS = {"AccessToken": canary(), "IdToken": canary(), "RefreshToken": canary(), "ExpiresIn": 3600}


def body(**content: Any) -> Any:
    """Return a successful response."""
    return respond(200, json.dumps(content).encode())


def challenge_with(name: str, **parameters: str) -> Any:
    """Return a response with a challenge."""
    return body(ChallengeName=name, ChallengeParameters=parameters, Session=SESSION)


FAILURES: dict[str, Callable[[], Any]] = {
    "refused": lambda: refuse("NotAuthorizedException", "Incorrect username or password: no"),
    "expired": lambda: refuse("NotAuthorizedException", "Invalid session for the user."),
    "mismatch": lambda: refuse("CodeMismatchException"),
    "failed": lambda: refuse("InternalErrorException", status=500),
    "no JSON": lambda: respond(200, CANARY.encode()),
    "no tokens": lambda: body(AuthenticationResult={"RefreshToken": canary(), "ExpiresIn": 5}),
    "no such flow": lambda: refuse("InvalidParameterException", "USER_SRP_AUTH flow not enabled for this client"),
    "broken challenge": lambda: challenge_with("WEB_AUTHN", CREDENTIAL_REQUEST_OPTIONS=f"[{CANARY}"),
    "broken parameters": lambda: challenge_with("CUSTOM_CHALLENGE", USERNAME=["x", CANARY]),  # type: ignore[arg-type]
    "broken proof": lambda: body(**{**VERIFIER, "ChallengeParameters": {**SRP, "SRP_B": "0"}}),
}


async def error_of(script: list[Any], call: Callable[[CognitoClient], Any]) -> CognitoError:
    """Run a call against a script and return its error."""
    async with scripted_session(ScriptedTransport(*script), credentials=KEYS) as session:
        client = session.client("app", canary(), POOL)
        with pytest.raises(CognitoError) as caught:
            await call(client)
    return caught.value


def checked(error: CognitoError) -> None:
    """Assert that neither the error nor its frames contain a canary."""
    assert leaking_frames(error) == []
    for each in (error, error.__cause__, error.__context__):
        assert CANARY not in f"{each!r} {each}"


FLOWS: list[dict[str, Any]] = [
    {"password": canary()},
    {"password": canary(), "device": DEVICE, "remember_device": True},
    {"password": canary(), "auth_flow": "USER_PASSWORD_AUTH"},
    {"password": canary(), "auth_flow": "USER_AUTH"},
    {"password": canary(), "auth_flow": "USER_AUTH", "preferred_challenge": "PASSWORD"},
    {"auth_flow": "USER_AUTH", "session": SESSION},
    {"password": canary(), "auth_flow": "CUSTOM_AUTH"},
]


@pytest.mark.virtual_clock
@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("options", FLOWS)
@pytest.mark.parametrize("admin", [False, True])
async def test_frames_of_a_failed_sign_in_contain_no_secrets(
    options: dict[str, Any], failure: str, *, admin: bool
) -> None:
    """At the start, and at the proof."""
    if admin and options.get("auth_flow") == "USER_PASSWORD_AUTH":
        options = {**options, "auth_flow": "ADMIN_USER_PASSWORD_AUTH"}
    elif admin:
        options = {"auth_flow": "USER_SRP_AUTH", **options}
    context: dict[str, Any] = {} if admin else {"user_context_data": UserContextDataType(encoded_data=canary())}
    given = {"username": canary(), "client_metadata": {"key": canary()}, **options, **context}

    async def call(client: CognitoClient) -> Any:
        return await (client.admin_sign_in if admin else client.sign_in)(**given)

    checked(await error_of([FAILURES[failure]()] * 3, call))
    if "session" not in options and options.get("preferred_challenge") is None and "PASSWORD_AUTH" not in str(options):
        checked(await error_of([body(**VERIFIER), *[FAILURES[failure]()] * 3], call))


@pytest.mark.virtual_clock
@pytest.mark.parametrize("failure", FAILURES)
async def test_frames_of_a_failed_device_exchange_contain_no_secrets(failure: str) -> None:
    """The device's password is one, too."""

    async def call(client: CognitoClient) -> Any:
        return await client.sign_in(username="ada", password=canary(), device=DEVICE)

    start = [body(**VERIFIER), challenge_with("DEVICE_SRP_AUTH")]
    checked(await error_of([*start, *[FAILURES[failure]()] * 3], call))
    proof = challenge_with("DEVICE_PASSWORD_VERIFIER", **SRP)
    checked(await error_of([*start, proof, *[FAILURES[failure]()] * 3], call))


@pytest.mark.virtual_clock
@pytest.mark.parametrize("failure", ["failed", "mismatch", "no JSON"])
async def test_frames_of_a_device_error_contain_no_secrets(failure: str) -> None:
    """``device_error`` is an error that has left its frames."""
    new = {"AuthenticationResult": {**TOKENS, "NewDeviceMetadata": {"DeviceKey": "k", "DeviceGroupKey": "g"}}}
    script = [body(**VERIFIER), body(**new), *[FAILURES[failure]()] * 3]
    async with scripted_session(ScriptedTransport(*script)) as session:
        client = session.client("app", canary(), POOL)
        result: Any = await client.sign_in(username="ada", password=canary(), remember_device=True)
    checked(result.device_error)


ANSWERS: list[tuple[str, dict[str, str], Callable[[Any], Any]]] = [
    ("SMS_MFA", {}, lambda each: each.respond("271828")),
    ("SELECT_MFA_TYPE", {"MFAS_CAN_CHOOSE": '["SMS_MFA"]'}, lambda each: each.select("SMS_MFA")),
    ("SELECT_CHALLENGE", {}, lambda each: each.select("EMAIL_OTP")),
    ("SELECT_CHALLENGE", {}, lambda each: each.respond_with_password(canary())),
    ("SELECT_CHALLENGE", {}, lambda each: each.respond_with_password(canary(), srp=False)),
    ("SELECT_CHALLENGE", {}, lambda each: each.respond_with_credential({"id": CANARY})),
    ("MFA_SETUP", {}, lambda each: each.associate_software_token()),
    ("MFA_SETUP", {}, lambda each: each.verify_software_token("271828")),
    ("MFA_SETUP", {}, lambda each: each.set_up_email(canary())),
    ("NEW_PASSWORD_REQUIRED", {}, lambda each: each.respond(canary(), attributes={"email": canary()})),
    ("PASSWORD", {}, lambda each: each.respond(canary())),
    ("PASSWORD_SRP", {}, lambda each: each.respond(canary())),
    ("WEB_AUTHN", {"CREDENTIAL_REQUEST_OPTIONS": "{}"}, lambda each: each.respond({"id": CANARY})),
    ("CUSTOM_CHALLENGE", {}, lambda each: each.respond(canary())),
    ("FUTURE", {}, lambda each: each.respond({"CODE": canary()})),
]


@pytest.mark.virtual_clock
@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize(("name", "parameters", "answer"), ANSWERS)
async def test_frames_of_a_failed_answer_contain_no_secrets(
    name: str, parameters: dict[str, str], answer: Callable[[Any], Any], failure: str
) -> None:
    """All challenges."""

    async def call(client: CognitoClient) -> Any:
        step = Step(
            Flow(client=client, username=canary(), device=DEVICE, context={"client_metadata": {"key": canary()}}),
            name,
            parameters={**parameters, "secret": canary()},
            available=("PASSWORD", "PASSWORD_SRP", "EMAIL_OTP"),
            session=SESSION,
        )
        return await answer(result_of(step))

    error = await error_of([FAILURES[failure]()] * 3, call)
    checked(error)
    assert leaking_frames(error, "271828") == []


@pytest.mark.virtual_clock
@pytest.mark.parametrize("failure", [name for name in FAILURES if name != "no tokens"])
async def test_frames_of_a_failed_verification_contain_no_secrets(failure: str) -> None:
    """``verify_password``."""

    async def call(client: CognitoClient) -> Any:
        return await client.verify_password(username=canary(), password=canary())

    checked(await error_of([FAILURES[failure]()] * 3, call))
    if not failure.startswith("broken"):
        checked(await error_of([body(**VERIFIER), *[FAILURES[failure]()] * 3], call))


@pytest.mark.parametrize("options", FLOWS)
async def test_frames_of_a_lost_connection_contain_no_secrets(options: dict[str, Any]) -> None:
    """Errors of the transport itself."""

    async def call(client: CognitoClient) -> Any:
        return await client.sign_in(username=canary(), **options)

    checked(await error_of([TransportError("lost", sent=True)] * 3, call))


@pytest.mark.parametrize("admin", [False, True])
async def test_frames_of_an_invalid_device_contain_no_secrets(*, admin: bool) -> None:
    """A dict in place of the device cannot mask its password."""
    given: dict[str, Any] = {"username": "ada", "password": canary(), "device": {"password": canary()}}
    checked(await error_of([], lambda client: (client.admin_sign_in if admin else client.sign_in)(**given)))


@pytest.mark.parametrize("failing", range(3))
async def test_interrupted_computation_shows_no_private_values(failing: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupt may hit any slice: the frames of the computation hold a, x and S."""
    powers, power = count(), srp._mod_pow

    def interrupted(base: int, exponent: int) -> Generator[None, None, int]:
        if next(powers) == failing:
            raise KeyboardInterrupt
        return (yield from power(base, exponent))

    monkeypatch.setattr(srp, "_mod_pow", interrupted)
    async with scripted_session(ScriptedTransport(body(**VERIFIER))) as session:
        with pytest.raises(KeyboardInterrupt) as caught:
            await session.client("app", canary(), POOL).sign_in(username="ada", password=canary())
    frames = [frame.f_code for frame, _ in walk_tb(caught.value.__traceback__)]
    assert srp.__file__ not in {code.co_filename for code in frames}
    assert leaking_frames(caught.value) == []


async def test_cancelled_computation_keeps_no_private_values() -> None:
    """The frame of ``run`` refers to the computation."""

    def computation() -> Generator[None, None, None]:
        yield

    steps = computation()
    task = asyncio.create_task(srp_exchange.run(steps))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert inspect.getgeneratorstate(steps) == inspect.GEN_CLOSED
