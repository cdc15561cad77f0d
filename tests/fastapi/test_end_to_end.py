"""Applications served by uvicorn with a local user pool."""

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import httpx
import pytest
import uvicorn
from fastapi import Depends, FastAPI

from cognito_async import CognitoClient
from cognito_async.fastapi import Cognito, CognitoSettings, ResetConfirmation, password_reset_router
from cognito_async.testing import LocalPool
from tests.support.docs import python_blocks
from tests.support.processes import ROOT, running, until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and process groups are POSIX")

OLD, NEW = "Analytical-1843", "Differential-1822"
QUICK_START = python_blocks("docs/fastapi.md")[0].text


@pytest.fixture(scope="module")
def pool() -> Iterator[LocalPool]:
    """Run one pool for all tests of this file; its app client has a secret."""
    with running(LocalPool(client_secret=True)) as started:
        yield started


@pytest.fixture
async def email(pool: LocalPool) -> str:
    """Create a user for one test."""
    address = f"{uuid4()}@example.com"
    await pool.create_user(address, OLD)
    return address


def variables(pool: LocalPool) -> Mapping[str, str]:
    """Return the environment variables of the pool."""
    return {
        "COGNITO_REGION": pool.region,
        "COGNITO_ENDPOINT_URL": pool.endpoint_url,
        "COGNITO_CLIENT_ID": pool.client_id,
        "COGNITO_CLIENT_SECRET": pool.client_secret or "",
        "COGNITO_USER_POOL_ID": pool.user_pool_id,
    }


@contextlib.asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Serve an application with uvicorn on a free port and yield a client."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", lifespan="on"))
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started or serving.done())
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
            yield http
    finally:
        server.should_exit = True
        await serving


async def reset(http: httpx.AsyncClient, pool: LocalPool, email: str, prefix: str = "") -> None:
    """Reset a password after a wrong code; compare the responses with those for an unknown user."""
    unknown = {"username": "unknown@example.com"}
    sent = [await http.post(f"{prefix}/forgot-password", json=body) for body in ({"username": email}, unknown)]
    assert [response.status_code for response in sent] == [202, 202]
    assert sent[0].content == sent[1].content
    body = {"username": email, "code": await pool.code_for(email), "password": NEW}
    wrong = await http.post(f"{prefix}/reset-password", data={**body, "code": "000000"})
    missing = await http.post(f"{prefix}/reset-password", data={**body, **unknown})
    assert (wrong.status_code, wrong.content) == (400, missing.content)
    assert wrong.json()["type"] == "urn:cognito-async:wrong-code"
    weak = await http.post(f"{prefix}/reset-password", json={**body, "password": "password"})
    assert weak.json()["type"] == "urn:cognito-async:weak-password"
    done = await http.post(f"{prefix}/reset-password", data=body)
    assert done.status_code == 200, done.text


async def test_reset_in_mounted_application_changes_the_password(pool: LocalPool, email: str) -> None:
    """The other sessions are ended, and the new password works."""
    cognito = Cognito(settings=CognitoSettings(**settings(pool)), session=lambda _: pool.session())
    app, inner = FastAPI(lifespan=cognito.lifespan), FastAPI()
    confirmation = ResetConfirmation(sign_out_elsewhere=True, minimum_duration=0.0)
    inner.include_router(password_reset_router(confirmation=confirmation))
    app.mount("/account", inner)

    @app.post("/sign-in")
    async def sign_in(password: str, client: Annotated[CognitoClient, Depends(cognito.dependencies.client)]) -> bool:
        parameters = {"USERNAME": email, "PASSWORD": password}
        response = await client.initiate_auth(auth_flow="USER_PASSWORD_AUTH", auth_parameters=parameters)
        return response.authentication_result is not None

    async with served(app) as http:
        await reset(http, pool, email, "/account")
        assert (await http.post("/sign-in", params={"password": NEW})).json() is True


