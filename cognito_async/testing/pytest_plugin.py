"""The pytest plugin: fixtures with a local user pool, users, and a fake service.

All fixtures are synchronous, so that they work with pytest-asyncio, anyio and synchronous tests. Nothing is imported or
started before a test requests it.
"""

import asyncio
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import count
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar, get_args

import pytest

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

    from cognito_async import AsyncCognitoSession, CognitoClient
    from cognito_async.testing import FakeCognito, LocalPool

__all__ = [
    "TestUser",
    "TestUsers",
    "UserState",
    "cognito_client",
    "cognito_environ",
    "cognito_pool",
    "cognito_pool_options",
    "cognito_session",
    "cognito_users",
    "fake_cognito",
]

Value = TypeVar("Value")

UserState: TypeAlias = Literal["CONFIRMED", "UNCONFIRMED", "FORCE_CHANGE_PASSWORD", "RESET_REQUIRED", "DISABLED"]
"""The states of users that ``TestUsers`` creates, see there."""


class TestUser:
    """A user of the local pool."""

    __test__ = False  # not a class of tests

    def __init__(self, email: str, password: str) -> None:
        self.email = email
        """The address, with which the user signs in."""

        self.password = password
        """The password."""

    def __repr__(self) -> str:
        return f"TestUser(email={self.email!r})"


class TestUsers:
    """Creates users in the local pool, and deletes them after the test."""

    __test__ = False

    def __init__(self, pool: "LocalPool") -> None:
        self._pool = pool
        self._created: list[str] = []

    async def __call__(
        self,
        email: str | None = None,
        *,
        password: str = "Passw0rd!",
        state: UserState = "CONFIRMED",
        attributes: "Mapping[str, str] | None" = None,
    ) -> TestUser:
        """Create a user.

        Args:
            email: The address, which is also the username; None for a new one.
            password: The password.
            state: The status: ``"CONFIRMED"``, ``"UNCONFIRMED"`` (has signed up, without the code),
                ``"FORCE_CHANGE_PASSWORD"`` (with a temporary password), ``"RESET_REQUIRED"`` (by an administrator) or
                ``"DISABLED"``.
            attributes: Other attributes by name; None for none.

        Returns:
            The user.

        Raises:
            ParameterValidationError: The state is unknown.
            UsernameExistsException: A user with this address exists.
            InvalidPasswordException: The password is too weak.
        """
        from cognito_async import ParameterValidationError, UsernameExistsException  # noqa: PLC0415

        if state not in get_args(UserState):
            raise ParameterValidationError("state", f"must be one of {', '.join(get_args(UserState))}")
        user = TestUser(email or f"user-{next(_NUMBERS)}@example.com", password)
        async with self._pool.session() as session:
            client = session.client(self._pool.client_id, self._pool.client_secret, self._pool.user_pool_id)
            self._created.append(user.email)
            try:
                await _create(client, user, state, attributes or {})
            except UsernameExistsException:
                self._created.remove(user.email)  # another user's, which must stay
                raise
        return user

    def create(
        self,
        email: str | None = None,
        *,
        password: str = "Passw0rd!",
        state: UserState = "CONFIRMED",
        attributes: "Mapping[str, str] | None" = None,
    ) -> TestUser:
        """Create a user in a synchronous test. Arguments, result and errors are those of the asynchronous call."""
        return _run(self(email, password=password, state=state, attributes=attributes))

    async def delete_all(self) -> None:
        """Delete the users; the fixture calls it after the test."""
        from cognito_async import CognitoError, UserNotFoundException  # noqa: PLC0415

        failed: list[CognitoError] = []
        async with self._pool.session() as session:
            client = session.client(user_pool_id=self._pool.user_pool_id)
            for email in self._created:
                try:
                    await client.admin_delete_user(username=email)
                except UserNotFoundException:  # the test deleted the user, or the creation failed
                    pass
                except CognitoError as error:
                    failed.append(error)
        if failed:
            raise failed[0]


_NUMBERS = count(1)


