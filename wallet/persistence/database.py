"""The Store port over one SQLite file: opening, units of work that survive cancellation, closing."""

import asyncio
import os
import sqlite3
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import Self, TypeVar

from tortoise.exceptions import BaseORMException

from wallet.errors import Code, UnavailableError, WalletError
from wallet.persistence.audit import AuditKey
from wallet.persistence.group import GroupWriter
from wallet.persistence.history import Surveys
from wallet.persistence.policies import Parse, ParsedRules
from wallet.persistence.reader import ReadConnection, SqliteSessionReader, connect_read_only
from wallet.persistence.schema import migrate
from wallet.persistence.seals import RowKey, Seals
from wallet.persistence.sqlite_engine import ImmediateClient, is_busy, is_full
from wallet.persistence.unit import Sources, SqlUnit
from wallet.ports.history import History
from wallet.ports.store import Unit, Unproved
from wallet.ports.world import Clock, Ids

LOG_BYTES = 8 * 1024 * 1024

T = TypeVar("T")
Body = Callable[[Unit], Awaitable[T]]


class Database:
    """One writing connection, one reading connection for bodies, one for authentication (``reader``)."""

    def __init__(
        self, client: ImmediateClient, path: Path, sources: Sources, clock: Clock
    ) -> None:
        self._client = client
        self._sources = sources
        self._reading = connect_read_only(path)
        self._read_lock = asyncio.Lock()
        self._surveys = Surveys(path)
        self._writer = GroupWriter(client, sources, self._tell)
        self._reading_inside: asyncio.Task[object] | None = None
        self._closed = False
        # Called after a commit that gave the owner something to see.
        self.told: Callable[[], None] = _nobody
        self.reader = SqliteSessionReader(path, clock, sources.seals)

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        ids: Ids,
        clock: Clock,
        parse_rule: Parse,
        audit_key: AuditKey,
        row_key: RowKey,
        busy_timeout_ms: int = 5000,
    ) -> Self:
        """Open or create the file (0600) and bring it to this code's schema.

        ConflictError(CONFIG_ERROR) for a file of a newer version, UnavailableError(STORAGE_BUSY) when
        another process keeps writing for ``busy_timeout_ms``.
        """
        _create_private(path)
        client = ImmediateClient(
            str(path),
            busy_timeout_ms=busy_timeout_ms,
            connection_name="default",
            journal_mode="WAL",
            synchronous="FULL",
            foreign_keys="ON",
            # Keep the log's file between checkpoints: overwriting syncs faster than growing.
            journal_size_limit=LOG_BYTES,
        )
        sources = Sources(clock.now, ids.new, audit_key, ParsedRules(parse_rule), Seals(row_key))
        try:
            await client.create_connection(with_db=True)
            await migrate(client)
            return cls(client, path, sources, clock)
        except BaseException as error:
            await client.close()
            if (known := storage_error(error)) is not None:
                raise known from error
            raise

    async def run(self, body: Body[T]) -> T:
        """See the Store port. The writer's task runs the unit, so that nobody's cancellation cuts it."""
        if self._closed:
            raise UnavailableError(Code.SHUTTING_DOWN, "The database is closing.")
        try:
            answer: T = await self._writer.submit(body)
        except (sqlite3.Error, BaseORMException) as error:
            if (known := storage_error(error)) is not None:
                raise known from error
            raise
        return answer

    async def read(self, body: Body[T]) -> T:
        """See the Store port. One snapshot; nothing of it leaves this thread."""
        if self._closed:
            raise UnavailableError(Code.SHUTTING_DOWN, "The database is closing.")
        if self._reading_inside is not None and self._reading_inside is asyncio.current_task():
            raise RuntimeError("a read inside a read would wait for itself")
        async with self._read_lock:
            db = ReadConnection(self._reading)
            self._reading.execute("BEGIN")
            self._reading_inside = asyncio.current_task()
            try:
                return await body(SqlUnit(db, self._sources))
            finally:
                self._reading_inside = None
                db.end()
                self._reading.execute("COMMIT")

    async def survey(self, body: Callable[[History], T]) -> T:
        """See the Store port. The thread ends by itself when its caller is gone or the store is closed."""
        return await asyncio.to_thread(self._surveys.run, body)

    def unproved(self) -> list[Unproved]:
        """See the Store port."""
        return self._sources.seals.found()

    def told_unproved(self, found: Collection[Unproved]) -> None:
        """See the Store port."""
        self._sources.seals.told(found)

    async def checkpoint(self) -> None:
        """Move the log into the file as far as readers allow."""
        await self._in_thread("PRAGMA wal_checkpoint(PASSIVE)")

    async def close(self) -> None:
        """Wait for running units, then close. New units are refused at once; closing again is a no-op."""
        if self._closed:
            return
        self._closed = True
        self._surveys.stop()
        await self._writer.drained()
        async with self._read_lock:
            self._reading.close()
        self.reader.close()
        with suppress(sqlite3.Error):
            await self._in_thread("PRAGMA wal_checkpoint(TRUNCATE)")
        await self._client.close()

    def _tell(self) -> None:
        self.told()

    async def _in_thread(self, sql: str) -> None:
        async with self._client.acquire_connection():
            raw = self._client.raw
            await self._client.in_thread(lambda: raw.execute(sql).fetchall())


def _nobody() -> None:
    """Nobody is told."""


def storage_error(error: BaseException) -> WalletError | None:
    """What SQLite's refusal means to a caller; None when it is no storage condition."""
    if isinstance(error, BaseORMException) and error.args:
        error = error.args[0] if isinstance(error.args[0], BaseException) else error
    if not isinstance(error, sqlite3.Error):
        return None
    if is_busy(error):
        return UnavailableError(
            Code.STORAGE_BUSY, "Another process keeps the database busy.", retryable=True
        )
    if is_full(error):
        return UnavailableError(
            Code.STORAGE_FULL,
            "The disk is full.",
            hint="Free some space, or raise the quota; nothing was changed.",
        )
    return None


def _create_private(path: Path) -> None:
    """SQLite gives its log files the mode of the database file, so that one is made first."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    path.chmod(0o600)
