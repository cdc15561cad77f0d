"""From end to end: what the documentation shows, served by uvicorn, before a user pool on this machine."""

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Self
from uuid import uuid4

import httpx
import pytest
import uvicorn
from attrs import evolve
from fastapi import Depends, FastAPI

import cognito_async.fastapi as package
from cognito_async import CognitoClient
from cognito_async.fastapi import Cognito, CognitoSettings, password_reset_router
from cognito_async.testing import LocalPool
from tests.support.processes import ROOT, running, until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and process groups are POSIX")

OLD, NEW = "Analytical-1843", "Differential-1822"
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "fastapi.md").read_text(), re.DOTALL)


@pytest.fixture(scope="module")
def pool() -> Iterator[LocalPool]:
    """Give all tests of this file one pool, whose app client has a secret."""
    with running(LocalPool(client_secret=True)) as made:
        yield made


@pytest.fixture
async def email(pool: LocalPool) -> str:
    """Give a user of the test's own, who has the old password."""
    address = f"{uuid4()}@example.com"
    await pool.create_user(address, OLD)
    return address


def variables(pool: LocalPool) -> Mapping[str, str]:
    """Give the environment that names the pool."""
    return {
        "COGNITO_REGION": pool.region,
        "COGNITO_ENDPOINT_URL": pool.endpoint_url,
        "COGNITO_CLIENT_ID": pool.client_id,
        "COGNITO_CLIENT_SECRET": pool.client_secret or "",
        "COGNITO_USER_POOL_ID": pool.user_pool_id,
    }


@contextlib.asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Serve an application with uvicorn on a socket, and give a visitor."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", lifespan="on"))
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started or serving.done())
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as visitor:
            yield visitor
    finally:
        server.should_exit = True
        await serving


async def reset(visitor: httpx.AsyncClient, pool: LocalPool, email: str, prefix: str = "") -> None:
    """Reset a password as a user does, with a wrong code first."""
    unknown = {"username": "nobody@example.com"}
    told = [await visitor.post(f"{prefix}/forgot-password", json=body) for body in ({"username": email}, unknown)]
    assert [answer.status_code for answer in told] == [202, 202]
    assert told[0].content == told[1].content
    body = {"username": email, "code": await pool.code_for(email), "password": NEW}
    wrong = await visitor.post(f"{prefix}/reset-password", data={**body, "code": "000000"})
    nobody = await visitor.post(f"{prefix}/reset-password", data={**body, **unknown})
    assert (wrong.status_code, wrong.content) == (400, nobody.content)
    assert wrong.json()["type"] == "urn:cognito-async:wrong-code"
    weak = await visitor.post(f"{prefix}/reset-password", json={**body, "password": "password"})
    assert weak.json()["type"] == "urn:cognito-async:weak-password"
    done = await visitor.post(f"{prefix}/reset-password", data=body)
    assert done.status_code == 200, done.text


async def test_a_password_is_reset(pool: LocalPool, email: str) -> None:
    """Over a socket, in a mounted application, with the other sessions ended: the whole way of a user."""
    cognito = Cognito(settings=CognitoSettings(**evolved(pool)), session=lambda _: pool.session())
    app, inner = FastAPI(lifespan=cognito.lifespan), FastAPI()
    inner.include_router(password_reset_router(sign_out_elsewhere=True, floor=0.0))
    app.mount("/account", inner)

    @app.post("/sign-in")
    async def sign_in(password: str, client: Annotated[CognitoClient, Depends(cognito.dependencies.client)]) -> bool:
        parameters = {"USERNAME": email, "PASSWORD": password}
        answer = await client.initiate_auth(auth_flow="USER_PASSWORD_AUTH", auth_parameters=parameters)
        return answer.authentication_result is not None

    async with served(app) as visitor:
        await reset(visitor, pool, email, "/account")
        assert (await visitor.post("/sign-in", params={"password": NEW})).json() is True


