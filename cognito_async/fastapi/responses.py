"""Problem responses: exception handlers for applications and routers, and their description in OpenAPI."""

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager, suppress
from http.client import responses as REASONS  # noqa: N812 - a constant
from typing import Any, Final, cast

from fastapi import FastAPI, Request, Response, WebSocket, WebSocketDisconnect, status
from fastapi.exception_handlers import http_exception_handler
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.types import ExceptionHandler
from starlette.websockets import WebSocketState

from cognito_async.errors import CognitoError, TokenError
from cognito_async.fastapi.authentication import BEARER_SCHEME, COOKIE_SCHEME
from cognito_async.fastapi.problems import (
    MISCONFIGURED,
    PROBLEMS,
    BadInputError,
    Problem,
    Problems,
    check_problems,
    error_class,
    log_problem,
    problem_of,
)
from cognito_async.fastapi.request import SAFE_METHODS
from cognito_async.tokens.bearer import bearer_challenge

PROBLEM_JSON: Final = "application/problem+json"
NO_STORE: Final = {"Cache-Control": "no-store"}

BODY_PROBLEMS: Final = (
    *("MalformedBodyError", "UnsupportedBodyError", "BodyTooLargeError", "BodyTimeoutError", "BadInputError"),
    *("CrossOriginError", "RateLimitedError"),
)
"""The problems of every route of a router that reads a body."""

_FIELD_NAME = re.compile(r"[A-Za-z_][\w-]{0,63}", re.ASCII)
_LOCATION_DEPTH = 2  # "body" and the field; deeper keys may have been submitted
_RULES = {
    "missing": "is required",
    "extra_forbidden": "is not a known field",
    "json_invalid": "is not valid JSON",
    "string_type": "must be a string",
    "string_too_short": "is too short",
    "string_too_long": "is too long",
    "string_pattern_mismatch": "has an invalid format or contains an invalid character",
    "string_unicode": "contains an invalid character",
    "union_tag_invalid": "must have one of the types {expected_tags}",
    "union_tag_not_found": "must have a type",
}
_VALIDATION_SCHEMA = "#/components/schemas/HTTPValidationError"
_PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "retry_after": {"type": "integer", "description": "When to retry, in seconds."},
        "errors": {
            "type": "array",
            "description": "The invalid fields.",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
    },
}


def problem_response(error: CognitoError, problems: Problems = PROBLEMS) -> Response:
    """Log an error and return its response, with the media type ``application/problem+json``."""
    log_problem(error, problems)
    problem = problem_of(error, problems)
    headers = dict(NO_STORE)
    retry_after = problem.retry_after_of(error)
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    refused = isinstance(error, TokenError) and problem.status == status.HTTP_403_FORBIDDEN
    if refused or problem.status == status.HTTP_401_UNAUTHORIZED:  # requires a scheme
        headers["WWW-Authenticate"] = bearer_challenge(error)
    if problem.status == status.HTTP_408_REQUEST_TIMEOUT:
        headers["Connection"] = "close"  # the rest of the body must not arrive later
    return JSONResponse(problem.document(error), problem.status, headers, media_type=PROBLEM_JSON)


@asynccontextmanager
async def minimum_duration(seconds: float) -> AsyncGenerator[None]:
    """Extend the block to a minimum duration in seconds, also if it raises an error."""
    clock = asyncio.get_running_loop().time
    end = clock() + seconds
    try:
        yield
    except Exception:
        await asyncio.sleep(end - clock())
        raise
    if end > clock():  # otherwise sleep yields to the event loop
        await asyncio.sleep(end - clock())


def _respond(error: CognitoError | RequestValidationError, problems: Problems) -> Response:
    return problem_response(_bad_input(error) if isinstance(error, RequestValidationError) else error, problems)


def _bad_input(error: RequestValidationError) -> BadInputError:
    """Convert FastAPI's error, which contains the submitted values, to one with field names and rules only."""
    rules: dict[str, dict[str, None]] = {}
    for item in error.errors():
        path = [str(part) for part in item["loc"][:_LOCATION_DEPTH]]
        submitted = item["type"] == "extra_forbidden" or not all(map(_FIELD_NAME.fullmatch, path))
        name = path[0] if submitted else path[-1]
        rule = _RULES.get(item["type"], "is invalid").format_map(item.get("ctx", {}))
        rules.setdefault(name, {})[rule] = None
    return BadInputError("validation failed", field_errors={name: tuple(found) for name, found in rules.items()})


def install_problems(app: Starlette, problems: Problems = PROBLEMS) -> None:
    """Handle every CognitoError, RequestValidationError and HTTPException of an application with problem details.

    FastAPI's own response to a RequestValidationError repeats the submitted values, including passwords. An
    HTTPException keeps its status, headers and ``detail``; if ``detail`` is not a string, FastAPI's own response is
    sent. An existing handler for HTTPException is kept. A mounted application needs its own call.

    Applications of Starlette without FastAPI are handled, too; they have no RequestValidationError and no OpenAPI.

    The OpenAPI document describes the responses to validation errors, and the refusals of protected routes (401, 403,
    503); for other errors see ``problem_responses``.

    Raises:
        ParameterValidationError: The table has a name that no error can have.
        RuntimeError: The application has started, and does not take new handlers.
    """
    check_problems(problems)
    if app.middleware_stack is not None:
        raise RuntimeError("the application has started; call install_problems(app) where the application is created")

    async def handle(connection: HTTPConnection, error: CognitoError | RequestValidationError) -> Response | None:
        response = _respond(error, problems)
        if not isinstance(connection, WebSocket):
            return response
        await _close_websocket(connection, response)
        return None

    if isinstance(app, FastAPI):
        generate = app.openapi

        def openapi() -> dict[str, Any]:
            return _document_problems(generate(), problems)

        app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the document
    app.add_exception_handler(CognitoError, cast("ExceptionHandler", handle))
    app.add_exception_handler(RequestValidationError, cast("ExceptionHandler", handle))
    if app.exception_handlers.get(HTTPException, http_exception_handler) is http_exception_handler:
        app.add_exception_handler(HTTPException, cast("ExceptionHandler", _handle_http_exception))


