"""All code blocks of the documentation, run as a reader runs them.

``EXAMPLES`` has a check for each Python block of each page. A new page or block without one fails the tests.
"""

import ast
import asyncio
import inspect
import json
import logging
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import TestCase

import pytest
from attrs import evolve

from cognito_async import AsyncCognitoSession, CognitoError, RetryDetails, RetryKind, RetryPolicy, TokenError
from cognito_async.fastapi import Cognito, current_user
from cognito_async.sign_in import SignedIn
from cognito_async.testing import FakeCognito, LocalPool, TokenIssuer
from cognito_async.tokens import AccessToken, TokenProvider, Tokens, TokenVerifier
from tests.docs import bulk_blocks, migrating_blocks, quickstart_blocks, sign_in_blocks, testing_blocks, users_blocks
from tests.docs.reader import ADA, NEW, OLD, TIMEOUT, Check, Reader
from tests.support.asgi import asgi_client
from tests.support.docs import PAGES, Block, blocks, python_blocks
from tests.support.processes import ROOT, running
from tests.support.scripted_server import Connection, ScriptedServer, answer, cut

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and process groups are POSIX")

FASTAPI = {
    "COGNITO_CLIENT_ID": "abc",
    "COGNITO_USER_POOL_ID": "eu-west-1_AbC123",
    "COGNITO_STAFF_CLIENT_ID": "xyz",
    "COGNITO_STAFF_USER_POOL_ID": "eu-west-1_Staff1",
    "AWS_REGION": "eu-west-1",
}


@pytest.fixture(scope="module")
def pool() -> Iterator[LocalPool]:
    """Start a pool with one user."""
    with running(LocalPool(users={ADA: OLD})) as started:
        yield started


# --- checks -----------------------------------------------------------------------------------------------------------


async def program(block: Block, reader: Reader) -> None:
    """A complete program; a user list is beside it."""
    (reader.folder / "users.csv").write_text(f"username\n{ADA}\n")
    await reader.run("-W", "error", str(reader.save(block)))


async def sends_a_code(block: Block, reader: Reader) -> None:
    """A complete program that sends a code."""
    before = len(await reader.pool.messages_for(ADA))
    await program(block, reader)
    assert len(await reader.pool.messages_for(ADA)) == before + 1


async def resets_all_users(block: Block, reader: Reader) -> None:
    """A complete program that runs a bulk job."""
    await sends_a_code(block, reader)
    assert (reader.folder / "users.journal").exists()
    await bulk_blocks.stops_at_ctrl_c(block, reader)


async def writes_reports(block: Block, reader: Reader) -> None:
    """A complete program that reads the journal of the page's first block."""
    await resets_all_users(python_blocks(block.page)[0], reader)
    await program(block, reader)
    assert {path.name for path in reader.folder.iterdir()} >= {"report.html", "rows.csv", "report.json"}


async def serves_a_pool(block: Block, reader: Reader) -> None:
    """A program that prints the options for its pool and runs until Ctrl-C."""
    async with asyncio.timeout(TIMEOUT), reader.started("-W", "error", str(reader.save(block))) as process:
        line = (await process.stdout.readline()).decode()
        process.send_signal(signal.SIGINT)
        _, errors = await process.communicate()
    assert line.startswith("--endpoint-url http://127.0.0.1:")
    assert (process.returncode, errors) == (0, b"")


