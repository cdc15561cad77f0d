"""Problems as HTTP answers: for a whole application, for a router, and in the OpenAPI document."""

import re
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Final

from fastapi import FastAPI, Request, Response, status
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute

from cognito_async.errors import CognitoError
from cognito_async.fastapi.problems import PROBLEMS, Problem, Problems, problem_of, report
from cognito_async.fastapi.refusals import BadInputError

PROBLEM_JSON: Final = "application/problem+json"

_NAME = re.compile(r"[A-Za-z_][\w-]{0,63}", re.ASCII)
_DEPTH = 2  # of a fault's location: where it was, and the field; what is below may be a submitted key
_RULES = {"missing": "is required", "extra_forbidden": "is not known here", "json_invalid": "is not JSON"}
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "retry_after": {"type": "integer", "description": "When to come back, in seconds."},
        "errors": {
            "type": "array",
            "description": "The fields at fault.",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
    },
}


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
    """Answer every CognitoError, and every RequestValidationError, of an application with problem details.

    The second is for all routes of the application: FastAPI's own answer repeats what was submitted, passwords too. An
    application that is mounted in another one needs a call of its own.

    Args:
        app: The application.
        problems: The table.
    """

    async def cognito_error(_: Request, error: Exception) -> Response:
        if not isinstance(error, CognitoError):
            raise error
        return problem_answer(error, problems)

    async def validation_error(_: Request, error: Exception) -> Response:
        if not isinstance(error, RequestValidationError):
            raise error
        return problem_answer(without_values(error), problems)

    app.add_exception_handler(CognitoError, cognito_error)
    app.add_exception_handler(RequestValidationError, validation_error)


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


def problem_responses(*names: str, problems: Problems = PROBLEMS) -> dict[int | str, dict[str, Any]]:
    """Describe problems for the OpenAPI document.

    Args:
        *names: The names of errors, as in the table, that a route can end in.
        problems: The table.

    Returns:
        What a route takes as its ``responses``.

    Raises:
        KeyError: The table has no such name.
    """
    by_status: dict[int, list[Problem]] = {}
    for problem in dict.fromkeys(problems[name].type for name in names):
        row = next(problems[name] for name in names if problems[name].type == problem)
        by_status.setdefault(row.status, []).append(row)
    return {code: _response(rows) for code, rows in sorted(by_status.items())}


def _response(rows: Iterable[Problem]) -> dict[str, Any]:
    nothing = CognitoError()
    examples = {
        row.type: {"summary": row.title, "value": row.document(nothing)} for row in rows if not callable(row.detail)
    }
    described: dict[str, Any] = {
        "description": "; or: ".join(row.title for row in rows),
        "content": {PROBLEM_JSON: {"schema": _SCHEMA, "examples": examples}},
    }
    if any(row.retry_after is not None for row in rows):
        described["headers"] = {"Retry-After": {"description": "In seconds.", "schema": {"type": "integer"}}}
    return described
