"""Reads on their own read-only connection: they see every commit and wait for no writer."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wallet.domain.sessions import Session
from wallet.domain.wallets import Wallet
from wallet.persistence.seals import Seals
from wallet.persistence.sessions import SESSIONS
from wallet.persistence.wallets import WALLETS
from wallet.ports.world import Clock


def connect_read_only(path: Path) -> sqlite3.Connection:
    """A synchronous connection that cannot write. The file and its log must exist."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
    )
    connection.execute("PRAGMA query_only = ON")
    return connection


class ReadConnection:
    """``rows`` for repositories; ``run`` fails in SQLite, because the connection cannot write."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._cursor: sqlite3.Cursor | None = connection.cursor()

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._open_cursor().execute(sql, parameters).fetchall()

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        return self._open_cursor().execute(sql, parameters).rowcount

    def end(self) -> None:
        self._cursor = None

    def _open_cursor(self) -> sqlite3.Cursor:
        if self._cursor is None:
            raise RuntimeError("this unit is over")
        return self._cursor


class SqliteSessionReader:
    """The SessionReader port. One statement each, answered in microseconds on the caller's thread."""

    def __init__(self, path: Path, clock: Clock, seals: Seals) -> None:
        self._seals = seals
        self._connection = connect_read_only(path)
        self._db = ReadConnection(self._connection)
        self._clock = clock

    def session_by_hash(self, token_hash: str) -> Session | None:
        found = self._seals.one(SESSIONS, self._db, "token_hash = ?", (token_hash,))
        if found is not None:
            return found
        where = "previous_token_hash = ? AND previous_valid_until > ?"
        return self._seals.one(SESSIONS, self._db, where, (token_hash, self._clock.now()))

    def session(self, session_id: str) -> Session | None:
        return self._seals.one(SESSIONS, self._db, "id = ?", (session_id,))

    def wallet(self, wallet_id: str) -> Wallet | None:
        return self._seals.one(WALLETS, self._db, "id = ?", (wallet_id,))

    def close(self) -> None:
        self._db.end()
        self._connection.close()
