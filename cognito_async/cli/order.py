"""An order for a job: all that is needed to begin it, and to resume it from its journal alone. It holds no secret."""

import json
import os
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

from attrs import asdict, evolve, field, frozen

from cognito_async import CognitoClient
from cognito_async.bulk import (
    ACTIONS,
    Action,
    BulkPolicy,
    FileSource,
    JournaledSource,
    PoolSource,
    Source,
    set_password,
)
from cognito_async.bulk.sources import is_pipe
from cognito_async.cli.address import Address, category_of, published_rate
from cognito_async.cli.exits import CommandError

FACT: Final = "command line"
"""The journal's fact that an order is kept in."""

STANDARD_INPUT: Final = "-"
NO_LIMIT: Final = None


@frozen(kw_only=True)
class PoolChoice:
    """Which users of the pool are meant.

    Attributes:
        filter: A filter as ListUsers takes it; None for none.
        status: The status that they must have; None for any.
        attributes: The attributes that they must have.
    """

    filter: str | None = None
    status: str | None = None
    attributes: Mapping[str, str] = field(factory=dict[str, str])

    def source(self, client: CognitoClient) -> PoolSource:
        """Give these users, by a client that is bound to the pool."""
        return PoolSource(client, filter=self.filter, status=self.status, attributes=self.attributes)


@frozen(kw_only=True)
class Order:
    """What to do to whom, where, how fast and how patiently.

    Attributes:
        action: The action's name.
        permanent: Whether passwords are to keep; only for ``set-password``.
        generate: Whether passwords are made up; only for ``set-password``.
        input: The file with the rows, ``"-"`` for standard input; None for the pool's users.
        format: The input's format; None to tell it by its name.
        choice: Which of the pool's users; None where the rows come from an input.
        passwords: The file for passwords that are made up; None where none are.
        address: Where the requests go.
        rate: Requests a second; None for AWS's published rate.
        max_errors: Errors in a row after which the job stops; None for no limit.
        wait: The longest to wait for deferred rows, in seconds.
        strict: Whether a bad row keeps the job from beginning.
        has_secret: Whether the app client has a secret, which is to be told again to resume.
        secret_file: The file that tells it; None if something else does.
    """

    action: str
    permanent: bool = True
    generate: bool = False
    input: str | None = None
    format: Literal["csv", "jsonl"] | None = None
    choice: PoolChoice | None = None
    passwords: str | None = None
    address: Address
    rate: float | None = None
    max_errors: int | None = BulkPolicy().max_errors
    wait: float = BulkPolicy().longest_pause
    strict: bool = False
    has_secret: bool = False
    secret_file: str | None = None

    def deed(self) -> Action:
        """Give the action itself."""
        if self.action == "set-password":
            return set_password(permanent=self.permanent, generate=self.generate)
        return ACTIONS[self.action]

    def policy(self) -> BulkPolicy:
        """Give the job's patience."""
        return BulkPolicy(max_errors=self.max_errors, longest_pause=self.wait)

    def rates(self) -> dict[str, float]:
        """Give the rate to keep to, by the action's quota category."""
        operation = self.deed().operation
        return {category_of(operation): self.rate or published_rate(operation)}

    def source(self, client: CognitoClient, *, planned: bool = False) -> Source:
        """Give where the rows come from.

        Args:
            client: A client that is bound to the pool.
            planned: Whether the journal knows all rows, so that standard input may have ended.

        Returns:
            The source.
        """
        if self.choice is not None:
            return self.choice.source(client)
        if planned and not self.deed().rereads:
            if self.input in {None, STANDARD_INPUT}:
                return JournaledSource("standard input")
            if is_pipe(Path(self.input or "")):
                return JournaledSource(Path(self.input or "").name)
        return FileSource(self.input or STANDARD_INPUT, self.format)

    def named(self) -> str:
        """Name where the rows come from, for people."""
        if self.input is None:
            return "the user pool"
        return "standard input" if self.input == STANDARD_INPUT else os.path.relpath(self.input)

    def facts(self) -> dict[str, str]:
        """Give what the journal is to remember."""
        return {FACT: json.dumps(asdict(self))}


def remembered(facts: Mapping[str, str], journal: Path) -> Order:
    """Read an order from what a journal remembers.

    Args:
        facts: The journal's facts.
        journal: The journal, for the message.

    Returns:
        The order.

    Raises:
        CommandError: It remembers none.
    """
    try:
        kept = json.loads(facts[FACT])
        choice = kept.pop("choice")
        address = Address(**kept.pop("address"))
        return Order(**kept, address=address, choice=None if choice is None else PoolChoice(**choice))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise CommandError(
            f"{journal} was not begun by this command line, or by another version of it: resume it with what began it"
        ) from None


def source_of(facts: Mapping[str, str]) -> str | None:
    """Give what to call a job's input without telling where it lies, by its journal's facts; None if nothing tells."""
    try:
        order = remembered(facts, Path())
    except CommandError:  # begun by a program
        return facts.get("source")
    return order.named() if order.input in {None, STANDARD_INPUT} else Path(order.input or "").name


def overridden(order: Order, options: Namespace) -> Order:
    """Put what is given now in place of what was remembered.

    Args:
        order: What was remembered.
        options: What is given now.

    Returns:
        The order to carry out.
    """
    given = {name: getattr(options, name) for name in ("region", "endpoint_url") if getattr(options, name)}
    changes = {name: getattr(options, name) for name in ("rate", "wait") if getattr(options, name) is not None}
    if options.max_errors is not None:
        changes["max_errors"] = options.max_errors or NO_LIMIT
    return evolve(order, address=evolve(order.address, **given), **changes)


def absolute(path: str) -> str:
    """Give a path that means the same wherever the job is resumed; links are left as they are."""
    return str(Path(path).absolute())
