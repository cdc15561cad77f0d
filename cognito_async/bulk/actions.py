"""The actions of bulk jobs, and the passwords that ``set-password`` generates."""

import secrets
import string
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from attrs import Factory, evolve, field, frozen

from cognito_async.bulk.rows import USERNAME, Values
from cognito_async.operations import (
    AdminResetUserPasswordRequest,
    AdminSetUserPasswordRequest,
    AdminUserGlobalSignOutRequest,
    ConfirmForgotPasswordRequest,
    ForgotPasswordRequest,
)
from cognito_async.protocol.operation import Operation, Request

PASSWORD: Final = "password"
PASSWORD_LENGTH: Final = 20
# The symbols are accepted by every password policy, and need no quoting in shells and spreadsheets.
CHARACTER_KINDS: Final = (string.ascii_lowercase, string.ascii_uppercase, string.digits, "-_.!")


@frozen(kw_only=True)
class Action:
    """What a job does for each row."""

    name: str
    """The name on the command line and in the journal."""
    make: Callable[..., Request[Any]] = field(repr=False)
    """The request class."""
    operation: Operation = field(default=Factory(lambda self: self.make.OPERATION, takes_self=True), repr=False)
    """The API operation that it calls; by default that of the request class."""
    secrets: tuple[str, ...] = ()
    """The columns beside ``username`` that a source must have. They are never written to the journal."""
    user_pool: bool = True
    """Whether it needs a user pool ID; otherwise it needs an app client ID."""
    constants: Mapping[str, Any] = field(factory=dict[str, Any], repr=False)
    """Parameters that are the same in every request."""
    generates: bool = False
    """Whether each row gets a generated password."""
    variant: str = ""
    """Distinguishes actions of the same name; empty if there is only one."""
    does: str = field(repr=False)
    """A description for users."""

    @property
    def label(self) -> str:
        """The name and the variant, which identify the action in a journal."""
        return f"{self.name} {self.variant}".rstrip()

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that a source must have."""
        return (USERNAME, *self.secrets)

    @property
    def rereads(self) -> bool:
        """Whether every run has to read the source, because the journal does not hold all columns."""
        return bool(self.secrets)

    @property
    def sets_permanent_password(self) -> bool:
        """Whether a sign-in with the password of a row shows whether the action was applied."""
        return (self.generates or PASSWORD in self.secrets) and self.constants.get("permanent", True)

    def complete(self, values: Mapping[str, str]) -> Values:
        """Return the values of a row, with a new generated password if the action generates them."""
        return Values({**values, PASSWORD: generate_password()} if self.generates else values)

    def request(self, values: Mapping[str, str]) -> Request[Any]:
        """Build the request for a row; the values include the generated password, if any."""
        columns = (*self.columns, PASSWORD) if self.generates else self.columns
        return self.make(**{column: values[column] for column in columns}, **self.constants)

    def with_metadata(self, client_metadata: Mapping[str, str]) -> "Action":
        """Return a copy whose requests pass metadata to the Lambda triggers of the user pool.

        Args:
            client_metadata: The metadata, for ``confirm``, ``forgot`` and ``reset``.
        """
        return evolve(self, constants={**self.constants, "client_metadata": client_metadata})


CONFIRM: Final = Action(
    name="confirm",
    make=ConfirmForgotPasswordRequest,
    secrets=("confirmation_code", PASSWORD),
    user_pool=False,
    does="set a new password with the confirmation code that the user received",
)
FORGOT: Final = Action(
    name="forgot",
    make=ForgotPasswordRequest,
    user_pool=False,
    does="send the user a code for setting a new password",
)
RESET: Final = Action(
    name="reset",
    make=AdminResetUserPasswordRequest,
    does="invalidate the password and send the user a code",
)
SIGN_OUT: Final = Action(
    name="sign-out",
    make=AdminUserGlobalSignOutRequest,
    does="end all sessions of the user",
)


def set_password(*, permanent: bool, generate: bool = False) -> Action:
    """Return the action that sets passwords.

    Args:
        permanent: Whether the passwords are permanent; otherwise users must change them at the next sign-in.
        generate: Whether to generate the passwords. The source then needs no ``password`` column, and the job needs
            ``passwords=``, the file to write them to.
    """
    kind = "permanent" if permanent else "temporary"
    return Action(
        name="set-password",
        make=AdminSetUserPasswordRequest,
        secrets=() if generate else (PASSWORD,),
        constants={"permanent": permanent},
        generates=generate,
        variant=f"{kind}, generated" if generate else kind,
        does=f"set a {kind} password",
    )


ACTIONS: Final[Mapping[str, Action]] = MappingProxyType(
    {action.name: action for action in (CONFIRM, FORGOT, RESET, SIGN_OUT, set_password(permanent=True))}
)
"""The actions by name; ``set-password`` sets permanent passwords from the source."""


def generate_password() -> str:
    """Return a random password of 20 characters (120 bits) with one of each kind that a policy can require."""
    alphabet = "".join(CHARACTER_KINDS)
    while True:
        following = (secrets.choice(alphabet) for _ in range(PASSWORD_LENGTH - 1))
        password = secrets.choice(string.ascii_letters) + "".join(following)
        if all(any(character in kind for character in password) for kind in CHARACTER_KINDS):
            return password
