"""Output: text formatting, stdout for data, stderr for messages, and files that are replaced as a whole."""

import io
import json
import os
import stat
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import IO, Final, cast

from cognito_async.bulk.csv_jsonl import printable
from cognito_async.bulk.progress import duration
from cognito_async.cli.errors import PROGRAM, CommandError, Exit
from cognito_async.cli.signals import as_keyboard_interrupt
from cognito_async.errors import CognitoError
from cognito_async.files import check_private, descriptor_of, is_replaced, open_output

SQLITE: Final = b"SQLite format 3\0"  # how a journal starts, unless it is empty
STANDARD_STREAM: Final = "-"  # the file name that stands for standard input or output


def plural(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def rate(per_second: float) -> str:
    """Return a rate per second with up to three significant digits."""
    if per_second < 1:
        return f"{round(per_second, 2):g}"
    fractional = per_second < 100 and per_second != round(per_second)  # noqa: PLR2004 - three digits
    return f"{per_second:.1f}" if fractional else f"{per_second:,.0f}"


def local_time(at: float, now: float) -> str:
    """Return a local time and its distance, such as ``14:35 (in 12 min 3 s)``; both are seconds since 1970."""
    then = datetime.fromtimestamp(at).astimezone()
    is_today = datetime.fromtimestamp(now).astimezone().date() == then.date()
    distance = f"in {duration(at - now)}" if at > now else f"{duration(now - at)} ago"
    return f"{then:%H:%M} ({distance})" if is_today else f"{then:%Y-%m-%d %H:%M} ({distance})"


def iso(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at).astimezone().isoformat(timespec="seconds")


class Stderr:
    """Standard error; writing to a closed terminal is not an error."""

    def __getattr__(self, name: str) -> object:
        return getattr(sys.stderr, name)

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            sys.stderr.flush()


STDERR: Final = cast("IO[str]", Stderr())


def log(text: str) -> None:
    STDERR.write(f"{printable(text)}\n")
    STDERR.flush()


def warn(text: str) -> None:
    log(f"{PROGRAM}: {text}")


def put(text: str) -> None:
    sys.stdout.write(f"{printable(text)}\n")
    sys.stdout.flush()


def put_json(values: Mapping[str, object]) -> None:
    put(json.dumps(values, ensure_ascii=True))


def is_smart_terminal() -> bool:
    with suppress(OSError, ValueError):
        return STDERR.isatty() and os.environ.get("TERM", "") not in {"", "dumb"}
    return False


def find_file(path: Path) -> os.stat_result | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CommandError(f"cannot access {path}: {error.strerror}") from None
    if stat.S_ISDIR(found.st_mode):
        raise CommandError(f"{path} is a directory; a file is required")
    return found


def private_file(name: str | Path, purpose: str) -> Path:
    """Check that only this user can access a file, such as a journal; it may be missing."""
    path = Path(name)
    try:
        check_private(path)
    except OSError as error:
        raise CommandError(f"invalid {purpose} {path}: {error.strerror}") from None
    return path


def existing_journal(name: str) -> Path:
    """Check that a file can be a journal, then that only this user can access it."""
    path = Path(name)
    found = find_file(path)
    if found is not None and stat.S_ISREG(found.st_mode) and _header(path) not in {b"", SQLITE}:
        journal = path.with_name(f"{path.name}.journal")
        hint = f"did you mean {journal}?" if journal.exists() else "pass the journal of a job, not its input"
        raise CommandError(f"{path} is not a journal; {hint}")
    private_file(path, "journal")
    if found is None:
        raise CommandError(f"journal not found: {path}")
    return path


def _header(path: Path) -> bytes:
    with suppress(OSError), path.open("rb") as file:
        return file.read(len(SQLITE))
    return b""  # opening it again shows the error


def is_stdout(name: str) -> bool:
    """Return whether a file name stands for standard output: ``-``, or such as ``/dev/stdout``."""
    with _write_errors(name):
        return name == STANDARD_STREAM or descriptor_of(Path(name)) == 1


@contextmanager
def writing(name: str) -> Generator[IO[str]]:
    """Open a file, a pipe or standard output for UTF-8 text; a file is replaced as a whole when the block ends."""
    if is_stdout(name):
        stdout: object = sys.stdout
        if isinstance(stdout, io.TextIOWrapper):
            stdout.reconfigure(encoding="utf-8", newline="")
        yield sys.stdout
        return
    path = Path(name)
    # A temporary file would be left behind if a signal ended the process; a pipe has nothing to clean up.
    with _write_errors(name), as_keyboard_interrupt(enabled=is_replaced(path)), open_output(path) as file:
        yield file


@contextmanager
def _write_errors(name: str) -> Generator[None]:
    try:
        yield
    except CognitoError:  # some are OSErrors too, but not about this file
        raise
    except IsADirectoryError:
        raise CommandError(f"{name} is a directory; a file is required") from None
    except OSError as error:
        raise CommandError(f"cannot write {name}: {error.strerror}", Exit.FAILURE) from None
