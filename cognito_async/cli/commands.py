"""The commands and their options.

This module imports nothing heavy, so that ``--help`` is fast: the implementations are imported when a command runs.
"""

from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, Any, Final

import click

from cognito_async.cli.errors import MEANING, PROGRAM, CommandError, Exit, UnexpectedArgument
from cognito_async.version import __version__

if TYPE_CHECKING:
    from cognito_async.cli.settings import Options

Run = Callable[["Options"], Exit]
EXCLUSIVE: Final = (("--json", "--plain"), ("--client-secret-file", "--ask-client-secret"))
_CONTEXT: Final = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class Value(click.ParamType[Any]):
    """A value of an option. An invalid one is never repeated: it may be a secret in the wrong place."""

    name = "value"

    def __init__(self, parse: Callable[[str], Any], is_valid: Callable[[Any], bool], requirement: str) -> None:
        self.requirement: str = requirement  # for the error message
        self._parse = parse
        self._is_valid = is_valid

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401
        try:
            parsed = self._parse(value)
        except ValueError:
            self.fail(self.requirement, param, ctx)
        return parsed if self._is_valid(parsed) else self.fail(self.requirement, param, ctx)


def _comma_separated(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(","))


def _is_path(text: str) -> bool:
    return text != "" and "\0" not in text and not text.startswith("-")  # an option here means: the path was forgotten


RATE: Final = Value(float, lambda rate: 0.01 <= rate <= 10_000, "must be a number from 0.01 to 10000")  # noqa: PLR2004
SECONDS: Final = Value(float, lambda seconds: 0 <= seconds < inf, "must be a number of seconds, at least 0")
COUNT: Final = Value(
    lambda text: int(text) if text.isascii() and text.isdecimal() else -1,
    range(10**9).__contains__,
    "must be a whole number, at least 0",
)
FILE: Final = Value(str, _is_path, 'must be a file path ("-" is not accepted here)')
FILE_OR_STREAM: Final = Value(str, lambda text: text == "-" or _is_path(text), 'must be a file path or "-"')
PAIR: Final = Value(lambda text: tuple(text.split("=", 1)), lambda pair: pair[0] and pair[1:], "must be NAME=VALUE")
NAMES: Final = Value(
    _comma_separated,
    lambda names: all(names) and len({*names}) == len(names),
    "must be comma-separated names without duplicates",
)
STATES: Final = Value(
    _comma_separated, {"refused", "unknown"}.issuperset, "must be refused, unknown or both, separated by a comma"
)
TEXT: Final = Value(str, lambda text: not text.startswith("--"), "must be a value; an option follows instead")
FORMAT: Final = Value(str, {"csv", "jsonl"}.__contains__, "must be csv or jsonl")


class Option(click.Option):
    section: str = "Options"


def option(name: str, metavar: str, help: str, type: click.ParamType[Any] = TEXT, **more: Any) -> Option:  # noqa: A002, ANN401 - as click
    return Option([name], metavar=metavar, help=help, type=type, **more)


def flag(name: str, help: str) -> Option:  # noqa: A002 - as click
    return Option([name], is_flag=True, help=help)


def section(title: str, *options: Option) -> tuple[Option, ...]:
    """Put options into a section of the help."""
    for each in options:
        each.section = title
    return options


