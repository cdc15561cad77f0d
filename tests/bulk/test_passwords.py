"""Passwords that a job makes up, and their file."""

import csv
import os
import string
from pathlib import Path

import pytest

from cognito_async.bulk import BulkError, JournalError, set_password
from cognito_async.bulk.passwords import PasswordFile, new_password
from tests.bulk.test_journal import file_limit
from tests.support.bulk_server import Bench, write_csv

GENERATE = set_password(permanent=True, generate=True)


def lines(path: Path) -> list[list[str]]:
    """Read the file."""
    return list(csv.reader(path.read_text().splitlines()))


def test_a_password_suits_every_policy() -> None:
    """Have 20 characters of all four kinds that a policy can ask for, the first a letter; never twice the same."""
    made = [new_password() for _ in range(300)]
    kinds = (string.ascii_lowercase, string.ascii_uppercase, string.digits, "^$*.[]{}()?-\"!@#%&/\\,><':;|_~`+=")
    assert len(set(made)) == 300
    assert all(len(password) == 20 and password[0].isalpha() for password in made)
    assert all(any(character in kind for character in password) for password in made for kind in kinds)


def test_the_file_is_for_its_owner_and_is_continued(tmp_path: Path) -> None:
    """Make it with mode 0600 whatever the umask, name the columns once, and append."""
    path, before = tmp_path / "p.csv", os.umask(0)
    try:
        for user in ("ada", 'b,"o"b'):
            file = PasswordFile(path)
            file.write([(user, "secret")])
            file.close()
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600
    assert lines(path) == [["username", "password"], ["ada", "secret"], ['b,"o"b', "secret"]]


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o606, 0o622])
async def test_a_file_that_others_can_read_is_refused(mode: int, tmp_path: Path) -> None:
    """Refuse it before anything is sent, and free the journal."""
    path = tmp_path / "p.csv"
    path.touch()
    path.chmod(mode)
    async with Bench(tmp_path) as bench:
        write_csv(bench.source, 1, secrets=False)
        with pytest.raises(BulkError, match=f"its mode is {mode:o}"):
            await bench.run(GENERATE, passwords=path)
        assert not bench.service.requests
        path.chmod(0o600)
        assert (await bench.run(GENERATE, passwords=path)).all_done


@pytest.mark.parametrize("name", ["", "absent/p.csv"])
async def test_a_file_that_cannot_be_made(name: str, tmp_path: Path) -> None:
    """Say so before anything is sent."""
    async with Bench(tmp_path) as bench:
        write_csv(bench.source, 1, secrets=False)
        with pytest.raises(BulkError, match="the passwords can't be written to"):
            await bench.run(GENERATE, passwords=tmp_path / name)
        assert not bench.service.requests


def test_no_room_for_the_first_line(tmp_path: Path) -> None:
    """Say that the file can't be written, and leave nothing open."""
    with file_limit(5), pytest.raises(BulkError, match="the passwords can't be written"):
        PasswordFile(tmp_path / "p.csv")


def test_half_a_line_is_taken_back(tmp_path: Path) -> None:
    """Leave whole lines only where there was no room for all."""
    file = PasswordFile(tmp_path / "p.csv")
    file.write([("ada", "secret")])
    with file_limit(40), pytest.raises(OSError, match=r"large|space"):
        file.write([("bob", "secret" * 9)])
    file.write([("eve", "secret")])
    file.close()
    assert lines(tmp_path / "p.csv") == [["username", "password"], ["ada", "secret"], ["eve", "secret"]]


async def test_a_password_that_cannot_be_written_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Count nobody as done whose password is lost: such a user gets a new one on the next run."""
    path, write = tmp_path / "p.csv", PasswordFile.write

    def fail(self: PasswordFile, given: list[tuple[str, str]]) -> None:
        if path.stat().st_size > 200:
            raise OSError(28, "No space left on device")
        write(self, given)

    async with Bench(tmp_path) as bench:
        write_csv(bench.source, 40, secrets=False)
        with monkeypatch.context() as patch:
            patch.setattr(PasswordFile, "write", fail)
            with pytest.raises(JournalError, match="No space left on device; their users are given new ones"):
                await bench.run(GENERATE, passwords=path)
        assert 0 < bench.counts()["done"] < 40
        assert bench.counts()["done"] == len(lines(path)) - 1
        assert (await bench.run(GENERATE, passwords=path)).all_done
    last = {asked.user: asked.body["Password"] for asked in bench.service.requests}
    assert dict(map(tuple, lines(path)[1:])) == last  # type: ignore[arg-type]
