"""The check that the documentation site has every public name, member and constructor parameter."""

import zlib
from pathlib import Path

import griffe
import pytest

from tests.support.browser import browser
from tests.support.processes import ROOT
from tools.build_docs import (
    inventory,
    missing_members,
    missing_names,
    page_faults,
    public_names,
    sections,
    site_faults,
)
from tools.docs_extension import AttrsConstructors, HideInternals

SOURCE = '''
from attrs import field, frozen

class Base:
    def inherited(self) -> None:
        """Do it."""

class Public(Base):
    """A class."""
    def __init__(self, *, option: int = 1) -> None:
        """Configure it."""
    def __call__(self) -> None: ...
    def method(self) -> None: ...
    def hidden(self) -> None:
        """Help another module; internal."""
    @property
    def size(self) -> int:
        """The size."""

@frozen(kw_only=True)
class Policy:
    """A policy."""
    times: int = field(default=3)
    names: list[str] = field(factory=list)
    kept: int = field(default=0, init=False)

@frozen
class Made:
    """Made by the library."""
    _state: int
'''


@pytest.fixture
def module(tmp_path: Path) -> griffe.Module:
    """Load SOURCE as the extensions present it."""
    (tmp_path / "example.py").write_text(SOURCE)
    extensions = griffe.load_extensions(HideInternals(), AttrsConstructors())
    loaded = griffe.load("example", search_paths=[tmp_path], extensions=extensions)
    assert isinstance(loaded, griffe.Module)
    return loaded


def missing(module: griffe.Module, name: str, **texts: str) -> set[str]:
    """Return the missing members of a class; the texts of the documented names are given."""
    entries = {f"example.{path.replace('__', '.')}": path for path in texts}
    found = module[name]
    assert isinstance(found, griffe.Class)
    return {path.removeprefix(f"example.{name}") for path in missing_members(found, entries, texts)}


def test_public_names_are_those_of_all_packages() -> None:
    """Without modules and dunder names."""
    names = {path.rpartition(".")[2] for path in public_names()}
    assert names >= {
        "AsyncCognitoSession",
        "SignedIn",
        "TokenVerifier",
        "Job",
        "CurrentUser",
        "FakeCognito",
        "FakeUser",
        "TestUsers",
        "cognito_environ",
    }
    assert not names & {"__version__", "errors", "operations"}
    assert "cognito_async.testing.FakeCognito" in public_names()


def test_members_and_parameters_without_an_entry_are_missing(module: griffe.Module) -> None:
    """Inherited ones, too, but not those for other modules of the package."""
    found = missing(module, "Public", Public="Public() A class, see method.")
    assert found == {"(option)", ".__call__", ".inherited", ".method", ".size"}
    found = missing(
        module, "Public", Public="Public(*, option: int = 1) The size.", Base__inherited="", Public__method=""
    )
    assert found == {".__call__"}


def test_attrs_classes_have_constructors(module: griffe.Module) -> None:
    """Except for those with private fields, which only the library creates."""
    constructor = module["Policy.__init__"]
    assert [(each.name, each.default) for each in constructor.parameters] == [
        ("self", None),
        ("times", "3"),
        ("names", "..."),
    ]
    assert missing(module, "Policy", Policy="Policy(*, times: int = 3)") == {"(names)"}
    assert "__init__" not in module["Made"].members


def test_inventory_and_sections_are_read_from_the_site(tmp_path: Path) -> None:
    """Anchors by name, and texts by anchor."""
    lines = "a.Timeouts py:class 1 reference/index.html#$ -\nb.Timeouts py:class 2 reference/index.html#a.Timeouts -\n"
    (tmp_path / "objects.inv").write_bytes(
        b"# version 2\n# Project: x\n# Version: 0\n# zlib\n" + zlib.compress(lines.encode())
    )
    assert inventory(tmp_path) == {"a.Timeouts": "a.Timeouts", "b.Timeouts": "a.Timeouts"}
    (tmp_path / "reference").mkdir()
    (tmp_path / "reference" / "index.html").write_text(
        'x<h2 id="a.Timeouts" class="doc doc-heading"><b>Time&lt;outs</b></h2>of<h3 id="a.Timeouts.total" '
        'class="doc doc-heading">total</h3>'
    )
    assert {name: text.strip() for name, text in sections(tmp_path).items()} == {
        "a.Timeouts": "Time<outsof",
        "a.Timeouts.total": "total",
    }


def test_empty_site_lacks_all_names(tmp_path: Path) -> None:
    """The public classes of the package are found."""
    (tmp_path / "reference").mkdir()
    (tmp_path / "objects.inv").write_bytes(b"1\n2\n3\n4\n" + zlib.compress(b""))
    assert set(public_names()) == set(missing_names(tmp_path))


def test_unlisted_pages_and_missing_images_are_faults(tmp_path: Path) -> None:
    """Images of other hosts are not checked."""
    (tmp_path / "guides").mkdir()
    (tmp_path / "index.md").write_text("![one](one.png) ![two](guides/two.png) ![three](https://example.com/three.png)")
    (tmp_path / "guides" / "two.png").touch()
    (tmp_path / "guides" / "more.md").touch()
    assert [*page_faults(tmp_path, "- index.md")] == [
        "docs/guides/more.md is not in the navigation of mkdocs.yml",
        "docs/index.md: there is no image one.png",
    ]


def test_site_faults_are_requests_to_other_hosts_and_a_missing_search_index(tmp_path: Path) -> None:
    """Links to other hosts are fine."""
    page = '<script src="https://unpkg.com/x"></script><a href="https://example.com"></a><link href="a.css">'
    (tmp_path / "index.html").write_text(page)
    faults = [*site_faults(tmp_path)]
    assert faults[0] == "index.html loads https://unpkg.com/x"
    assert "search.js" in faults[1]
    (tmp_path / "index.html").write_text("")
    (tmp_path / "search.js").write_text("")
    assert [*site_faults(tmp_path)] == []


def test_worker_of_the_search_runs_on_the_file_system(tmp_path: Path) -> None:
    """It receives copies of messages, and its responses arrive after the code that sends."""
    shim = (ROOT / "docs" / "javascripts" / "iframe-worker.js").as_uri()
    (tmp_path / "worker.js").write_text("self.onmessage = ({ data }) => self.postMessage({ got: data.text });")
    (tmp_path / "index.html").write_text(f'<body><script src="{shim}"></script></body>')
    with browser() as chromium:
        page = chromium.new_page()
        page.goto((tmp_path / "index.html").as_uri())
        got = page.evaluate(
            """() => new Promise((resolve) => {
                const worker = new Worker("worker.js");
                worker.onmessage = (event) => resolve(event.data);
                const message = { text: "sent" };
                worker.postMessage(message);
                message.text = "changed";
            })"""
        )
    assert got == {"got": "sent"}
