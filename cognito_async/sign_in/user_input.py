"""What users type: hidden in tracebacks, and checked before anything is sent."""

import unicodedata
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, Generic, TypeAlias, TypeVar

from attrs import field, frozen

from cognito_async.errors import ParameterValidationError
from cognito_async.protocol.shapes import Record
from cognito_async.protocol.wire import from_json, to_json

ValueT = TypeVar("ValueT")
Rule: TypeAlias = Callable[[Any], str | None]
"""Returns the rule that a value breaks, without the value; None if it breaks none. Never raises."""

LONGEST_USERNAME: Final = 128
LONGEST_PASSWORD: Final = 256
APP_CODE_DIGITS: Final = 6


@frozen(eq=False, repr=False, getstate_setstate=False)
class Secret(Record, Generic[ValueT]):
    """A value whose repr hides it, for the frames of an error."""

    value: ValueT = field(metadata={"secret": True})


def check(parameter: str, secret: Secret[Any], rule: Rule) -> None:
    """Raise ParameterValidationError for a value that breaks a rule."""
    broken = rule(secret.value)
    if broken is not None:
        raise ParameterValidationError(parameter, broken)


def username_rule(value: object) -> str | None:
    """Check a username or alias."""
    broken = text_rule(value, LONGEST_USERNAME)
    if broken is None and any(unicodedata.category(character) == "Cc" for character in str(value)):
        return "must not contain control characters"
    return broken


def password_rule(value: object) -> str | None:
    """Check a password. It is not normalized: that the service hashes its UTF-8 bytes as sent is an assumption."""
    return text_rule(value, LONGEST_PASSWORD)


def code_rule(value: object) -> str | None:
    """Check a code. AWS does not document the numbers of digits, and Lambda triggers may send any."""
    broken = text_rule(value)
    if broken is None and not (str(value).isascii() and str(value).isdigit()):
        return "must contain the digits 0 to 9 only"
    return broken


def app_code_rule(value: object) -> str | None:
    """Check a code of an authenticator app, whose length the service fixes."""
    return code_rule(value) or (None if len(str(value)) == APP_CODE_DIGITS else f"must have {APP_CODE_DIGITS} digits")


def text_rule(value: object, longest: int | None = None) -> str | None:
    """Check a text of at least one character."""
    if value is None:
        return "is required"
    if not isinstance(value, str):
        return f"must be a str, not {type(value).__name__}"
    if not value:
        return "must not be empty"
    if longest is not None and len(value) > longest:
        return f"must have at most {longest} characters"
    if any("\ud800" <= character <= "\udfff" for character in value):
        return "must be valid Unicode text (it contains a lone surrogate)"
    return None


def mapping_rule(value: object) -> str | None:
    """Check a mapping."""
    return None if isinstance(value, Mapping) else "must be a mapping"


def credential_rule(value: object) -> str | None:
    """Check the result of ``credential_text``."""
    return "must be a JSON object, such as the result of PublicKeyCredential.toJSON()" if value is None else None


def one_of(choices: Collection[str]) -> Rule:
    """Return the rule that a value must be one of some choices."""
    rule = f"must be one of {', '.join(choices)}"
    return lambda value: None if isinstance(value, str) and value in choices else rule


def without_spaces(code: Any) -> Any:  # noqa: ANN401 - checked later
    """Return a code without spaces: authenticator apps show ``123 456``."""
    return "".join(code.split()) if isinstance(code, str) else code


def credential_text(credential: Any) -> str | None:  # noqa: ANN401 - checked here
    """Return a browser's credential as JSON; None if it is not an object."""
    text = to_json({**credential}) if isinstance(credential, Mapping) else credential  # pyright: ignore[reportUnknownArgumentType]
    return text if isinstance(text, str) and isinstance(from_json(text), dict) else None
