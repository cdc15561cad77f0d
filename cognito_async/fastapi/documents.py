"""Problems in the OpenAPI document."""

from collections.abc import Iterable
from typing import Any, Final

from cognito_async import errors
from cognito_async.errors import CognitoError, ServiceError
from cognito_async.fastapi import refusals
from cognito_async.fastapi.problem import Problem, Problems
from cognito_async.fastapi.problem_table import MISCONFIGURED, PROBLEMS
from cognito_async.fastapi.refusals import BadInputError

PROBLEM_JSON: Final = "application/problem+json"

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace", "query")
_VALIDATION = "#/components/schemas/HTTPValidationError"
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


def problem_responses(*names: str, problems: Problems = PROBLEMS) -> dict[int | str, dict[str, Any]]:
    """Describe problems for the OpenAPI document.

    Args:
        *names: The names of errors, as in the table, that a route can end in.
        problems: The table.

    Returns:
        What a route takes as its ``responses``.

    Raises:
        KeyError: Neither this table nor the default one has such a name.
    """
    by_status: dict[int, dict[tuple[str, str], Problem]] = {}
    for row in (_documented(name, problems) for name in names):
        by_status.setdefault(row.status, {}).setdefault((row.type, row.title), row)
    return {code: _response(rows.values()) for code, rows in sorted(by_status.items())}


def _documented(name: str, problems: Problems) -> Problem:
    """Find a row by its name, or what stands for it in a table that leaves it out, as for the error itself."""
    if name not in problems and name not in PROBLEMS:
        raise KeyError(name)
    operation, _, short = name.rpartition(":")
    kind: type[CognitoError] = getattr(errors, short, getattr(refusals, short, ServiceError))
    kinds = [short, *(base.__name__ for base in kind.__mro__ if issubclass(base, CognitoError))]
    names = [*(f"{operation}:{known}" for known in kinds if operation), *kinds]
    return next((problems[known] for known in names if known in problems), MISCONFIGURED)


def _response(rows: Iterable[Problem]) -> dict[str, Any]:
    nothing = CognitoError()
    examples: dict[str, dict[str, Any]] = {}
    for row in rows:
        if not callable(row.detail):
            name = row.title if row.type in examples else row.type
            examples[name] = {"summary": row.title, "value": row.document(nothing)}
    described: dict[str, Any] = {
        "description": "; or: ".join(row.title for row in rows),
        "content": {PROBLEM_JSON: {"schema": _SCHEMA, "examples": examples}},
    }
    if any(row.retry_after is not None for row in rows):
        described["headers"] = {"Retry-After": {"description": "In seconds.", "schema": {"type": "integer"}}}
    return described


def with_problems(document: dict[str, Any], problems: Problems) -> dict[str, Any]:
    """Describe what becomes of input that FastAPI refuses, in place of its own answer, which is not given any more.

    Args:
        document: The document; it is changed.
        problems: The table.

    Returns:
        The document.
    """
    answers = problem_responses(BadInputError.__name__, problems=problems)
    paths: dict[str, dict[str, Any]] = document.get("paths", {})
    for operation in [path[method] for path in paths.values() for method in _METHODS if method in path]:
        told: dict[str, Any] = operation.get("responses", {})
        if _VALIDATION in str(told.get("422")):
            del told["422"]
            told.update({str(code): told.get(str(code), answer) for code, answer in answers.items()})
    return document
