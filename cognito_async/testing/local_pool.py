"""A local user pool for tests, with users and a mailbox."""

import asyncio
import base64
import secrets
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from ssl import SSLContext
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypedDict, TypeVar, Unpack, overload

from cognito_async.call import Timeouts
from cognito_async.client import CognitoClient
from cognito_async.event_loop import running_loop
from cognito_async.location import VARIABLES
from cognito_async.operations import AccountRecoverySettingType, AttributeType, RecoveryOptionType
from cognito_async.protocol.endpoints import check_region, region_of_pool
from cognito_async.protocol.proxy import NO_PROXY_VARIABLES
from cognito_async.protocol.retry import RetryPolicy
from cognito_async.protocol.signing import Credentials
from cognito_async.session import AsyncCognitoSession
from cognito_async.testing.emulator import Emulator
from cognito_async.testing.environment import LocalPoolError
from cognito_async.testing.mailbox import Message, read_mail
from cognito_async.transport import Connector, PoolLimits, Transport

if TYPE_CHECKING:  # imported on first use, as in the session and the verifier
    from cognito_async.protocol.events import Event
    from cognito_async.quotas import Quotas
    from cognito_async.rate_limiter import RateLimiter
    from cognito_async.tokens import AccessToken, IdToken, TokenVerifier

Value = TypeVar("Value")

# The emulator accepts this key as the account's administrator, with any signature.
ADMINISTRATOR: Final = Credentials(access_key_id="test", secret_access_key="test")
_NAME: Final = "cognito_async"
_AUTH_FLOWS: Final = (
    "ALLOW_USER_PASSWORD_AUTH", "ALLOW_ADMIN_USER_PASSWORD_AUTH", "ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH",
)  # fmt: skip
_POLL: Final = 0.02  # seconds between two reads of the mailbox
_JWKS_TIMEOUT: Final = 10.0  # seconds
_MAX_JWKS: Final = 64 * 1024  # bytes


