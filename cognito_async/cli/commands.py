"""The commands and their options."""

from argparse import ArgumentParser
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from cognito_async.cli import options, values
from cognito_async.cli.exits import PROGRAM
from cognito_async.cli.parser import Parser, settings
from cognito_async.version import __version__

if TYPE_CHECKING:
    from argparse import _SubParsersAction  # pyright: ignore[reportPrivateUsage]

    Commands = _SubParsersAction[Parser]

_SUMMARY: Final = """\
Amazon Cognito user pools from the command line: passwords in bulk, a pool's users as a file, and single resets.

Secrets are never typed into a command line: they come from the environment (COGNITO_CLIENT_SECRET, AWS_…), from
files that only you can read, or from a prompt that doesn't show them."""
_ACTIONS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "confirm": (
            "set new passwords with the codes that users were sent",
            "columns: username, confirmation_code, password; needs --client-id",
        ),
        "forgot": ("send users a code to set a new password with", "columns: username; needs --client-id"),
        "reset": (
            "make passwords invalid and send users a code",
            "columns: username; needs --user-pool-id and AWS credentials",
        ),
        "set-password": (
            "set passwords",
            "columns: username, password; needs --user-pool-id and AWS credentials",
        ),
        "sign-out": (
            "end all sessions of users",
            "columns: username; needs --user-pool-id and AWS credentials",
        ),
    }
)
_ARGUMENTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "confirm": " INPUT",
        **dict.fromkeys(("forgot", "reset", "set-password", "sign-out"), " INPUT|--pool"),
        **dict.fromkeys(("resume", "status", "report"), " JOURNAL"),
        **dict.fromkeys(("confirm-forgot-password", "forgot-password"), " --username NAME"),
    }
)
_BULK_EXAMPLES: Final = """\
  {program} bulk {action} users.csv {whose}
  {program} bulk {action} users.csv {whose} --rate 20 --dry-run
  {program} bulk resume users.csv.journal"""


def make_parser() -> Parser:
    """Make the parser of the whole command line.

    Returns:
        The parser; each command's options say in which ``room`` of the package it is carried out.
    """
    parser = Parser(prog=PROGRAM, **settings(_SUMMARY))
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}", help="print the version")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    bulk = commands.add_parser("bulk", **settings("Do something to each user of a list.", brief="many users at once"))
    in_bulk = bulk.add_subparsers(required=True, metavar="ACTION", title="actions")
    for name in _ACTIONS:
        _action(in_bulk, name)
    _resume(in_bulk)
    _status(in_bulk)
    _report(in_bulk)
    users = commands.add_parser("users", **settings("A user pool's users.", brief="a user pool's users"))
    _export(users.add_subparsers(required=True, metavar="ACTION", title="actions"))
    _confirm_forgot_password(commands)
    _forgot_password(commands)
    return parser


def _leaf(commands: "Commands", name: str, room: str, summary: str, *, more: str = "", examples: str = "") -> Parser:
    """Add a command that does something."""
    text = f"{summary[0].upper()}{summary[1:]}." + (f"\n{more}" if more else "")
    parser = commands.add_parser(name, **settings(text, examples, brief=summary))
    parser.set_defaults(room=room, parser=parser)
    parser.usage = f"{parser.prog}{_ARGUMENTS.get(name, '')} [options]"
    return parser


def _action(commands: "Commands", name: str) -> None:
    does, needs = _ACTIONS[name]
    whose = "--client-id ID --region eu-west-1" if "client-id" in needs else "--user-pool-id eu-west-1_AbC123"
    examples = _BULK_EXAMPLES.format(program=PROGRAM, action=name, whose=whose)
    parser = _leaf(commands, name, "beginning", does, more=f"INPUT's {needs}.", examples=examples)
    parser.set_defaults(action=name)
    alone = name == "confirm"
    parser.add_argument(
        "input",
        metavar="INPUT",
        type=values.file_or_stream,
        nargs=None if alone else "?",
        help="a CSV or JSON Lines file; - for standard input, which needs --journal",
    )
    if alone:
        parser.set_defaults(pool=False, filter=None, status=None, attribute=None)
    else:
        options.pool_choice(parser, instead=True)
    parser.set_defaults(generate=False, temporary=False, passwords_file=None)
    if name == "set-password":
        _passwords(parser)
    options.connection(parser, app_client=True)
    options.job(parser)
    options.pace(parser, remembered=False)
    options.output(parser)


