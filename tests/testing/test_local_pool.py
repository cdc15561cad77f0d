"""The local user pool: users, app clients, mail, sessions, and its process."""

import asyncio
import base64
import inspect
import subprocess
import sys
from collections.abc import Awaitable, Iterator
from datetime import UTC, datetime

import pytest

import cognito_async.testing
from cognito_async import (
    AsyncCognitoSession,
    CodeMismatchException,
    CognitoClient,
    Credentials,
    InvalidPasswordException,
    NotAuthorizedException,
    ParameterValidationError,
    ServiceError,
    UsernameExistsException,
)
from cognito_async.testing import Emulator, LocalPool, LocalPoolError, Message, local_pool
from cognito_async.testing.local_pool import SessionOptions
from cognito_async.testing.mailbox import read_mail
from tests.support.processes import ROOT, is_alive, running
from tests.support.scripted_server import ScriptedServer, answer
from tests.support.scripted_transport import ScriptedTransport, respond

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and process groups are POSIX")

ADA, ALAN = "Ada@example.com", "alan@example.com"
PASSWORD = "Analytical-1843"


@pytest.fixture(scope="module")
def pool() -> Iterator[LocalPool]:
    """Start a pool for all tests of this file, on a separate event loop."""
    with running(LocalPool(users={ADA: PASSWORD, ALAN: PASSWORD})) as made:
        yield made


