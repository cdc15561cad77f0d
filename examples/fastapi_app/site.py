"""What belongs to the site rather than to one request: who visits it, who is signed in, and how often it lets try."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from attrs import define, field, frozen

from cognito_async.fastapi import MemoryRateLimit, PasswordPolicy, RateLimit, ResetConfirmation
from cognito_async.testing import Message

from .keys import Keys
from .notes import Note
from .stores import MemoryStore
from .submissions import Submissions

_MOST: Final = 10_000
_VISIT_SECONDS: Final = 1800.0
_SESSION_SECONDS: Final = 3600.0

Mailbox = Callable[[], Awaitable[list[Message]]]


@define
class Visit:
    """What is carried from one form to the next, before anybody has signed in.

    Attributes:
        username: The name that was typed last.
        notes: What a page has to say when it is shown next; by its path.
    """

    username: str = field(default="", repr=False)
    notes: dict[str, Note] = field(factory=dict[str, Note])


@frozen(kw_only=True)
class Member:
    """Somebody who has signed in. The browser never gets the tokens, only the key under which they are kept.

    Attributes:
        username: The name that was typed.
        names: All names by which the pool knows the user, that one among them, in lower case.
        access_token: The pool's access token.
        refresh_token: The pool's refresh token; None if it gave none.
    """

    username: str = field(repr=False)
    names: frozenset[str] = field(repr=False)
    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)


@frozen(kw_only=True)
class Site:
    """What belongs to the site rather than to one request.

    Attributes:
        policy: The pool's password policy.
        confirmation: Sets new passwords.
        mailbox: Reads the mail of the demo; None outside of it.
        visit_keys: Makes the keys in the visitors' cookies.
        visits: What is known of visits, by these keys; nothing of those who only look.
        passers: The same, of those who have typed nothing yet: however many they are, they push out only each other.
        resets: When a user's sessions were ended last, by the name that was typed.
        members: Those who are signed in, likewise.
        submissions: The forms that were sent a moment ago.
        code_tries: Counts the codes that are tried for each user name when an address is confirmed.
    """

    policy: PasswordPolicy
    confirmation: ResetConfirmation
    mailbox: Mailbox | None
    visit_keys: Keys = field(factory=Keys)
    visits: MemoryStore[Visit] = field(factory=lambda: MemoryStore[Visit](most=_MOST, seconds=_VISIT_SECONDS))
    passers: MemoryStore[Visit] = field(factory=lambda: MemoryStore[Visit](most=_MOST, seconds=_VISIT_SECONDS))
    resets: MemoryStore[float] = field(factory=lambda: MemoryStore[float](most=_MOST, seconds=_SESSION_SECONDS))
    members: MemoryStore[Member] = field(factory=lambda: MemoryStore[Member](most=_MOST, seconds=_SESSION_SECONDS))
    submissions: Submissions = field(factory=Submissions)
    code_tries: RateLimit = field(factory=partial(MemoryRateLimit, 5, 900.0))
