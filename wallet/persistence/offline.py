"""Reads of a database file that no daemon of ours has open for us: nothing is written, nothing migrated."""

import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from wallet.errors import Code, UnavailableError
from wallet.persistence.policies import Parse, ParsedRules
from wallet.persistence.reader import ReadConnection, connect_read_only
from wallet.persistence.seals import Seals
from wallet.persistence.unit import Sources, SqlUnit
from wallet.ports.store import Unit
from wallet.ports.world import Clock, Ids

T = TypeVar("T")


class ReadOnlyDatabase:
    """The Reads port over one file. Raises CONFIG_ERROR for what is no database of ours."""

    def __init__(self, path: Path, *, ids: Ids, clock: Clock, parse_rule: Parse) -> None:
        rules, seals = ParsedRules(parse_rule), Seals(lambda: None)
        self._sources = Sources(clock.now, ids.new, lambda: None, rules, seals)
        self._path = path
        self._connection = connect_read_only(path)

    async def read(self, body: Callable[[Unit], Awaitable[T]]) -> T:
        """Run a body that only reads, on one snapshot."""
        db = ReadConnection(self._connection)
        try:
            self._connection.execute("BEGIN")
            return await body(SqlUnit(db, self._sources))
        except sqlite3.DatabaseError as error:
            raise UnavailableError(
                Code.CONFIG_ERROR, f"{self._path} cannot be read as a database: {error}."
            ) from None
        finally:
            db.end()
            if self._connection.in_transaction:
                self._connection.execute("COMMIT")

    def close(self) -> None:
        self._connection.close()
