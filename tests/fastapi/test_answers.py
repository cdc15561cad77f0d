"""Answers: problem details in an application, in a router, and in the OpenAPI document."""

from collections.abc import MutableMapping
from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI, Form, HTTPException, Request, Response, WebSocket
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException as StarletteHTTPException

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
from tests.fastapi.test_lifespan import visiting

PASSWORD = "Analytical-1843"


class Body(BaseModel):
    """A body with something secret in it."""

    model_config = ConfigDict(extra="forbid")

    name: str
    password: int
    scores: dict[str, int] = {}


def routes(router: FastAPI | APIRouter) -> None:
    """Add routes that fail."""

    @router.get("/wrong")
    async def wrong() -> None:
        raise CodeMismatchException("what AWS says")

    @router.get("/busy", responses=problem_responses("TooManyRequestsException", "ConnectError", "CognitoError"))
    async def busy() -> None:
        raise TooManyRequestsException("what AWS says", retry_after=1.2)

    @router.get("/sign-in")
    async def sign_in() -> None:
        raise NotAuthorizedException("what AWS says", operation="InitiateAuth")

    @router.post("/form")
    async def form(form: Body) -> str:
        return form.name


def installed() -> FastAPI:
    """Make an application that answers for all its routes."""
    app = FastAPI()
    install_problems(app)
    routes(app)
    return app


def routed() -> FastAPI:
    """Make an application whose router answers itself."""
    app, router = FastAPI(), APIRouter(route_class=problem_route())
    routes(router)
    app.include_router(router)
    return app


def check(answer: httpx.Response, status: int, kind: str) -> dict[str, Any]:
    """Check that an answer is a problem."""
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    document: dict[str, Any] = answer.json()
    assert (document["type"], document["status"]) == (f"urn:cognito-async:{kind}", status)
    assert "AWS" not in answer.text
    return document


@pytest.mark.parametrize("make", [installed, routed])
async def test_errors_are_answered(make: Any) -> None:
    """Errors become problem details with their headers."""
    async with visiting(make()) as visitor:
        check(await visitor.get("/wrong"), 400, "wrong-code")
        busy = await visitor.get("/busy")
        assert check(busy, 503, "busy")["retry_after"] == 2
        assert busy.headers["retry-after"] == "2"
        refused = await visitor.get("/sign-in")
        check(refused, 401, "sign-in-refused")
        assert refused.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("make", [installed, routed])
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
async def test_what_was_submitted_is_not_repeated(make: Any, body: Any, pointers: set[str]) -> None:
    """FastAPI's own answer to a wrong body repeats it; this one names fields, and neither values nor foreign keys."""
    async with visiting(make()) as visitor:
        answer = await visitor.post("/form", json=body)
        document = check(answer, 422, "bad-input")
        assert {fault["pointer"] for fault in document["errors"]} == pointers
        assert PASSWORD not in answer.text
        torn = await visitor.post(
            "/form", content=f'{{"password": "{PASSWORD}', headers={"Content-Type": "application/json"}
        )
        check(torn, 422, "bad-input")
        assert PASSWORD not in torn.text


async def test_your_own_table_is_used() -> None:
    """A row that is replaced is what is answered."""
    teapot = Problem(type="urn:cognito-async:teapot", title="Short and stout", status=418)
    app = FastAPI()
    install_problems(app, {**PROBLEMS, "CodeMismatchException": teapot})
    routes(app)
    async with visiting(app) as visitor:
        check(await visitor.get("/wrong"), 418, "teapot")


async def test_other_errors_are_not_touched() -> None:
    """A bug stays a bug, and is not answered as something else."""
    app, router = installed(), APIRouter(route_class=problem_route())

    @router.get("/bug")
    async def bug() -> None:
        raise ZeroDivisionError

    app.include_router(router)
    async with visiting(app) as visitor:
        with pytest.raises(ZeroDivisionError):
            await visitor.get("/bug")


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
async def test_a_body_that_can_not_be_read_is_a_problem(path: str, kind: str, body: bytes) -> None:
    """Whatever FastAPI itself makes of a body, the answer is a problem with a status of the visitor's own fault."""
    app = installed()

    @app.post("/web-form")
    async def web_form(name: Annotated[str, Form()]) -> str:
        return name

    async with visiting(app) as visitor:
        answer = await visitor.post(path, content=body, headers={"Content-Type": kind})
    assert 400 <= answer.status_code < 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == answer.status_code


async def test_other_refusals_are_problems_too() -> None:
    """An HTTPException keeps its status, its words and its headers; one whose detail is no text stays as it was."""
    app = installed()

    @app.get("/gone")
    async def gone(*, words: bool) -> None:
        raise HTTPException(410, "It was here." if words else {"was": "here"}, {"Sunset": "yesterday"})

    @app.get("/odd")
    async def odd() -> None:
        raise HTTPException(499, "Nobody waits.")

    async with visiting(app) as visitor:
        told, untold = await visitor.get("/gone?words=1"), await visitor.get("/gone?words=0")
        missing, unfit, unnamed = await visitor.get("/nowhere"), await visitor.get("/form"), await visitor.get("/odd")
    assert told.headers["content-type"] == "application/problem+json"
    assert told.json() == {"type": "about:blank", "title": "Gone", "status": 410, "detail": "It was here."}
    assert told.headers["sunset"] == untold.headers["sunset"] == "yesterday"
    assert (untold.status_code, untold.json()) == (410, {"detail": {"was": "here"}})
    assert [answer.json()["status"] for answer in (missing, unfit, unnamed)] == [404, 405, 499]
    assert unfit.headers["allow"] == "POST"


