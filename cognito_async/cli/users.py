"""``users export``, ``forgot-password`` and ``confirm-forgot-password``."""

import asyncio
import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import IO, Final, TypeAlias

from cognito_async.bulk.csv_jsonl import SUFFIXES, printable
from cognito_async.cli import secrets
from cognito_async.cli.errors import Exit
from cognito_async.cli.output import STANDARD_STREAM, is_stdout, log, plural, put_json, warn, writing
from cognito_async.cli.settings import Options, Target, UserFilter
from cognito_async.cli.signals import run
from cognito_async.operations import UserType

Cell: TypeAlias = str | bool | None

PAGE: Final = 60
"""Users per write, as many as a page of ListUsers holds."""
DEFAULT_COLUMNS: Final = (
    "username", "status", "enabled", "email", "email_verified", "phone_number", "created", "modified",
)  # fmt: skip
FIELDS: Final[Mapping[str, Callable[[UserType], Cell]]] = {
    "username": lambda user: user.username,
    "status": lambda user: None if user.user_status is None else str(user.user_status),
    "enabled": lambda user: user.enabled,
    "created": lambda user: _iso(user.user_create_date),
    "modified": lambda user: _iso(user.user_last_modified_date),
}
"""The columns that are not attributes of the user."""


# --- export ---


def export(options: Options) -> Exit:
    """Write a user pool's users as CSV or JSON Lines."""
    target = Target.of(options)
    target.require_user_pool()
    output = options.output or STANDARD_STREAM
    form = options.format or SUFFIXES.get(Path(output).suffix.lower(), "csv")
    lines = UserLines(options.columns, form)
    with writing(output) as file:
        number = run(_export(file, target, UserFilter.of(options), lines))
    warn(f"{plural(number, 'user')} written" + ("" if is_stdout(output) else f" to {output}"))
    if number and lines.unused:
        names = ", ".join(lines.unused)
        warn(f"no user has a value for {names}; attributes need full names, such as custom:department")
    return Exit.DONE


class UserLines:
    """Formats users as lines."""

    def __init__(self, columns: tuple[str, ...] | None, form: str) -> None:
        self._columns = columns or (DEFAULT_COLUMNS if form == "csv" else None)
        self._csv = form == "csv"
        self.unused: dict[str, None] = dict.fromkeys(columns or ())
        """The chosen columns that no user has had a value for."""

    def header(self) -> str:
        """Return the first line."""
        return _csv_line(self._columns or ()) if self._csv else ""

    def line(self, user: UserType) -> str:
        """Return a user's line. In CSV, line breaks within values become spaces."""
        cells = self._cells(user)
        for name in [name for name in self.unused if cells[name] not in {None, ""}]:
            del self.unused[name]
        if self._csv:
            return _csv_line(_csv_cell(cell) for cell in cells.values())
        return json.dumps(cells, ensure_ascii=False) + "\n"

    def _cells(self, user: UserType) -> dict[str, Cell]:
        attributes = {attribute.name: attribute.value for attribute in user.attributes or ()}
        columns = self._columns or (*FIELDS, *(name for name in attributes if name not in FIELDS))
        return {name: FIELDS[name](user) if name in FIELDS else attributes.get(name) for name in columns}


async def _export(file: IO[str], target: Target, selected: UserFilter, lines: UserLines) -> int:
    """Write the users page by page; a slow reader delays only the next page."""
    is_terminal = file.isatty()

    def write() -> None:
        file.writelines(f"{printable(line[:-1])}\n" if is_terminal and line else line for line in page)
        file.flush()

    number = 0
    page = [lines.header()]
    async with target.session() as session:
        async for user in selected.source(target.client(session)).users():
            page.append(lines.line(user))
            number += 1
            if len(page) >= PAGE:
                await asyncio.to_thread(write)
                page = []
        await asyncio.to_thread(write)
    return number


def _csv_cell(cell: Cell) -> str:
    if isinstance(cell, bool):
        return str(cell).lower()
    return "" if cell is None else " ".join(cell.splitlines())


def _csv_line(cells: Iterable[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="seconds")


# --- one user's password ---


def forgot_password(options: Options) -> Exit:
    """Send one user a confirmation code."""
    target, client_secret = _app_client(options)

    async def send() -> dict[str, str]:
        async with target.session() as session:
            client = target.client(session, client_secret)
            details = (await client.forgot_password(username=options.username)).code_delivery_details
        destination = None if details is None else details.destination
        medium = None if details is None else details.delivery_medium
        return {"destination": destination or "the user", "medium": str(medium or "message")}

    sent = asyncio.run(send())
    _announce(options, "code sent", f"sent a code to {sent['destination']} by {sent['medium']}", sent)
    return Exit.DONE


def confirm_forgot_password(options: Options) -> Exit:
    """Set one user's new password with the confirmation code."""
    target, client_secret = _app_client(options)
    code = secrets.read_or_prompt(secrets.CODE, options.code_file)
    password = secrets.read_or_prompt(secrets.PASSWORD, options.password_file)

    async def confirm() -> None:
        async with target.session() as session:
            await target.client(session, client_secret).confirm_forgot_password(
                username=options.username, confirmation_code=code.value, password=password.value
            )

    asyncio.run(confirm())
    _announce(options, "password set", "password set", {})
    return Exit.DONE


def _app_client(options: Options) -> tuple[Target, secrets.SecretValue | None]:
    target = Target.of(options)
    target.require_app_client()
    return target, secrets.client_secret(options.client_secret_file, ask=options.ask_client_secret)


def _announce(options: Options, event: str, text: str, details: Mapping[str, str]) -> None:
    if options.json:
        put_json({"event": event, "username": options.username, **details})
    else:
        log(f"{options.username}: {text}")
