"""Cross-origin checks."""

from functools import partial
from typing import Any

import pytest
from fastapi import Depends, FastAPI
from starlette.datastructures import Headers

from cognito_async import ParameterValidationError
from cognito_async.fastapi import TokenAuth, install_problems, password_reset_router, same_origin, sign_in_router
from cognito_async.fastapi.request import MAX_COOKIE_LENGTH, cookie_values, is_same_origin
from tests.support.asgi import asgi_client

HOST = {"host": "site.example"}


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, True),  # not a browser
        ({"sec-fetch-site": "same-origin", "origin": "https://site.example"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"sec-fetch-site": "same-site", "origin": "https://blog.site.example"}, False),
        ({"sec-fetch-site": "cross-site", "origin": "https://site.example"}, False),
        ({"sec-fetch-site": "nonsense"}, False),
        ({"origin": "https://site.example"}, True),
        ({"origin": "http://site.example:80"}, False),
        ({"origin": "https://evil.example"}, False),
        ({"origin": "https://site.example.evil.example"}, False),
        ({"origin": "null"}, False),
        ({"origin": ""}, False),
        ({"origin": "https://[broken"}, False),
        ({"origin": "https://www.example.com", "sec-fetch-site": "cross-site"}, True),
    ],
)
def test_is_same_origin_by_headers(headers: dict[str, str], allowed: bool) -> None:  # noqa: FBT001 - the expected result
    """Fetch Metadata decides, then Origin; one additional origin is allowed."""
    assert is_same_origin({**HOST, **headers}, {"https://www.example.com"}) is allowed


def test_is_same_origin_without_host_rejects_any_origin() -> None:
    """A missing Host header does not match an empty origin."""
    assert not is_same_origin({"origin": "null"})
    assert not is_same_origin({"origin": "https://site.example"})


@pytest.mark.parametrize(
    "allowed",
    [
        "https://www.example.com",  # https://www.example.co would be allowed, too
        ["null"],
        ["*"],
        ["www.example.com"],
        ["https://www.example.com/"],
        ["https://www.example.com", ""],
        ["https://WWW.Example.com"],  # browsers send lower case,
        ["https://www.example.com:443"],  # and no default port
        ["http://www.example.com:80"],
        ["https://www.example.com:08443"],
        ["https://*.example.com"],
        ["https://www.example.com:"],
        ["https://b\u00fccher.example"],  # they send xn--bcher-kva.example
        [None],
    ],
)
def test_invalid_allowed_origins_are_refused(allowed: Any) -> None:
    """They would allow more than one origin, or never match."""
    for accept in (sign_in_router, password_reset_router, partial(TokenAuth, cookie="a")):
        with pytest.raises(ParameterValidationError) as caught:
            accept(allowed_origins=allowed)
        assert caught.value.parameter == "allowed_origins"
        assert caught.value.rule.startswith("must be ")
    with pytest.raises(ParameterValidationError):
        same_origin(*allowed)


def test_allowed_origins_are_accepted() -> None:
    """With a port, and those of apps in web views."""
    allowed = ["http://localhost:3000", "https://[::1]:8443", "capacitor://localhost", "http://a.example:443"]
    assert TokenAuth(allowed_origins=allowed) == TokenAuth(allowed_origins=tuple(reversed(allowed)))
    sign_in_router(allowed_origins=allowed)


def test_long_cookie_header_counts_as_a_repeated_cookie() -> None:
    """It is not split; servers may not limit the size of headers."""
    longest = "a=1; " + "b" * (MAX_COOKIE_LENGTH - 5)
    assert cookie_values(Headers({"cookie": longest}), "a") == ["1"]
    assert cookie_values(Headers({"cookie": longest + "b"}), "a") == ["", ""]
    lines = [(b"cookie", b"a=1"), (b"cookie", longest[3:].encode())]
    assert cookie_values(Headers(raw=lines), "a") == ["1"]
    assert cookie_values(Headers(raw=[*lines, (b"cookie", b"b")]), "a") == ["", ""]


def test_cookie_values_may_contain_equals_signs() -> None:
    """As base64 does."""
    assert cookie_values(Headers({"cookie": "a=Zg==; b=1; a = \t2"}), "a") == ["Zg==", "2"]


async def test_same_origin_dependency_rejects_cross_site_forms() -> None:
    """Forms and other simple requests are rejected; JSON is left to CORS, and safe methods pass."""
    app = FastAPI()
    install_problems(app)

    @app.api_route("/", methods=["GET", "POST"], dependencies=[Depends(same_origin())])
    async def route() -> None:
        pass

    @app.post("/shared", dependencies=[Depends(same_origin("https://www.example.com"))])
    async def shared() -> None:
        pass

    headers = {"Sec-Fetch-Site": "cross-site"}
    async with asgi_client(app) as http:
        assert (await http.post("/", headers=headers, data={"a": "b"})).status_code == 403
        assert (await http.post("/", headers={**headers, "Content-Type": "text/plain"})).status_code == 403
        assert (await http.get("/", headers=headers)).status_code == 200
        assert (await http.post("/", headers=headers, json={})).status_code == 200
        assert (await http.post("/")).status_code == 200
        for origin, status in (("https://www.example.com", 200), ("https://example.com", 403)):
            assert (await http.post("/shared", headers={**headers, "Origin": origin})).status_code == status