INPUT: Final = click.Argument(["input"], metavar="INPUT", type=FILE_OR_STREAM)
JOURNAL: Final = click.Argument(["journal"], metavar="JOURNAL", type=FILE)
USERNAME: Final = option("--username", "NAME", "Username, or an alias of the user", click.STRING, required=True)
JSON: Final = flag("--json", "Print the result as a JSON object, for programs")
USER_POOL: Final = option("--user-pool-id", "ID", "User pool ID (default: COGNITO_USER_POOL_ID)")
APP_CLIENT: Final = option("--client-id", "ID", "App client ID (default: COGNITO_CLIENT_ID)")
TARGET_AS_BEFORE: Final = section(
    "Target",
    option("--user-pool-id", "ID", "User pool ID (default: as before)"),
    option("--client-id", "ID", "App client ID (default: as before)"),
)
SECRET_FILE: Final = option(
    "--client-secret-file", "FILE", "Private file with the app client's secret (default: COGNITO_CLIENT_SECRET)", FILE
)
ASK_SECRET: Final = flag("--ask-client-secret", "Prompt for the app client's secret without showing it")
LOCATION: Final = (
    option(
        "--region", "REGION", "AWS region (default: COGNITO_REGION, the user pool ID's, AWS_REGION, the AWS profile's)"
    ),
    option("--endpoint-url", "URL", "Endpoint, for emulators and private endpoints (default: AWS_ENDPOINT_URL)"),
)
TARGET: Final = section("Target", USER_POOL, APP_CLIENT, SECRET_FILE, ASK_SECRET, *LOCATION)
UNUSED_ENDPOINT: Final = option("--endpoint-url", "URL", "Accepted for consistency; ignored")
FILTERS: Final = section(
    "Users of the pool",
    option("--filter", "EXPRESSION", "Filter expression of ListUsers, such as 'email ^= \"ada\"'"),
    option("--status", "STATUS", "User status in any case, such as CONFIRMED"),
    option(
        "--attribute", "NAME=VALUE", "Required attribute, such as email_verified=true (repeatable)", PAIR, multiple=True
    ),
)
INPUT_OR_POOL: Final = (
    click.Argument(["input"], metavar="[INPUT]", required=False, type=FILE_OR_STREAM),
    *section("Users of the pool", flag("--pool", "Select users from the pool, not from INPUT; requires --journal")),
    *FILTERS,
)
RESOLVE: Final = flag(
    "--resolve",
    "Settle rows with an unknown outcome by a sign-in attempt, which may send an MFA message; requires --client-id and"
    " --user-pool-id",
)
PASSWORDS: Final = section(
    "Passwords",
    flag("--temporary", "Users must change the password at the next sign-in"),
    flag("--generate", "Generate a password for each user; INPUT then needs only the column username"),
    option("--passwords-file", "FILE", "Private CSV file for the generated passwords", FILE),
    RESOLVE,
)
JOB: Final = section(
    "Job",
    option("--journal", "FILE", "Journal, for resuming the job (default: INPUT.journal)", FILE),
    option("--format", "csv|jsonl", "Format of INPUT (default: by its file name)", FORMAT),
    flag("--strict", "Send nothing if any row of INPUT is invalid"),
    flag("--case-sensitive", "Usernames that differ in case only are different users, not duplicates"),
    flag("--dry-run", "Check every row and estimate the duration; send nothing"),
)
RUN_OUTPUT: Final = section(
    "Output",
    flag("--json", "Print JSON Lines to stdout, for programs"),
    flag("--plain", "Print plain lines even on a terminal"),
    option("--interval", "SECONDS", "Seconds between two lines of progress (default: 5)", SECONDS, default="5"),
)
COLUMNS: Final = (
    "Comma-separated columns: username, status, enabled, created, modified and names of attributes (default: username,"
    " status, enabled, email, email_verified, phone_number, created, modified; in JSON Lines all)"
)
EXPORT_OUTPUT: Final = section(
    "Output",
    option("--columns", "NAMES", COLUMNS, NAMES),
    option("--format", "csv|jsonl", "Format (default: by the name of --output, else csv)", FORMAT),
    option("--output", "FILE", "Private output file (default: -, standard output)", FILE_OR_STREAM),
)
REPORTS: Final = section(
    "Reports",
    Option(["--html", "html_file"], metavar="FILE", type=FILE_OR_STREAM, help="HTML page; it contains no usernames"),
    Option(["--csv", "csv_file"], metavar="FILE", type=FILE_OR_STREAM, help="Rows that are not done, for spreadsheets"),
    Option(
        ["--json", "json_file"], metavar="FILE", type=FILE_OR_STREAM, help="All figures and these rows, for programs"
    ),
)
CODE_AND_PASSWORD: Final = section(
    "Secrets",
    option("--code-file", "FILE", "Private file with the code (default: COGNITO_CONFIRMATION_CODE)", FILE),
    option("--password-file", "FILE", "Private file with the new password (default: COGNITO_PASSWORD)", FILE),
)


