"""The fields of the forms: how they are parsed, and the texts shown at invalid ones."""

from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, Field, StringConstraints

from cognito_async.fastapi import PasswordPolicy

_MAX_USERNAME: Final = 128  # limits of the service, in characters
_MAX_CODE: Final = 2048
_MAX_PASSWORD: Final = 256


def _remove_spaces(value: object) -> object:
    return "".join(value.split()) if isinstance(value, str) else value


# Missing fields are empty, so that the site's own texts are shown. Nothing that a user types is in a repr. Constrained
# strings must be valid Unicode; a form with an unusual character set can contain lone surrogates.
Username = Annotated[str, StringConstraints(strip_whitespace=True), Field(repr=False)]
Code = Annotated[str, BeforeValidator(_remove_spaces), StringConstraints(strip_whitespace=True), Field(repr=False)]
Password = Annotated[str, StringConstraints(max_length=32 * 1024), Field(repr=False)]


class UsernameForm(BaseModel):
    """The fields of the forms that ask for a code."""

    username: Username = ""


class PasswordForm(UsernameForm):
    """The fields of the forms for sign-in and sign-up."""

    password: Password = ""


class CodeForm(UsernameForm):
    """The fields of the form that confirms an address."""

    code: Code = ""


class ResetForm(CodeForm, PasswordForm):
    """The fields of the form that sets a new password."""


def errors_in(form: UsernameForm, new_password_policy: PasswordPolicy | None = None) -> dict[str, str]:
    """Return a text for each invalid field, by its name; the policy is for forms that set a password."""
    errors = {"username": _username_error(form.username)}
    if isinstance(form, CodeForm):
        errors["code"] = _code_error(form.code)
    if isinstance(form, PasswordForm):
        errors["password"] = _password_error(form.password, new_password_policy)
    return {name: text for name, text in errors.items() if text}


def _username_error(username: str) -> str:
    if not username:
        return "Enter your e-mail address."
    valid = len(username) <= _MAX_USERNAME and username.isprintable() and " " not in username
    return "" if valid else "Enter a valid e-mail address, such as name@example.com."


def _code_error(code: str) -> str:
    if not code:
        return "Enter the code from the e-mail."
    return "" if len(code) <= _MAX_CODE and code.isprintable() else "Enter a valid code."


def _password_error(password: str, policy: PasswordPolicy | None) -> str:
    """Return one sentence with all rules that a password breaks; empty if it breaks none."""
    if not password:
        return "Enter a password."
    if len(password) > _MAX_PASSWORD:
        return f"The password must have at most {_MAX_PASSWORD} characters."
    broken = [rule.text for rule in policy.rules if not rule.matches(password)] if policy else []
    *most, last = broken or [""]
    return f"The password must have {', '.join(most)}{' and ' if most else ''}{last}." if last else ""
