"""Keep what a caller sent in confidence out of what the service says about it.

The service's messages can repeat a value that it refuses ("Value '123 456' at 'confirmationCode' failed …").
"""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# (values of any type are what this file works on)

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from cognito_async.protocol.operation import Request
from cognito_async.protocol.shapes import MASK, Structure, members

_SHORT = 4


def redact(
    text: str,
    request: Request[Any],
    others: Iterable[str] = (),
    spellings: Callable[[str], Iterable[str]] = lambda secret: (secret,),
) -> str:
    """Replace each secret value of a request wherever a text repeats it.

    Args:
        text: What the service said.
        request: What was sent.
        others: Further secrets that were sent with it.
        spellings: Gives the ways in which a text may write a secret.

    Returns:
        The text with ``***`` in place of each secret.
    """
    secrets = {*_secrets(request, inside_secret=False), *others}
    spelt = {spelling for secret in secrets for spelling in spellings(secret)}
    for word in sorted(spelt, key=len, reverse=True):
        if len(word) >= _SHORT:
            text = text.replace(word, MASK)
        else:  # "a" is a word of its own only between quotes or blanks
            text = re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", MASK, text)
    return text


def _secrets(value: object, *, inside_secret: bool) -> Iterator[str]:
    """Walk a value and yield the texts that are secret, themselves or by what holds them."""
    if isinstance(value, Structure):
        for name, about in members(type(value)):
            yield from _secrets(getattr(value, name), inside_secret=inside_secret or about.secret)
    elif isinstance(value, Mapping):
        for element in value.values():
            yield from _secrets(element, inside_secret=inside_secret)
    elif isinstance(value, list | tuple):
        for element in value:
            yield from _secrets(element, inside_secret=inside_secret)
    elif inside_secret and isinstance(value, str) and value.strip():
        yield value
