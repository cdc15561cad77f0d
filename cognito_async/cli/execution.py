"""Carries an order out: with a session, a client, a job, and a display for whoever watches."""

import asyncio
import os
from argparse import Namespace
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Final

from cognito_async import CognitoClient
from cognito_async.bulk import Job, State
from cognito_async.cli.address import category_of
from cognito_async.cli.displays import Display, JsonDisplay, PlainDisplay
from cognito_async.cli.exits import Exit
from cognito_async.cli.opening import Opening
from cognito_async.cli.order import Order
from cognito_async.cli.paths import check_passwords_file
from cognito_async.cli.rehearsal import rehearse
from cognito_async.cli.streams import is_smart_terminal
from cognito_async.cli.supervision import Supervision

_NOWHERE: Final = Path(os.devnull)
"""A rehearsal begins no journal."""


def carry_out(
    order: Order,
    journal: Path | None,
    options: Namespace,
    *,
    secret: str | None,
    planned: bool = False,
    again: Collection[State] = (),
) -> Exit:
    """Carry out an order, or only rehearse it.

    Args:
        order: The order.
        journal: The job's journal; None to rehearse.
        options: How to show it.
        secret: The app client's secret; None if it has none.
        planned: Whether the journal knows all rows.
        again: States whose rows are sent for once more.

    Returns:
        The exit code.

    Raises:
        CommandError: The file for generated passwords can't be used.
    """
    if order.passwords is not None:
        check_passwords_file(Path(order.passwords))

    async def carry_out() -> Exit:
        address = order.address
        async with address.session(order.rates()) as session:
            client = session.client(address.client_id, secret, address.user_pool_id)
            job = _job(client, order, journal or _NOWHERE, planned=planned)
            if journal is None:
                return await rehearse(job, as_json=options.json)
            opening = _opening(order, journal)
            return await Supervision(job, _display(options), opening, journal).run(again)

    return asyncio.run(carry_out())


def _job(client: CognitoClient, order: Order, journal: Path, *, planned: bool) -> Job:
    return Job(
        client,
        order.deed(),
        order.source(client, planned=planned),
        journal=journal,
        policy=order.policy(),
        strict=order.strict,
        passwords=order.passwords,
        remember=order.facts(),
    )


def _opening(order: Order, journal: Path) -> Opening:
    deed, address = order.deed(), order.address
    target = f"user pool {address.user_pool_id}" if deed.user_pool else f"app client {address.client_id}"
    return Opening(
        action=deed.label,
        does=deed.does,
        rows=order.named(),
        target=target,
        region=address.region,
        endpoint_url=address.endpoint_url,
        journal=str(journal),
        continued=journal.exists(),
        rate=order.rates()[category_of(deed.operation)],
        published=order.rate is None,
        category=category_of(deed.operation),
    )


def _display(options: Namespace) -> Display:
    """Choose how to show it: for programs, live on a terminal if rich is there, else in plain lines."""
    if options.json:
        return JsonDisplay(options.interval)
    if not options.plain and is_smart_terminal():
        with suppress(ImportError):
            from cognito_async.cli.live import LiveDisplay  # noqa: PLC0415 - rich is an extra

            return LiveDisplay()
    return PlainDisplay(options.interval)
