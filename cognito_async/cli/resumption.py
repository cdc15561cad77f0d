"""``bulk resume``: goes on with a job, of which the journal remembers everything but secrets."""

from argparse import Namespace

from attrs import evolve

from cognito_async.bulk import State
from cognito_async.bulk.journal import Fact, read_facts
from cognito_async.cli.confidences import CLIENT_SECRET, asked, told
from cognito_async.cli.execution import carry_out
from cognito_async.cli.exits import Exit
from cognito_async.cli.order import Order, absolute, overridden, remembered
from cognito_async.cli.paths import journal_to_read


def run(options: Namespace) -> Exit:
    """Go on with a job.

    Args:
        options: The command's options.

    Returns:
        The exit code.
    """
    journal = journal_to_read(options.journal)
    facts = read_facts(journal)
    order = overridden(remembered(facts, journal), options)
    if options.client_secret_file is not None:
        order = evolve(order, secret_file=absolute(options.client_secret_file))
    secret = _secret(order, options)
    order = evolve(order, has_secret=secret is not None)
    again = [State(name) for name in options.again]
    return carry_out(order, journal, options, secret=secret, planned=Fact.COMPLETE in facts, again=again)


def _secret(order: Order, options: Namespace) -> str | None:
    if order.deed().user_pool:
        return None
    if options.ask_client_secret:
        return asked(CLIENT_SECRET)
    secret = told(CLIENT_SECRET, order.secret_file)
    return asked(CLIENT_SECRET) if secret is None and order.has_secret else secret
