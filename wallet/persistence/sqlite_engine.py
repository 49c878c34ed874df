"""The tortoise backend: BEGIN IMMEDIATE, and statements that run without a thread hop.

Tortoise's own SQLite backend begins with a plain BEGIN, which fails with "database is locked" when a
transaction that has read wants to write, and its transaction context keeps the connection's lock for ever
when it is cancelled while it begins. Here a transaction takes the write lock first and gives everything
back however it ends.

Inside a transaction statements touch memory (the page cache; the log is written at commit), so they run
on the event loop's thread: a hop to the connection's thread costs ten times the statement. What may wait
runs in that thread: COMMIT (it syncs the disk) and a BEGIN that finds another process writing.

The module's name contains "sqlite" because tortoise picks its schema editor by it.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any, TypeVar, cast

import aiosqlite
from tortoise.backends.base.client import TransactionContext
from tortoise.backends.sqlite.client import (
    SqliteClient,
    SqliteTransactionContext,
    SqliteTransactionWrapper,
)

T = TypeVar("T")
Parameters = Sequence[Any] | dict[str, Any]
# Not a failed sync: what reached the disk is unknown then, and the process must end and read it again.
_REFUSED_WRITES = (sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE)


class ImmediateTransaction(SqliteTransactionWrapper):
    """One transaction. ``rows`` and ``run`` are for repositories; the rest is what tortoise calls."""

    def __init__(self, connection: "ImmediateClient") -> None:
        super().__init__(connection)
        self._client = connection
        self._cursor: sqlite3.Cursor | None = None
        self._changes = 0

    def rows(self, sql: str, parameters: Parameters = ()) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        return self._open_cursor().execute(sql, parameters).fetchall()

    def run(self, sql: str, parameters: Parameters = ()) -> int:
        """Run one statement; returns how many rows it changed."""
        return self._open_cursor().execute(sql, parameters).rowcount

    def _open_cursor(self) -> sqlite3.Cursor:
        if self._cursor is None:
            raise RuntimeError("this transaction is over")
        return self._cursor

    async def begin(self) -> None:
        raw = self._client.raw
        try:
            raw.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if not is_busy(error):
                raise
            await self._client.in_thread(self._client.begin_patiently)
        self._changes = raw.total_changes
        self._cursor = raw.cursor()
        self._cursor.row_factory = None

    async def commit(self) -> None:
        self._end()
        raw = self._client.raw
        if raw.total_changes == self._changes:
            raw.execute("COMMIT")  # nothing to sync
            return
        try:
            await self._client.in_thread(lambda: raw.execute("COMMIT"))
        finally:
            if raw.in_transaction:  # it failed, or was answered by an error
                raw.execute("ROLLBACK")

    async def rollback(self) -> None:
        self._end()
        if self._client.raw.in_transaction:
            self._client.raw.execute("ROLLBACK")

    def _end(self) -> None:
        self._finalized = True
        self._cursor = None

    async def execute_script(self, query: str) -> None:
        """Statement by statement: sqlite3's executescript would commit first."""
        for statement in statements(query):
            self.run(statement)

    async def execute_insert(self, query: str, values: list[Any]) -> int:
        self.run(query, values)
        return cast("int", self._open_cursor().lastrowid)

    async def execute_query(
        self, query: str, values: list[Any] | None = None
    ) -> tuple[int, Sequence[dict[str, Any]]]:
        found = await self.execute_query_dict(query, values)
        return max(self._open_cursor().rowcount, len(found)), found

    async def execute_query_dict(
        self, query: str, values: list[Any] | None = None
    ) -> list[dict[str, Any]]:
        rows = self.rows(query, values or ())
        names = [column[0] for column in self._open_cursor().description or ()]
        return [dict(zip(names, row, strict=True)) for row in rows]

    async def execute_many(self, query: str, values: list[list[Any]]) -> None:
        self._open_cursor().executemany(query, values)


