"""``forgot-password`` and ``confirm-forgot-password``: one user's forgotten password."""

import asyncio
from argparse import Namespace
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Final

from attrs import field, frozen

from cognito_async import CognitoClient
from cognito_async.cli.address import address_of
from cognito_async.cli.confidences import CLIENT_SECRET, CODE, PASSWORD, Confidence, asked, told
from cognito_async.cli.exits import Exit
from cognito_async.cli.streams import put_json, say
from cognito_async.cli.wording import clean

Told = Mapping[str, str]


@frozen(kw_only=True)
class Step:
    """One of the two steps.

    Attributes:
        take: Takes it, for a user and with what was confided, and tells what is worth telling.
        event: What to call it for programs.
        said: What to say of it to people.
        confidences: What it needs to be told in confidence, by the name of the option without ``_file``.
    """

    take: Callable[[CognitoClient, str, Told], Awaitable[Told]]
    event: str
    said: str
    confidences: Mapping[str, Confidence] = field(factory=dict[str, Confidence])


def run(options: Namespace) -> Exit:
    """Take one of the two steps.

    Args:
        options: The command's options.

    Returns:
        The exit code.
    """
    step = _STEPS[options.step]
    address = address_of(options)
    address.app()
    secret = asked(CLIENT_SECRET) if options.ask_client_secret else told(CLIENT_SECRET, options.client_secret_file)
    confided = {name: _confided(options, name, confidence) for name, confidence in step.confidences.items()}

    async def take() -> Told:
        async with address.session() as session:
            client = session.client(address.client_id, secret, address.user_pool_id)
            return await step.take(client, options.username, confided)

    outcome = asyncio.run(take())
    if options.json:
        put_json({"event": step.event, "username": options.username, **outcome})
    else:
        say(clean(step.said.format(username=options.username, **outcome)))
    return Exit.DONE


def _confided(options: Namespace, name: str, confidence: Confidence) -> str:
    value = told(confidence, getattr(options, f"{name}_file"))
    return asked(confidence) if value is None else value


async def _forgot(client: CognitoClient, username: str, _: Told) -> Told:
    details = (await client.forgot_password(username=username)).code_delivery_details
    destination = None if details is None else details.destination
    medium = None if details is None else details.delivery_medium
    return {"destination": destination or "the user", "medium": str(medium or "message")}


async def _confirm(client: CognitoClient, username: str, confided: Told) -> Told:
    await client.confirm_forgot_password(
        username=username, confirmation_code=confided["code"], password=confided["password"]
    )
    return {}


_STEPS: Final[Mapping[str, Step]] = MappingProxyType(
    {
        "forgot": Step(
            take=_forgot, event="code sent", said="a code for {username} is on its way to {destination} by {medium}"
        ),
        "confirm": Step(
            take=_confirm,
            event="password set",
            said="{username} has the new password",
            confidences={"code": CODE, "password": PASSWORD},
        ),
    }
)
