"""The example site as a server: what it sends along with each page, and what it refuses."""

import re
import sys
from collections.abc import AsyncGenerator, AsyncIterator

import httpx
import pytest
import pytest_asyncio
from fastapi import HTTPException

from tests.examples.site_stage import ADA, CODE, NEW, PASSWORD, WRONG, Process, inside

pytest_plugins = ("tests.examples.site_stage",)
pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def visitor(site: Process) -> AsyncIterator[httpx.AsyncClient]:
    """Give a visitor without a browser."""
    async with site.visitor() as client:
        yield client


def check_headers(answer: httpx.Response) -> None:
    """Check that an answer is kept from caches, frames and other origins, and has no script of its own."""
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["x-content-type-options"] == "nosniff"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script(?! src)|\son\w+=|\sstyle=|<style", answer.text)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        *((path, 200) for path in ("/sign-in", "/sign-up", "/confirm-sign-up", "/forgot-password", "/reset-password")),
        *(("/account", 303), ("/", 303), ("/inbox", 404), ("/nowhere", 404), ("/sign-out", 405)),
    ],
)
async def test_pages_protect_themselves(visitor: httpx.AsyncClient, path: str, code: int) -> None:
    """Every answer, errors too, has the headers that keep it from caches, frames, other origins and their logs."""
    answer = await visitor.get(path)
    assert answer.status_code == code
    check_headers(answer)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/sign-in", "GET, HEAD, POST"),
        ("DELETE", "/confirm-sign-up", "GET, HEAD, POST"),
        ("POST", "/account", "GET, HEAD"),
        ("GET", "/sign-out", "POST"),
        ("HEAD", "/confirm-sign-up/resend", "POST"),
        ("POST", "/.well-known/change-password", "GET, HEAD"),
    ],
)
async def test_what_a_page_can_be_asked_for_is_named(
    visitor: httpx.AsyncClient, method: str, path: str, allowed: str
) -> None:
    """Where a page can't be asked like this, the answer names all the ways in which it can."""
    answer = await visitor.request(method, path)
    assert answer.status_code == 405
    assert sorted(answer.headers["allow"].split(", ")) == allowed.split(", ")
    check_headers(answer)


async def test_the_headers_of_a_refusal_are_kept() -> None:
    """What an error says to the browser in its headers goes out with the error page."""
    async with inside(COGNITO_CLIENT_ID="abc", COGNITO_ENDPOINT_URL="http://127.0.0.1:9") as site:

        async def gone() -> None:
            raise HTTPException(503, headers={"Retry-After": "7"})

        site.app.add_api_route("/gone", gone)
        async with site.visitor() as visitor:
            answer = await visitor.get("/gone")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "7")


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/sign-in", "/sign-up", "/confirm-sign-up", "/forgot-password", "/reset-password", "/account"),
        *("/.well-known/change-password", "/nowhere", "/inbox"),
    ],
)
async def test_the_head_of_a_page_is_that_of_the_page(visitor: httpx.AsyncClient, path: str) -> None:
    """HEAD gets what GET gets, but for the body."""
    page = await visitor.get(path)
    head = await visitor.head(path)
    assert head.content == b""
    assert head.status_code == page.status_code
    check_headers(head)
    for name in ("location", "content-type", "content-length"):
        assert head.headers.get(name) == page.headers.get(name)


async def test_to_ask_for_the_head_uses_nothing_up(site: Process) -> None:
    """What a page has to say waits for the page: whoever asks for its head does not read it."""
    async with site.visitor() as newcomer:
        await newcomer.post("/forgot-password")
        await newcomer.head("/forgot-password")
        assert "Please check what you typed" in (await newcomer.get("/forgot-password")).text
        assert "Please check what you typed" not in (await newcomer.get("/forgot-password")).text


async def test_a_bug_is_a_page_too() -> None:
    """Where the site itself breaks, the visitor is told so on a page with the same headers, and nothing more."""
    async with inside(COGNITO_CLIENT_ID="abc", COGNITO_ENDPOINT_URL="http://127.0.0.1:9") as site:

        async def bug() -> None:
            raise ZeroDivisionError("canary")

        site.app.add_api_route("/bug", bug)
        async with site.visitor() as visitor:
            answer = await visitor.get("/bug")
    assert answer.status_code == 500
    assert "Something went wrong on our side" in answer.text
    assert "canary" not in answer.text
    check_headers(answer)


