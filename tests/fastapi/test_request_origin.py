"""Cross-origin checks."""

import pytest
from fastapi import Depends, FastAPI

from cognito_async.fastapi import install_problems, same_origin
from cognito_async.fastapi.request_origin import is_same_origin
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


async def test_same_origin_dependency_rejects_cross_site_forms() -> None:
    """Forms and other simple requests are rejected; JSON is left to CORS, and safe methods pass."""
    app = FastAPI()
    install_problems(app)

    @app.api_route("/", methods=["GET", "POST"], dependencies=[Depends(same_origin())])
    async def route() -> None:
        pass

    headers = {"Sec-Fetch-Site": "cross-site"}
    async with asgi_client(app) as http:
        assert (await http.post("/", headers=headers, data={"a": "b"})).status_code == 403
        assert (await http.post("/", headers={**headers, "Content-Type": "text/plain"})).status_code == 403
        assert (await http.get("/", headers=headers)).status_code == 200
        assert (await http.post("/", headers=headers, json={})).status_code == 200
        assert (await http.post("/")).status_code == 200
