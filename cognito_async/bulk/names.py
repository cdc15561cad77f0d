"""Finds users who come twice, among millions, in little memory."""

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

    def take(self, username: str, line: int) -> int:
        """Take a user in, within a transaction.

        Args:
            username: The user.
            line: The user's line.

        Returns:
            The user's first line: the given one if the user is new.
        """
        digest = _digest(username)
        found = self._database.rows(FIND, (digest,))
        if found and self._database.rows("SELECT 1 FROM rows WHERE line = ? AND username = ?", (found[0][0], username)):
            return int(found[0][0])
        self._database.execute(ADD, (digest, line))
        return line


def _digest(username: str) -> int:
    return int.from_bytes(blake2b(username.encode(), digest_size=8).digest(), signed=True)