class SessionOptions(TypedDict, total=False):
    """The options of ``LocalPool.session``, which are those of ``AsyncCognitoSession``."""

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
    """A user pool with an app client and users, in an emulator that runs within an ``async with`` block.

        async with LocalPool(users={"ada@example.com": "Old-Passw0rd"}) as pool, pool.session() as session:
            client = session.client(pool.client_id)
            await client.forgot_password(username="ada@example.com")
            code = await pool.code_for("ada@example.com")

    Users sign in with their e-mail address, in the case in which it was created. Passwords need 8 characters, with
    upper and lower case, a digit and a symbol. The app client hides whether a user exists, as AWS recommends. The
    emulator is installed on first use, see ``Emulator``, and ends with the block, or when this process is killed.
    Codes are the same each time. Confirming a sign-up verifies the e-mail address.

    The pool is not bound to an event loop: start it once for many tests, and open a session in each.
    """

    __module__ = "cognito_async.testing"

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
            users: Passwords of the users, by e-mail address; None for no users.
            region: The AWS region.
            command: Program and arguments that start MiniStack; None for ``COGNITO_ASYNC_MINISTACK``, else a private
                virtualenv.
            startup_timeout: How long the start may take, in seconds.

        Raises:
            ParameterValidationError: The region is invalid.
        """
        self._region = check_region(region)
        self._wants_secret = client_secret
        self._users = dict(users or {})
        self._emulator = Emulator(command=command, startup_timeout=startup_timeout)
        self._user_pool_id: str | None = None
        self._app_client: tuple[str, str | None] | None = None
        self._jwks: bytes | None = None
        self._state_key = new_state_key()

    def __repr__(self) -> str:
        return f"LocalPool(region={self._region!r}, user_pool_id={self._user_pool_id!r})"

    async def __aenter__(self) -> Self:
        """Start the emulator and create the user pool.

        Raises:
            LocalPoolError: The emulator does not start; the message says why, and how to fix it.
            CognitoError: The emulator rejects the configuration, such as a weak password.
        """
        running_loop()
        await self._emulator.__aenter__()
        try:
            async with self.session() as session:
                self._user_pool_id = await _create_user_pool(session.client())
                url = f"{self.endpoint_url}/{self._user_pool_id}/.well-known/jwks.json"
                self._jwks = (await session.get(url, timeout=_JWKS_TIMEOUT, max_bytes=_MAX_JWKS)).body
            self._app_client = await self.create_client(secret=self._wants_secret)
            for email, password in self._users.items():
                await self.create_user(email, password)
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._user_pool_id = self._app_client = self._jwks = None
        await self._emulator.__aexit__(kind, error, traceback)

    @property
    def endpoint_url(self) -> str:
        """The endpoint, e.g. ``http://127.0.0.1:40123``."""
        return self._emulator.endpoint_url

    @property
    def region(self) -> str:
        """The AWS region."""
        return self._region

    @property
    def user_pool_id(self) -> str:
        """The user pool ID."""
        return _running(self._user_pool_id)

    @property
    def client_id(self) -> str:
        """The app client ID."""
        return _running(self._app_client)[0]

    @property
    def client_secret(self) -> str | None:
        """The app client secret; None if it has none."""
        return _running(self._app_client)[1]

    def session(self, **options: Unpack[SessionOptions]) -> AsyncCognitoSession:
        """Create a session, to be entered with ``async with``; by default it has the permissions of an administrator.

        Args:
            **options: Options of AsyncCognitoSession.
        """
        options.setdefault("credentials", ADMINISTRATOR)
        options.setdefault("proxy", False)  # the emulator is on this machine
        return AsyncCognitoSession(self._region, endpoint_url=self.endpoint_url, **options)

    @overload
    def verifier(self, token_use: Literal["access"] = "access") -> "TokenVerifier[AccessToken]": ...
    @overload
    def verifier(self, token_use: Literal["id"]) -> "TokenVerifier[IdToken]": ...
    def verifier(self, token_use: Literal["access", "id"] = "access") -> "TokenVerifier[Any]":
        """Create a verifier for the tokens of the pool's first app client. It uses no network.

        Args:
            token_use: ``"access"`` or ``"id"``.

        Returns:
            The verifier.

        Raises:
            ImportError: The package cryptography is not installed.
        """
        from cognito_async.tokens import TokenVerifier  # noqa: PLC0415 - needs the extra `tokens`

        return TokenVerifier.offline(
            token_use=token_use,
            user_pool_id=self.user_pool_id,
            client_ids={self.client_id},
            jwks=_running(self._jwks),
        )

    def environment(self) -> dict[str, str]:
        """Return the environment variables for an application under test, such as ``COGNITO_USER_POOL_ID``.

        Returns:
            The IDs of the pool and its app client, the region, the endpoint, credentials that the emulator accepts, and
            a random key for the challenges of ``sign_in_router``, which is the same for each call. They include the
            variables that would take precedence over these, except that there is no ``COGNITO_CLIENT_SECRET`` if the
            app client has no secret: unset it then, as the fixture ``cognito_environ`` does. An empty value would not
            do, because clients refuse an empty secret.
        """
        return application_variables(
            user_pool_id=self.user_pool_id,
            client_id=self.client_id,
            client_secret=self.client_secret,
            endpoint_url=self.endpoint_url,
            state_key=self._state_key,
        )

    async def create_user(self, email: str, password: str) -> None:
        """Create a confirmed user with a verified address, who can sign in immediately and gets no message.

        For users in other states, use the fixture ``cognito_users``, or the operations of a client.

        Args:
            email: The user's address, which is also the username.
            password: The user's password.

        Raises:
            UsernameExistsException: A user with this address exists.
            InvalidPasswordException: The password is too weak; the user is created without one.
        """
        attributes = [AttributeType(name="email", value=email), AttributeType(name="email_verified", value="true")]
        async with self.session() as session:
            client = session.client(user_pool_id=self.user_pool_id)
            await client.admin_create_user(username=email, user_attributes=attributes, message_action="SUPPRESS")
            await client.admin_set_user_password(username=email, password=password, permanent=True)

    async def create_client(self, *, secret: bool) -> tuple[str, str | None]:
        """Create another app client.

        Args:
            secret: Whether it has a secret.

        Returns:
            Its ID and its secret; None instead of the secret if it has none.
        """
        async with self.session() as session:
            response = await session.client(user_pool_id=self.user_pool_id).create_user_pool_client(
                client_name=_NAME,
                generate_secret=secret,
                explicit_auth_flows=_AUTH_FLOWS,
                prevent_user_existence_errors="ENABLED",
            )
        app_client = _given(response.user_pool_client)
        return _given(app_client.client_id), app_client.client_secret

    async def messages(self) -> list[Message]:
        """Return all messages that the pool sent, the newest last.

        Raises:
            LocalPoolError: The mailbox cannot be read.
        """
        return await asyncio.to_thread(read_mail, self.endpoint_url)

    async def messages_for(self, email: str) -> list[Message]:
        """Return the messages that the pool sent to an address, the newest last.

        Args:
            email: The address, in upper or lower case.

        Raises:
            LocalPoolError: The mailbox cannot be read.
        """
        wanted = email.casefold()
        return [message for message in await self.messages() if wanted in map(str.casefold, message.to)]

    async def code_for(self, email: str, *, timeout: float = 5.0) -> str:  # noqa: ASYNC109 - its error has details
        """Return the newest code that was sent to an address; wait for one if there is none yet.

        Args:
            email: The address, in upper or lower case.
            timeout: How long to wait, in seconds.

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


def new_state_key() -> str:
    """Return a random value of ``COGNITO_STATE_KEYS``."""
    return base64.b64encode(secrets.token_bytes(32)).decode()


def application_variables(
    *, user_pool_id: str, client_id: str, client_secret: str | None, endpoint_url: str, state_key: str
) -> dict[str, str]:
    """Return the environment variables for an application that uses a pool on this machine.

    They include those that would take precedence, or change the endpoint, if the environment had other values. Without
    a secret, COGNITO_CLIENT_SECRET is left out: applications that read it themselves would pass on an empty one.
    """
    region = region_of_pool(user_pool_id) or ""
    secret = {} if client_secret is None else {"COGNITO_CLIENT_SECRET": client_secret}
    return secret | {
        "COGNITO_USER_POOL_ID": user_pool_id,
        "COGNITO_CLIENT_ID": client_id,
        "COGNITO_STATE_KEYS": state_key,
        "COGNITO_TRUSTED_PROXIES": "",
        **dict.fromkeys(("AWS_REGION", "AWS_DEFAULT_REGION", "COGNITO_REGION"), region),
        **dict.fromkeys((*VARIABLES["endpoint_url"], "COGNITO_ENDPOINT_URL"), endpoint_url),
        **dict.fromkeys(("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "AWS_USE_FIPS_ENDPOINT"), "false"),
        "AWS_USE_DUALSTACK_ENDPOINT": "false",
        "AWS_ACCESS_KEY_ID": ADMINISTRATOR.access_key_id,
        "AWS_SECRET_ACCESS_KEY": ADMINISTRATOR.secret_access_key,
        "AWS_SESSION_TOKEN": "",
        **dict.fromkeys(NO_PROXY_VARIABLES, "127.0.0.1"),
    }


async def _create_user_pool(client: CognitoClient) -> str:
    by_mail = RecoveryOptionType(priority=1, name="verified_email")
    response = await client.create_user_pool(
        pool_name=_NAME,
        username_attributes=["email"],
        auto_verified_attributes=["email"],
        account_recovery_setting=AccountRecoverySettingType(recovery_mechanisms=[by_mail]),
    )
    return _given(_given(response.user_pool).id)


def _running(value: Value | None) -> Value:
    if value is None:
        raise LocalPoolError("the local pool is not running; use it within its `async with` block")
    return value


def _given(value: Value | None) -> Value:
    if value is None:
        raise LocalPoolError("incomplete response of the emulator; use the pinned version of MiniStack")
    return value