class ImmediateContext(SqliteTransactionContext):
    """Takes the connection's lock, begins, and gives both back however it ends."""

    connection: ImmediateTransaction

    async def __aenter__(self) -> ImmediateTransaction:
        await self._trxlock.acquire()
        try:
            await self.connection.begin()
        except BaseException:
            try:
                await self.connection.rollback()
            finally:
                self._trxlock.release()
            raise
        return self.connection

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        try:
            if exc_type is None:
                await self.connection.commit()
            else:
                await self.connection.rollback()
        finally:
            self._trxlock.release()


class ImmediateClient(SqliteClient):
    """One connection of one process. ``busy_timeout_ms`` bounds how long BEGIN waits for another process."""

    def __init__(self, file_path: str, *, busy_timeout_ms: int = 5000, **pragmas: Any) -> None:
        super().__init__(file_path, **pragmas)
        self.busy_timeout_ms = busy_timeout_ms

    @property
    def raw(self) -> sqlite3.Connection:
        """The connection itself; to be used only while holding the lock."""
        if self._connection is None:
            raise RuntimeError("the database is closed")
        return self._connection._conn  # noqa: SLF001 - the one place that knows aiosqlite's inside

    async def create_connection(self, with_db: bool) -> None:  # noqa: ARG002, FBT001 - tortoise's
        connection = aiosqlite.connect(
            self.filename,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
            timeout=self.busy_timeout_ms / 1000,
        )
        # A process that dies of a bug must end, not wait for ever for a thread nobody will stop.
        connection._thread.daemon = True  # noqa: SLF001 - see ``raw``
        self._connection = await connection
        self.raw.row_factory = sqlite3.Row
        for pragma, value in self.pragmas.items():
            await (await self._connection.execute(f"PRAGMA {pragma} = {value}")).close()
        await self._post_connect()
        self.raw.execute("PRAGMA busy_timeout = 0")

    def begin_patiently(self) -> None:
        """BEGIN that waits for another process; for the connection's thread."""
        self.raw.execute(f"PRAGMA busy_timeout = {self.busy_timeout_ms}")
        try:
            self.raw.execute("BEGIN IMMEDIATE")
        finally:
            self.raw.execute("PRAGMA busy_timeout = 0")

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Run ``work`` in the connection's thread and wait for its end, even when cancelled meanwhile.

        The thread finishes what it was given whatever the loop does; giving the lock back earlier would
        let the next transaction into this one. A bare future, because a closing loop cancels tasks.
        """
        if self._connection is None:
            raise RuntimeError("the database is closed")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._connection._tx.put_nowait((future, work))  # noqa: SLF001 - see ``raw``
        return await settled(future)

    def transaction(self) -> ImmediateContext:
        return ImmediateContext(ImmediateTransaction(self), self._lock)

    def _in_transaction(self) -> TransactionContext:
        return self.transaction()


client_class = ImmediateClient


async def settled(future: asyncio.Future[T]) -> T:
    """The future's result. A cancellation is raised only once the future is done."""
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        if not future.cancelled():
            future.exception()  # retrieved: the cancellation is what the caller hears
        raise cancelled
    return future.result()


def is_busy(error: sqlite3.Error) -> bool:
    return _primary_code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def is_full(error: sqlite3.Error) -> bool:
    """No room, whoever says so: a quota or a limit of the file's size is an I/O error to SQLite."""
    if _primary_code(error) == sqlite3.SQLITE_FULL:
        return True
    return getattr(error, "sqlite_errorcode", 0) in _REFUSED_WRITES


def _primary_code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def statements(script: str) -> Iterator[str]:
    """Split a script; a trigger's inner semicolons stay inside."""
    statement = ""
    for part in script.split(";"):
        statement += part + ";"
        if sqlite3.complete_statement(statement):
            if statement.strip(" \n;"):
                yield statement.strip()
            statement = ""
    if statement.strip(" \n;"):
        yield statement.strip()
