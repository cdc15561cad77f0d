"""The check that the documentation site has every public name."""

import zlib
from pathlib import Path

from tools.build_docs import documented_names, public_names


def test_public_names_are_those_of_all_packages() -> None:
    """Without modules and dunder names."""
    names = set(public_names())
    assert names >= {
        "AsyncCognitoSession",
        "SignedIn",
        "TokenVerifier",
        "Job",
        "CurrentUser",
        "FakeCognito",
        "FakeUser",
    }
    assert not names & {"__version__", "errors", "operations"}


def test_documented_names_are_read_from_the_inventory(tmp_path: Path) -> None:
    """The names at the end of each path."""
    lines = "cognito_async.Timeouts py:class 1 reference/index.html#$ -\ncognito_async.Stats.calls py:attribute 1 x -\n"
    inventory = tmp_path / "objects.inv"
    inventory.write_bytes(b"# version 2\n# Project: x\n# Version: 0\n# zlib\n" + zlib.compress(lines.encode()))
    assert documented_names(inventory) == {"Timeouts", "calls"}