@pytest.mark.parametrize(
    ("head", "body", "status"),
    [
        (b"Content-Length: 5", b"{", None),  # and then it ends
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
async def test_broken_requests_on_the_wire(pool: LocalPool, head: bytes, body: bytes, status: int | None) -> None:
    """What no client library sends is answered below 500 too, by the server or by the router."""
    app = FastAPI(lifespan=Cognito(settings=CognitoSettings(**evolved(pool))).lifespan)
    app.include_router(password_reset_router())
    async with served(app) as visitor:
        reader, writer = await asyncio.open_connection(visitor.base_url.host, visitor.base_url.port)
        start = b"POST /reset-password HTTP/1.1\r\nHost: site\r\nConnection: close\r\n"
        writer.write(start + b"Content-Type: application/json\r\n" + head + b"\r\n\r\n" + body)
        if status is None:
            writer.write_eof()
        told = await reader.read()
        writer.close()
        await writer.wait_closed()
    assert (int(told.split()[1]) if told else None) == status


def evolved(pool: LocalPool) -> dict[str, Any]:
    """Give a pool's settings by their names in the program."""
    return {name.removeprefix("COGNITO_").lower(): value for name, value in variables(pool).items()}


async def test_what_the_documentation_shows_serves_with_two_workers(
    pool: LocalPool, email: str, tmp_path: Path
) -> None:
    """The first program of the page is short, and runs as the page says, in two processes at once."""
    assert len([line for line in BLOCKS[0].splitlines() if line.strip()]) <= 20
    with two_workers(BLOCKS[0], pool, tmp_path) as log:
        await until(lambda: log.read_text().count("Application startup complete") == 2)
        port = int(re.findall(r"http://127\.0\.0\.1:(\d+)", log.read_text())[0])
        url = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=url) as visitor:
            await reset(visitor, pool, email, "/account")
            signed_in = await visitor.post("/sign-in", data={"name": email, "password": NEW})
            assert signed_in.json() is True
            refused = await visitor.post("/sign-in", data={"name": email, "password": OLD})
            assert (refused.status_code, refused.json()["title"]) == (401, "The sign-in was not accepted")
        assert len(await processes(url)) == 2
    told = log.read_text()
    assert told.count("Application shutdown complete") == 2
    assert "Traceback" not in told
    assert NEW not in told
    assert email not in told


@contextlib.contextmanager
def two_workers(program: str, pool: LocalPool, folder: Path) -> Iterator[Path]:
    """Serve a program, which also tells its process, with two workers; give the path of their log."""
    process_id = "\n\n@app.get('/process')\nasync def process() -> int:\n    import os\n\n    return os.getpid()\n"
    (folder / "main.py").write_text(program + process_id)
    log = folder / "log"
    command = [sys.executable, "-W", "error", "-m", "uvicorn", "main:app", "--workers", "2", "--port", "0"]
    command += ["--timeout-worker-healthcheck", "60"]  # else one that stands still for 5 s is replaced
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
    """Ask over many connections, until two processes have answered."""
    found = set[int]()
    for _ in range(200):
        async with httpx.AsyncClient(base_url=url) as visitor:
            answers = await asyncio.gather(*(visitor.get("/process") for _ in range(8)))
        found.update(answer.json() for answer in answers)
        if len(found) > 1:
            break
    return found


async def test_the_other_programs_of_the_page_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """What else the page shows can be typed in after the first program."""
    monkeypatch.setenv("COGNITO_CLIENT_ID", "abc")
    monkeypatch.setenv("COGNITO_STAFF_CLIENT_ID", "xyz")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    asked: list[str] = []

    class FakeClient:
        """Counts."""

        async def forgot_password(self, *, username: str, **_: object) -> None:
            """Count."""
            asked.append(username)

    class TestClient:
        """Stands for Starlette's, which needs another HTTP library."""

        __test__ = False

        def __init__(self, app: FastAPI) -> None:
            self.app = app

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def post(self, path: str, *, json: Mapping[str, str]) -> None:
            """Keep what is sent."""
            asked.extend((path, *json.values()))

    @contextlib.asynccontextmanager
    async def my_lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield

    names: dict[str, Any] = {
        **{name: getattr(package, name) for name in dir(package)},
        "Any": Any,
        "AsyncGenerator": AsyncGenerator,
        "CognitoClient": CognitoClient,
        "Depends": Depends,
        "FakeClient": FakeClient,
        "TestClient": TestClient,
        "asynccontextmanager": contextlib.asynccontextmanager,
        "evolve": evolve,
        "my_lifespan": my_lifespan,
    }
    for block in BLOCKS:
        exec(block, names)
        app: FastAPI = names["app"]
        async with app.router.lifespan_context(app):
            assert app.openapi()["paths"]
    assert asked == ["/account/forgot-password", "ada@example.com"]


async def test_without_the_extra_the_error_says_how_to_install_it() -> None:
    """Importing the package without FastAPI names the extra."""
    code = "import sys; sys.modules['fastapi'] = None; import cognito_async.fastapi"
    command = [sys.executable, "-c", code]
    done = await asyncio.to_thread(subprocess.run, command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert 'pip install "cognito_async[fastapi]"' in done.stderr.splitlines()[-1]
