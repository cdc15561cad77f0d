"""Finds users who come twice, among millions, in little memory."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

from cognito_async.bulk.database import Database

CACHE_KIB: Final = 12288  # holds a million users; more go to a file that SQLite deletes
TABLE: Final = "CREATE TEMP TABLE names (digest INTEGER PRIMARY KEY, line INTEGER NOT NULL)"
ADD: Final = "INSERT OR IGNORE INTO names VALUES (?, ?)"
FIND: Final = "SELECT line FROM names WHERE digest = ?"
SETTINGS: Final = (f"temp.cache_size = -{CACHE_KIB}", "temp.journal_mode = OFF", "temp.synchronous = OFF")


class Names:
    """The first line of each user.

    It lasts only for as long as the journal is open: an index in the journal itself would be written anew, page by
    page, with every batch of rows, and the more so the more there are. It is made from the rows again when a job goes
    on reading.
    """

    def __init__(self, database: Database) -> None:
        """Take in the users that a journal has already."""
        self._database = database
        for setting in SETTINGS:
            database.rows(f"PRAGMA {setting}")
        database.rows(TABLE)
        database.function("digest", _digest)
        with database.transaction():
            database.execute(
                "INSERT OR IGNORE INTO names SELECT digest(username), line FROM rows"
                " WHERE coalesce(code, '') NOT IN ('DuplicateRow', 'InvalidRow') ORDER BY line"
            )

    def take(self, users: Sequence[tuple[str, int]]) -> dict[int, int]:
        """Take users in, within a transaction.

        Args:
            users: The users and their lines, in order; none of the lines is in the journal yet.

        Returns:
            For the line of each user who has come before, the first line of that user.
        """
        names = {line: username for username, line in users}
        firsts: dict[int, int] = {}
        for username, line in users:
            digest = _digest(username)
            if self._database.execute(ADD, (digest, line)).rowcount == 0:
                first = int(self._database.execute(FIND, (digest,)).fetchone()[0])
                if (names.get(first) or self._in_journal(first)) == username:  # and not another one's digest by chance
                    firsts[line] = first
        return firsts

    def _in_journal(self, line: int) -> str:
        return str(self._database.execute("SELECT username FROM rows WHERE line = ?", (line,)).fetchone()[0])


def _digest(username: str) -> int:
    return int.from_bytes(blake2b(username.encode(), digest_size=8).digest(), signed=True)
