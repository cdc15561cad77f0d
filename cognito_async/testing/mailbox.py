"""The mail that the emulator would have sent, had it any business with the world outside."""

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
    """An e-mail that the pool sent.

    Attributes:
        to: The addresses it went to, as they were given to the pool.
        subject: Its subject.
        body: Its text, or its HTML where it has no text; not in the repr, since it may hold a code.
        sent_at: When it was sent, in UTC.
    """

    to: tuple[str, ...]
    subject: str
    body: str = field(repr=False)
    sent_at: datetime

    @property
    def code(self) -> str | None:
        """Return the verification code in its body; None where there is none."""
        found = _CODE.search(self.body)
        return found and found[0]


def read_mail(url: str) -> list[Message]:
    """Read all that was sent, the newest last; blocks, so have a thread do it.

    Args:
        url: The emulator's address.

    Raises:
        LocalPoolError: The mailbox can't be read.
    """
    try:
        messages = _read(url)
    except (OSError, HTTPException, ValueError, LookupError, TypeError) as error:
        raise LocalPoolError(f"the mailbox at {url}{_PATH} can't be read: {error!r}") from error
    return sorted(messages, key=lambda message: message.sent_at)


def _read(url: str) -> list[Message]:
    # http.client, because it knows nothing of proxies.
    with closing(HTTPConnection(urlsplit(url).netloc, timeout=_TIMEOUT)) as connection:
        connection.request("GET", _PATH)
        accounts = json.load(connection.getresponse())["messages"]
    return [
        Message(
            to=tuple(record["To"]),
            subject=record["Subject"],
            body=record["BodyText"] or record["BodyHtml"] or "",
            sent_at=datetime.fromtimestamp(record["Timestamp"], UTC),
        )
        for account in accounts.values()
        for record in account
    ]
