"""The example site's protection: headers, origin checks, input limits, cookies, and what it prints."""

import re
import sys
from collections.abc import AsyncGenerator, AsyncIterator

import httpx
import pytest
import pytest_asyncio

from tests.examples.site import (
    ADA,
    NEW_PASSWORD,
    PASSWORD,
    RESET_CODE,
    WRONG_CODE,
    SiteProcess,
    form_of,
    in_process_site,
)

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX"),
]

PAGES = ("/sign-in", "/sign-up", "/confirm-sign-up", "/forgot-password", "/reset-password")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def client(site: SiteProcess) -> AsyncIterator[httpx.AsyncClient]:
    """Return a client of the site."""
    async with site.client() as opened:
        yield opened


def check_headers(response: httpx.Response) -> None:
    """Check that a response is kept out of caches and frames, and has no inline script or style."""
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["referrer-policy"] == "same-origin"
    assert response.headers["x-content-type-options"] == "nosniff"
    policy = response.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script(?! src)|\son\w+=|\sstyle=|<style", response.text)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("path", "code"),
    [
        *((path, 200) for path in PAGES),
        *(("/account", 303), ("/", 303), ("/inbox", 404), ("/nowhere", 404), ("/sign-out", 405)),
    ],
)
async def test_every_response_has_security_headers(
    client: httpx.AsyncClient, method: str, path: str, code: int
) -> None:
    """Error pages have them, too."""
    response = await client.request(method, path)
    assert response.status_code == code
    check_headers(response)


async def test_bug_shows_an_error_page_without_details() -> None:
    """An unexpected exception is answered with a page that has the security headers."""
    async with in_process_site() as site:

        async def bug() -> None:
            raise ZeroDivisionError("canary")

        site.app.add_api_route("/bug", bug)
        async with site.client() as client:
            response = await client.get("/bug")
    assert response.status_code == 500
    assert "Something went wrong on our side" in response.text
    assert "canary" not in response.text
    check_headers(response)


async def test_forms_from_other_origins_are_refused(client: httpx.AsyncClient) -> None:
    """Another site can neither sign a user in nor out."""
    for path in ("/sign-in", "/sign-out", "/forgot-password"):
        response = await client.post(path, data={"username": ADA}, headers={"Sec-Fetch-Site": "cross-site"})
        assert response.status_code == 403
        check_headers(response)


async def test_bodies_that_are_not_a_form_are_refused(client: httpx.AsyncClient) -> None:
    """Bodies that are too large, of unknown length, or files are refused, and their content is not shown."""
    assert (await client.post("/sign-in", data={"username": "x" * 40_000})).status_code == 413

    async def chunks() -> AsyncGenerator[bytes, None]:
        yield b"username=ada"

    assert (await client.post("/sign-in", content=chunks())).status_code == 411
    response = await client.post("/sign-in", files={"password": ("a.txt", b"hunter2-hunter2")})
    assert response.status_code == 400
    assert "hunter2" not in response.text


async def test_session_cookie_holds_no_token_and_ends_with_the_session(client: httpx.AsyncClient) -> None:
    """Scripts and other sites cannot read the cookie, which holds only the session's ID. Each sign-in has a new one."""
    ids: list[str] = []
    for _ in range(2):
        response = await client.post("/sign-in", data={"username": ADA, "password": PASSWORD})
        assert (response.status_code, response.headers["location"]) == (303, "/account")
        (cookie,) = response.headers.get_list("set-cookie")
        found = re.fullmatch(r"session=([\w.=-]+); path=/; httponly; samesite=lax", cookie)
        assert found
        assert len(found[1]) < 300
        ids.append(found[1])
    assert ids[0] != ids[1]
    assert ADA in (await client.get("/account")).text
    assert (await client.post("/sign-out")).headers["location"] == "/sign-in"
    for value in (*ids, ids[1][:-1], "x.y.z"):
        response = await client.get("/account", headers={"Cookie": f"session={value}"})
        assert response.headers["location"] == "/sign-in"


async def test_cookies_are_secure_behind_https(site: SiteProcess) -> None:
    """A trusted proxy reports that the client uses HTTPS."""
    async with site.client() as fresh:
        response = await fresh.post("/forgot-password", headers={"X-Forwarded-Proto": "https"})
    assert "; secure" in response.headers["set-cookie"]
    assert response.headers["strict-transport-security"].startswith("max-age=")


async def test_redirects_hold_no_user_input(client: httpx.AsyncClient) -> None:
    """No user name, code or message is in a URL, and the Host header does not change the redirect."""
    for path in ("/forgot-password", "/reset-password", "/sign-in", "/sign-up", "/confirm-sign-up"):
        form = {"username": ADA, "code": WRONG_CODE, "password": "wrong"}
        response = await client.post(path, data=form, headers={"Host": "evil.example"})
        assert response.status_code == 303
        assert re.fullmatch(r"/[a-z-]+", response.headers["location"])


async def test_user_input_is_escaped(client: httpx.AsyncClient) -> None:
    """A user name with markup is shown as text."""
    await client.post("/sign-in", data={"username": '"><b>x</b>'})
    text = (await client.get("/sign-in")).text
    assert "<b>x" not in text
    assert "&lt;b&gt;x" in text


async def test_long_input_does_not_overflow_the_cookie(client: httpx.AsyncClient) -> None:
    """Browsers drop cookies of more than 4 KB, and the error with them."""
    for length in (128, 1000):
        form = {"username": "\U0001f426" * length, "code": "1" * 2000, "password": "weak"}
        response = await client.post("/reset-password", data=form)
        assert len(response.headers["set-cookie"]) < 4096
        assert "password-error" in (await client.get("/reset-password")).text


@pytest.mark.asyncio(loop_scope="function")
async def test_requests_are_limited_per_address() -> None:
    """An address that sends too many forms has to wait. Other addresses, and reading pages, are not affected."""
    async with (
        in_process_site() as site,
        site.client() as client,
        site.client() as other,
    ):
        accepted = 0
        while (last := await client.post("/sign-up")).status_code == 303:
            accepted += 1
        assert accepted >= 60
        assert (last.status_code, last.headers["retry-after"]) == (429, "1")
        assert (await client.get("/sign-up")).status_code == 200
        assert (await other.post("/sign-up")).status_code == 303


async def test_output_contains_no_secrets(site: SiteProcess, client: httpx.AsyncClient) -> None:
    """The server prints no user name, password or code."""
    await client.post("/sign-in", data={"username": ADA, "password": PASSWORD})
    await client.post("/reset-password", data=form_of("printed"))
    for secret in (ADA, "printed@", PASSWORD, NEW_PASSWORD, RESET_CODE):
        assert secret not in site.printed
