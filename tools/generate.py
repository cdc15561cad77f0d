"""Generate ``cognito_async/operations`` and ``cognito_async/errors/modelled.py`` from the service model and the tables.

Usage: ``python -m tools.generate`` writes the files; ``python -m tools.generate --check`` fails and shows the
differences if the committed files are out of date, because of a manual edit or a newer botocore. Rows that the tables
lack have defaults; the command lists them for review.
"""

import argparse
import sys
from difflib import unified_diff
from pathlib import Path

from tools.checks import ModelError, stale_rows, to_review
from tools.facts import facts_text
from tools.model import Reader, load_model
from tools.render_methods import method_files
from tools.render_types import errors_file, type_files

ROOT = Path(__file__).parent.parent
MAX_LINES = 60
FACTS = "tools/model_facts.txt"


def render(directory: str | None = None) -> dict[str, str]:
    """Render every generated file.

    Args:
        directory: A directory laid out like botocore's data directory; None for the installed botocore.

    Returns:
        The contents by path below the project root.
    """
    return render_model(Reader(load_model(directory)))


def render_model(reader: Reader) -> dict[str, str]:
    """Render every generated file from a model that was read."""
    service = reader.service()
    files = {f"operations/{name}": text for name, text in (type_files(service) | method_files(service)).items()}
    files["errors/modelled.py"] = errors_file(service)
    package = {f"cognito_async/{name}": text for name, text in sorted(files.items())}
    return {FACTS: facts_text(reader.model), **package}


def generated_files(root: Path) -> set[str]:
    """Return the paths of the committed generated files, including stale ones."""
    paths = [*(root / "cognito_async/operations").rglob("*.py"), root / "cognito_async/errors/modelled.py"]
    return {path.relative_to(root).as_posix() for path in paths if path.exists()}


def differences(files: dict[str, str], root: Path) -> list[str]:
    """Return the differences to the committed files, starting with the facts of the model."""
    lines = [f"{name}: no longer generated, should be removed" for name in sorted(generated_files(root) - set(files))]
    return lines + changed_lines(files, root)


def changed_lines(files: dict[str, str], root: Path) -> list[str]:
    """Return the changed lines of the committed files."""
    lines = []
    for name, text in files.items():
        path = root / name
        committed = path.read_text(encoding="utf-8") if path.exists() else ""
        diff = unified_diff(committed.splitlines(), text.splitlines(), name, f"{name} (generated)", lineterm="", n=0)
        lines += [line for line in diff if not line.startswith("@@")]
    return lines


def write(files: dict[str, str], root: Path) -> None:
    """Write the files and remove stale ones."""
    for name in generated_files(root) - set(files):
        (root / name).unlink()
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a file would change")
    parser.add_argument("--model", metavar="DIR", help="read DIR/cognito-idp/… instead of botocore's model")
    options = parser.parse_args(arguments)
    try:
        reader = Reader(load_model(options.model))
        files = render_model(reader)
    except ModelError as error:
        print(f"generate: {error}", file=sys.stderr)
        return 2
    stale = [*stale_rows(reader)]
    if not options.check:
        write(files, ROOT)
        print(f"generate: wrote {len(files)} files")
    print("".join(f"to review: {line}\n" for line in [*to_review(reader, reader.service()), *stale]), end="")
    if not options.check:
        return 0
    changed = [*stale, *differences(files, ROOT)]
    if not changed:
        print(f"generate: {len(files)} files are as generated")
        return 0
    print("\n".join(changed[:MAX_LINES]))
    print(f"generate: {len(changed)} lines differ; run 'make generate' and review the diff", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