@pytest.mark.parametrize(
    ("head", "body", "status"),
    [
        (b"Content-Length: 5", b"{", None),  # and then the connection ends
        (b"Content-Length: many", b"{}", 400),
        (b"Content-Length: -1", b"{}", 400),
        (b"Content-Length: 2\r\nContent-Length: 3", b"{}", 400),
        (b"Content-Length: 99999999", b"", 413),
        (b"Transfer-Encoding: chunked", b"zz\r\n", 400),
        (b"Transfer-Encoding: chunked", b"%x\r\n%b\r\n" % (70_000, b"x" * 70_000), 413),
        (b"Transfer-Encoding: chunked", b"2\r\n{}\r\n0\r\n\r\n", 422),
        (b"Content-Length: 2\r\nX-Forwarded-For: \xff, ::::\r\nAccept-Language: \xfe\r\nOrigin: \xfd", b"{}", 422),
        (b"Content-Length: 2\r\nCookie: \x00", b"{}", 400),
    ],
)
async def test_malformed_requests_are_client_errors(
    pool: LocalPool, head: bytes, body: bytes, status: int | None
) -> None:
    """Requests that no HTTP library sends have a status below 500."""
    app = FastAPI(lifespan=Cognito(settings=CognitoSettings(**settings(pool))).lifespan)
    app.include_router(password_reset_router())
    async with served(app) as http:
        reader, writer = await asyncio.open_connection(http.base_url.host, http.base_url.port)
        start = b"POST /reset-password HTTP/1.1\r\nHost: site\r\nConnection: close\r\n"
        writer.write(start + b"Content-Type: application/json\r\n" + head + b"\r\n\r\n" + body)
        if status is None:
            writer.write_eof()
        response = await reader.read()
        writer.close()
        await writer.wait_closed()
    assert (int(response.split()[1]) if response else None) == status


def settings(pool: LocalPool) -> dict[str, Any]:
    """Return the arguments of CognitoSettings for the pool."""
    return {name.removeprefix("COGNITO_").lower(): value for name, value in variables(pool).items()}


async def test_quick_start_with_two_workers_signs_in_and_resets_a_password(
    pool: LocalPool, email: str, tmp_path: Path
) -> None:
    """The first file of docs/fastapi.md is short and works in several processes; logs contain no values."""
    assert len([line for line in QUICK_START.splitlines() if line.strip()]) <= 20
    with two_workers(QUICK_START, pool, tmp_path) as log:
        await until(lambda: log.read_text().count("Application startup complete") == 2)
        port = int(re.findall(r"http://127\.0\.0\.1:(\d+)", log.read_text())[0])
        url = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=url) as http:
            await reset(http, pool, email, "/account")
            signed_in = await http.post("/account/sign-in", json={"username": email, "password": NEW})
            token = signed_in.json()["access_token"]
            user = await http.get("/me", headers={"Authorization": f"Bearer {token}"})
            assert user.json() == {"username": signed_in.json()["username"]}
            refused = await http.post("/account/sign-in", json={"username": email, "password": OLD})
            assert (refused.status_code, refused.json()["type"]) == (401, "urn:cognito-async:sign-in-refused")
        assert len(await processes(url)) == 2
    output = log.read_text()
    assert output.count("Application shutdown complete") == 2
    for text in ("Traceback", NEW, email, token):
        assert text not in output


@contextlib.contextmanager
def two_workers(program: str, pool: LocalPool, folder: Path) -> Iterator[Path]:
    """Serve a program with two workers and a route that returns the process ID; yield the path of the log."""
    process_id = "\n\n@app.get('/process')\nasync def process() -> int:\n    import os\n\n    return os.getpid()\n"
    (folder / "main.py").write_text(program + process_id)
    log = folder / "log"
    command = [sys.executable, "-W", "error", "-m", "uvicorn", "main:app", "--workers", "2", "--port", "0"]
    command += ["--timeout-worker-healthcheck", "60"]  # by default, a worker that hangs for 5 s is replaced
    environment = {**os.environ, **variables(pool), "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    with (
        log.open("w") as output,
        subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=output, start_new_session=True
        ) as server,
    ):
        try:
            yield log
        finally:
            server.send_signal(signal.SIGINT)
            try:
                server.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)
                raise


async def processes(url: str) -> set[int]:
    """Connect until two processes have responded."""
    found = set[int]()
    for _ in range(200):
        async with httpx.AsyncClient(base_url=url) as http:
            responses = await asyncio.gather(*(http.get("/process") for _ in range(8)))
        found.update(response.json() for response in responses)
        if len(found) > 1:
            break
    return found