def limits(rate: str, errors: str, wait: str) -> tuple[Option, ...]:
    return section(
        "Limits",
        option("--rate", "N", f"Requests per second; your applications share the quota (default: {rate})", RATE),
        option("--max-errors", "N", f"Stop after N consecutive errors; 0 for no limit (default: {errors})", COUNT),
        option("--wait", "SECONDS", f"Longest wait for deferred rows before the job pauses (default: {wait})", SECONDS),
    )


class Help(click.Command):
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            error.ctx = error.ctx or ctx
            raise

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - as click
        if self.epilog:
            with formatter.section("Examples"):
                formatter.write("".join(f"  {line}\n" for line in self.epilog.splitlines()))
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(int(code)), meaning) for code, meaning in MEANING.items()])


class Command(Help):
    allow_extra_args = True  # they are rejected below, by an error that does not quote them

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        rest = super().parse_args(ctx, args)
        if rest:
            raise UnexpectedArgument(rest[0], ctx)
        for one, other in EXCLUSIVE:
            if ctx.params.get(one[2:].replace("-", "_")) and ctx.params.get(other[2:].replace("-", "_")):
                raise CommandError(f"{one} and {other} are mutually exclusive")
        return rest

    def __init__(self, run: Run, **arguments: Any) -> None:  # noqa: ANN401 - click's
        super().__init__(**arguments)
        self._run = run

    def invoke(self, ctx: click.Context) -> int:
        from cognito_async.cli.settings import Options

        return self._run(Options(**ctx.params))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            if isinstance(param, click.Option) and (record := param.get_help_record(ctx)) is not None:
                sections.setdefault(getattr(param, "section", Option.section), []).append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)