def _passwords(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("the passwords")
    group.add_argument("--temporary", action="store_true", help="users must change theirs at the next sign-in")
    group.add_argument(
        "--generate", action="store_true", help="make each password up; INPUT then needs only the column username"
    )
    group.add_argument(
        "--passwords-file",
        metavar="FILE",
        type=values.file,
        help="where generated passwords go: a CSV file that only you can read",
    )


def _resume(commands: "Commands") -> None:
    examples = f"  {PROGRAM} bulk resume users.csv.journal\n  {PROGRAM} bulk resume users.csv.journal --again refused"
    more = "The journal remembers everything but secrets; what is given here wins."
    parser = _leaf(commands, "resume", "resumption", "go on with a job where it was", more=more, examples=examples)
    options.journal(parser)
    parser.add_argument(
        "--again",
        metavar="STATES",
        type=options.AGAIN_TYPE,
        default=(),
        help="send once more for rows that were refused, unknown, or both: refused,unknown;"
        " for unknown ones, users may get a second message",
    )
    group = parser.add_argument_group("the service")
    options.client_secret(group)
    options.place(group)
    options.pace(parser, remembered=True)
    options.output(parser)


def _status(commands: "Commands") -> None:
    more = "It only reads, and so works while the job runs."
    parser = _leaf(commands, "status", "status", "tell how far a job has come", more=more)
    options.journal(parser)
    parser.add_argument("--json", action="store_true", help="print a JSON object, for programs")
    options.unused_place(parser)


def _report(commands: "Commands") -> None:
    more = "Without an option: an HTML page beside the journal. For FILE, - stands for standard output."
    parser = _leaf(commands, "report", "reporting", "tell what became of a job", more=more)
    options.journal(parser)
    options.reports(parser)
    options.unused_place(parser)


def _export(commands: "Commands") -> None:
    examples = (
        f"  {PROGRAM} users export --user-pool-id eu-west-1_AbC123 --status CONFIRMED --output users.csv\n"
        f"  {PROGRAM} users export --user-pool-id eu-west-1_AbC123 --columns username | {PROGRAM} bulk sign-out -"
        " --user-pool-id eu-west-1_AbC123 --journal users.journal"
    )
    more = "What it writes can be the INPUT of a bulk job."
    parser = _leaf(
        commands, "export", "export", "write a user pool's users as CSV or JSON Lines", more=more, examples=examples
    )
    options.pool_choice(parser, instead=False)
    options.export(parser)
    options.connection(parser)


def _confirm_forgot_password(commands: "Commands") -> None:
    more = "Code and password are asked for, without showing them, unless a file or the environment tells them."
    parser = _leaf(
        commands, "confirm-forgot-password", "recovery", "set one user's new password with the code", more=more,
        examples=f"  {PROGRAM} confirm-forgot-password --username ada@example.com --client-id ID --region eu-west-1",
    )  # fmt: skip
    parser.set_defaults(step="confirm")
    options.user(parser)
    group = parser.add_argument_group("secrets")
    group.add_argument(
        "--code-file",
        metavar="FILE",
        type=values.file,
        help="a file with the confirmation code that only you can read (default: COGNITO_CONFIRMATION_CODE)",
    )
    group.add_argument(
        "--password-file",
        metavar="FILE",
        type=values.file,
        help="a file with the new password that only you can read (default: COGNITO_PASSWORD)",
    )
    options.connection(parser, app_client=True)


def _forgot_password(commands: "Commands") -> None:
    parser = _leaf(
        commands, "forgot-password", "recovery", "send one user a code to set a new password with",
        examples=f"  {PROGRAM} forgot-password --username ada@example.com --client-id ID --region eu-west-1",
    )  # fmt: skip
    parser.set_defaults(step="forgot")
    options.user(parser)
    options.connection(parser, app_client=True)
