"""The fields of the forms: how they are parsed, and the texts shown at invalid ones."""

from collections.abc import Collection
from typing import Annotated, Final

from fastapi import Form
from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from cognito_async.fastapi import PasswordPolicy

# Missing fields are empty, so that the site's own texts are shown. Constrained strings must be valid Unicode; a form
# with an unusual character set can contain lone surrogates.
Text = Annotated[str, StringConstraints(strip_whitespace=True)]
Code = Annotated[Text, AfterValidator(lambda code: "".join(code.split()))]
Password = Annotated[str, StringConstraints(max_length=32 * 1024)]


class SiteForm(BaseModel, extra="allow"):
    """The fields of all forms; each has some of them. Others are the attributes that a new user must set."""

    __pydantic_extra__: dict[str, Text] = Field(init=False)  # pyright: ignore[reportIncompatibleVariableOverride]
    username: Text = ""
    code: Code = ""
    password: Password = ""
    option: Text = ""

    def __repr_args__(self) -> list[tuple[str, object]]:
        return []  # nothing that a user types is in a repr


FormDep = Annotated[SiteForm, Form()]

# The longest value of a field, and the texts shown if it is empty or invalid.
_RULES: Final = {
    "username": (128, "Enter your e-mail address.", "Enter an e-mail address, such as name@example.com."),
    "code": (2048, "Enter the code.", "Enter a valid code."),
    "password": (256, "Enter a password.", "The password must have at most 256 characters."),
}
_OTHER_RULES: Final = (2048, "Fill in this field.", "Enter a valid text.")


def errors_in(form: SiteForm, fields: Collection[str], new_password_policy: PasswordPolicy | None) -> dict[str, str]:
    """Return a text for each invalid field, by its name; the policy is for forms that set a password."""
    errors: dict[str, str] = {}
    values = form.model_dump()
    for name in fields:
        longest, missing, invalid = _RULES.get(name, _OTHER_RULES)
        value = values.get(name, "")
        is_printable = name == "password" or value.isprintable()
        if not value:
            errors[name] = missing
        elif len(value) > longest or not is_printable or (name == "username" and " " in value):
            errors[name] = invalid
        elif name == "password" and new_password_policy and (broken := _broken_rules(value, new_password_policy)):
            errors[name] = broken
    return errors


def _broken_rules(password: str, policy: PasswordPolicy) -> str:
    """Return one sentence with all rules that a password breaks; empty if it breaks none."""
    *most, last = [rule.text for rule in policy.rules if not rule.matches(password)] or [""]
    return f"The password must have {', '.join(most)}{' and ' if most else ''}{last}." if last else ""
