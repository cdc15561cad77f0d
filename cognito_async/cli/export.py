"""``users export``: a user pool's users as CSV or JSON Lines, in flat memory, to be looked at or fed to a bulk job."""

import asyncio
from argparse import Namespace
from pathlib import Path
from typing import IO, Final

from cognito_async.bulk import PoolSource
from cognito_async.bulk.csv_jsonl import SUFFIXES
from cognito_async.cli.address import Address, address_of
from cognito_async.cli.destinations import STANDARD_OUTPUT, is_standard_output, writing
from cognito_async.cli.exits import Exit
from cognito_async.cli.interrupts import run as run_to_end
from cognito_async.cli.order import PoolChoice
from cognito_async.cli.streams import warn
from cognito_async.cli.user_lines import FORMATS, Csv, JsonLines
from cognito_async.cli.wording import clean, plural

BATCH: Final = 60
"""Users between two writes: a page of the listing."""


def run(options: Namespace) -> Exit:
    """Write a pool's users.

    Args:
        options: The command's options.

    Returns:
        The exit code.

    Raises:
        BrokenPipeError: Nobody reads standard output any more.
    """
    address = address_of(options)
    address.pool()
    choice = PoolChoice(filter=options.filter, status=options.status, attributes=dict(options.attribute or ()))
    output: str = options.output or STANDARD_OUTPUT
    form = FORMATS[options.format or SUFFIXES.get(Path(output).suffix.lower(), "csv")](options.columns)
    with writing(output) as file:
        number = run_to_end(_write(file, address, choice, form))
    warn(f"{plural(number, 'user')} written" + ("" if is_standard_output(output) else f" to {output}"))
    if number and form.cells.empty:
        names = ", ".join(form.cells.empty)
        warn(clean(f"no user has a value for {names}: attributes need their full names, such as custom:department"))
    return Exit.DONE


async def _write(file: IO[str], address: Address, choice: PoolChoice, form: Csv | JsonLines) -> int:
    """Write the users as they come; a reader that is slow holds up the next page and nothing else."""
    number = 0
    lines = [form.head()]
    async with address.session() as session:
        source: PoolSource = choice.source(session.client(user_pool_id=address.user_pool_id))
        async for user in source.users():
            lines.append(form.line(user))
            number += 1
            if len(lines) >= BATCH:
                await asyncio.to_thread(_put, file, lines)
                lines = []
        await asyncio.to_thread(_put, file, lines)
    return number


def _put(file: IO[str], lines: list[str]) -> None:
    file.write("".join(lines))
    file.flush()
