"""Commands, options, make targets and links in the documentation exist."""

import json
import re
import shlex
from collections.abc import Iterator
from typing import Any

import click
import pytest
from botocore import xform_name

from cognito_async import CognitoClient
from cognito_async.cli.commands import CLI
from tests.support.docs import PAGES, anchors, blocks, commands, links
from tests.support.processes import ROOT
from tests.support.strategies import service_model

COMMAND_LINES = [(page, line) for page in PAGES for line in commands(page, "cognito-async")]
CLI_PAGES = ("docs/command-line.md", "docs/run-book.md")


def parse(line: str) -> list[str]:
    """Parse the arguments of the command line, without converting values, and return surplus arguments."""
    words = shlex.split(line)
    command: click.Command = CLI
    context = click.Context(command)
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        command = command.commands[words.pop(0)]
        context = click.Context(command, parent=context)
    return command.make_parser(context).parse_args(words)[1]


def leaves(command: click.Command, path: str = "") -> Iterator[tuple[str, click.Command]]:
    """Yield all commands that are not groups."""
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from leaves(inner, f"{path} {name}".strip())
    else:
        yield path, command


def test_command_lines_are_found() -> None:
    """The pages about the command line have many of them."""
    assert len(COMMAND_LINES) >= 20
    assert {page for page, _ in COMMAND_LINES} >= {"README.md", *CLI_PAGES}


@pytest.mark.parametrize(("page", "line"), COMMAND_LINES)
def test_command_line_is_accepted_by_click(page: str, line: str) -> None:
    """Subcommands and options exist."""
    assert parse(line) == []


@pytest.mark.parametrize("line", ["bulk erase users.csv", "bulk reset users.csv --quickly", "users export one two"])
def test_invalid_command_line_is_rejected(line: str) -> None:
    """The check above can fail."""
    try:
        assert parse(line) == []
    except (KeyError, click.UsageError, AssertionError):
        return
    pytest.fail("accepted")


def test_table_of_commands_is_complete() -> None:
    """docs/command-line.md lists each command once."""
    text = (ROOT / "docs/command-line.md").read_text()
    listed = re.findall(r"(?m)^\| `([a-z][a-z -]+?)(?: [A-Z]+)?` \|", text)
    assert sorted(listed) == sorted(name for name, _ in leaves(CLI))


@pytest.mark.parametrize("page", CLI_PAGES)
def test_options_in_the_text_exist(page: str) -> None:
    """Each option that the page names belongs to a command."""
    known = {name for _, command in leaves(CLI) for parameter in command.params for name in parameter.opts}
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", (ROOT / page).read_text()))
    assert named <= known | {"--help", "--version"}


@pytest.mark.parametrize("page", PAGES)
def test_make_targets_exist(page: str) -> None:
    """Each ``make …`` in the documentation is a target of the Makefile."""
    targets = set(re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text()))
    named = [line.split()[0] for line in commands(page, "make") if line.strip()]
    assert set(named) <= targets


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files_and_headings(page: str) -> None:
    """Links within the project work."""
    for path, fragment in links(page):
        assert path.exists(), path
        assert not fragment or fragment in anchors(path), (path, fragment)


def test_links_of_the_readme_are_absolute() -> None:
    """The page is also shown by a package index; all its links are found."""
    text = (ROOT / "README.md").read_text()
    named = set(re.findall(r"(?m)^\[([^\]]+)\]: ", text))
    used = set(re.findall(r"\]\[([^\]]+)\]|\[([^\]]+)\]\[\]", text))
    assert {name.replace("\n", " ") for names in used for name in names if name} == named
    assert len(list(links("README.md"))) == len(named) >= 15
    assert "](" not in text


@pytest.mark.parametrize("page", PAGES)
def test_methods_of_the_client_exist(page: str) -> None:
    """Each ``client.…`` in the text is an attribute of the client."""
    named = set(re.findall(r"`client\.(\w+)", (ROOT / page).read_text()))
    assert not [name for name in named - {"py"} if not hasattr(CognitoClient, name)]  # client.py is a file


# --- docs/user-pool.md ------------------------------------------------------------------------------------------------

USER_POOL = "docs/user-pool.md"
GLOBAL_OPTIONS = {"region", "query", "output"}


def aws_commands() -> list[list[str]]:
    """Return the words of each command of the AWS CLI."""
    texts = [block.text.replace("\\\n", " ") for block in blocks(USER_POOL) if block.language == "sh"]
    lines = [shlex.split(line) for text in texts for line in text.splitlines()]
    return [words[2:] for words in lines if words[:2] == ["aws", "cognito-idp"]]


def input_of(command: str) -> Any:
    """Return the members of an operation's request by the names of the AWS CLI's options."""
    model = service_model()
    names = {xform_name(name, "-"): name for name in model.operation_names}
    members: dict[str, Any] = model.operation_model(names[command]).input_shape.members
    return {xform_name(name, "-"): shape for name, shape in members.items()}


@pytest.mark.parametrize("words", aws_commands(), ids=lambda words: words[0])
def test_aws_command_has_known_options_and_values(words: list[str]) -> None:
    """Options are members of the request, and values of enumerations and names in structures exist."""
    known = input_of(words[0])
    for option, following in zip(words[1:], [*words[2:], "--"], strict=True):
        if not option.startswith("--"):
            continue
        name = option.removeprefix("--")
        if name in GLOBAL_OPTIONS:
            continue
        shape = known[name if name in known else name.removeprefix("no-")]
        if shape.type_name == "boolean":
            assert following.startswith("--")
        elif shape.type_name == "structure":
            path, value = following.split("=", 1)
            assert set(re.findall(r"(\w+)=", following)) <= set(names_in(shape)), following
            assert path in shape.members
            assert value
        else:
            item = shape.member if shape.type_name == "list" else shape
            assert following in (getattr(item, "enum", None) or [following])


def names_in(shape: Any) -> Iterator[str]:
    """Yield the names of the members of a structure at any depth."""
    if shape.type_name == "list":
        yield from names_in(shape.member)
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            yield name
            yield from names_in(member)


def test_policy_allows_the_operations_of_the_guide() -> None:
    """All actions exist and need AWS credentials; the guide calls no other operation of an administrator."""
    (policy,) = [json.loads(block.text) for block in blocks(USER_POOL) if block.language == "json"]
    allowed = {action.removeprefix("cognito-idp:") for action in policy["Statement"][0]["Action"]}
    model = service_model()
    signed = {name for name in model.operation_names if model.operation_model(name).auth_type != "none"}
    assert allowed <= signed
    methods = re.findall(r"client\.(?:iter_)?(\w+)\(", (ROOT / "docs/users.md").read_text())
    names = {xform_name(name): name for name in signed}
    assert {names[method] for method in methods if method in names} <= allowed