async def test_what_is_no_page_may_be_kept(visitor: httpx.AsyncClient) -> None:
    """Style and script are kept by browsers as long as they have not changed."""
    for name, kind in (("site.css", "text/css"), ("site.js", "javascript"), ("mark.svg", "image/svg+xml")):
        answer = await visitor.get(f"/static/{name}")
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-cache")
        assert kind in answer.headers["content-type"]
        again = await visitor.get(f"/static/{name}", headers={"If-None-Match": answer.headers["etag"]})
        assert again.status_code == 304


async def test_forms_from_elsewhere_are_refused(visitor: httpx.AsyncClient) -> None:
    """A page of another site can't sign anybody in or out."""
    for path in ("/sign-in", "/sign-out", "/forgot-password"):
        answer = await visitor.post(path, data={"username": ADA}, headers={"Sec-Fetch-Site": "cross-site"})
        assert answer.status_code == 403
        assert "The form was sent from another site" in answer.text
        assert "session=" not in answer.headers.get("set-cookie", "")


async def test_what_is_no_form_is_refused(visitor: httpx.AsyncClient) -> None:
    """Bodies that are too long, of unknown length, or files end in an error page, and none of them is repeated."""
    assert (await visitor.post("/sign-in", data={"username": "x" * 40_000})).status_code == 413

    async def pieces() -> AsyncGenerator[bytes, None]:
        yield b"username=ada"

    assert (await visitor.post("/sign-in", content=pieces())).status_code == 411
    answer = await visitor.post("/sign-in", files={"password": ("a.txt", b"hunter2-hunter2")})
    assert answer.status_code == 400
    assert "The request can&#39;t be read" in answer.text
    assert "hunter2" not in answer.text


async def test_the_session_is_a_key_and_no_token(visitor: httpx.AsyncClient) -> None:
    """The cookie of a session is out of reach for scripts and other sites, holds no token, and ends with it."""
    answer = await visitor.post("/sign-in", data={"username": ADA, "password": PASSWORD})
    assert (answer.status_code, answer.headers["location"]) == (303, "/account")
    (cookie,) = [text for text in answer.headers.get_list("set-cookie") if text.startswith("session=")]
    assert re.fullmatch(r"session=[\w-]{43}; HttpOnly; Path=/; SameSite=lax", cookie)
    key = visitor.cookies["session"]
    assert ADA in (await visitor.get("/account")).text
    answer = await visitor.post("/sign-out")
    assert answer.headers["location"] == "/sign-in"
    answer = await visitor.get("/account", headers={"Cookie": f"session={key}"})
    assert answer.headers["location"] == "/sign-in"


async def test_behind_https_cookies_are_secure(site: Process) -> None:
    """Where a proxy says that the visitor came by HTTPS, cookies go that way only, as does the browser next time."""
    async with site.visitor() as newcomer:
        answer = await newcomer.post("/forgot-password", headers={"X-Forwarded-Proto": "https"})
    assert "; Secure" in answer.headers["set-cookie"]
    assert answer.headers["strict-transport-security"].startswith("max-age=")


async def test_no_url_names_anybody(visitor: httpx.AsyncClient) -> None:
    """After a form the visitor is sent to a plain address, whatever was typed."""
    for path in ("/forgot-password", "/reset-password", "/sign-in", "/sign-up", "/confirm-sign-up"):
        answer = await visitor.post(path, data={"username": ADA, "code": WRONG, "password": "wrong"})
        assert answer.status_code == 303
        assert re.fullmatch(r"/[a-z-]+", answer.headers["location"])


async def test_password_managers_find_the_way(visitor: httpx.AsyncClient) -> None:
    """The well-known address for changing a password leads to the form."""
    answer = await visitor.get("/.well-known/change-password")
    assert answer.headers["location"] == "/forgot-password"


async def test_what_is_typed_is_no_markup(visitor: httpx.AsyncClient) -> None:
    """A user name that is HTML is shown as it was typed."""
    await visitor.post("/sign-in", data={"username": '"><b>x</b>'})
    text = (await visitor.get("/sign-in")).text
    assert "<b>x" not in text
    assert "&lt;b&gt;x" in text


async def test_nothing_secret_is_printed(site: Process) -> None:
    """What the site has printed so far names nobody, and holds no password and no code."""
    for secret in (ADA, PASSWORD, NEW, CODE, "hunter2"):
        assert secret not in site.printed