async def in_a_repl(block: Block, reader: Reader) -> None:
    """A block that is entered in a REPL after the other blocks of its page; the service responds from ``BODIES``."""
    names: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        async with ScriptedServer(otherwise=respond_from_bodies) as server:
            for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
                patch.setenv(name, "test")
            patch.setenv("AWS_ENDPOINT_URL", server.url)
            for each in python_blocks(block.page):
                if each.line <= block.line:
                    code = compile(each.text, block.page, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
                    result = eval(code, names)
                    if inspect.isawaitable(result):
                        await result
            for value in names.values():
                if isinstance(value, AsyncCognitoSession):
                    await value.close()


async def respond_from_bodies(connection: Connection) -> None:
    """Respond to an operation with its body; other operations fail."""
    assert connection.request is not None
    await answer(BODIES[connection.request.headers["x-amz-target"].partition(".")[2]])(connection)


BODIES: Mapping[str, Any] = {
    "AdminGetUser": {"Username": "ada", "UserStatus": "CONFIRMED", "UserAttributes": [{"Name": "email"}]},
    "ForgotPassword": {"CodeDeliveryDetails": {"Destination": "a***"}},
    "ListUsers": {"Users": [{"Username": "ada"}]},
    "DescribeNewThing": {"NewThing": {"NewThingId": "t-1"}},
    "CreateGroup": {"Group": {"GroupName": "staff", "Color": "blue"}, "NewMember": 7},
}


def is_a_test_of(number: int, *, passed: int = 1) -> Check:
    """A file for pytest; a block of the page is beside it."""

    async def run(block: Block, reader: Reader) -> None:
        reader.save(python_blocks(block.page)[number])
        options = ("-o", "asyncio_default_fixture_loop_scope=function")  # pytest-asyncio warns without it
        assert f"{passed} passed" in await reader.run("-m", "pytest", "-q", *options, str(reader.save(block)))

    return run


is_a_test = is_a_test_of(0)


async def is_an_application(block: Block, reader: Reader) -> None:
    """A FastAPI application that starts and describes its routes."""
    app = reader.names(block)["app"]
    async with app.router.lifespan_context(app):
        assert app.openapi()["openapi"]


async def protects_routes(block: Block, reader: Reader) -> None:
    """An application whose routes need the tokens of the pool, or other ones."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in reader.pool.environment().items():
            patch.setenv(name, value)
        headers = {"Authorization": f"Bearer {await access_token(reader)}"}
        async with asgi_client(reader.names(block)["app"]) as http:
            assert (await http.get("/me")).status_code == 401
            assert (await http.get("/")).json() == "Hello!"
            assert (await http.get("/me", headers=headers)).json()["username"]
            assert (await http.get("/orders", headers=headers)).status_code == 403
            assert (await http.delete("/orders/1", headers=headers)).status_code == 403


async def signs_users_in(block: Block, reader: Reader) -> None:
    """An application whose users sign in at a fake user pool, with tokens in the body or in cookies."""
    async with FakeCognito() as fake:
        app_client = fake.create_app_client(client_secret="secret-of-the-app-client")
        fake.create_user("ada", password=OLD, email=ADA)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("COGNITO_ENDPOINT_URL", fake.endpoint_url)
            patch.setenv("COGNITO_USER_POOL_ID", fake.user_pool_id)
            patch.setenv("COGNITO_CLIENT_ID", app_client.client_id)
            patch.setenv("COGNITO_CLIENT_SECRET", app_client.client_secret or "")
            async with asgi_client(reader.names(block)["app"]) as http:
                http.base_url = "https://site.example"  # browsers send the cookies over HTTPS only
                assert (await http.get("/me")).status_code == 401
                content = (await http.post("/account/sign-in", json={"username": ADA, "password": OLD})).json()
                if "access_token" in content:
                    http.headers["Authorization"] = f"Bearer {content['access_token']}"
                held = {name: content[name] for name in ("refresh_token",) if name in content}
                assert (await http.get("/me")).json() == {"username": "ada"}
                if "access_token" not in content:  # it is in a cookie
                    assert (await http.get("/")).json() == "Hello, ada!"
                assert (await http.post("/account/refresh", json=held)).json()["state"] == "signed_in"
                assert (await http.post("/account/sign-out", json=held)).json()["revoked"]
                assert (await http.post("/account/refresh", json=held)).status_code == 401


async def accepts_websockets(block: Block, reader: Reader) -> None:
    """A WebSocket for users of a group, which is closed when their token expires."""
    pool: Any = {"user_pool_id": FASTAPI["COGNITO_USER_POOL_ID"], "client_id": FASTAPI["COGNITO_CLIENT_ID"]}
    yesterday = (datetime.now(UTC) - timedelta(days=1)).timestamp()
    app = reader.names(block)["app"]

    async def messages(
        issuer: TokenIssuer, *received: dict[str, Any], origin: str = "http://site.example", **claims: Any
    ) -> list[dict[str, Any]]:
        """Connect and return the messages of the application."""
        cookie = f"__Host-access_token={issuer.access_token(username='ada', **claims)}" if claims else ""
        headers = [(b"host", b"site.example"), (b"origin", origin.encode()), (b"cookie", cookie.encode())]
        incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        for message in ({"type": "websocket.connect"}, *received):
            incoming.put_nowait(message)
        answers: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        extensions: dict[str, Any] = {"websocket.http.response": {}}
        scope = {"type": "websocket", "path": "/chat", "query_string": b"", "headers": headers, "subprotocols": []}
        async with Cognito(verifier=issuer.verifier()).lifespan(app) as state:
            await app({**scope, "state": state, "extensions": extensions}, incoming.get, answers.put)
        return [answers.get_nowait() for _ in range(answers.qsize())]

    issuer = TokenIssuer(**pool)
    expired = TokenIssuer(**pool, clock=lambda: yesterday)
    assert (await messages(issuer))[0]["status"] == 401
    assert (await messages(issuer, groups=["others"]))[0]["status"] == 403
    assert (await messages(issuer, groups=["staff"], origin="https://evil.example"))[0]["status"] == 403
    hello = {"type": "websocket.receive", "text": "hello"}
    accepted, answered = await messages(issuer, hello, {"type": "websocket.disconnect", "code": 1000}, groups=["staff"])
    assert (accepted["type"], answered["text"]) == ("websocket.accept", "ada: hello")
    accepted, closed = await messages(expired, groups=["staff"])  # verified by the clock of yesterday
    assert (accepted["type"], closed["code"]) == ("websocket.accept", 1008)


async def has_texts_of_its_own(block: Block, reader: Reader) -> None:
    """An application that changes the title of wrong codes, at sign-in and password reset."""
    async with FakeCognito() as fake:
        fake.create_user("ada", password=OLD, email=ADA, mfa=["EMAIL_OTP"])
        with pytest.MonkeyPatch.context() as patch:
            for name, value in fake.environment().items():
                patch.setenv(name, value)
            async with asgi_client(reader.names(block)["app"]) as http:
                challenge = await http.post("/account/sign-in", json={"username": "ada", "password": OLD})
                answer = {"continue": challenge.json()["continue"], "answer": {"type": "code", "code": "000000"}}
                wrong = await http.post("/account/sign-in/challenge", json=answer)
                assert wrong.json()["title"] == "Falscher Code"
                reset = {"username": "ada", "code": "000000", "password": NEW}
                assert (await http.post("/account/reset-password", json=reset)).json()["title"] == "Falscher Code"


async def shows_the_email_address(block: Block, reader: Reader) -> None:
    """An application whose users have an e-mail address."""
    async with FakeCognito() as fake, fake.session() as session:
        app_client = fake.create_app_client()
        fake.create_user("ada", password=OLD, email=ADA)
        done = await fake.client(session, app_client).sign_in(username="ada", password=OLD)
        assert isinstance(done, SignedIn)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("COGNITO_ENDPOINT_URL", fake.endpoint_url)
            patch.setenv("COGNITO_USER_POOL_ID", fake.user_pool_id)
            patch.setenv("COGNITO_CLIENT_ID", app_client.client_id)
            async with asgi_client(reader.names(block)["app"]) as http:
                assert (await http.get("/me")).status_code == 401
                found = await http.get("/me", headers={"Authorization": f"Bearer {done.tokens.access_token}"})
        assert found.json() == {"id": fake.users["ada"].sub, "username": "ada", "email": ADA}


async def returns_responses(block: Block, reader: Reader) -> None:
    """An application whose routes return users."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in reader.pool.environment().items():
            patch.setenv(name, value)
        app = reader.names(block)["app"]
        issuer = TokenIssuer(user_pool_id=reader.pool.user_pool_id, client_id=reader.pool.client_id)
        admin = issuer.verifier().verify_cached(issuer.access_token(groups=["admins"]))

        async def signed_in() -> AccessToken:
            return admin

        app.dependency_overrides[current_user] = signed_in
        async with asgi_client(app) as http:
            listed = (await http.get("/users")).json()["Users"]
            found = [(await http.get(f"/users/{user['Username']}")).json()["user_attributes"] for user in listed]
            assert any({"name": "email", "value": ADA} in attributes for attributes in found)
            assert "ListUsersResponse" in app.openapi()["components"]["schemas"]


async def restore_password(reader: Reader) -> None:
    """Set the first password again, after blocks that changed it."""
    async with reader.pool.session() as session:
        client = session.client(user_pool_id=reader.pool.user_pool_id)
        await client.admin_set_user_password(username=ADA, password=OLD, permanent=True)


async def access_token(reader: Reader) -> str:
    """Sign in."""
    await restore_password(reader)
    async with reader.pool.session() as session:
        response = await session.client(reader.pool.client_id).initiate_auth(
            auth_flow="USER_PASSWORD_AUTH", auth_parameters={"USERNAME": ADA, "PASSWORD": OLD}
        )
    assert response.authentication_result is not None
    return response.authentication_result.access_token or ""


async def verifies_a_token(block: Block, reader: Reader) -> None:
    """Functions that create a verifier, and return the username of a token."""
    names = reader.names(block)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", reader.pool.endpoint_url)
        async with names["create_verifier"]() as verifier:
            assert await names["username_of"](verifier, await access_token(reader))


async def requires_claims(block: Block, reader: Reader) -> None:
    """A verifier with all rules, and a check that refuses tokens."""
    names = reader.names(block)
    issuer = TokenIssuer(user_pool_id="eu-west-1_AbC123", client_id="abc")
    for tenant, raised in (("acme", nullcontext()), ("other", pytest.raises(TokenError))):
        with raised:
            names["check_tenant"](await issuer.verifier().verify(issuer.access_token(tenant=tenant)))
    await names["verifier"].close()


async def is_a_verifier(block: Block, reader: Reader) -> None:
    """A verifier with options."""
    await reader.names(block)["verifier"].close()


async def returns_a_status(block: Block, reader: Reader) -> None:
    """A function that returns the HTTP status for a token."""
    status_of = reader.names(block)["status_of"]
    issuer = TokenIssuer(user_pool_id="eu-west-1_AbC123", client_id="abc")
    rules: Any = {"user_pool_id": "eu-west-1_AbC123", "token_use": "access", "client_ids": {"abc"}}
    staff = TokenVerifier.offline(**rules, jwks=issuer.jwks, required_groups=["staff"])
    assert await status_of(staff, issuer.access_token(groups=["staff"])) == 200
    assert await status_of(staff, issuer.access_token()) == 403
    assert await status_of(staff, issuer.access_token(expires_in=-1)) == 401
    async with (
        AsyncCognitoSession(endpoint_url="http://127.0.0.1:9") as session,
        TokenVerifier(**rules, session=session) as verifier,
    ):
        assert await status_of(verifier, issuer.access_token()) == 503


async def verifies_offline(block: Block, reader: Reader) -> None:
    """A function that creates a verifier from keys."""
    create_verifier = reader.names(block)["create_verifier"]
    issuer = TokenIssuer(user_pool_id=reader.pool.user_pool_id, client_id=reader.pool.client_id)
    assert (await create_verifier(json.dumps(issuer.jwks)).verify(issuer.access_token())).username == "ada"
    with pytest.raises(SystemExit):
        create_verifier("{}")


async def verifies_in_all_event_loops(block: Block, reader: Reader) -> None:
    """A function that fetches the keys once an hour, in any thread."""
    names = reader.names(block)
    verify, token = names["verify"], await access_token(reader)
    url = f"{reader.pool.endpoint_url}/{reader.pool.user_pool_id}/.well-known/jwks.json"
    assert names["URL"].partition(".com")[2] == url.removeprefix(reader.pool.endpoint_url)
    verify.__globals__["URL"] = url
    for _ in range(2):
        assert (await asyncio.to_thread(verify, token)).username
    with pytest.raises(TokenError):
        verify(TokenIssuer().access_token())
    assert names["verifier_of"].cache_info().misses == 1


async def keeps_tokens(block: Block, reader: Reader) -> None:
    """A program that signs in when it is run first, and uses its file when it is run again."""
    await restore_password(reader)
    path = str(reader.save(block))
    first = await reader.run("-W", "error", path)
    stored = (reader.folder / "tokens.json").read_text()
    assert await reader.run("-W", "error", path) == first == "calling the API with 1 header\n"
    assert (reader.folder / "tokens.json").read_text() == stored


async def is_a_store(block: Block, reader: Reader) -> None:
    """A store that keeps the tokens of a provider, and refuses to replace other tokens than the expected ones."""
    store = reader.names(block)["SqliteTokenStore"](reader.folder / "tokens.db")
    tokens = Tokens(access_token="a", refresh_token="r", expires_at=datetime.now(UTC) + timedelta(hours=1))
    other = evolve(tokens, access_token="b")
    assert await store.load("ada") is None
    assert not await store.replace("ada", other, tokens)
    async with (
        AsyncCognitoSession("eu-west-1") as session,
        TokenProvider(session.client("abc"), tokens=tokens, store=store, key="ada") as provider,
    ):
        assert await provider.access_token() == "a"
    assert await store.load("ada") == tokens
    assert not await store.replace("ada", None, other)
    assert await store.replace("ada", tokens, other)
    await store.remove("ada")
    assert await store.load("ada") is None


async def reads_tokens(block: Block, reader: Reader) -> None:
    """A function that constructs Tokens, which a provider uses, and refreshes when they have expired."""
    tokens_of = reader.names(block)["tokens_of"]
    async with FakeCognito() as fake, fake.session() as session:
        app_client = fake.create_app_client(access_token_validity=86400)
        fake.create_user("ada", password=OLD)
        client = fake.client(session, app_client)
        done = await client.sign_in(username="ada", password=OLD)
        assert isinstance(done, SignedIn)
        held = done.tokens
        tokens = tokens_of(held.access_token, held.id_token, held.refresh_token)
        assert (tokens.lifetime, abs(tokens.expires_at - held.expires_at) < timedelta(seconds=5)) == (86400, True)
        async with TokenProvider(client, tokens=tokens) as provider:
            assert await provider.access_token() == held.access_token
        unknown = Tokens(access_token="-", refresh_token=held.refresh_token, expires_at=datetime.now(UTC))
        async with TokenProvider(client, tokens=unknown) as provider:
            assert (await provider.access_token()).count(".") == 2


async def explains_a_reset(block: Block, reader: Reader) -> None:
    """A function that returns a message for each outcome."""
    reset_password = reader.names(block)["reset_password"]
    async with reader.pool.session() as session:
        client = session.client(reader.pool.client_id)
        await client.forgot_password(username=ADA)
        assert "expired" in await reset_password(client, ADA, "000000", NEW)
        assert "changed" in await reset_password(client, ADA, await reader.pool.code_for(ADA), NEW)
        assert "Fault.APP_CLIENT" in await reset_password(session.client("unknown"), ADA, "000000", NEW)
    async with ScriptedServer(otherwise=cut()) as server, session_of(server) as session:
        assert await reset_password(session.client("abc"), ADA, "123456", NEW) == "Sign in with the new password."


async def resets_a_password(block: Block, reader: Reader) -> None:
    """Two functions that return what to show to the user."""
    names = reader.names(block)
    async with FakeCognito() as fake, fake.session(retry=RetryPolicy(max_attempts=1)) as session:
        fake.create_user(ADA, password=OLD, email=ADA)
        client = fake.client(session)
        assert "a***@e***" in await names["send_code"](client, ADA)
        code = fake.messages[-1].code
        texts = [
            await names["set_password"](client, username, entered, password)
            for username, entered, password in ((ADA, "000000", NEW), ("grace", code, NEW), (ADA, code, "weak1234"))
        ]
        assert texts[0] == texts[1] != texts[2]
        fake.fail_next("ConfirmForgotPassword", lose_response=True)
        assert "may have been changed" in await names["set_password"](client, ADA, code, NEW)
        assert await client.verify_password(username=ADA, password=NEW)


async def verifies_a_reset(block: Block, reader: Reader) -> None:
    """A function that verifies the password after an ambiguous outcome."""
    reset_password = reader.names(block)["reset_password"]
    faults: list[tuple[dict[str, Any], bool]] = [({"lose_response": True}, True), ({"status": 500}, False)]
    for fault, changed in faults:
        async with FakeCognito() as fake, fake.session(retry=RetryPolicy(max_attempts=1)) as session:
            fake.create_user(ADA, password=OLD, email=ADA)
            client = fake.client(session)
            await client.forgot_password(username=ADA)
            fake.fail_next("ConfirmForgotPassword", **fault)
            assert await reset_password(client, ADA, fake.messages[-1].code, NEW) is changed


def session_of(server: ScriptedServer) -> AsyncCognitoSession:
    """Open a session without retries."""
    return AsyncCognitoSession("eu-west-1", endpoint_url=server.url, retry=RetryPolicy(max_attempts=1))


async def logs_faults(block: Block, reader: Reader) -> None:
    """A function that logs faults of the operator and raises all errors."""
    send_code = reader.names(block)["send_code"]
    with TestCase().assertLogs(level=logging.ERROR):
        async with reader.pool.session() as session:
            with pytest.raises(CognitoError):
                await send_code(session.client("unknown"), ADA)


async def counts_events(block: Block, reader: Reader) -> None:
    """A hook that counts retries."""
    names = reader.names(block)
    kind, error = RetryKind.TRANSIENT, CognitoError("no")
    details = RetryDetails(
        operation="SignUp", attempt=1, max_attempts=3, kind=kind, error=error, delay=0.0, elapsed=0.0
    )
    names["count"](details)
    assert names["metrics"] == {"SignUp retried: transient": 1}
    await names["session"].close()


async def reads_many_users(block: Block, reader: Reader) -> None:
    """A function that returns the status, or the code of the error, for each user."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in reader.pool.environment().items():
            patch.setenv(name, value)
        found = await reader.names(block)["statuses"]([ADA, *(f"unknown-{number}" for number in range(200))])
    assert found.pop(ADA) == "CONFIRMED"
    assert set(found.values()) == {"UserNotFoundException"}
    assert len(found) == 200


async def is_available(block: Block, reader: Reader) -> None:
    """A function that requests the user pool."""
    async with reader.pool.session() as session:
        assert await reader.names(block)["is_available"](session.client(user_pool_id=reader.pool.user_pool_id))


async def is_tested_elsewhere(block: Block, reader: Reader) -> None:
    """A file of examples/frameworks, which tests/examples/test_frameworks.py runs."""
    assert block.text in [path.read_text() for path in (ROOT / "examples" / "frameworks").glob("*.py")]


EXAMPLES: Mapping[str, Sequence[Check]] = {
    "CHANGELOG.md": [],
    "CODE_OF_CONDUCT.md": [],
    "CONTRIBUTING.md": [],
    "README.md": [
        quickstart_blocks.signs_in_without_aws,
        quickstart_blocks.signs_in,
        quickstart_blocks.verifies_tokens,
        explains_a_reset,
        signs_users_in,
    ],
    "SECURITY.md": [],
    "docs/benchmarks.md": [],
    "docs/bulk.md": [resets_all_users, *bulk_blocks.CHECKS, writes_reports],
    "docs/client.md": [is_available],
    "docs/command-line.md": [],
    "docs/configuration.md": [in_a_repl] * len(python_blocks("docs/configuration.md")),
    "docs/fastapi.md": [
        signs_users_in,
        protects_routes,
        shows_the_email_address,
        is_an_application,
        accepts_websockets,
        signs_users_in,
        *[is_an_application] * 2,
        returns_responses,
        is_an_application,
        has_texts_of_its_own,
        is_a_test_of(1, passed=2),
        is_a_test,
        *[is_an_application] * 3,
    ],
    "docs/index.md": [
        quickstart_blocks.runs_without_aws,
        quickstart_blocks.signs_in_at_the_terminal,
        quickstart_blocks.verifies_tokens,
        quickstart_blocks.refreshes_tokens,
        explains_a_reset,
    ],
    "docs/migrating.md": migrating_blocks.CHECKS,
    "docs/operations.md": [in_a_repl] * len(python_blocks("docs/operations.md")),
    "docs/other-frameworks.md": [is_tested_elsewhere] * len(python_blocks("docs/other-frameworks.md")),
    "docs/changelog.md": [],
    "docs/design.md": [],
    "docs/troubleshooting.md": [],
    "docs/retries.md": [logs_faults, reads_many_users, counts_events],
    "docs/run-book.md": [serves_a_pool],
    "docs/ambiguous-outcomes.md": [resets_a_password, verifies_a_reset],
    "docs/sign-in.md": sign_in_blocks.CHECKS,
    "docs/testing.md": testing_blocks.CHECKS,
    "docs/user-pool.md": [],
    "docs/users.md": users_blocks.CHECKS,
    "docs/tokens.md": [
        verifies_a_token,
        requires_claims,
        returns_a_status,
        verifies_offline,
        verifies_in_all_event_loops,
        *[is_a_verifier] * 2,
        keeps_tokens,
        is_a_store,
        reads_tokens,
        is_a_test,
    ],
    "examples/fastapi_app/README.md": [],
}
CASES = [
    pytest.param(block, check, id=f"{page}:{block.line}")
    for page, checks in EXAMPLES.items()
    for block, check in zip(python_blocks(page), checks, strict=False)
]


# --- tests ------------------------------------------------------------------------------------------------------------


def test_every_page_and_python_block_has_a_check() -> None:
    """A new page or block is added to ``EXAMPLES``."""
    assert {page: len(python_blocks(page)) for page in PAGES} == {page: len(c) for page, c in EXAMPLES.items()}


def test_every_block_has_a_known_language() -> None:
    """Python, shell and JSON blocks are checked; indented blocks are commands or text."""
    assert {block.language for page in PAGES for block in blocks(page)} <= {"", "json", "python", "sh"}


@pytest.mark.parametrize(("block", "check"), CASES)
async def test_python_block_runs(
    block: Block, check: Check, pool: LocalPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each block is a complete program, or a module whose functions are called."""
    for name, value in {**FASTAPI, "AWS_EC2_METADATA_DISABLED": "true"}.items():
        monkeypatch.setenv(name, value)
    await check(block, Reader(pool, tmp_path))


def test_json_blocks_are_json() -> None:
    """They can be parsed."""
    for page in PAGES:
        for block in blocks(page):
            if block.language == "json":
                json.loads(block.text)