async def _create(client: "CognitoClient", user: TestUser, state: UserState, attributes: "Mapping[str, str]") -> None:
    from cognito_async.operations import AttributeType  # noqa: PLC0415

    given = [AttributeType(name=name, value=value) for name, value in attributes.items()]
    if state == "UNCONFIRMED":
        email = AttributeType(name="email", value=user.email)
        await client.sign_up(username=user.email, password=user.password, user_attributes=[email, *given])
        return
    await client.admin_create_user(
        username=user.email,
        temporary_password=user.password,
        user_attributes=[
            AttributeType(name="email", value=user.email),
            AttributeType(name="email_verified", value="true"),
            *given,
        ],
        message_action="SUPPRESS",
    )
    if state != "FORCE_CHANGE_PASSWORD":
        await client.admin_set_user_password(username=user.email, password=user.password, permanent=True)
    if state == "RESET_REQUIRED":
        await client.admin_reset_user_password(username=user.email)
    if state == "DISABLED":
        await client.admin_disable_user(username=user.email)


def _run(work: "Coroutine[Any, Any, Value]") -> Value:
    """Run a coroutine to its end, also within a running event loop."""
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(asyncio.run, work).result()


@contextmanager
def _session(pool: "LocalPool | FakeCognito") -> Generator["AsyncCognitoSession"]:
    """Open a session of a pool."""
    from cognito_async import PoolLimits  # noqa: PLC0415

    # Connections are not kept: the event loop of the test may be closed before this fixture ends.
    session = pool.session(pool=PoolLimits(keepalive=0))
    yield session
    _run(session.close())


def _set(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Set environment variables of a pool."""
    monkeypatch.delenv("COGNITO_CLIENT_SECRET", raising=False)  # if the pool's app client has none
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


@contextmanager
def _output_shown(config: pytest.Config) -> Generator[None]:
    """Show output that pytest would capture, such as the progress of an installation."""
    capture: Any = config.pluginmanager.getplugin("capturemanager")
    with ExitStack() as stack:
        if capture is not None:
            stack.enter_context(capture.global_and_fixture_disabled())
        yield


@pytest.fixture(scope="session")
def cognito_pool_options() -> dict[str, Any]:
    """Options of ``LocalPool`` for ``cognito_pool``. Override it in ``conftest.py``, with the scope ``session``."""
    return {}


@pytest.fixture(scope="session")
def cognito_pool(pytestconfig: pytest.Config, cognito_pool_options: dict[str, Any]) -> Generator["LocalPool"]:
    """A ``LocalPool``, started by the first test that uses it and shared by all tests."""
    from cognito_async.testing import LocalPool  # noqa: PLC0415

    pool = LocalPool(**cognito_pool_options)
    with _output_shown(pytestconfig):
        _run(pool.__aenter__())
    try:
        yield pool
    finally:
        _run(pool.__aexit__(None, None, None))


@pytest.fixture
def cognito_session(cognito_pool: "LocalPool") -> Generator["AsyncCognitoSession"]:
    """An ``AsyncCognitoSession`` for the local pool, with the permissions of an administrator."""
    with _session(cognito_pool) as session:
        yield session


@pytest.fixture
def cognito_client(cognito_pool: "LocalPool", cognito_session: "AsyncCognitoSession") -> "CognitoClient":
    """A ``CognitoClient`` that is bound to the local pool and its app client."""
    return cognito_session.client(cognito_pool.client_id, cognito_pool.client_secret, cognito_pool.user_pool_id)


@pytest.fixture
def cognito_users(cognito_pool: "LocalPool") -> Generator[TestUsers]:
    """The factory of users, which is called with ``await``; ``create`` is for synchronous tests."""
    users = TestUsers(cognito_pool)
    yield users
    _run(users.delete_all())


@pytest.fixture
def cognito_environ(cognito_pool: "LocalPool", monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The variables of ``cognito_pool.environment()``, set for the application under test."""
    return _set(cognito_pool.environment(), monkeypatch)


@pytest.fixture
def fake_cognito() -> Generator["FakeCognito"]:
    """A ``FakeCognito``: an in-process service for sign-in flows, faults and tokens."""
    from cognito_async.testing import FakeCognito  # noqa: PLC0415

    with FakeCognito() as fake:
        yield fake


@pytest.fixture
def fake_client(fake_cognito: "FakeCognito") -> Generator["CognitoClient"]:
    """A ``CognitoClient`` that is bound to the fake pool and its app client."""
    with _session(fake_cognito) as session:
        yield fake_cognito.client(session)


@pytest.fixture
def fake_environ(fake_cognito: "FakeCognito", monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The variables of ``fake_cognito.environment()``, set for the application under test."""
    return _set(fake_cognito.environment(), monkeypatch)
