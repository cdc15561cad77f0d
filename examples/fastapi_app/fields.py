"""The fields of the forms: what was typed, tidied up, and what is wrong with it."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field

from cognito_async.fastapi import PasswordPolicy

_LONGEST_USERNAME = 128  # in characters, as the service has it
_LONGEST_CODE = 2048
_LONGEST_PASSWORD = 256

Faults = Mapping[str, Sequence[str]]


def _trimmed(value: object) -> object:
    return value.strip() if isinstance(value, str) else value


def _closed_up(value: object) -> object:
    """Drop the blanks within a code, which some mails and some people put there."""
    return "".join(value.split()) if isinstance(value, str) else value


def _text(value: str) -> str:
    """Refuse half characters, which no browser sends: a form that names an odd character set can."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("is not text") from None
    return value


# Empty where the browser sent nothing: the page says so in its own words. What is secret stays out of every repr.
Username = Annotated[str, BeforeValidator(_trimmed), AfterValidator(_text), Field(repr=False)]
Code = Annotated[str, BeforeValidator(_closed_up), AfterValidator(_text), Field(repr=False)]
Password = Annotated[str, AfterValidator(_text), Field(repr=False)]


class UsernameForm(BaseModel):
    """A form that asks only who you are."""

    username: Username = ""

    def faults(self) -> Faults:
        """Name what is wrong."""
        return _without_empty(username=username_faults(self.username))


class SignInForm(UsernameForm):
    """User name and password."""

    password: Password = ""

    def faults(self) -> Faults:
        """Name what is wrong."""
        wrong = () if 0 < len(self.password) <= _LONGEST_PASSWORD else ("Enter your password.",)
        return _without_empty(username=username_faults(self.username), password=wrong)


class SignUpForm(SignInForm):
    """An address and a new password."""

    def new_faults(self, policy: PasswordPolicy) -> Faults:
        """Name what is wrong, the pool's rules for passwords among it."""
        address = username_faults(self.username)
        if not address and "@" not in self.username[1:-1]:
            address = ("Enter an e-mail address, such as name@example.com.",)
        return _without_empty(username=address, password=password_faults(self.password, policy))


class CodeForm(UsernameForm):
    """User name and the code that was sent."""

    code: Code = ""

    def faults(self) -> Faults:
        """Name what is wrong."""
        return _without_empty(username=username_faults(self.username), code=code_faults(self.code))


class ResetForm(CodeForm):
    """User name, the code that was sent, and the new password."""

    password: Password = ""

    def new_faults(self, policy: PasswordPolicy) -> Faults:
        """Name what is wrong, the pool's rules for passwords among it."""
        return {**self.faults(), **_without_empty(password=password_faults(self.password, policy))}


def username_faults(text: str) -> Sequence[str]:
    """Name what is wrong with a user name."""
    if not text:
        return ("Enter your e-mail address.",)
    if len(text) > _LONGEST_USERNAME or not text.isprintable() or " " in text:
        return ("This can't be an e-mail address. Check it for typing mistakes.",)
    return ()


def code_faults(text: str) -> Sequence[str]:
    """Name what is wrong with a code."""
    if not text:
        return ("Enter the code from the e-mail.",)
    return () if len(text) <= _LONGEST_CODE and text.isprintable() else ("This can't be a code. Check it.",)


def password_faults(text: str, policy: PasswordPolicy) -> Sequence[str]:
    """Name the rules that a new password breaks."""
    if not text:
        return ("Choose a password.",)
    if len(text) > _LONGEST_PASSWORD:
        return (f"The password must have at most {_LONGEST_PASSWORD} characters.",)
    missing = [rule.text for rule in policy.rules if not rule.is_kept(text)]
    if not missing:
        return ()
    *most, last = missing  # one sentence for all of them, which is sooner read, and sooner heard
    listed = f"{', '.join(most)} and {last}" if most else last
    return (f"The password must have {listed}.",)


def _without_empty(**faults: Sequence[str]) -> Faults:
    return {name: texts for name, texts in faults.items() if texts}
