"""Problem responses of applications and routers, and their description in OpenAPI."""

from collections.abc import MutableMapping
from copy import deepcopy
from typing import Annotated, Any

import httpx
import pytest
from attrs import evolve
from fastapi import APIRouter, Depends, FastAPI, Form, HTTPException, Request, Response, WebSocket
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, ConfigDict
from starlette.applications import Starlette
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.routing import Route

from cognito_async import CodeMismatchException, NotAuthorizedException, TooManyRequestsException
from cognito_async.fastapi import (
    PROBLEMS,
    Problem,
    install_problems,
    password_reset_router,
    problem_responses,
    problem_route,
    same_origin,
)
from tests.support.asgi import asgi_client

PASSWORD = "Analytical-1843"


class Body(BaseModel):
    """A body with a secret."""

    model_config = ConfigDict(extra="forbid")

    name: str
    password: int
    scores: dict[str, int] = {}


def routes(router: FastAPI | APIRouter) -> None:
    """Add routes that raise errors."""

    @router.get("/wrong")
    async def wrong() -> None:
        raise CodeMismatchException("a message of AWS")

    @router.get("/busy", responses=problem_responses("TooManyRequestsException", "ConnectError", "CognitoError"))
    async def busy() -> None:
        raise TooManyRequestsException("a message of AWS", retry_after=1.2)

    @router.get("/sign-in")
    async def sign_in() -> None:
        raise NotAuthorizedException("a message of AWS", operation="InitiateAuth")

    @router.post("/form")
    async def form(form: Body) -> str:
        return form.name


def application() -> FastAPI:
    """Return an application with handlers for all routes."""
    app = FastAPI()
    install_problems(app)
    routes(app)
    return app


def router_only() -> FastAPI:
    """Return an application whose router handles its own errors."""
    app, router = FastAPI(), APIRouter(route_class=problem_route())
    routes(router)
    app.include_router(router)
    return app


def check(response: httpx.Response, status: int, kind: str) -> dict[str, Any]:
    """Assert that a response is a problem, and return the document."""
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["cache-control"] == "no-store"
    document: dict[str, Any] = response.json()
    assert (document["type"], document["status"]) == (f"urn:cognito-async:{kind}", status)
    assert "AWS" not in response.text
    return document


@pytest.mark.parametrize("make", [application, router_only])
async def test_cognito_errors_become_problem_details(make: Any) -> None:
    """The headers include Retry-After and WWW-Authenticate where they apply."""
    async with asgi_client(make()) as http:
        check(await http.get("/wrong"), 400, "wrong-code")
        busy = await http.get("/busy")
        assert check(busy, 503, "busy")["retry_after"] == 2
        assert busy.headers["retry-after"] == "2"
        refused = await http.get("/sign-in")
        check(refused, 401, "sign-in-refused")
        assert refused.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("make", [application, router_only])
@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({"name": "ada", "password": PASSWORD}, {"#/password"}),
        ({"password": PASSWORD}, {"#/name", "#/password"}),
        ({"name": "ada", "password": 1, PASSWORD: 1}, {"#/body"}),
        ({"name": "ada", "password": 1, "scores": {PASSWORD: "x"}}, {"#/scores"}),
        ([PASSWORD], {"#/body"}),
    ],
)
async def test_validation_errors_do_not_repeat_submitted_values(make: Any, body: Any, pointers: set[str]) -> None:
    """The response names fields of the model, neither values nor submitted keys."""
    async with asgi_client(make()) as http:
        response = await http.post("/form", json=body)
        document = check(response, 422, "bad-input")
        assert {item["pointer"] for item in document["errors"]} == pointers
        assert {item["detail"] for item in document["errors"] if item["pointer"] == "#/name"} <= {"is required"}
        assert PASSWORD not in response.text
        truncated = await http.post(
            "/form", content=f'{{"password": "{PASSWORD}', headers={"Content-Type": "application/json"}
        )
        check(truncated, 422, "bad-input")
        assert PASSWORD not in truncated.text


