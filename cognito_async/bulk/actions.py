"""What a job does to each of its rows: a table of actions."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from attrs import evolve, field, frozen

from cognito_async.bulk.rows import USERNAME
from cognito_async.operations import (
    AdminResetUserPasswordRequest,
    AdminSetUserPasswordRequest,
    AdminUserGlobalSignOutRequest,
    ConfirmForgotPasswordRequest,
    ForgotPasswordRequest,
)
from cognito_async.protocol.operation import Operation, Request

Values = Mapping[str, Any]

PASSWORD: Final = "password"


@frozen(kw_only=True)
class Action:
    """What a job does to each row.

    Attributes:
        name: Its name on the command line and in the journal.
        operation: The operation that it stands on.
        make: Makes the request from a row's values.
        secrets: The columns beside ``username`` that a row must have; none of them is ever written down.
        user_pool: Whether it needs the user pool's id; it needs the app client's otherwise.
        constants: What every request gets beside the row's values.
        generates: Whether each row gets a password of its own making.
        variant: What tells it from others of its name; empty where there are none.
        does: What it does, for people.
    """

    name: str
    operation: Operation = field(repr=False)
    make: Callable[..., Request[Any]] = field(repr=False)
    secrets: tuple[str, ...] = ()
    user_pool: bool = True
    constants: Values = field(factory=dict[str, Any], repr=False)
    generates: bool = False
    variant: str = ""
    does: str = field(repr=False)

    @property
    def label(self) -> str:
        """Its name and variant, by which a journal tells it from others."""
        return f"{self.name} {self.variant}".rstrip()

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that a source must have."""
        return (USERNAME, *self.secrets)

    @property
    def rereads(self) -> bool:
        """Whether rows hold what the journal does not, so that the source is needed for each of them."""
        return bool(self.secrets)

    def request(self, values: Values) -> Request[Any]:
        """Make a row's request; where passwords are generated, the values hold one."""
        columns = (*self.columns, PASSWORD) if self.generates else self.columns
        return self.make(**{column: values[column] for column in columns}, **self.constants)

    def with_metadata(self, client_metadata: Mapping[str, str]) -> "Action":
        """Make a copy whose requests carry metadata for the pool's Lambda triggers.

        Args:
            client_metadata: The metadata; confirm, forgot and reset take some.

        Returns:
            The copy.
        """
        return evolve(self, constants={**self.constants, "client_metadata": client_metadata})


CONFIRM: Final = Action(
    name="confirm",
    operation=ConfirmForgotPasswordRequest.OPERATION,
    make=ConfirmForgotPasswordRequest,
    secrets=("confirmation_code", PASSWORD),
    user_pool=False,
    does="set a new password with the code that the user was sent",
)
FORGOT: Final = Action(
    name="forgot",
    operation=ForgotPasswordRequest.OPERATION,
    make=ForgotPasswordRequest,
    user_pool=False,
    does="send the user a code to set a new password with",
)
RESET: Final = Action(
    name="reset",
    operation=AdminResetUserPasswordRequest.OPERATION,
    make=AdminResetUserPasswordRequest,
    does="make the password invalid and send the user a code",
)
SIGN_OUT: Final = Action(
    name="sign-out",
    operation=AdminUserGlobalSignOutRequest.OPERATION,
    make=AdminUserGlobalSignOutRequest,
    does="end all of the user's sessions",
)


def set_password(*, permanent: bool, generate: bool = False) -> Action:
    """Make the action that sets passwords.

    Args:
        permanent: True for passwords to keep; False for ones that the user must change at the next sign-in.
        generate: Whether to make each password up; the sources then need no column ``password``, and the job a file
            for them.

    Returns:
        The action.
    """
    kind = "permanent" if permanent else "temporary"
    return Action(
        name="set-password",
        operation=AdminSetUserPasswordRequest.OPERATION,
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
"""The actions by name; ``set-password`` with permanent passwords from the source."""
