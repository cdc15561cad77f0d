"""``bulk confirm``, ``forgot``, ``reset``, ``set-password``, ``sign-out``: begins a job, or goes on with it."""

import os
import stat
from argparse import Namespace
from contextlib import suppress
from pathlib import Path

from attrs import evolve

from cognito_async.bulk import BulkPolicy
from cognito_async.cli.address import address_of
from cognito_async.cli.confidences import CLIENT_SECRET, OTHERS, asked, told
from cognito_async.cli.execution import carry_out
from cognito_async.cli.exits import CommandError, Exit
from cognito_async.cli.order import NO_LIMIT, STANDARD_INPUT, Order, PoolChoice, absolute
from cognito_async.cli.paths import journal_to_begin, looked_at
from cognito_async.cli.streams import warn


def run(options: Namespace) -> Exit:
    """Begin a job.

    Args:
        options: The command's options.

    Returns:
        The exit code.
    """
    order, secret = _order(options)
    if order.deed().user_pool or order.choice is not None:
        order.address.pool()
    if not order.deed().user_pool:
        order.address.app()
    _warn_of_readers(order)
    journal = None if options.dry_run else _journal(options)
    return carry_out(order, journal, options, secret=secret)


def _order(options: Namespace) -> tuple[Order, str | None]:
    """Put the options together, and give the app client's secret beside them."""
    most = options.max_errors
    order = Order(
        action=options.action,
        permanent=not options.temporary,
        generate=options.generate,
        input=_input(options),
        format=options.format,
        choice=_choice(options),
        passwords=_passwords(options),
        address=address_of(options),
        rate=options.rate,
        max_errors=BulkPolicy().max_errors if most is None else most or NO_LIMIT,
        wait=BulkPolicy().longest_pause if options.wait is None else options.wait,
        strict=options.strict,
    )
    if order.deed().user_pool:
        return order, None
    secret = asked(CLIENT_SECRET) if options.ask_client_secret else told(CLIENT_SECRET, options.client_secret_file)
    file = options.client_secret_file and absolute(options.client_secret_file)
    return evolve(order, has_secret=secret is not None, secret_file=file), secret


def _input(options: Namespace) -> str | None:
    if options.pool:
        if options.input is not None:
            raise CommandError("INPUT or --pool: which of the two?")
        return None
    if options.input is None:
        raise CommandError("whom? Name INPUT, a CSV or JSON Lines file, or give --pool for the user pool's users")
    if options.input == STANDARD_INPUT:
        return STANDARD_INPUT
    if looked_at(Path(options.input)) is None:  # before a journal is begun for it
        raise CommandError(f"{options.input} is not there")
    return absolute(options.input)


def _choice(options: Namespace) -> PoolChoice | None:
    given = options.filter or options.status or options.attribute
    if not options.pool:
        if given:
            raise CommandError("--filter, --status and --attribute choose among the pool's users: give --pool too")
        return None
    return PoolChoice(filter=options.filter, status=options.status, attributes=dict(options.attribute or ()))


def _passwords(options: Namespace) -> str | None:
    if options.generate != (options.passwords_file is not None):
        raise CommandError("--generate and --passwords-file belong together: give both, or neither")
    return None if options.passwords_file is None else absolute(options.passwords_file)


def _journal(options: Namespace) -> Path:
    if options.journal is not None:
        return journal_to_begin(options.journal)
    if options.input in {None, STANDARD_INPUT}:
        raise CommandError("where is the job to be remembered? Give --journal FILE: there is no INPUT to put it beside")
    return journal_to_begin(f"{options.input}.journal")


def _warn_of_readers(order: Order) -> None:
    """Warn of an input with passwords or codes that others can read; it is the owner's to decide."""
    if os.name != "posix" or order.input in {None, STANDARD_INPUT} or not order.deed().rereads:
        return
    with suppress(OSError):
        status = Path(order.input or "").stat()
        if stat.S_ISREG(status.st_mode) and status.st_mode & OTHERS:
            warn(f"others can read {order.named()}, which holds {' and '.join(order.deed().secrets)}: chmod 600 it")
