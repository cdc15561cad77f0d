"""A row of the table of problems: what a visitor is told about an error, as problem details (RFC 9457). Pure."""

import re
from collections.abc import Callable, Mapping
from math import ceil
from typing import Any, Final, TypeAlias

from attrs import field, frozen

from cognito_async.errors import CognitoError, ParameterValidationError
from cognito_async.fastapi.refusals import RefusalError

OURS: Final = ("client_id", "client_secret", "user_pool_id", "region", "endpoint_url", "secret_hash")
"""Parameters that are the application's, and no visitor's."""

_STEP = re.compile(r"""\[(['"])(.*?)\1\]|\[(\d+)\]|\.(\w+)""")


@frozen(kw_only=True)
class Problem:
    """What a visitor is told about an error.

    Attributes:
        type: A URI that names the kind of problem; programs tell problems apart by it.
        title: The kind of problem, in a few words.
        status: The HTTP status.
        detail: What the visitor can do; a function to make it from the error; None for nothing. ``lambda error:
            error.message`` shows what the service says, which may tell more than you want.
        retry_after: When to come back, in seconds, unless the error knows better; None if waiting does not help.
        extensions: Further members of the answer.
        log_level: The level at which it is logged; None for not at all.
    """

    type: str
    title: str
    status: int
    detail: str | Callable[[CognitoError], str] | None = None
    retry_after: int | None = None
    extensions: Mapping[str, Any] = field(factory=dict[str, Any])
    log_level: int | None = None

    def document(self, error: CognitoError) -> dict[str, Any]:
        """Make the answer's JSON document.

        Args:
            error: What happened; its message goes in only if ``detail`` is a function that takes it.

        Returns:
            The document.
        """
        detail = self.detail(error) if callable(self.detail) else self.detail
        wait = self.wait(error)
        faults = _faults(error)
        told = {"type": self.type, "title": self.title, "status": self.status, "detail": detail, "retry_after": wait}
        return {name: value for name, value in told.items() if value is not None} | dict(self.extensions) | faults

    def wait(self, error: CognitoError) -> int | None:
        """Tell after how many seconds to come back; None if waiting does not help."""
        if self.retry_after is None:
            return None
        return self.retry_after if error.retry_after is None else max(1, ceil(error.retry_after))


Problems: TypeAlias = Mapping[str, Problem]
"""Rows by the error's name. See ``names_of`` for what is looked up, and in which order."""


def _pointed(parameter: str) -> str:
    """Write a parameter's path as in a JSON pointer: ``auth_parameters['PASSWORD']`` as auth_parameters/PASSWORD."""
    return _STEP.sub(
        lambda step: "/" + (step[2] or step[3] or step[4] or "").replace("~", "~0").replace("/", "~1"), parameter
    )


def _faults(error: CognitoError) -> dict[str, Any]:
    """Name the fields at fault as RFC 9457 does: a pointer and what is wrong, never the value."""
    faults: Mapping[str, Any] = {}
    if isinstance(error, RefusalError):
        faults = error.faults
    elif isinstance(error, ParameterValidationError) and error.parameter not in OURS:
        faults = {_pointed(error.parameter): (error.rule,)}
    errors = [{"pointer": f"#/{name}", "detail": rule} for name, rules in faults.items() for rule in rules]
    return {"errors": errors} if errors else {}
