"""``users export``, ``forgot-password`` and ``confirm-forgot-password``."""

import asyncio
import csv
import io
import json
from collections.abc import Callable, Mapping
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

HIDDEN_USERS: Final = (
    "An app client that hides which users exist (prevent user existence errors) reports this for a user who does not"
    " exist, too; nothing is sent then."
)
PAGE: Final = 60  # users per write, as many as a page of ListUsers holds
DEFAULT_COLUMNS: Final = (
    "username", "status", "enabled", "email", "email_verified", "phone_number", "created", "modified",
)  # fmt: skip
# The columns that are not attributes of the user.
FIELDS: Final[Mapping[str, Callable[[UserType], Cell]]] = {
    "username": lambda user: user.username,
    "status": lambda user: None if user.user_status is None else str(user.user_status),
    "enabled": lambda user: user.enabled,
    "created": lambda user: _iso(user.user_create_date),
    "modified": lambda user: _iso(user.user_last_modified_date),
}


def export(options: Options) -> Exit:
    target = Target.of(options, needs_user_pool=True)
    output = options.output or STANDARD_STREAM
    form = options.format or SUFFIXES.get(Path(output).suffix.lower(), "csv")
    with writing(output) as file:
        writer = UserWriter(file, form, options.columns)
        number = run(_export(target, UserFilter.of(options), writer))
    warn(f"{plural(number, 'user')} written" + ("" if is_stdout(output) else f" to {output}"))
    if number and writer.unused:
        warn(f"no user has a value for {', '.join(writer.unused)}; use full names, such as custom:department")
    return Exit.DONE


class UserWriter:
    def __init__(self, file: IO[str], form: str, columns: tuple[str, ...] | None) -> None:
        self._file = file
        self._page = io.StringIO()
        self._csv = csv.writer(self._page, lineterminator="\n") if form == "csv" else None
        self._columns = columns
        self.unused: dict[str, None] = dict.fromkeys(columns or ())  # no user has had a value for these columns
        if self._csv is not None:
            self._columns = columns or DEFAULT_COLUMNS
            self._csv.writerow(self._columns)

    def add(self, user: UserType) -> None:
        """Add a user to the page. In CSV, line breaks within values become spaces."""
        attributes = {attribute.name: attribute.value for attribute in user.attributes or ()}
        columns = self._columns or (*FIELDS, *(name for name in attributes if name not in FIELDS))
        cells = {name: FIELDS[name](user) if name in FIELDS else attributes.get(name) for name in columns}
        for name in [name for name in self.unused if cells[name] not in {None, ""}]:
            del self.unused[name]
        if self._csv is None:
            self._page.write(json.dumps(cells, ensure_ascii=False) + "\n")
        else:
            self._csv.writerow(map(_csv_cell, cells.values()))

    def flush(self) -> None:
        """Write the page; control characters are escaped on a terminal."""
        lines = self._page.getvalue().split("\n")
        self._page.seek(0)
        self._page.truncate()
        self._file.write("\n".join(map(printable, lines) if self._file.isatty() else lines))
        self._file.flush()


async def _export(target: Target, selected: UserFilter, writer: UserWriter) -> int:
    number = 0
    async with target.session() as session:
        async for user in selected.source(target.client(session)).users():
            writer.add(user)
            number += 1
            if number % PAGE == 0:
                await asyncio.to_thread(writer.flush)
        await asyncio.to_thread(writer.flush)
    return number


def _csv_cell(cell: Cell) -> str:
    if isinstance(cell, bool):
        return str(cell).lower()
    return "" if cell is None else " ".join(cell.splitlines())


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="seconds")


def forgot_password(options: Options) -> Exit:
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
    if not options.json:
        log(f"  note: {HIDDEN_USERS}")
    return Exit.DONE


def confirm_forgot_password(options: Options) -> Exit:
    target, client_secret = _app_client(options)
    code = secrets.read(secrets.CODE, options.code_file) or secrets.prompt(secrets.CODE)
    password = secrets.read(secrets.PASSWORD, options.password_file) or secrets.prompt(secrets.PASSWORD)

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
