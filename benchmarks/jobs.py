"""What the programs that run bulk jobs have in common: a list of users, and a service within the process."""
# ruff: noqa: PLC0415 - a process imports the one library that it measures

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.contenders import ACCESS_KEY, CLIENT, PASSWORD, POOL, REGION, SECRET_KEY

if TYPE_CHECKING:
    from cognito_async import CognitoClient
    from cognito_async.protocol.wire import HttpRequest, HttpResponse

CODE = "123456"
STRIDE = 7919
"""Users come in no order that an index would like; a prime, so that each comes once."""


def username(number: int, rows: int) -> str:
    """Return the name of a row's user."""
    return f"user{number * STRIDE % rows}@example.com"


def write_users(path: Path, rows: int) -> None:
    """Write a CSV that every action can work on, each user once."""
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write("username,confirmation_code,password\n")
        file.writelines(f"{username(number, rows)},{CODE},{PASSWORD}\n" for number in range(rows))


class Answering:
    """A transport that says yes at once, without a turn of the loop."""

    def __init__(self) -> None:
        from cognito_async.protocol.wire import HttpResponse

        self.requests = 0
        self._answer: Callable[[], HttpResponse] = lambda: HttpResponse(200, {}, b"{}")

    async def send(self, _: "HttpRequest") -> "HttpResponse":
        """Say yes."""
        self.requests += 1
        return self._answer()

    async def close(self) -> None:
        """Do nothing: nothing is open."""


@asynccontextmanager
async def client_within(transport: Answering) -> AsyncIterator["CognitoClient"]:
    """Open a session over the transport, and give its client."""
    from cognito_async import AsyncCognitoSession, Credentials

    credentials = Credentials(access_key_id=ACCESS_KEY, secret_access_key=SECRET_KEY)
    async with AsyncCognitoSession(REGION, transport=transport, credentials=credentials) as session:
        yield session.client(client_id=CLIENT, user_pool_id=POOL)


def bare_call(client: "CognitoClient", action: str) -> Callable[[str], Awaitable[Any]]:
    """Return what makes, for a user, the call that the job makes for a row."""
    calls: dict[str, Callable[[str], Awaitable[Any]]] = {
        "confirm": lambda user: client.confirm_forgot_password(
            username=user, confirmation_code=CODE, password=PASSWORD
        ),
        "forgot": lambda user: client.forgot_password(username=user),
        "reset": lambda user: client.admin_reset_user_password(username=user),
    }
    return calls[action]
