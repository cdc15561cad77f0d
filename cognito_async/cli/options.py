"""The options, in the groups in which commands share them."""

from argparse import ArgumentParser
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from cognito_async.cli import values

if TYPE_CHECKING:
    from argparse import _ArgumentGroup  # pyright: ignore[reportPrivateUsage]

FORMATS: Final[Mapping[str, str]] = MappingProxyType({"csv": "csv", "jsonl": "jsonl"})
AGAIN: Final[Mapping[str, str]] = MappingProxyType({"refused": "refused", "unknown": "unknown"})
AGAIN_TYPE: Final = values.some_of(AGAIN)
POLL: Final = 5.0


def connection(parser: ArgumentParser, *, user_pool: bool = True, app_client: bool = False) -> None:
    """Add where the service is, which user pool and which app client."""
    group = parser.add_argument_group("the service")
    if user_pool:
        group.add_argument("--user-pool-id", metavar="ID", help="the user pool (default: COGNITO_USER_POOL_ID)")
    if app_client:
        group.add_argument("--client-id", metavar="ID", help="the app client (default: COGNITO_CLIENT_ID)")
        client_secret(group)
    place(group)


def place(group: "_ArgumentGroup") -> None:
    """Add where the service is."""
    group.add_argument(
        "--region", help="the AWS region (default: that of the user pool's id, AWS_REGION, AWS_DEFAULT_REGION)"
    )
    group.add_argument(
        "--endpoint-url",
        metavar="URL",
        help="the service's address, for emulators and private endpoints (default: AWS_ENDPOINT_URL, else AWS's own)",
    )


def unused_place(parser: ArgumentParser) -> None:
    """Take the service's address where nothing is sent, so that a script can give it to each command."""
    parser.add_argument(
        "--endpoint-url", metavar="URL", help="taken as by every command, and not used: nothing is sent"
    )


def journal(parser: ArgumentParser) -> None:
    """Add which job's journal is meant."""
    parser.add_argument("journal", metavar="JOURNAL", type=values.file, help="the job's journal")


def reports(parser: ArgumentParser) -> None:
    """Add which reports are written, and where to."""
    group = parser.add_argument_group("what is written")
    kinds = {
        "--html": "write a page to look at; it names no user",
        "--csv": "write the rows that were refused, are unknown or deferred, for spreadsheets",
        "--json": "write all figures, and the same rows, for programs",
    }
    for option, told in kinds.items():
        group.add_argument(option, metavar="FILE", type=values.file_or_stream, help=told)


def client_secret(group: "_ArgumentGroup") -> None:
    """Add how the app client's secret is told."""
    which = group.add_mutually_exclusive_group()
    which.add_argument(
        "--client-secret-file",
        metavar="FILE",
        type=values.file,
        help="a file with the app client's secret that only you can read (default: COGNITO_CLIENT_SECRET)",
    )
    which.add_argument(
        "--ask-client-secret", action="store_true", help="ask for the app client's secret, without showing it"
    )


def pool_choice(parser: ArgumentParser, *, instead: bool) -> None:
    """Add which of a pool's users are meant."""
    group = parser.add_argument_group("the pool's users" + (" instead of INPUT" if instead else ""))
    if instead:
        group.add_argument("--pool", action="store_true", help="take the user pool's users; needs --journal")
    group.add_argument("--filter", help="a filter as ListUsers takes it, such as 'email ^= \"ada\"'")
    group.add_argument("--status", help="the status that users must have, such as CONFIRMED")
    group.add_argument(
        "--attribute",
        metavar="NAME=VALUE",
        type=values.pair,
        action="append",
        help="an attribute that users must have, such as email_verified=true; may be given several times",
    )


def job(parser: ArgumentParser) -> None:
    """Add how a job is begun."""
    group = parser.add_argument_group("the job")
    group.add_argument(
        "--journal",
        metavar="FILE",
        type=values.file,
        help="where the job is remembered, to resume it (default: INPUT.journal)",
    )
    group.add_argument(
        "--format", type=values.one_of(FORMATS), metavar="csv|jsonl", help="INPUT's format (default: by its name)"
    )
    group.add_argument("--strict", action="store_true", help="send nothing if a row of INPUT can't be sent")
    group.add_argument("--dry-run", action="store_true", help="check every row and estimate the time; send nothing")


def pace(parser: ArgumentParser, *, remembered: bool) -> None:
    """Add how fast and how patient a job is."""
    or_else = "as the journal remembers" if remembered else "AWS's published quota"
    group = parser.add_argument_group("pace and patience")
    group.add_argument(
        "--rate",
        metavar="N",
        type=values.rate,
        help=f"requests a second; the account's quota is shared with your applications (default: {or_else})",
    )
    group.add_argument(
        "--max-errors",
        metavar="N",
        type=values.count,
        help="stop after so many errors in a row; 0 to go on whatever comes (default: "
        + ("as before)" if remembered else "25)"),
    )
    group.add_argument(
        "--wait",
        metavar="SECONDS",
        type=values.seconds,
        help="the longest to wait for rows that can only be tried later; beyond it the job pauses and exits with 75"
        f" (default: {'as before' if remembered else '7200'})",
    )


def output(parser: ArgumentParser) -> None:
    """Add how a run is shown."""
    group = parser.add_argument_group("what is shown")
    which = group.add_mutually_exclusive_group()
    which.add_argument("--json", action="store_true", help="print a JSON object in each line, for programs, to stdout")
    which.add_argument("--plain", action="store_true", help="print plain lines on a terminal too")
    group.add_argument(
        "--interval",
        metavar="SECONDS",
        type=values.interval,
        default=POLL,
        help=f"the time between two lines of progress (default: {POLL:g})",
    )


def export(parser: ArgumentParser) -> None:
    """Add what is written of each user, and where to."""
    group = parser.add_argument_group("what is written")
    group.add_argument(
        "--columns",
        metavar="NAMES",
        type=values.names,
        help="username, status, enabled, created, modified, and the names of attributes, with commas between them"
        " (default: username, status, enabled, email, email_verified, phone_number, created, modified; for JSON Lines"
        " every attribute)",
    )
    group.add_argument(
        "--format", type=values.one_of(FORMATS), metavar="csv|jsonl", help="the format (default: by --output, else csv)"
    )
    group.add_argument(
        "--output",
        metavar="FILE",
        type=values.file_or_stream,
        help="the file to write, which only you can read (default: -, standard output)",
    )


def user(parser: ArgumentParser) -> None:
    """Add which user, and how the outcome is told."""
    parser.add_argument("--username", required=True, help="the user's name, or an alias that the user pool accepts")
    parser.add_argument("--json", action="store_true", help="print the outcome as a JSON object, for programs")