async def test_install_problems_with_custom_table_uses_it() -> None:
    """A replaced row changes the response."""
    teapot = Problem(type="urn:cognito-async:teapot", title="Short and stout", status=418)
    app = FastAPI()
    install_problems(app, {**PROBLEMS, "CodeMismatchException": teapot})
    routes(app)
    async with asgi_client(app) as http:
        check(await http.get("/wrong"), 418, "teapot")


async def test_other_exceptions_are_not_handled() -> None:
    """A bug propagates to the server."""
    app, router = application(), APIRouter(route_class=problem_route())

    @router.get("/bug")
    async def bug() -> None:
        raise ZeroDivisionError

    app.include_router(router)
    async with asgi_client(app) as http:
        with pytest.raises(ZeroDivisionError):
            await http.get("/bug")


CUT = b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\nada'


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", b"x"),  # without a boundary
        ("multipart/form-data; boundary=x", CUT),
        ("multipart/form-data; boundary=x; charset=punycode", CUT + b"\xff\r\n--x--\r\n"),
        ("application/x-www-form-urlencoded", b"&".join(b"a%d=1" % number for number in range(2000))),
        ("application/json", b"[" * 20_000),
    ],
)
@pytest.mark.parametrize("path", ["/form", "/web-form"])
async def test_unreadable_body_is_a_client_error(path: str, kind: str, body: bytes) -> None:
    """FastAPI's own errors for invalid bodies become problems below 500."""
    app = application()

    @app.post("/web-form")
    async def web_form(name: Annotated[str, Form()]) -> str:
        return name

    async with asgi_client(app) as http:
        response = await http.post(path, content=body, headers={"Content-Type": kind})
    assert 400 <= response.status_code < 500
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["status"] == response.status_code


async def test_http_exceptions_become_problem_details() -> None:
    """The status, detail and headers are kept; if the detail is not a string, FastAPI's response is sent."""
    app = application()

    @app.get("/gone")
    async def gone(*, text: bool) -> None:
        raise HTTPException(410, "It was here." if text else {"was": "here"}, {"Sunset": "yesterday"})

    @app.get("/odd")
    async def odd() -> None:
        raise HTTPException(499, "Client closed request.")

    async with asgi_client(app) as http:
        text, other = await http.get("/gone?text=1"), await http.get("/gone?text=0")
        missing, method, unnamed = await http.get("/nowhere"), await http.get("/form"), await http.get("/odd")
    assert text.headers["content-type"] == "application/problem+json"
    assert text.json() == {"type": "about:blank", "title": "Gone", "status": 410, "detail": "It was here."}
    assert text.headers["sunset"] == other.headers["sunset"] == "yesterday"
    assert (other.status_code, other.json()) == (410, {"detail": {"was": "here"}})
    assert [response.json()["status"] for response in (missing, method, unnamed)] == [404, 405, 499]
    assert [response.json()["title"] for response in (missing, unnamed)] == ["Not Found", "Error"]
    assert method.headers["allow"] == "POST"


