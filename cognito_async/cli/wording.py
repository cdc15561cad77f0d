"""Numbers, times and names as people read them. Pure: the time is an argument."""

from datetime import datetime
from typing import Final

MINUTE: Final = 60
HOUR: Final = 3600
DAY: Final = 86400


def clean(text: str) -> str:
    """Make a text safe to print in one line: no line breaks, and nothing that steers a terminal.

    Args:
        text: The text, which may come from an input or from the service.

    Returns:
        The text, with an escape in place of each character that can't be printed.
    """
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


def plural(number: int, one: str, many: str | None = None) -> str:
    """Give a number with its noun."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def duration(seconds: float) -> str:
    """Give a time in the two largest units that matter."""
    whole = round(seconds)
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        return f"{whole // MINUTE} min {whole % MINUTE} s"
    if whole < DAY:
        return f"{whole // HOUR} h {whole % HOUR // MINUTE} min"
    return f"{whole // DAY} d {whole % DAY // HOUR} h"


def pace(rate: float) -> str:
    """Give requests or rows a second, short."""
    if rate < 1:
        return f"{round(rate, 2):g}"
    return f"{rate:.1f}" if rate < 100 and rate != round(rate) else f"{rate:,.0f}"  # noqa: PLR2004 - three figures


def moment(at: float, now: float) -> str:
    """Give a moment in local time, and how far away it is.

    Args:
        at: The moment in seconds since 1970.
        now: The present time in seconds since 1970.

    Returns:
        Such as ``"14:35 (in 12 min 3 s)"``, with the date where it is another day's.
    """
    then = datetime.fromtimestamp(at).astimezone()
    today = datetime.fromtimestamp(now).astimezone().date() == then.date()
    told = f"{then:%H:%M}" if today else f"{then:%Y-%m-%d %H:%M}"
    away = at - now
    return f"{told} (in {duration(away)})" if away > 0 else f"{told} ({duration(-away)} ago)"


def iso(at: float | None) -> str | None:
    """Give a moment for programs, with its zone; None for none."""
    return None if at is None else datetime.fromtimestamp(at).astimezone().isoformat(timespec="seconds")
