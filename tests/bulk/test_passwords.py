"""Generated passwords and their file."""

import csv
import os
import string
from pathlib import Path

import pytest

from cognito_async.bulk import BulkError, JournalError, set_password
from cognito_async.bulk.actions import generate_password
from cognito_async.bulk.journal_writer import PasswordFile
from cognito_async.bulk.rows import Values
from tests.bulk.test_journal import file_limit, is_full
from tests.support.bulk_server import JobHarness, write_csv

GENERATE = set_password(permanent=True, generate=True)


def read_lines(path: Path) -> list[list[str]]:
    """Return the lines of the file."""
    return list(csv.reader(path.read_text().splitlines()))


def password(username: str, value: str = "secret") -> Values:
    """Return a row of the file."""
    return Values(username=username, password=value)


def test_generated_password_satisfies_every_policy() -> None:
    """Passwords have 20 characters of all kinds, start with a letter, and differ."""
    passwords = [generate_password() for _ in range(300)]
    kinds = (string.ascii_lowercase, string.ascii_uppercase, string.digits, "^$*.[]{}()?-\"!@#%&/\\,><':;|_~`+=")
    assert len(set(passwords)) == 300
    assert all(len(password) == 20 and password[0].isalpha() for password in passwords)
    assert all(any(character in kind for character in password) for password in passwords for kind in kinds)


def test_password_file_is_private_and_appended(tmp_path: Path) -> None:
    """The file has mode 0600 whatever the umask, one header, and keeps earlier lines."""
    path, umask = tmp_path / "p.csv", os.umask(0)
    try:
        for user in ("ada", 'b,"o"b'):
            file = PasswordFile(path)
            file.write([password(user)])
            file.close()
    finally:
        os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_lines(path) == [["username", "password"], ["ada", "secret"], ['b,"o"b', "secret"]]


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o606, 0o622])
async def test_password_file_readable_by_others_is_rejected(mode: int, tmp_path: Path) -> None:
    """The file is rejected before anything is sent."""
    path = tmp_path / "p.csv"
    path.touch()
    path.chmod(mode)
    async with JobHarness(tmp_path) as harness:
        write_csv(harness.source, 1, secrets=False)
        with pytest.raises(BulkError, match=f"mode {mode:o}"):
            await harness.run(GENERATE, passwords=path)
        assert not harness.service.requests
        path.chmod(0o600)
        assert (await harness.run(GENERATE, passwords=path)).all_done


@pytest.mark.parametrize("name", ["", "absent/p.csv"])
async def test_password_file_impossible_path_is_rejected(name: str, tmp_path: Path) -> None:
    """A path that cannot be a file is rejected before anything is sent."""
    async with JobHarness(tmp_path) as harness:
        write_csv(harness.source, 1, secrets=False)
        with pytest.raises(BulkError, match="cannot write the passwords"):
            await harness.run(GENERATE, passwords=tmp_path / name)
        assert not harness.service.requests


def test_password_file_without_space_for_header_raises_bulk_error(tmp_path: Path) -> None:
    """A file whose header cannot be written is rejected."""
    with file_limit(5), pytest.raises(BulkError) as caught:
        PasswordFile(tmp_path / "p.csv")
    assert isinstance(caught.value.__cause__, OSError)
    assert is_full(caught.value.__cause__)


def test_password_file_partial_line_is_removed(tmp_path: Path) -> None:
    """A partial write is undone."""
    file = PasswordFile(tmp_path / "p.csv")
    file.write([password("ada")])
    with file_limit(40), pytest.raises(OSError, check=is_full):
        file.write([password("bob", "secret" * 9)])
    file.write([password("eve")])
    file.close()
    assert read_lines(tmp_path / "p.csv") == [["username", "password"], ["ada", "secret"], ["eve", "secret"]]


async def test_unwritten_password_is_generated_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row whose password was not written is not done, and gets a new password later."""
    path, write = tmp_path / "p.csv", PasswordFile.write

    def fail(self: PasswordFile, given: list[Values]) -> None:
        if path.stat().st_size > 200:
            raise OSError(28, "No space left on device")
        write(self, given)

    async with JobHarness(tmp_path) as harness:
        write_csv(harness.source, 40, secrets=False)
        with monkeypatch.context() as patch:
            patch.setattr(PasswordFile, "write", fail)
            with pytest.raises(JournalError, match="No space left on device"):
                await harness.run(GENERATE, passwords=path)
        assert 0 < harness.counts()["done"] < 40
        assert harness.counts()["done"] == len(read_lines(path)) - 1
        assert (await harness.run(GENERATE, passwords=path)).all_done
    last = {request.user: request.body["Password"] for request in harness.service.requests}
    assert dict(map(tuple, read_lines(path)[1:])) == last  # type: ignore[arg-type]
