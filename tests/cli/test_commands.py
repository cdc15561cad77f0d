"""The command table: help, usage errors, start-up."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from cognito_async.cli import main
from cognito_async.cli.commands import CLI
from cognito_async.cli.errors import MEANING, CommandError, Exit
from cognito_async.cli.settings import Options, Target
from cognito_async.version import __version__
from tests.support.processes import without_coverage
from tests.support.terminal import environment, run_here

CANARY = "Canary-5ecret!"
INVALID_RATES = ("0", "-1", "1e-320", "0.009", "10001", "1e300", "inf", "nan", "x")
JOURNAL_COMMANDS = ("resume", "status", "report")
POOL = ("--user-pool-id", "eu-west-1_a")
GENERATE = ("--generate", "--passwords-file")
DIRECTORIES = (".", "..", "/", "../")
INVALID_OUTPUTS = (*DIRECTORIES, "", "a\0b", "--json")
INVALID_INPUTS = (*INVALID_OUTPUTS, "a" * 300, "u.csv/x")
INVALID_FILES = (*INVALID_INPUTS, "-")


@pytest.fixture(autouse=True)
def _no_settings_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COGNITO_USER_POOL_ID", "COGNITO_CLIENT_ID", "COGNITO_CLIENT_SECRET", "COGNITO_PASSWORD"):
        monkeypatch.delenv(name, raising=False)


def all_contexts(command: click.Command = CLI, parent: click.Context | None = None) -> Iterator[click.Context]:
    """Return the contexts of a command and of all commands below it."""
    context = click.Context(command, parent, command.name, **command.context_settings)
    yield context
    if isinstance(command, click.Group):
        for below in command.commands.values():
            yield from all_contexts(below, context)


def leaf_contexts() -> list[click.Context]:
    """Return the contexts of the commands that do something."""
    return [context for context in all_contexts() if not isinstance(context.command, click.Group)]


# --- help ---


def test_help_describes_every_command_option_and_exit_code() -> None:
    contexts = list(all_contexts())
    assert len(contexts) > 12
    for context in contexts:
        text = context.get_help()
        assert context.command.help
        for code, meaning in MEANING.items():
            assert f"{code:<5}{meaning}" in text
        for param in context.command.params:
            if isinstance(param, click.Option):
                assert param.help, (context.command_path, param.opts)
                assert param.opts[0] in text


def test_endpoint_url_is_accepted_by_every_command() -> None:
    contexts = leaf_contexts()
    assert len(contexts) == 11
    options = {context.command.name: {name for p in context.command.params for name in p.opts} for context in contexts}
    assert all("--endpoint-url" in names for names in options.values())
    assert [name for name, names in options.items() if "--region" not in names] == ["status", "report"]


def test_no_option_takes_a_secret() -> None:
    names = {name for context in all_contexts() for param in context.command.params for name in param.opts}
    about_secrets = {name for name in names if any(word in name for word in ("-secret", "-password", "-code"))}
    assert about_secrets == {
        "--client-secret-file", "--ask-client-secret", "--password-file", "--passwords-file", "--code-file",
    }  # fmt: skip


@pytest.mark.parametrize("arguments", [[], ["bulk"], ["users"]])
def test_group_without_command_prints_help(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    completed = run_here(capsys, *arguments)
    assert (completed.code, completed.out) == (Exit.USAGE, "")
    assert completed.err.startswith(f"Usage: {' '.join(['cognito-async', *arguments])} ")


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_goes_to_stdout(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    completed = run_here(capsys, "bulk", "reset", option)
    assert (completed.code, completed.err) == (Exit.DONE, "")
    assert completed.out.startswith("Usage: cognito-async bulk reset ")


def test_version_goes_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    completed = run_here(capsys, "--version")
    assert (completed.code, completed.out) == (Exit.DONE, f"cognito-async {__version__}\n")


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys, json; from cognito_async.cli import main; code = main(['bulk', 'confirm', '--help']);"
        "print(json.dumps([code, sorted({name.partition('.')[0] for name in sys.modules})]))"
    )
    completed = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env=without_coverage(environment()), capture_output=True, text=True, check=True, timeout=30,
    )  # fmt: skip
    code, modules = json.loads(completed.stdout.splitlines()[-1])
    assert code == Exit.DONE
    assert not {"aiohttp", "rich", "attr", "cattrs", "asyncio", "sqlite3", "botocore"} & set(modules)


def test_missing_extra_is_reported_without_traceback(tmp_path: Path) -> None:
    program = "import sys; sys.modules['click'] = None; from cognito_async.cli import main; sys.exit(main(['--help']))"
    completed = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env=environment(), capture_output=True, text=True, check=False, timeout=30, cwd=tmp_path,
    )  # fmt: skip
    assert (completed.returncode, completed.stdout, completed.stderr.count("\n")) == (Exit.FAILURE, "", 1)
    assert "pip install '.[cli]'" in completed.stderr


# --- usage errors ---


@pytest.mark.parametrize(
    "arguments",
    [
        ["bulk", "confirm", "users.csv", f"--client-secret={CANARY}"],
        ["bulk", "confirm", "users.csv", "--client-secret", CANARY],
        ["bulk", "confirm", "users.csv", f"--client_secret={CANARY}"],
        ["bulk", "confirm", "users.csv", f"--CLIENT-SECRET={CANARY}"],
        ["bulk", "set-password", "users.csv", f"--password={CANARY}"],
        ["confirm-forgot-password", "--username", "ada", "--password", CANARY],
        ["confirm-forgot-password", "--username", "ada", "--code", CANARY],
        ["confirm-forgot-password", "--username", "ada", "--secret-access-key", CANARY],
        ["confirm-forgot-password", "--username", "ada", f"--pass={CANARY}"],
        ["confirm-forgot-password", "--username", "ada", f"-p{CANARY}"],
        ["confirm-forgot-password", "--username", "ada", f"-h{CANARY}"],
        ["confirm-forgot-password", "--username", "ada", CANARY],
        ["bulk", "reset", "users.csv", CANARY],
        ["bulk", "reset", "users.csv", "--rate", CANARY],
        ["bulk", "reset", "users.csv", "--format", CANARY],
        ["bulk", "reset", "users.csv", "--attribute", CANARY],
        ["bulk", "reset", "users.csv", f"--strict={CANARY}"],
        ["bulk", "reset", "users.csv", "--max-errors", CANARY],
        ["bulk", "reset", "users.csv", "--interval", CANARY],
        ["bulk", "resume", "users.journal", "--again", CANARY],
        ["users", "export", "--columns", f"{CANARY},{CANARY}"],
        ["bulk", CANARY],
        [CANARY],
        [f"--{CANARY}"],
        [f"--version={CANARY}"],
    ],
)
def test_usage_error_never_repeats_a_value(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    completed = run_here(capsys, *arguments)
    if completed.code == Exit.DONE:  # -h prints the help
        assert "-h" in arguments[-1]
    else:
        assert (completed.code, completed.out, completed.err.count("\n")) == (Exit.USAGE, "", 1)
        assert completed.err.startswith("cognito-async: ")
    assert CANARY not in completed.out + completed.err


@pytest.mark.parametrize(
    ("option", "place"),
    [
        ("--client-secret", "COGNITO_CLIENT_SECRET"),
        ("--secret", "--client-secret-file"),
        ("--password", "COGNITO_PASSWORD"),
        ("--code", "--code-file"),
        ("--confirmation_code", "COGNITO_CONFIRMATION_CODE"),
        ("--aws-secret-access-key", "AWS_*"),
        ("--session-token", "AWS_*"),
    ],
)
def test_option_for_a_secret_names_the_place_for_it(
    option: str, place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    completed = run_here(capsys, "confirm-forgot-password", "--username", "ada", option, CANARY)
    assert completed.code == Exit.USAGE
    assert place in completed.err


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["bulk", "confirm", "u.csv", "--ratee", "3"], "position 4 "),
        (["bulk", "confirm", "u.csv", "--ratee", "3"], "--rate?"),
        (["bulk", "confirm", "u.csv", "extra"], "position 4 "),
        (["bulk", "confirm"], "INPUT "),
        (["forgot-password"], "--username "),
        (["bulk", "confirm", "u.csv", "--rate"], "--rate "),
        (["bulk", "confirm", "u.csv", "--strict=x"], "--strict "),
        (["bulk", "nothing"], "set-password, "),
        *((["bulk", "confirm", "u.csv", "--rate", rate], "--rate ") for rate in INVALID_RATES),
        *((["bulk", "confirm", "u.csv", "--max-errors", count], "--max-errors ") for count in ("-1", "1.5", "1_0")),
        *((["bulk", "confirm", "u.csv", "--wait", wait], "--wait ") for wait in ("-1", "inf", "nan")),
        (["bulk", "confirm", "u.csv", "--format", "xml"], "csv or jsonl"),
        (["bulk", "reset", "u.csv", "--attribute", "x", *POOL], "NAME=VALUE"),
        (["bulk", "reset", "u.csv", "--json", "--plain", *POOL], "--json and --plain"),
        (["bulk", "reset", "u.csv", "--plain", "--json", *POOL], "--json and --plain"),
        (
            ["forgot-password", "--ask-client-secret", "--client-secret-file", "f", "--username", "a"],
            "--ask-client-secret",
        ),
        (["users", "export", "--columns", "a,a", *POOL], "--columns "),
        (["bulk", "resume", "j", "--again", "done"], "--again "),
        (["bulk", "confirm", "u.csv"], "--region"),
        (["bulk", "confirm", "u.csv", "--region", "eu-west-1"], "--client-id"),
        (["bulk", "reset", "u.csv", "--region", "eu-west-1"], "--user-pool-id"),
        (["bulk", "reset", "u.csv"], "no user pool"),  # whose ID also names the region
        (["users", "export"], "no user pool"),
        (["users", "export", "--region", *POOL], "--region must be a value"),
        (["bulk", "reset", "u.csv", "--user-pool-id", "eu-west1_a"], "--user-pool-id must be a user pool ID"),
        (
            ["users", "export", "--user-pool-id", "AbC", "--region", "eu-west-1"],
            "--user-pool-id must be a user pool ID",
        ),
        (["bulk", "reset", "u.csv", *POOL, "--pool"], "INPUT and --pool"),
        (["bulk", "reset", *POOL], "INPUT"),
        (["bulk", "reset", *POOL, "--pool"], "--journal"),
        (["bulk", "reset", "-", *POOL], "--journal"),
        (["bulk", "reset", "u.csv", *POOL, "--status", "CONFIRMED"], "--pool"),
        (["bulk", "reset", "--pool", "--journal", "t.journal", *POOL, "--status", "ACTIVE"], "RESET_REQUIRED"),
        (["users", "export", *POOL, "--status", "ACTIVE"], "--status must be one of "),
        (["bulk", "set-password", "u.csv", *POOL, "--generate"], "--passwords-file"),
        (["bulk", "set-password", "u.csv", *POOL, "--passwords-file", "p.csv"], "--generate"),
        (["bulk", "set-password", "u.csv", *POOL, "--resolve"], "--client-id"),
        (["bulk", "set-password", "u.csv", *POOL, "--resolve", "--client-id", "a", "--temporary"], "--temporary"),
        (["bulk", "confirm", "u.csv", "--region", "eu-west-1", "--client-id", "a", "--resolve"], "--user-pool-id"),
        (["bulk", "reset", "none.csv", *POOL], "none.csv"),
        (["bulk", "reset", "u.xls", *POOL], "u.xls"),
        *((["bulk", name, "none.journal"], "none.journal") for name in JOURNAL_COMMANDS),
        *((["bulk", name, path], "") for name in JOURNAL_COMMANDS for path in INVALID_FILES),
        *((["bulk", "reset", "--pool", "--journal", path, *POOL], "") for path in INVALID_FILES),
        *((["bulk", "reset", path, "--format", "csv", *POOL], "") for path in INVALID_INPUTS),
        *((["users", "export", "--output", path, *POOL], "") for path in INVALID_OUTPUTS),
        *((["bulk", "set-password", "u.csv", *GENERATE, path, *POOL], "") for path in INVALID_FILES),
    ],
)
def test_usage_error_exits_2_and_leaves_no_file(
    arguments: list[str],
    part: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    inputs = {"u.csv", "u.xls"}
    for name in inputs:
        (tmp_path / name).touch(mode=0o600)
    completed = run_here(capsys, *arguments)
    assert (completed.code, completed.out, completed.err.count("\n")) == (Exit.USAGE, "", 1)
    assert part in completed.err
    assert {path.name for path in tmp_path.iterdir()} == inputs


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        *((["bulk", name, "pipe"], "pipe") for name in JOURNAL_COMMANDS),
        (["bulk", "reset", "u.csv", "--journal", "pipe", *POOL], "pipe"),
        (["bulk", "set-password", "u.csv", *GENERATE, "pipe", *POOL], "pipe"),
        (["bulk", "set-password", "u.csv", *GENERATE, "open.csv", *POOL], "chmod 600"),
        (["bulk", "set-password", "u.csv", *GENERATE, "open.csv", *POOL, "--dry-run"], "chmod 600"),
        (["bulk", "status", "loop"], "loop"),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="modes, pipes and links are POSIX")
def test_pipes_links_and_readable_files_are_rejected_before_the_job_starts(
    arguments: list[str],
    part: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "u.csv").write_text("username,password\nada,Passw0rd!\n")
    (tmp_path / "open.csv").touch()
    (tmp_path / "open.csv").chmod(0o644)
    os.mkfifo("pipe")
    (tmp_path / "loop").symlink_to("loop")
    completed = run_here(capsys, *arguments)
    assert (completed.code, completed.err.count("\n")) == (Exit.USAGE, 1)
    assert part in completed.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["loop", "open.csv", "pipe", "u.csv"]


def test_input_after_double_dash_is_read(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "u.csv").write_text("username\nada\n")
    assert run_here(capsys, "bulk", "reset", *POOL, "--dry-run", "--", "u.csv").code == Exit.DONE


def test_main_uses_the_process_arguments_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["cognito-async", "--nothing"])
    assert main() == Exit.USAGE


def test_endpoint_of_the_environment_can_be_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    options = Options()
    assert Target.of(options).endpoint_url == "http://127.0.0.1:1"
    monkeypatch.setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")
    assert Target.of(options).endpoint_url is None


def test_cognito_variables_take_precedence_over_those_of_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {"AWS_REGION": "us-west-2", "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    for name, value in {**variables, "COGNITO_USER_POOL_ID": "eu-west-1_AbC"}.items():
        monkeypatch.setenv(name, value)
    target = Target.of(Options())
    assert (target.region, target.endpoint_url) == ("eu-west-1", "http://127.0.0.1:1")
    monkeypatch.setenv("COGNITO_REGION", "us-east-1")
    monkeypatch.setenv("COGNITO_ENDPOINT_URL", "http://127.0.0.1:2")
    target = Target.of(Options())
    assert (target.region, target.endpoint_url) == ("us-east-1", "http://127.0.0.1:2")
    target = Target.of(Options(region="us-east-2", endpoint_url="http://127.0.0.1:3"))
    assert (target.region, target.endpoint_url) == ("us-east-2", "http://127.0.0.1:3")


def test_region_and_endpoint_may_come_from_the_aws_profile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "config").write_text("[profile p]\nregion = eu-west-1\nendpoint_url = http://127.0.0.1:1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.delenv("COGNITO_USER_POOL_ID", raising=False)
    with pytest.raises(CommandError, match="no region"):
        Target.of(Options())
    monkeypatch.setenv("AWS_PROFILE", "p")
    target = Target.of(Options())
    assert (target.region, target.endpoint_url) == ("eu-west-1", "http://127.0.0.1:1")
