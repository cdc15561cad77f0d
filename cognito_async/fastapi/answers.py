"""Problems as HTTP answers: for a whole application, for a router, and in the OpenAPI document."""

import re
from collections.abc import Callable, Coroutine
from contextlib import suppress
from http.client import responses as PHRASES  # noqa: N812 - it is a constant
from typing import Any, cast

from fastapi import FastAPI, Request, Response, WebSocket, WebSocketDisconnect, status
from fastapi.exception_handlers import http_exception_handler
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.types import ExceptionHandler
from starlette.websockets import WebSocketState

from cognito_async.errors import CognitoError
from cognito_async.fastapi.documents import PROBLEM_JSON, with_problems
from cognito_async.fastapi.problem import Problems
from cognito_async.fastapi.problem_table import PROBLEMS
from cognito_async.fastapi.problems import problem_of, report
from cognito_async.fastapi.refusals import BadInputError

_NAME = re.compile(r"[A-Za-z_][\w-]{0,63}", re.ASCII)
_DEPTH = 2  # of a fault's location: where it was, and the field; what is below may be a submitted key
_RULES = {"missing": "is required", "extra_forbidden": "is not known here", "json_invalid": "is not JSON"}


def problem_answer(error: CognitoError, problems: Problems = PROBLEMS) -> Response:
    """Log an error as its row in the table says, and make the answer to it.

    Args:
        error: What happened.
        problems: The table.

    Returns:
        The answer, of the type ``application/problem+json``.
    """
    report(error, problems)
    problem = problem_of(error, problems)
    wait = problem.wait(error)
    headers = {"Cache-Control": "no-store"} | ({} if wait is None else {"Retry-After": str(wait)})
    if problem.status == status.HTTP_401_UNAUTHORIZED:  # has to name a scheme
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(problem.document(error), problem.status, headers, media_type=PROBLEM_JSON)


def without_values(error: RequestValidationError) -> BadInputError:
    """Turn FastAPI's own error, which repeats what was submitted, into one that does not.

    Args:
        error: FastAPI's error.

    Returns:
        One with the names of the fields, as far as they are surely not submitted themselves, and what is wrong.
    """
    faults: dict[str, list[str]] = {}
    for fault in error.errors():
        path = [str(part) for part in fault["loc"][:_DEPTH]]
        submitted = fault["type"] == "extra_forbidden" or not all(map(_NAME.fullmatch, path))
        name = path[0] if submitted or len(path) < _DEPTH else path[1]
        rules = faults.setdefault(name, [])
        rule = _RULES.get(fault["type"], "is not valid")
        if rule not in rules:
            rules.append(rule)
    return BadInputError("the request does not have the form that the route asks for", faults=faults)


def install_problems(app: FastAPI, problems: Problems = PROBLEMS) -> None:
    """Answer every CognitoError, RequestValidationError and HTTPException of an application with problem details.

    The last two are for all routes of the application. FastAPI's own answer to the first of them repeats what was
    submitted, passwords too. The other is what a form that can't be read ends in, or a path that is not there; its
    ``detail`` stays what it was, and one that is no text goes out as FastAPI does it. A handler for it that is there
    already stays. An application that is mounted in another one needs a call of its own.

    The OpenAPI document describes the answer to what FastAPI refuses; for a route's others see ``problem_responses``.

    Args:
        app: The application.
        problems: The table.
    """

    async def cognito_error(connection: HTTPConnection, error: Exception) -> Response | None:
        if not isinstance(error, CognitoError):
            raise error
        answer = problem_answer(error, problems)
        if not isinstance(connection, WebSocket):
            return answer
        await _end(connection, answer)
        return None

    async def validation_error(_: HTTPConnection, error: Exception) -> Response:
        if not isinstance(error, RequestValidationError):
            raise error
        return problem_answer(without_values(error), problems)

    generate = app.openapi

    def document() -> dict[str, Any]:
        return with_problems(generate(), problems)

    app.openapi = document  # type: ignore[method-assign]  # FastAPI's own way to extend it
    app.add_exception_handler(CognitoError, cast("ExceptionHandler", cognito_error))
    app.add_exception_handler(RequestValidationError, validation_error)
    if app.exception_handlers.get(HTTPException, http_exception_handler) is http_exception_handler:
        app.add_exception_handler(HTTPException, _http_error)


async def _http_error(request: Request, error: Exception) -> Response:
    """Answer an HTTPException with FastAPI's words, in the form of a problem."""
    if not isinstance(error, HTTPException):
        raise error
    answer = await http_exception_handler(request, error)
    code, detail = error.status_code, cast("object", error.detail)
    if answer.body and isinstance(detail, str):
        document = {"type": "about:blank", "title": PHRASES.get(code, "Error"), "status": code, "detail": detail}
        return JSONResponse(document, code, error.headers, media_type=PROBLEM_JSON)
    return answer


async def _end(socket: WebSocket, answer: Response) -> None:
    """End a WebSocket: with the answer where it was not accepted yet and the server can do that."""
    state = socket.application_state
    if state is WebSocketState.CONNECTING and "websocket.http.response" in socket.get("extensions", {}):
        await socket.send_denial_response(answer)
    elif state is not WebSocketState.DISCONNECTED:
        with suppress(WebSocketDisconnect, RuntimeError):  # the other side has gone
            await socket.close(status.WS_1008_POLICY_VIOLATION)


def problem_route(problems: Problems = PROBLEMS) -> type[APIRoute]:
    """Make a class of routes that answer these errors themselves, whatever application they are in.

    Args:
        problems: The table.

    Returns:
        The class, for ``APIRouter(route_class=...)``.
    """

    class ProblemRoute(APIRoute):
        """A route that answers errors with problem details."""

        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            """Wrap the route's own handler."""
            handle = super().get_route_handler()

            async def answer(request: Request) -> Response:
                try:
                    return await handle(request)
                except CognitoError as error:
                    return problem_answer(error, problems)
                except RequestValidationError as error:
                    return problem_answer(without_values(error), problems)

            return answer

    return ProblemRoute
