"""The code blocks, commands and links of the documentation."""

import re
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

from tests.support.processes import ROOT

PAGES = sorted(
    str(path.relative_to(ROOT))
    for folder in ("", "docs", "examples", "examples/fastapi_app", "benchmarks", "tools")
    for path in (ROOT / folder).glob("*.md")
)
"""All tracked Markdown files."""

HOSTED = "https://github.com/cognito-async/cognito-async/blob/main/"
"""The address of the files of this project."""


@frozen
class Block:
    """A code block: fenced with a language, or indented (language ``""``)."""

    page: str
    line: int
    language: str
    text: str

    @property
    def file_name(self) -> str | None:
        """The file name in the first line of a Python block, if any."""
        found = re.match(r"# (\w+\.py)\n", self.text)
        return found and found[1]


def blocks(page: str) -> Iterator[Block]:
    """Yield the code blocks of a page."""
    text = (ROOT / page).read_text()
    for found in re.finditer(r"(?m)^```(\w*)\n((?s:.*?))^```$|^((?:(?: {4}.*)?\n)+)", text):
        content = found[2] or re.sub(r"(?m)^ {4}", "", found[3] or "")
        if included := re.fullmatch(r'--8<-- "(.+)"\n', content):
            content = (ROOT / included[1]).read_text()
        if content.strip():
            yield Block(page, text[: found.start()].count("\n") + 1, found[1] or "", content)


def python_blocks(page: str) -> list[Block]:
    """Return the Python blocks of a page."""
    return [block for block in blocks(page) if block.language == "python"]


def commands(page: str, program: str) -> Iterator[str]:
    """Yield the command lines of a program: lines of shell blocks, and code within the text."""
    text = re.sub(r"(?ms)^```(?!sh\n).*?^```$", "", (ROOT / page).read_text())
    for found in re.finditer(rf"(?m)(?:^ *|`|\| ){program}( [^`\n]*?)?(?:`| *#.*$|$)", text):
        yield found[1] or ""


def links(page: str) -> Iterator[tuple[Path, str]]:
    """Yield the file and the fragment of each link to a file of the project."""
    text = re.sub(r"(?ms)^```.*?^```$", "", (ROOT / page).read_text())
    for target in re.findall(r"(?:\]\(|^\[[^\]]+\]: )([^)\s]+)", text, re.MULTILINE):
        path, _, fragment = target.removeprefix(HOSTED).partition("#")
        if target.startswith(HOSTED):  # absolute, so that the page renders on a package index
            yield ROOT / path, fragment
        elif "://" not in target:
            yield (ROOT / page).parent / path if path else ROOT / page, fragment


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"(?m)^#+ (.+)$", page.read_text())
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