@pytest.fixture
def emulators(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Record the process IDs of all started emulators."""
    pids: list[int] = []
    start = Emulator.__aenter__

    async def noted(self: Emulator) -> Emulator:
        await start(self)
        pids.append(self.pid)
        return self

    monkeypatch.setattr(Emulator, "__aenter__", noted)
    return pids


def sign_in(client: CognitoClient, email: str, password: str = PASSWORD) -> Awaitable[object]:
    """Sign a user in."""
    return client.initiate_auth(
        auth_flow="USER_PASSWORD_AUTH", auth_parameters={"USERNAME": email, "PASSWORD": password}
    )


# --- users, app clients, sessions -------------------------------------------------------------------------------------


async def test_users_can_sign_in(pool: LocalPool) -> None:
    """With a verified address, without a secret and without credentials."""
    assert pool.client_secret is None
    assert pool.region == "eu-west-1"
    assert pool.user_pool_id.startswith("eu-west-1_")
    async with AsyncCognitoSession(pool.region, endpoint_url=pool.endpoint_url) as session:
        await sign_in(session.client(pool.client_id), ADA)
    async with pool.session() as session:
        user = await session.client(user_pool_id=pool.user_pool_id).admin_get_user(username=ADA)
    assert user.user_status == "CONFIRMED"
    attributes = {attribute.name: attribute.value for attribute in user.user_attributes or ()}
    assert attributes["email"] == ADA
    assert attributes["email_verified"] == "true"


async def test_app_client_with_secret_requires_it() -> None:
    """The secret is in no repr."""
    async with (
        LocalPool(client_secret=True, users={ADA: PASSWORD}, region="us-east-2") as pool,
        pool.session() as session,
    ):
        assert pool.client_secret is not None
        assert pool.client_secret not in repr(pool)
        assert pool.user_pool_id.startswith("us-east-2_")
        await sign_in(session.client(pool.client_id, pool.client_secret), ADA)
        with pytest.raises(NotAuthorizedException, match="SECRET_HASH"):
            await sign_in(session.client(pool.client_id), ADA)


async def test_unknown_user_gets_the_error_of_a_wrong_code(pool: LocalPool) -> None:
    """User enumeration is prevented."""
    async with pool.session() as session:
        client = session.client(pool.client_id)
        await client.forgot_password(username="unknown@example.com")
        with pytest.raises(CodeMismatchException):
            await client.confirm_forgot_password(
                username="unknown@example.com", confirmation_code="654321", password=PASSWORD
            )


async def test_create_user(pool: LocalPool) -> None:
    """The user can sign in, and cannot be created twice."""
    await pool.create_user("grace@example.com", PASSWORD)
    async with pool.session() as session:
        await sign_in(session.client(pool.client_id), "grace@example.com")
    with pytest.raises(UsernameExistsException):
        await pool.create_user("grace@example.com", PASSWORD)


@pytest.mark.parametrize("secret", [True, False])
async def test_create_client(pool: LocalPool, *, secret: bool) -> None:
    """With or without a secret, for the same users."""
    client_id, client_secret = await pool.create_client(secret=secret)
    assert client_id != pool.client_id
    assert (client_secret is not None) is secret
    async with pool.session() as session:
        await sign_in(session.client(client_id, client_secret), ADA)


def test_environment_has_the_same_state_key_for_each_call(pool: LocalPool) -> None:
    """Processes of one application open the challenges of each other; other pools have other keys."""
    variables = pool.environment()
    assert variables == pool.environment()
    assert (variables["COGNITO_USER_POOL_ID"], variables["COGNITO_CLIENT_ID"]) == (pool.user_pool_id, pool.client_id)
    assert variables["AWS_REGION"] == "eu-west-1"
    assert len(base64.b64decode(variables["COGNITO_STATE_KEYS"])) == 32
    assert local_pool.new_state_key() != variables["COGNITO_STATE_KEYS"]


async def test_session_takes_options(pool: LocalPool) -> None:
    """Each session is new, and options take precedence."""
    one, other = pool.session(), pool.session(credentials=Credentials(access_key_id="AKIA", secret_access_key="wrong"))
    async with one, other:
        assert one is not other
        pools = await one.client().list_user_pools(max_results=1)
        assert [found.id for found in pools.user_pools or ()] == [pool.user_pool_id]
        with pytest.raises(ServiceError) as caught:
            await other.client().list_user_pools(max_results=1)
    assert caught.value.code == "UnrecognizedClientException"


def test_session_options_equal_those_of_the_session() -> None:
    """Except for region and endpoint."""
    decided_here = {"region", "endpoint_url", "use_fips", "use_dualstack", "random"}
    assert (
        SessionOptions.__annotations__.keys() == inspect.signature(AsyncCognitoSession).parameters.keys() - decided_here
    )


# --- mail -------------------------------------------------------------------------------------------------------------


async def test_code_for_address(pool: LocalPool) -> None:
    """In upper and lower case; other users have other messages."""
    async with pool.session() as session:
        client = session.client(pool.client_id)
        for email in (ALAN, ADA):
            await client.forgot_password(username=email)
        code = await pool.code_for(ADA.upper())
        await client.confirm_forgot_password(username=ADA, confirmation_code=code, password=PASSWORD)
    assert [message.to for message in await pool.messages_for(ALAN)] == [(ALAN,)]


async def test_code_for_waits_for_the_message(pool: LocalPool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until it is sent."""
    looked, loop = asyncio.Event(), asyncio.get_running_loop()

    def look(url: str) -> list[Message]:
        mail = read_mail(url)
        loop.call_soon_threadsafe(looked.set)
        return mail

    monkeypatch.setattr(local_pool, "read_mail", look)
    await pool.create_user("john@example.com", PASSWORD)
    waiting = asyncio.create_task(pool.code_for("john@example.com"))
    await looked.wait()
    async with pool.session() as session:
        await session.client(pool.client_id).forgot_password(username="john@example.com")
    assert await waiting == "654321"


async def test_code_for_times_out(pool: LocalPool) -> None:
    """The error has the address and the timeout."""
    with pytest.raises(LocalPoolError, match=r"no code was sent to unknown@example\.com within 0\.1 s"):
        await pool.code_for("unknown@example.com", timeout=0.1)


async def test_code_for_returns_the_newest_code(pool: LocalPool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the last message that has one."""

    def message(body: str) -> Message:
        return Message(to=(ADA,), subject="hello", body=body, sent_at=datetime.now(UTC))

    mail = [message("your code is 111111"), message("your code is 222222."), message("your password was set in 2026")]
    monkeypatch.setattr(local_pool, "read_mail", lambda _: mail)
    assert await pool.code_for(ADA) == "222222"
    assert "222222" not in repr(mail)


async def test_session_and_mailbox_ignore_the_proxies_of_the_environment(
    pool: LocalPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are on this machine."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    await pool.messages_for(ADA)
    async with pool.session() as session:
        await sign_in(session.client(pool.client_id), ADA)
    async with pool.session(transport=ScriptedTransport(respond())) as session:
        await session.client(pool.client_id).forgot_password(username=ADA)


async def test_confirmed_sign_up_verifies_the_email_address(pool: LocalPool) -> None:
    """As in AWS, where the code proves that the address is the user's."""
    email = "new@example.com"
    async with pool.session() as session:
        client = session.client(pool.client_id, user_pool_id=pool.user_pool_id)

        async def verified() -> str | None:
            user = await client.admin_get_user(username=email)
            return {attribute.name: attribute.value for attribute in user.user_attributes or ()}.get("email_verified")

        await client.sign_up(username=email, password=PASSWORD)
        with pytest.raises(CodeMismatchException):
            await client.confirm_sign_up(username=email, confirmation_code="000000")
        assert await verified() != "true"
        await client.confirm_sign_up(username=email, confirmation_code=await pool.code_for(email))
        assert await verified() == "true"


@pytest.mark.parametrize("content", [b"not JSON", b"{}", b"[]", b'{"messages": {"0": [{}]}}'])
async def test_unreadable_mailbox_is_an_error(content: bytes) -> None:
    """It names the URL."""
    async with ScriptedServer(answer(content)) as server:
        with pytest.raises(LocalPoolError, match=server.url):
            await asyncio.to_thread(read_mail, server.url)
    with pytest.raises(LocalPoolError, match="refused"):
        await asyncio.to_thread(read_mail, "http://127.0.0.1:1")


# --- start and end ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["endpoint_url", "user_pool_id", "client_id", "client_secret"])
def test_attributes_before_the_start_are_errors(name: str) -> None:
    """LocalPoolError."""
    with pytest.raises(LocalPoolError, match="is not running"):
        getattr(LocalPool(), name)


async def test_pool_can_be_started_again(emulators: list[int]) -> None:
    """With another process and another user pool."""
    pool = LocalPool()
    async with pool:
        first = pool.user_pool_id
        with pytest.raises(LocalPoolError):
            await pool.__aenter__()
        assert is_alive(emulators[0])
        assert pool.user_pool_id == first
    assert not is_alive(emulators[0])
    with pytest.raises(LocalPoolError):
        _ = pool.client_id
    async with pool:
        assert pool.user_pool_id != first


async def test_user_with_weak_password_ends_the_pool(emulators: list[int]) -> None:
    """With the service's error; no process is left."""
    with pytest.raises(InvalidPasswordException):
        await LocalPool(users={ADA: "password"}).__aenter__()
    assert not is_alive(emulators[0])


async def test_cancelled_start_ends_the_pool(emulators: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """No process is left."""
    waiting = asyncio.Event()

    async def never(_: CognitoClient) -> str:
        waiting.set()
        await asyncio.get_running_loop().create_future()
        raise AssertionError("unreachable")

    monkeypatch.setattr(local_pool, "_create_user_pool", never)
    task = asyncio.create_task(LocalPool().__aenter__())
    await waiting.wait()
    assert is_alive(emulators[0])
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not is_alive(emulators[0])


async def test_invalid_region_is_refused() -> None:
    """Nothing is started."""
    with pytest.raises(ParameterValidationError, check=lambda error: error.parameter == "region"):
        LocalPool(region="x.evil.com/")


async def test_command_and_timeout_are_passed_to_the_emulator() -> None:
    """As they are."""
    with pytest.raises(LocalPoolError, match="no-such-emulator"):
        await LocalPool(command=["no-such-emulator"]).__aenter__()
    idle = [sys.executable, "-c", "import signal; signal.pause()"]
    with pytest.raises(LocalPoolError, match=r"0\.2 s"):
        await LocalPool(command=idle, startup_timeout=0.2).__aenter__()


# --- imports ----------------------------------------------------------------------------------------------------------


def test_package_does_not_import_the_local_pool() -> None:
    """Its names are imported on first use."""
    program = """
import sys, cognito_async
cognito_async.AsyncCognitoSession("eu-west-1").client("abc")
assert not [name for name in sys.modules if name.startswith("cognito_async.testing")]
import cognito_async.testing
assert not [name for name in sys.modules if name.startswith("cognito_async.testing.")]
"""
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
    assert {"FakeCognito", "LocalPool", "TokenIssuer"} <= set(dir(cognito_async.testing))
    for name in dir(cognito_async.testing):
        assert getattr(cognito_async.testing, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'LocalPoool'"):
        getattr(cognito_async.testing, "LocalPoool")  # noqa: B009 - the checkers would see it
