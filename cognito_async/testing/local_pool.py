"""A user pool of your own for as long as a test lasts, on this machine, with users in it and a mailbox to look into."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from ssl import SSLContext
from types import TracebackType
from typing import TYPE_CHECKING, Final, Literal, Self, TypedDict, TypeVar, Unpack

from cognito_async.call import Timeouts
from cognito_async.client import CognitoClient
from cognito_async.operations import AccountRecoverySettingType, AttributeType, RecoveryOptionType
from cognito_async.protocol.endpoints import check_region
from cognito_async.protocol.retry import RetryPolicy
from cognito_async.protocol.signing import Credentials
from cognito_async.session import AsyncCognitoSession
from cognito_async.testing.emulator import Emulator
from cognito_async.testing.environment import LocalPoolError
from cognito_async.testing.mailbox import Message, read_mail
from cognito_async.transport import Connector, PoolLimits, Transport

if TYPE_CHECKING:  # as in the session: only those who use them load them
    from cognito_async.protocol.events import Event
    from cognito_async.quotas import Quotas
    from cognito_async.rate_limiter import RateLimiter

Value = TypeVar("Value")

__all__ = ["LocalPool", "SessionOptions"]

# The emulator takes this key for the account's owner, whatever it is signed with.
_ADMINISTRATOR: Final = Credentials(access_key_id="test", secret_access_key="test")
_NAME: Final = "cognito_async"
_AUTH_FLOWS: Final = (
    "ALLOW_USER_PASSWORD_AUTH", "ALLOW_ADMIN_USER_PASSWORD_AUTH", "ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH",
)  # fmt: skip
_POLL: Final = 0.02  # seconds between two looks into the mailbox


class SessionOptions(TypedDict, total=False):
    """What ``LocalPool.session`` passes on to ``AsyncCognitoSession``, and means the same there."""

    retry: RetryPolicy | None
    timeouts: Timeouts | None
    pool: PoolLimits | None
    quotas: "Quotas | None"
    credentials: Credentials | None
    proxy: str | Literal[False] | None
    ssl: SSLContext | str | PathLike[str] | None
    connector: Connector | None
    transport: Transport | None
    rate_limiter: "RateLimiter | None"
    on_event: "Callable[[Event], None] | None"


class LocalPool:
    """A user pool with an app client and users, in an emulator that runs for as long as an ``async with`` block lasts.

        async with LocalPool(users={"ada@example.com": "Old-Passw0rd"}) as pool, pool.session() as session:
            client = session.client(pool.client_id)
            await client.forgot_password(username="ada@example.com")
            code = await pool.code_for("ada@example.com")

    Users sign in with their e-mail address, written as it was when they were made. Passwords need 8 characters, among
    them upper and lower case, a digit and a symbol. The app client hides whether a user exists, as AWS advises. The
    emulator is installed on first use, see ``Emulator``; it ends with the block, and also when this process is killed.
    Codes are the same each time. Confirming a sign-up verifies the e-mail address.

    The pool itself belongs to no event loop: make it once for many tests, and a session in each of them.
    """

    def __init__(
        self,
        *,
        client_secret: bool = False,
        users: Mapping[str, str] | None = None,
        region: str = "eu-west-1",
        command: Sequence[str] | None = None,
        startup_timeout: float = 30.0,
    ) -> None:
        """Configure the pool; nothing is started yet.

        Args:
            client_secret: Whether the app client has a secret.
            users: Passwords by e-mail address, of users to begin with; None for none.
            region: The AWS region that the pool says it is in.
            command: Program and arguments that start MiniStack; None for the variable ``COGNITO_ASYNC_MINISTACK``, else
                an environment of its own.
            startup_timeout: The longest the emulator may take until it answers, in seconds.

        Raises:
            ParameterValidationError: There can be no such region.
        """
        self._region = check_region(region)
        self._wants_secret = client_secret
        self._users = dict(users or {})
        self._emulator = Emulator(command=command, startup_timeout=startup_timeout)
        self._user_pool_id: str | None = None
        self._app_client: tuple[str, str | None] | None = None

    def __repr__(self) -> str:
        return f"LocalPool(region={self._region!r}, user_pool_id={self._user_pool_id!r})"

    async def __aenter__(self) -> Self:
        """Start the emulator and fill it.

        Raises:
            LocalPoolError: The emulator does not start; the text says why, and what to do about it.
            CognitoError: It refuses what the pool is made of, such as a password that is too weak.
        """
        await self._emulator.__aenter__()
        try:
            await self._set_up()
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._user_pool_id = self._app_client = None
        await self._emulator.__aexit__(kind, error, traceback)

    @property
    def endpoint_url(self) -> str:
        """Return the address it answers on, such as ``http://127.0.0.1:40123``."""
        return self._emulator.endpoint_url

    @property
    def region(self) -> str:
        """Return the AWS region that the pool says it is in."""
        return self._region

    @property
    def user_pool_id(self) -> str:
        """Return the user pool's id."""
        return _running(self._user_pool_id)

    @property
    def client_id(self) -> str:
        """Return the app client's id."""
        return _running(self._app_client)[0]

    @property
    def client_secret(self) -> str | None:
        """Return the app client's secret; None if it has none."""
        return _running(self._app_client)[1]

    def session(self, **options: Unpack[SessionOptions]) -> AsyncCognitoSession:
        """Make a session that speaks with this pool, as the administrator unless told otherwise.

        Args:
            **options: Options of AsyncCognitoSession.

        Returns:
            A new session, for ``async with``.
        """
        options.setdefault("credentials", _ADMINISTRATOR)
        options.setdefault("proxy", False)  # the emulator is on this machine
        return AsyncCognitoSession(self._region, endpoint_url=self.endpoint_url, **options)

    async def create_user(self, email: str, password: str) -> None:
        """Create a user who can sign in at once: confirmed, with a verified address, told of nothing by mail.

        Args:
            email: The user's address, which is also the user's name.
            password: The user's password.

        Raises:
            UsernameExistsException: There is one with this address.
            InvalidPasswordException: The password is too weak; the user exists all the same, without one.
        """
        async with self.session() as session:
            await _create_user(session.client(user_pool_id=self.user_pool_id), email, password)

    async def create_client(self, *, secret: bool) -> tuple[str, str | None]:
        """Create another app client in the pool.

        Args:
            secret: Whether it has a secret.

        Returns:
            Its id and its secret; None instead of the secret if it has none.
        """
        async with self.session() as session:
            return await _create_app_client(session.client(user_pool_id=self.user_pool_id), secret=secret)

    async def messages(self) -> list[Message]:
        """Read all mail that the pool sent.

        Returns:
            The messages, the newest last; empty if there are none.

        Raises:
            LocalPoolError: The mailbox can't be read.
        """
        return await asyncio.to_thread(read_mail, self.endpoint_url)

    async def messages_for(self, email: str) -> list[Message]:
        """Read the mail that the pool sent to an address.

        Args:
            email: The address, in upper or lower case.

        Returns:
            The messages, the newest last; empty if there are none.

        Raises:
            LocalPoolError: The mailbox can't be read.
        """
        wanted = email.casefold()
        return [message for message in await self.messages() if wanted in map(str.casefold, message.to)]

    async def code_for(self, email: str, *, timeout: float = 5.0) -> str:  # noqa: ASYNC109 - its own error says more
        """Return the newest code that was sent to an address; wait for one if there is none yet.

        Args:
            email: The address, in upper or lower case.
            timeout: The longest to wait, in seconds.

        Raises:
            LocalPoolError: No code was sent to this address in time.
        """
        clock = asyncio.get_running_loop().time
        deadline = clock() + timeout
        while True:
            for message in reversed(await self.messages_for(email)):
                if message.code is not None:
                    return message.code
            if clock() >= deadline:
                raise LocalPoolError(f"no code was sent to {email} within {timeout:g} s")
            await asyncio.sleep(_POLL)

    async def _set_up(self) -> None:
        async with self.session() as session:
            self._user_pool_id = await _create_user_pool(session.client())
            client = session.client(user_pool_id=self._user_pool_id)
            self._app_client = await _create_app_client(client, secret=self._wants_secret)
            for email, password in self._users.items():
                await _create_user(client, email, password)


