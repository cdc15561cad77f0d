"""Commands, options, make targets and links in the documentation exist."""

import re
import shlex
from collections.abc import Iterator

import click
import pytest

from cognito_async import CognitoClient
from cognito_async.cli.commands import CLI
from tests.support.docs import PAGES, anchors, commands, links
from tests.support.processes import ROOT

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
    assert len(list(links("README.md"))) == len(named) >= 20
    assert "](" not in text


@pytest.mark.parametrize("page", PAGES)
def test_methods_of_the_client_exist(page: str) -> None:
    """Each ``client.…`` in the text is an attribute of the client."""
    named = set(re.findall(r"`client\.(\w+)", (ROOT / page).read_text()))
    assert not [name for name in named - {"py"} if not hasattr(CognitoClient, name)]  # client.py is a file