async def open_socket(
    app: FastAPI,
    path: str,
    origin: bytes = b"http://site.example",
    *,
    failure: Exception | None = None,
    **more: object,
) -> list[dict[str, Any]]:
    """Open a WebSocket and return the messages of the application; to close it fails with ``failure``."""

    async def receive() -> dict[str, str]:
        return {"type": "websocket.connect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(dict(message))
        if failure is not None and message["type"] == "websocket.close":
            raise failure

    sent: list[dict[str, Any]] = []
    headers = [(b"host", b"site.example"), (b"origin", origin)]
    scope = {"type": "websocket", "path": path, "query_string": b"", "headers": headers, "subprotocols": [], **more}
    await app(scope, receive, send)
    return sent


@pytest.mark.parametrize(
    ("origin", "extensions", "expected"),
    [
        (b"http://site.example", {}, {"type": "websocket.accept"}),
        (b"https://evil.example", {}, {"type": "websocket.close", "code": 1008}),
        (
            b"https://evil.example",
            {"websocket.http.response": {}},
            {"type": "websocket.http.response.start", "status": 403},
        ),
    ],
)
async def test_cross_origin_websocket_is_refused(
    origin: bytes, extensions: dict[str, Any], expected: dict[str, Any]
) -> None:
    """The handshake ends with the problem if the server supports it, otherwise with a close."""
    app = FastAPI(dependencies=[Depends(same_origin())])
    install_problems(app)

    @app.websocket("/live")
    async def live(socket: WebSocket) -> None:
        await socket.accept()

    (first, *_) = await open_socket(app, "/live", origin, extensions=extensions)
    assert expected.items() <= first.items()


async def test_existing_http_exception_handler_is_kept() -> None:
    """install_problems does not replace it."""

    async def own_page(_: Request, __: Exception) -> Response:
        return PlainTextResponse("not found", 404)

    app = FastAPI(exception_handlers={StarletteHTTPException: own_page})
    install_problems(app)
    async with asgi_client(app) as http:
        assert (await http.get("/nowhere")).text == "not found"


@pytest.mark.parametrize("closed", [True, False])
async def test_error_in_websocket_route_closes_and_logs(closed: bool, caplog: pytest.LogCaptureFixture) -> None:  # noqa: FBT001 - a parameter of pytest
    """A WebSocket that the route has closed is not closed again."""
    app = FastAPI()
    install_problems(app)

    @app.websocket("/live")
    async def live(socket: WebSocket) -> None:
        await socket.accept()
        if closed:
            await socket.close()
        raise TooManyRequestsException("a message of AWS", operation="GetUser")

    sent = await open_socket(app, "/live")
    assert [message["type"] for message in sent] == ["websocket.accept", "websocket.close"]
    assert sent[1]["code"] == (1000 if closed else 1008)
    assert "TooManyRequestsException" in caplog.text


@pytest.mark.parametrize("failure", [OSError("disconnected"), RuntimeError("closed")])
async def test_error_in_websocket_route_of_a_disconnected_client_is_handled(failure: Exception) -> None:
    """Servers report it in different ways."""
    app = FastAPI()
    install_problems(app)

    @app.websocket("/live")
    async def live(socket: WebSocket) -> None:
        await socket.accept()
        raise TooManyRequestsException("a message of AWS", operation="GetUser")

    sent = await open_socket(app, "/live", failure=failure)
    assert [message["type"] for message in sent] == ["websocket.accept", "websocket.close"]


def test_problem_responses_describe_the_response() -> None:
    """A problem whose text depends on the error has no example."""
    busy = Problem(type="urn:busy", title="Busy", status=503, retry_after=5)
    (described,) = problem_responses("CognitoError", problems={"CognitoError": busy}).values()
    content = described["content"]["application/problem+json"]
    assert content["schema"]["properties"].keys() >= busy.document(CodeMismatchException("x")).keys()
    assert described == {
        "description": "Busy",
        "content": {
            "application/problem+json": {
                "schema": content["schema"],
                "examples": {"urn:busy": {"summary": "Busy", "value": busy.document(CodeMismatchException("x"))}},
            }
        },
        "headers": {"Retry-After": {"description": "In seconds.", "schema": {"type": "integer"}}},
    }
    shown = evolve(busy, detail=lambda error: error.message)
    (described,) = problem_responses("CognitoError", problems={"CognitoError": shown}).values()
    assert described["content"]["application/problem+json"]["examples"] == {}


def test_problem_responses_group_problems_by_status() -> None:
    """Each problem of a status has an example; unknown names are an error."""
    responses = application().openapi()["paths"]["/busy"]["get"]["responses"]
    assert set(responses) == {"200", "500", "503"}
    content = responses["503"]["content"]["application/problem+json"]
    assert set(content["examples"]) == {"urn:cognito-async:busy", "urn:cognito-async:unavailable"}
    assert "Retry-After" in responses["503"]["headers"]
    with pytest.raises(KeyError, match="NoSuchError"):
        problem_responses("NoSuchError")


def test_openapi_describes_validation_errors_as_problems() -> None:
    """FastAPI's own schema is replaced; routes without input have neither."""
    app = application()
    for document in (app.openapi(), app.openapi()):
        response = document["paths"]["/form"]["post"]["responses"]["422"]
        assert list(response["content"]) == ["application/problem+json"]
        assert "422" not in document["paths"]["/wrong"]["get"]["responses"]


def test_openapi_with_custom_generator_and_table_describes_validation_errors() -> None:
    """Path items may have members that are not operations, and the problem may have another status."""
    app = FastAPI()
    generate = app.openapi

    def with_path_members() -> dict[str, Any]:
        document = generate()
        for path in document["paths"].values():
            path.update(summary="responses of a path", parameters=[])
        return document

    app.openapi = with_path_members  # type: ignore[method-assign]
    install_problems(app, {**PROBLEMS, "BadInputError": Problem(type="urn:bad", title="Bad", status=400)})
    routes(app)
    assert set(app.openapi()["paths"]["/form"]["post"]["responses"]) == {"200", "400"}


@pytest.mark.parametrize("document", [{}, {"paths": {"/": {"get": {}}}}])
def test_openapi_without_optional_members_is_kept(document: dict[str, Any]) -> None:
    """A custom generator may leave them out."""
    app = FastAPI()
    app.openapi = lambda: deepcopy(document)  # type: ignore[method-assign]
    install_problems(app)
    assert app.openapi() == document


def test_problem_responses_with_custom_table_describe_the_sent_problems() -> None:
    """Missing rows fall back as for the error itself; problems may share a type."""
    names = ("MalformedBodyError", "ConfirmForgotPassword:AmbiguousOutcomeError", "TooManyRequestsException")
    assert set(problem_responses(*names, problems={})) == {500}
    wrong, busy = (Problem(type="about:blank", title="No", status=status) for status in (400, 503))
    table = {"CognitoError": wrong, "TooManyRequestsException": busy}
    assert set(problem_responses(*names, problems=table)) == {400, 503}
    other = Problem(type="about:blank", title="Not so", status=400)
    responses = problem_responses(
        "MalformedBodyError", "UnsupportedBodyError", problems={**table, "UnsupportedBodyError": other}
    )
    assert len(responses[400]["content"]["application/problem+json"]["examples"]) == 2
    assert set(problem_responses("ConnectError", problems={"TransportError": busy, "CognitoError": wrong})) == {503}
    assert set(problem_responses("WeakPasswordError", problems={"RequestRejectedError": busy, **table})) == {503}
    name = "SignUp:AmbiguousOutcomeError"
    for row in ("AmbiguousOutcomeError", "SignUp:CognitoError"):
        assert set(problem_responses(name, problems={row: busy, "CognitoError": wrong})) == {503}
    assert set(problem_responses("Fault.QUOTA", problems=PROBLEMS)) == {503}
    assert password_reset_router(problems=table).routes


async def test_install_problems_handles_applications_of_starlette() -> None:
    """CognitoError and HTTPException, without OpenAPI."""

    async def wrong(_: Request) -> Response:
        raise CodeMismatchException("a message of AWS")

    app = Starlette(routes=[Route("/wrong", wrong)])
    install_problems(app)
    async with asgi_client(app) as http:
        check(await http.get("/wrong"), 400, "wrong-code")
        missing = await http.get("/missing")
    assert (missing.status_code, missing.headers["content-type"]) == (404, "application/problem+json")


async def test_install_problems_after_the_first_request_is_refused() -> None:
    """Starlette ignores handlers that are added later."""
    app = Starlette()
    async with asgi_client(app) as client:
        await client.get("/")
    with pytest.raises(RuntimeError):
        install_problems(app)