async def _create_user_pool(client: CognitoClient) -> str:
    by_mail = RecoveryOptionType(priority=1, name="verified_email")
    answer = await client.create_user_pool(
        pool_name=_NAME,
        username_attributes=["email"],
        auto_verified_attributes=["email"],
        account_recovery_setting=AccountRecoverySettingType(recovery_mechanisms=[by_mail]),
    )
    return _given(_given(answer.user_pool).id)


async def _create_app_client(client: CognitoClient, *, secret: bool) -> tuple[str, str | None]:
    answer = await client.create_user_pool_client(
        client_name=_NAME,
        generate_secret=secret,
        explicit_auth_flows=_AUTH_FLOWS,
        prevent_user_existence_errors="ENABLED",
    )
    made = _given(answer.user_pool_client)
    return _given(made.client_id), made.client_secret


async def _create_user(client: CognitoClient, email: str, password: str) -> None:
    attributes = [AttributeType(name="email", value=email), AttributeType(name="email_verified", value="true")]
    await client.admin_create_user(username=email, user_attributes=attributes, message_action="SUPPRESS")
    await client.admin_set_user_password(username=email, password=password, permanent=True)


def _running(value: Value | None) -> Value:
    if value is None:
        raise LocalPoolError("the local pool is there only inside its `async with` block")
    return value


def _given(value: Value | None) -> Value:
    if value is None:
        raise LocalPoolError("the emulator left out what it made; is it the version that the pins name?")
    return value
