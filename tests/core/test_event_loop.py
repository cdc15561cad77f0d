"""Outside of asyncio, as under trio: each entry point says that asyncio is required."""

from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cognito_async import AsyncCognitoSession
from cognito_async.bulk import IterableSource, Job
from cognito_async.testing import FakeCognito, LocalPool, TokenIssuer
from cognito_async.tokens import FileTokenStore, TokenProvider, Tokens, TokenVerifier
from tests.support.scripted_transport import ScriptedTransport, scripted_session

POOL = "eu-west-1_TestPool1"
ISSUER = TokenIssuer(user_pool_id=POOL)
TOKENS = Tokens(access_token="a", expires_at=datetime.now(UTC) + timedelta(hours=1))

Use = Callable[[AsyncCognitoSession, Path], Coroutine[Any, Any, object]]


def client(session: AsyncCognitoSession) -> Any:
    """Return a client for every flow."""
    return session.client("abc", user_pool_id=POOL)


def verifier(session: AsyncCognitoSession) -> TokenVerifier[Any]:
    """Return a verifier that has to fetch the keys."""
    return TokenVerifier(user_pool_id=POOL, token_use="access", client_ids={"test-client"}, session=session)


async def users() -> AsyncIterator[str]:
    """Yield the rows of the job."""
    yield "ada"


async def run_job(session: AsyncCognitoSession, folder: Path) -> object:
    """Run a bulk job."""
    return await Job(client(session), "reset", IterableSource(users()), journal=folder / "journal").run_to_end()


USES: dict[str, Use] = {
    "open": lambda session, _: session.__aenter__(),
    "call": lambda session, _: client(session).forgot_password(username="ada"),
    "get": lambda session, _: session.get("https://keys.example", timeout=1, max_bytes=1),
    "sign_in": lambda session, _: client(session).sign_in(username="ada", password="p"),
    "sign_in with a password": lambda session, _: client(session).sign_in(
        username="ada", password="p", auth_flow="USER_PASSWORD_AUTH"
    ),
    "admin_sign_in": lambda session, _: client(session).admin_sign_in(username="ada", password="p"),
    "verify_password": lambda session, _: client(session).verify_password(username="ada", password="p"),
    "verify": lambda session, _: verifier(session).verify(ISSUER.access_token()),
    "refresh_keys": lambda session, _: verifier(session).refresh_keys(),
    "tokens": lambda session, _: TokenProvider(client(session), tokens=TOKENS).tokens(),
    "refresh": lambda session, _: TokenProvider(client(session), tokens=TOKENS).refresh(),
    "sign_out": lambda session, _: TokenProvider(client(session), tokens=TOKENS).sign_out(),
    "load": lambda _, folder: FileTokenStore(folder / "tokens").load("ada"),
    "replace": lambda _, folder: FileTokenStore(folder / "tokens").replace("ada", None, TOKENS),
    "remove": lambda _, folder: FileTokenStore(folder / "tokens").remove("ada"),
    "Job": run_job,
    "FakeCognito": lambda _, __: FakeCognito().__aenter__(),
    "LocalPool": lambda _, __: LocalPool(command=["false"]).__aenter__(),
}


@pytest.mark.parametrize("use", USES)
def test_use_outside_asyncio_names_the_fix(use: str, tmp_path: Path) -> None:
    """Nothing is sent."""
    transport = ScriptedTransport()
    with pytest.raises(RuntimeError, match=r"requires asyncio.*trio"):
        USES[use](scripted_session(transport), tmp_path).send(None)
    assert not transport.attempts


def test_offline_verifier_works_outside_asyncio() -> None:
    """It waits for nothing."""
    with pytest.raises(StopIteration) as done:
        ISSUER.verifier(token_use="access").verify(ISSUER.access_token(username="ada")).send(None)
    assert done.value.value.username == "ada"
