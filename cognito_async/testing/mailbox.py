"""The e-mail messages of the emulator."""

import json
from contextlib import closing
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException
from re import compile as pattern
from typing import Final
from urllib.parse import urlsplit

from attrs import field, frozen

from cognito_async.testing.environment import LocalPoolError

_PATH: Final = "/_ministack/ses/messages"
_CODE: Final = pattern(r"\b\d{6}\b")
_TIMEOUT: Final = 10.0  # seconds


@frozen(kw_only=True)
class Message:
    """An e-mail that the pool sent."""

    __module__ = "cognito_async.testing"

    to: tuple[str, ...]
    """The addresses, as passed to the pool."""

    subject: str
    """The subject."""

    body: str = field(repr=False)
    """The text, or the HTML if there is no text; not in the repr, because it may contain a code."""

    sent_at: datetime
    """The time in UTC."""

    @property
    def code(self) -> str | None:
        """The verification code in the body; None if there is none."""
        found = _CODE.search(self.body)
        return found and found[0]


def read_mail(url: str) -> list[Message]:
    """Return all messages, the newest last; raise LocalPoolError if the mailbox cannot be read. Blocks."""
    try:
        # http.client, because it ignores proxies.
        with closing(HTTPConnection(urlsplit(url).netloc, timeout=_TIMEOUT)) as connection:
            connection.request("GET", _PATH)
            accounts = json.load(connection.getresponse())["messages"]
        messages = [
            Message(
                to=tuple(record["To"]),
                subject=record["Subject"],
                body=record["BodyText"] or record["BodyHtml"] or "",
                sent_at=datetime.fromtimestamp(record["Timestamp"], UTC),
            )
            for account in accounts.values()
            for record in account
        ]
    except (OSError, HTTPException, ValueError, LookupError, TypeError) as error:
        raise LocalPoolError(f"the mailbox at {url}{_PATH} cannot be read: {error!r}") from error
    return sorted(messages, key=lambda message: message.sent_at)