class Group(Help, click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - as click
        return list(self.commands)


def command(
    name: str,
    summary: str,
    run: Run,
    *params: click.Parameter,
    more: str = "",
    examples: str = "",
) -> Command:
    about = {"short_help": summary, "help": f"{summary}.\n\n{more}", "epilog": examples}
    return Command(run, name=name, context_settings=_CONTEXT, params=[*params], **about)


def group(name: str, summary: str, *commands: click.Command, more: str = "") -> Group:
    text = f"{summary}.\n\n{more}"
    return Group(
        name, context_settings=_CONTEXT, commands=commands, short_help=summary, help=text, subcommand_metavar="COMMAND"
    )


def _start(action: str) -> Run:
    def run(options: "Options") -> Exit:
        from cognito_async.cli import jobs

        return jobs.start(action, options)

    return run


def _resume(options: "Options") -> Exit:
    from cognito_async.cli import jobs

    return jobs.resume(options)


def _status(options: "Options") -> Exit:
    from cognito_async.cli import status

    return status.show(options)


def _report(options: "Options") -> Exit:
    from cognito_async.cli import status

    return status.report(options)


def _export(options: "Options") -> Exit:
    from cognito_async.cli import users

    return users.export(options)


def _forgot_password(options: "Options") -> Exit:
    from cognito_async.cli import users

    return users.forgot_password(options)


def _confirm_forgot_password(options: "Options") -> Exit:
    from cognito_async.cli import users

    return users.confirm_forgot_password(options)


_POOL: Final = "--user-pool-id eu-west-1_AbC123"
_CLIENT: Final = "--client-id ID --region eu-west-1"


def _action(name: str, summary: str, columns: str, target: str, *params: click.Parameter) -> Command:
    needs = "--client-id" if target == _CLIENT else "--user-pool-id and AWS credentials"
    start = f"{PROGRAM} bulk {name} users.csv {target}"
    return command(
        name,
        summary,
        _start(name),
        *(*params, *TARGET, *JOB, *limits("the published AWS quota", "25", "7200"), *RUN_OUTPUT),
        more=f"INPUT is a CSV or JSON Lines file with the columns {columns}; - is standard input. Requires {needs}.",
        examples=f"{start}\n{start} --rate 20 --dry-run\n{PROGRAM} bulk resume users.csv.journal",
    )


BULK: Final = group(
    "bulk",
    "Run bulk jobs over many users",
    _action(
        "confirm", "Set new passwords with codes", "username, confirmation_code and password", _CLIENT, INPUT, RESOLVE
    ),
    _action("forgot", "Send users a code to reset their password", "username", _CLIENT, *INPUT_OR_POOL),
    _action("reset", "Invalidate passwords and send users a code", "username", _POOL, *INPUT_OR_POOL),
    _action("set-password", "Set passwords", "username and password", _POOL, *INPUT_OR_POOL, *PASSWORDS),
    _action("sign-out", "Sign users out of all sessions", "username", _POOL, *INPUT_OR_POOL),
    command(
        "resume",
        "Resume a job from its journal",
        _resume,
        JOURNAL,
        option(
            "--again",
            "STATES",
            "Retry refused or unknown rows, or both (refused,unknown); users of unknown rows may get a second message",
            STATES,
        ),
        RESOLVE,
        *(*TARGET_AS_BEFORE, SECRET_FILE, ASK_SECRET, *LOCATION, *limits(*["as before"] * 3), *RUN_OUTPUT),
        more="The journal holds all settings except secrets; options take precedence. An endpoint that is not AWS's own"
        " must be given again with --endpoint-url.",
        examples=f"{PROGRAM} bulk resume users.csv.journal\n{PROGRAM} bulk resume users.csv.journal --again refused",
    ),
    command(
        "status",
        "Show a job's progress",
        _status,
        *(JOURNAL, JSON, UNUSED_ENDPOINT),
        more="It only reads the journal and works while the job runs.",
    ),
    command(
        "report",
        "Write a report about a job",
        _report,
        *(JOURNAL, *REPORTS, UNUSED_ENDPOINT),
        more="By default it writes an HTML page beside the journal. FILE can be - for standard output.",
    ),
)
USERS: Final = group(
    "users",
    "Export a user pool's users",
    command(
        "export",
        "Write a user pool's users as CSV or JSON Lines",
        _export,
        *(*FILTERS, *EXPORT_OUTPUT, USER_POOL, *LOCATION),
        more="The output can be the INPUT of a bulk job.",
        examples=f"{PROGRAM} users export {_POOL} --status CONFIRMED --output users.csv\n"
        f"{PROGRAM} users export {_POOL} --columns username"
        f" | {PROGRAM} bulk sign-out - {_POOL} --journal users.journal",
    ),
)
CLI: Final = group(
    PROGRAM,
    "Manage users of Amazon Cognito user pools: bulk jobs, exports and single password resets",
    BULK,
    USERS,
    command(
        "confirm-forgot-password",
        "Set one user's new password with a code",
        _confirm_forgot_password,
        *(USERNAME, JSON, *CODE_AND_PASSWORD, *TARGET),
        more="Code and password are read from files or the environment, else from a hidden prompt.",
        examples=f"{PROGRAM} confirm-forgot-password --username ada@example.com {_CLIENT}",
    ),
    command(
        "forgot-password",
        "Send one user a code to reset the password",
        _forgot_password,
        *(USERNAME, JSON, *TARGET),
        examples=f"{PROGRAM} forgot-password --username ada@example.com {_CLIENT}",
    ),
    more="Secrets are never passed on the command line: set them in the environment (COGNITO_CLIENT_SECRET, AWS_*),"
    " in files that only you can read, or enter them at a prompt.",
)
click.version_option(__version__, prog_name=PROGRAM, message="%(prog)s %(version)s")(CLI)
