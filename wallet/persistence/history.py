"""Everything in one snapshot: the streams of four tables, merged by transaction. Constant memory."""

import heapq
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Final, TypeVar

from wallet.domain.audit_chain import START, Head
from wallet.domain.sessions import Session
from wallet.domain.spending import Bucket, Reservation
from wallet.domain.stories import Answer, RecordedFact, Story
from wallet.domain.transactions import Status
from wallet.domain.wallets import Wallet
from wallet.errors import Code, UnavailableError
from wallet.persistence.attempts import ATTEMPTS
from wallet.persistence.audit import details_of
from wallet.persistence.ledger import BUCKETS, RESERVATIONS
from wallet.persistence.reader import ReadConnection, connect_read_only
from wallet.persistence.rows import Table
from wallet.persistence.sessions import SESSIONS
from wallet.persistence.transactions import TRANSACTIONS
from wallet.persistence.wallets import WALLETS
from wallet.ports.history import History, RecordedRequest, SharedNonce

T = TypeVar("T")

_ROW, _ATTEMPT, _FACT, _ANSWER, _UNREADABLE = range(5)
_NAMES: Final = ("row", "attempt", "fact", "answer")
_ATTEMPTS_IN_ORDER: Final = f"{ATTEMPTS.select} ORDER BY transaction_id, number, created_at, rowid"
_FACTS_IN_ORDER: Final = (
    "SELECT transaction_id, number, at, fact, details FROM audit INDEXED BY audit_by_transaction"
    " WHERE transaction_id IS NOT NULL ORDER BY transaction_id, number"
)
_ANSWERS_IN_ORDER: Final = (
    "SELECT transaction_id, answer, factor, asset, amount, at FROM approvals"
    " ORDER BY transaction_id, at, rowid"
)
_REQUESTS: Final = (
    "SELECT a.at, a.fact, a.details, t.status, t.fee FROM audit a"
    " LEFT JOIN transactions t ON t.id = a.transaction_id"
    " WHERE a.fact IN ('TX_REQUESTED', 'TX_DENIED', 'TX_DENIALS_SUMMED') AND a.at >= ?"
    " ORDER BY a.number DESC LIMIT ?"
)
_STATUSES: Final = frozenset(status.value for status in Status)
_SHARED: Final = (
    "SELECT network, address, nonce, group_concat(DISTINCT transaction_id) FROM attempts"
    " WHERE nonce IS NOT NULL GROUP BY network, address, nonce"
    " HAVING count(DISTINCT transaction_id) > 1"
)

_Tagged = tuple[str, int, Any]  # transaction id, which table, value


class SqlHistory:
    """The History port over one connection that is inside a transaction."""

    def __init__(self, connection: sqlite3.Connection, stopped: Callable[[], bool]) -> None:
        self._connection = connection
        self._stopped = stopped
        self._db = ReadConnection(connection)

    def stories(self) -> Iterator[Story]:
        streams = (self._rows(), self._attempts(), self._facts(), self._answers())
        merged = heapq.merge(*streams, key=itemgetter(0))
        for transaction_id, parts in groupby(merged, key=itemgetter(0)):
            found: tuple[list[Any], ...] = ([], [], [], [], [])
            for _, kind, value in parts:
                found[kind].append(value)
            rows, *others = found
            yield Story(transaction_id, rows[0] if rows else None, *others)

    def requests(self, since: int, at_most: int) -> Iterator[RecordedRequest]:
        for at, fact, details, status, fee in self._stream(_REQUESTS, (since, at_most)):
            told = details_of(details)
            known = Status(status) if status in _STATUSES else None
            paid = int(fee) if isinstance(fee, str) and fee.isdecimal() else None
            yield RecordedRequest(at, fact, told if isinstance(told, dict) else {}, known, paid)

    def shared_nonces(self) -> Iterator[SharedNonce]:
        for network, address, nonce, ids in self._stream(_SHARED):
            yield SharedNonce(network, address, int(nonce), tuple(sorted(ids.split(","))))

    def buckets(self) -> Iterator[Bucket]:
        return self._values(BUCKETS)

    def reservations(self) -> list[Reservation]:
        return list(self._values(RESERVATIONS))

    def sessions(self) -> list[Session]:
        return list(self._values(SESSIONS.table))

    def wallets(self) -> list[Wallet]:
        return list(self._values(WALLETS.table))

    def head(self) -> Head:
        rows = self._db.rows("SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1")
        return (int(rows[0][0]), str(rows[0][1])) if rows else START

    def _rows(self) -> Iterator[_Tagged]:
        table = TRANSACTIONS.table
        at = table.columns.index("id")
        for columns in self._stream(f"{table.select} ORDER BY id"):
            yield _tagged(columns[at], _ROW, columns, table.value)

    def _attempts(self) -> Iterator[_Tagged]:
        at = ATTEMPTS.columns.index("transaction_id")
        for columns in self._stream(_ATTEMPTS_IN_ORDER):
            yield _tagged(columns[at], _ATTEMPT, columns, ATTEMPTS.value)

    def _facts(self) -> Iterator[_Tagged]:
        for columns in self._stream(_FACTS_IN_ORDER):
            yield _tagged(columns[0], _FACT, columns, _recorded)

    def _answers(self) -> Iterator[_Tagged]:
        for columns in self._stream(_ANSWERS_IN_ORDER):
            yield _tagged(columns[0], _ANSWER, columns, _answer)

    def _values(self, table: Table[T]) -> Iterator[T]:
        return map(table.value, self._stream(table.select))

    def _stream(self, sql: str, parameters: Sequence[Any] = ()) -> Iterator[Sequence[Any]]:
        if self._stopped():  # an interrupt between two statements is not felt by the next one
            raise _closing()
        yield from self._connection.cursor().execute(sql, parameters)


def _tagged(
    transaction_id: str, kind: int, columns: Sequence[Any], read: Callable[[Sequence[Any]], Any]
) -> _Tagged:
    try:
        return transaction_id, kind, read(columns)
    except (ValueError, KeyError, TypeError) as error:
        return transaction_id, _UNREADABLE, f"Its {_NAMES[kind]} cannot be read: {error!r}."


def _recorded(columns: Sequence[Any]) -> RecordedFact:
    _, number, at, fact, details = columns
    told = details_of(details)
    return RecordedFact(number, at, fact, told if isinstance(told, dict) else {})


def _answer(columns: Sequence[Any]) -> Answer:
    _, answer, factor, asset, amount, at = columns
    return Answer(answer, factor, asset, int(amount), at)


class Surveys:
    """Runs bodies over a snapshot, each with a connection of its own. ``stop`` ends those under way."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._running: set[sqlite3.Connection] = set()
        self._stopped = False

    def run(self, body: Callable[[History], T]) -> T:
        """In the calling thread. SHUTTING_DOWN where ``stop`` was called before or meanwhile."""
        connection = self._begin()
        try:
            connection.execute("BEGIN")
            return body(SqlHistory(connection, lambda: self._stopped))
        except sqlite3.OperationalError:
            if self._stopped:
                raise _closing() from None
            raise
        finally:
            with self._lock:
                self._running.discard(connection)
            connection.close()

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            for connection in self._running:
                connection.interrupt()

    def _begin(self) -> sqlite3.Connection:
        with self._lock:
            if self._stopped:
                raise _closing()
            connection = connect_read_only(self._path)
            self._running.add(connection)
            return connection


def _closing() -> UnavailableError:
    return UnavailableError(Code.SHUTTING_DOWN, "The database is closing.")