async def _handle_http_exception(request: Request, error: HTTPException) -> Response:
    response = await http_exception_handler(request, error)
    code, detail = error.status_code, cast("object", error.detail)
    if response.body and isinstance(detail, str):
        document = {"type": "about:blank", "title": REASONS.get(code, "Error"), "status": code, "detail": detail}
        return JSONResponse(document, code, error.headers, media_type=PROBLEM_JSON)
    return response


async def _close_websocket(socket: WebSocket, response: Response) -> None:
    """Close a WebSocket; before it is accepted, send the response if the server supports it."""
    state = socket.application_state
    if state is WebSocketState.CONNECTING and "websocket.http.response" in socket.get("extensions", {}):
        await socket.send_denial_response(response)
    elif state is not WebSocketState.DISCONNECTED:
        with suppress(WebSocketDisconnect, RuntimeError):  # the client has disconnected
            await socket.close(status.WS_1008_POLICY_VIOLATION)


def problem_route(problems: Problems = PROBLEMS) -> type[APIRoute]:
    """Return a class for ``APIRouter(route_class=...)`` whose routes handle CognitoError and RequestValidationError.

    Raises:
        ParameterValidationError: The table has a name that no error can have.
    """
    check_problems(problems)

    class ProblemRoute(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handler = super().get_route_handler()

            async def handle(request: Request) -> Response:
                try:
                    return await handler(request)
                except (CognitoError, RequestValidationError) as error:
                    return _respond(error, problems)

            return handle

    return ProblemRoute


def problem_responses(*names: str, problems: Problems = PROBLEMS) -> dict[int | str, dict[str, Any]]:
    """Return the value for the ``responses`` of a route, by names of errors as in the table.

    Raises:
        KeyError: Neither this table nor the default one has the name.
    """
    by_status: dict[int, dict[tuple[str, str], Problem]] = {}
    for name in names:
        problem = _find_problem(name, problems)
        by_status.setdefault(problem.status, {}).setdefault((problem.type, problem.title), problem)
    return {code: _describe(found.values()) for code, found in sorted(by_status.items())}


def _find_problem(name: str, problems: Problems) -> Problem:
    """Look up a name, falling back to the error's base classes as ``problem_of`` does."""
    if name not in problems and name not in PROBLEMS:
        raise KeyError(name)
    operation, _, short = name.rpartition(":")
    kinds = [short, *(base.__name__ for base in error_class(short).__mro__ if issubclass(base, CognitoError))]
    candidates = [*(f"{operation}:{known}" for known in kinds if operation), *kinds]
    return next((problems[known] for known in candidates if known in problems), MISCONFIGURED)


def _describe(problems: Iterable[Problem]) -> dict[str, Any]:
    examples: dict[str, dict[str, Any]] = {}
    for problem in problems:
        if not callable(problem.detail):
            name = problem.title if problem.type in examples else problem.type
            examples[name] = {"summary": problem.title, "value": problem.document(CognitoError())}
    description: dict[str, Any] = {
        "description": "; ".join(problem.title for problem in problems),
        "content": {PROBLEM_JSON: {"schema": _PROBLEM_SCHEMA, "examples": examples}},
    }
    if any(problem.retry_after is not None for problem in problems):
        description["headers"] = {"Retry-After": {"description": "In seconds.", "schema": {"type": "integer"}}}
    return description


def _document_problems(document: dict[str, Any], problems: Problems) -> dict[str, Any]:
    """Replace FastAPI's description of validation errors in an OpenAPI document, and add refusals of access tokens."""
    paths: dict[str, dict[str, Any]] = document.get("paths", {})
    for method, operation in ((method, each) for path in paths.values() for method, each in path.items()):
        if not isinstance(operation, dict):  # another member of a path
            continue
        members = cast("dict[str, Any]", operation)
        responses: dict[str, Any] = members.get("responses", {})
        names = _refusals(method, members)
        if _VALIDATION_SCHEMA in str(responses.get("422")):
            del responses["422"]
            names.append(BadInputError.__name__)
        for code, response in problem_responses(*names, problems=problems).items():
            responses.setdefault(str(code), response)
    return document


def _refusals(method: str, operation: dict[str, Any]) -> list[str]:
    """Return the names of the errors with which TokenAuth refuses requests of an operation."""
    schemes = " ".join(name for requirement in operation.get("security", ()) for name in requirement)
    if BEARER_SCHEME not in schemes and COOKIE_SCHEME not in schemes:
        return []
    cross_origin = ["CrossOriginError"] if COOKIE_SCHEME in schemes and method.upper() not in SAFE_METHODS else []
    return ["NotAuthenticatedError", "TokenError", "TokenScopeError", *cross_origin, "JwksUnavailableError"]
