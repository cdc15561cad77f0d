"""The local pool: it has what it was asked for, its mail can be read, and it never leaves a process behind."""

import asyncio
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
    """Give all tests of this file one pool, made on a loop that none of them runs on."""
    with running(LocalPool(users={ADA: PASSWORD, ALAN: PASSWORD})) as made:
        yield made


@pytest.fixture
def emulators(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Note the process id of each emulator that is started."""
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


# --- what it has ------------------------------------------------------------------------------------------------------


async def test_it_has_a_pool_a_client_and_users(pool: LocalPool) -> None:
    """A user who was asked for signs in at once, with a verified address; without a secret, and without credentials."""
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


async def test_it_has_a_secret_on_request() -> None:
    """The app client's secret is real: with it a user signs in, without it nobody does; it is in no repr."""
    async with (
        LocalPool(client_secret=True, users={ADA: PASSWORD}, region="us-east-2") as pool,
        pool.session() as session,
    ):
        assert pool.client_secret is not None
        assert pool.client_secret not in repr(pool)
        assert pool.user_pool_id.startswith("us-east-2_")
        await sign_in(session.client(pool.client_id, pool.client_secret), ADA)
        with pytest.raises(NotAuthorizedException, match="SECRET_HASH was not received"):
            await sign_in(session.client(pool.client_id), ADA)


async def test_it_hides_who_exists(pool: LocalPool) -> None:
    """Somebody unknown is answered like somebody who mistyped the code."""
    async with pool.session() as session:
        client = session.client(pool.client_id)
        await client.forgot_password(username="nobody@example.com")
        with pytest.raises(CodeMismatchException):
            await client.confirm_forgot_password(
                username="nobody@example.com", confirmation_code="654321", password=PASSWORD
            )


async def test_users_can_be_added(pool: LocalPool) -> None:
    """A user made later signs in at once, and is not made twice."""
    await pool.create_user("grace@example.com", PASSWORD)
    async with pool.session() as session:
        await sign_in(session.client(pool.client_id), "grace@example.com")
    with pytest.raises(UsernameExistsException):
        await pool.create_user("grace@example.com", PASSWORD)


@pytest.mark.parametrize("secret", [True, False])
async def test_clients_can_be_added(pool: LocalPool, *, secret: bool) -> None:
    """Another app client, with or without a secret, serves the same users."""
    client_id, client_secret = await pool.create_client(secret=secret)
    assert client_id != pool.client_id
    assert (client_secret is not None) is secret
    async with pool.session() as session:
        await sign_in(session.client(client_id, client_secret), ADA)


async def test_sessions_are_new_and_take_options(pool: LocalPool) -> None:
    """Each session is another, and what it is told wins over what the pool would tell it."""
    one, other = pool.session(), pool.session(credentials=Credentials(access_key_id="AKIA", secret_access_key="wrong"))
    async with one, other:
        assert one is not other
        pools = await one.client().list_user_pools(max_results=1)
        assert [found.id for found in pools.user_pools or ()] == [pool.user_pool_id]
        with pytest.raises(ServiceError) as caught:
            await other.client().list_user_pools(max_results=1)
    assert caught.value.code == "UnrecognizedClientException"


def test_the_options_are_those_of_the_session() -> None:
    """What ``session`` passes on is all that a session takes, but for what the pool must decide."""
    decided_here = {"region", "endpoint_url", "use_fips", "use_dualstack", "random"}
    assert (
        SessionOptions.__annotations__.keys() == inspect.signature(AsyncCognitoSession).parameters.keys() - decided_here
    )


# --- its mail ---------------------------------------------------------------------------------------------------------


async def test_codes_are_found_by_address(pool: LocalPool) -> None:
    """A code goes to one address, whatever its case, and works; that of another user is another message."""
    async with pool.session() as session:
        client = session.client(pool.client_id)
        for email in (ALAN, ADA):
            await client.forgot_password(username=email)
        code = await pool.code_for(ADA.upper())
        await client.confirm_forgot_password(username=ADA, confirmation_code=code, password=PASSWORD)
    assert [message.to for message in await pool.messages_for(ALAN)] == [(ALAN,)]


async def test_a_code_that_is_not_there_yet_is_waited_for(pool: LocalPool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The code may be asked for before the mail has gone out."""
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


async def test_a_code_that_never_comes_is_explained(pool: LocalPool) -> None:
    """The error says for whom it waited, and how long."""
    with pytest.raises(LocalPoolError, match=r"no code was sent to nobody@example\.com within 0\.1 s"):
        await pool.code_for("nobody@example.com", timeout=0.1)


async def test_the_newest_code_counts(pool: LocalPool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several messages the last with a code is taken, not the last of all."""

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
async def test_a_mailbox_that_makes_no_sense_is_explained(content: bytes) -> None:
    """Whatever else answers there, the error is the one that callers expect, and names the address."""
    async with ScriptedServer(answer(content)) as server:
        with pytest.raises(LocalPoolError, match=server.url):
            await asyncio.to_thread(read_mail, server.url)
    with pytest.raises(LocalPoolError, match="refused"):
        await asyncio.to_thread(read_mail, "http://127.0.0.1:1")


# --- its end ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["endpoint_url", "user_pool_id", "client_id", "client_secret"])
def test_there_is_nothing_before_the_start(name: str) -> None:
    """Asking for what only a running pool has is a clear error."""
    with pytest.raises(LocalPoolError, match="async with"):
        getattr(LocalPool(), name)


async def test_it_ends_and_can_be_used_again(emulators: list[int]) -> None:
    """The process is gone with the block, and so is what the pool had; the next block has another pool."""
    pool = LocalPool()
    async with pool:
        first = pool.user_pool_id
        with pytest.raises(LocalPoolError, match="already"):
            await pool.__aenter__()
        assert is_alive(emulators[0])
        assert pool.user_pool_id == first
    assert not is_alive(emulators[0])
    with pytest.raises(LocalPoolError, match="async with"):
        _ = pool.client_id
    async with pool:
        assert pool.user_pool_id != first


async def test_users_it_cannot_make_end_it(emulators: list[int]) -> None:
    """A password too weak for the pool is the service's own error, and no process is left."""
    with pytest.raises(InvalidPasswordException):
        await LocalPool(users={ADA: "password"}).__aenter__()
    assert not is_alive(emulators[0])


async def test_cancelling_the_start_ends_it(emulators: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """A cancellation that arrives while the pool is filled leaves no process."""
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


async def test_an_impossible_region_starts_nothing() -> None:
    """A region that can't be is refused before anything is started."""
    with pytest.raises(ParameterValidationError, match="region"):
        LocalPool(region="x.evil.com/")


async def test_the_command_is_the_emulators() -> None:
    """The command and the time it has are passed on."""
    with pytest.raises(LocalPoolError, match="no program 'no-such-emulator'"):
        await LocalPool(command=["no-such-emulator"]).__aenter__()
    idle = [sys.executable, "-c", "import signal; signal.pause()"]
    with pytest.raises(LocalPoolError, match=r"not ready after 0\.2 s"):
        await LocalPool(command=idle, startup_timeout=0.2).__aenter__()


# --- how it is imported -----------------------------------------------------------------------------------------------


def test_only_tests_load_it() -> None:
    """Neither the package nor a client loads anything of the local pool; each of its names is there when asked for."""
    program = """
import sys, cognito_async
cognito_async.AsyncCognitoSession("eu-west-1").client("abc")
assert not [name for name in sys.modules if name.startswith("cognito_async.testing")]
import cognito_async.testing
assert not [name for name in sys.modules if name.startswith("cognito_async.testing.")]
"""
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
    assert dir(cognito_async.testing) == ["Emulator", "LocalPool", "LocalPoolError", "Message"]
    for name in dir(cognito_async.testing):
        assert getattr(cognito_async.testing, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'LocalPoool'"):
        getattr(cognito_async.testing, "LocalPoool")  # noqa: B009 - the checkers would see it