async def open_socket(
    app: FastAPI, path: str, origin: bytes = b"http://site.example", **more: object
) -> list[dict[str, Any]]:
    """Open a WebSocket, and give what the application sends."""

    async def receive() -> dict[str, str]:
        return {"type": "websocket.connect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(dict(message))

    sent: list[dict[str, Any]] = []
    headers = [(b"host", b"site.example"), (b"origin", origin)]
    scope = {"type": "websocket", "path": path, "query_string": b"", "headers": headers, "subprotocols": [], **more}
    await app(scope, receive, send)
    return sent


@pytest.mark.parametrize(
    ("origin", "extensions", "told"),
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
async def test_a_web_socket_from_another_site_is_refused(
    origin: bytes, extensions: dict[str, Any], told: dict[str, Any]
) -> None:
    """A browser opens it for any page; the guard tells whose page it was, and the handshake ends with the problem."""
    app = FastAPI(dependencies=[Depends(same_origin())])
    install_problems(app)

    @app.websocket("/live")
    async def live(socket: WebSocket) -> None:
        await socket.accept()

    (first, *_) = await open_socket(app, "/live", origin, extensions=extensions)
    assert told.items() <= first.items()


async def test_your_own_answer_to_refusals_stays() -> None:
    """Who has said how to answer an HTTPException is not overruled."""

    async def own_page(_: Request, __: Exception) -> Response:
        return PlainTextResponse("nothing here", 404)

    app = FastAPI(exception_handlers={StarletteHTTPException: own_page})
    install_problems(app)
    async with visiting(app) as visitor:
        assert (await visitor.get("/nowhere")).text == "nothing here"


@pytest.mark.parametrize("closed", [True, False])
async def test_a_web_socket_ends_with_an_error(closed: bool, caplog: pytest.LogCaptureFixture) -> None:  # noqa: FBT001 - pytest's
    """It is closed, unless the route has done so, and the error is in the log either way."""
    app = FastAPI()
    install_problems(app)

    @app.websocket("/live")
    async def live(socket: WebSocket) -> None:
        await socket.accept()
        if closed:
            await socket.close()
        raise TooManyRequestsException("what AWS says", operation="GetUser")

    sent = await open_socket(app, "/live")
    assert [message["type"] for message in sent] == ["websocket.accept", "websocket.close"]
    assert sent[1]["code"] == (1000 if closed else 1008)
    assert "TooManyRequestsException (GetUser" in caplog.text


def test_the_document_describes_the_answers() -> None:
    """Problems of one status are told together, each with an example."""
    told = installed().openapi()["paths"]["/busy"]["get"]["responses"]
    assert set(told) == {"200", "500", "503"}
    content = told["503"]["content"]["application/problem+json"]
    assert set(content["examples"]) == {"urn:cognito-async:busy", "urn:cognito-async:unavailable"}
    assert "Retry-After" in told["503"]["headers"]
    with pytest.raises(KeyError):
        problem_responses("NoSuchError")


def test_the_document_describes_what_becomes_of_bad_input() -> None:
    """FastAPI's own answer to bad input is not given, and so not described; routes without input have neither."""
    app = installed()
    for document in (app.openapi(), app.openapi()):
        told = document["paths"]["/form"]["post"]["responses"]["422"]
        assert list(told["content"]) == ["application/problem+json"]
        assert "422" not in document["paths"]["/wrong"]["get"]["responses"]
    moved = FastAPI()
    generate = moved.openapi

    def with_more() -> dict[str, Any]:
        document = generate()
        for told in document["paths"].values():
            told.update(summary="responses of old", parameters=[])
        return document

    moved.openapi = with_more  # type: ignore[method-assign]
    install_problems(moved, {**PROBLEMS, "BadInputError": Problem(type="urn:bad", title="Bad", status=400)})
    routes(moved)
    assert set(moved.openapi()["paths"]["/form"]["post"]["responses"]) == {"200", "400"}


def test_the_document_describes_your_own_table() -> None:
    """Rows that a table leaves out are described by what is answered instead; rows may share a type."""
    names = ("MalformedBodyError", "ConfirmForgotPassword:AmbiguousOutcomeError", "TooManyRequestsException")
    assert set(problem_responses(*names, problems={})) == {500}
    wrong, busy = (Problem(type="about:blank", title="No", status=status) for status in (400, 503))
    own = {"CognitoError": wrong, "TooManyRequestsException": busy}
    assert set(problem_responses(*names, problems=own)) == {400, 503}
    other = Problem(type="about:blank", title="Not so", status=400)
    told = problem_responses(
        "MalformedBodyError", "UnsupportedBodyError", problems={**own, "UnsupportedBodyError": other}
    )
    assert told[400]["description"] == "No; or: Not so"
    assert len(told[400]["content"]["application/problem+json"]["examples"]) == 2
    assert set(problem_responses("ConnectError", problems={"TransportError": busy, "CognitoError": wrong})) == {503}
    assert password_reset_router(problems=own).routes
