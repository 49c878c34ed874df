"""Transaction rows: added once, moved by compare-and-set, found by what is still to be done."""

from collections.abc import Sequence
from typing import Any

from wallet.domain.owner import Factor
from wallet.domain.transactions import Status, Transaction
from wallet.persistence import models
from wallet.persistence.rows import Connection, Table, literals

TRANSACTIONS = Table.of(models.Transaction, Transaction)

UNSIGNED = (Status.PENDING, Status.QUEUED, Status.EXECUTING)
# These texts repeat the conditions of the partial indexes, which is how SQLite knows that they apply.
_DUE = "status = 'QUEUED' AND tier = 'DELAY' AND due_at <= ?"
_UNANSWERED = "status = 'QUEUED' AND tier = 'APPROVAL' AND consent_at IS NULL"
_UNFINALIZED = "status = 'CONFIRMED' AND finalized_at IS NULL"


class SqlTransactions:
    def __init__(self, db: Connection) -> None:
        self._db = db

    async def get(self, transaction_id: str) -> Transaction | None:
        return TRANSACTIONS.one(self._db, "id = ?", (transaction_id,))

    async def by_key(self, wallet_id: str, key: str) -> Transaction | None:
        where = "wallet_id = ? AND idempotency_key = ?"
        return TRANSACTIONS.one(self._db, where, (wallet_id, key))

    async def add(self, transaction: Transaction) -> None:
        TRANSACTIONS.add(self._db, transaction)

    async def move(
        self, transaction_id: str, *, expected: Status, attempt: int, to: Status, **changes: Any
    ) -> bool:
        all_changes = {**changes, "status": to}
        if to is Status.EXECUTING:
            all_changes["attempt"] = attempt + 1
        where = "id = ? AND status = ? AND attempt = ?"
        parameters = (transaction_id, expected.value, attempt)
        return TRANSACTIONS.change(self._db, all_changes, where, parameters) == 1

    async def note(self, transaction_id: str, **changes: Any) -> None:
        if not changes.keys().isdisjoint(("id", "status", "attempt")):
            raise ValueError("a status, an attempt number or an id is not a note")
        TRANSACTIONS.change(self._db, changes, "id = ?", (transaction_id,))

    async def consent(
        self, transaction_id: str, *, at: int, factor: Factor, execute_by: int
    ) -> bool:
        changes = {"consent_at": at, "consent_factor": factor.value, "execute_by": execute_by}
        where = f"id = ? AND {_UNANSWERED} AND (expires_at IS NULL OR expires_at > ?)"
        return TRANSACTIONS.change(self._db, changes, where, (transaction_id, at)) == 1

    async def page(
        self,
        *,
        wallet_id: str | None,
        statuses: Sequence[Status] | None,
        limit: int,
        cursor: str | None,
        descending: bool,
    ) -> list[Transaction]:
        """One index range of at most ``limit`` rows per status, then the first ``limit`` of them all."""
        order = "DESC" if descending else "ASC"
        wheres = ["wallet_id = ?"] if wallet_id is not None else []
        wheres += [f"id {'<' if descending else '>'} ?"] if cursor is not None else []
        parameters: list[Any] = [value for value in (wallet_id, cursor) if value is not None]
        found: list[Transaction] = []
        for status in [None] if statuses is None else dict.fromkeys(statuses):
            where = " AND ".join([*wheres, *_status_is(status)]) or "true"
            where = f"{where} ORDER BY id {order} LIMIT ?"
            found += TRANSACTIONS.find(self._db, where, [*parameters, limit])
        return sorted(found, key=lambda row: row.id, reverse=descending)[:limit]

    async def in_status(self, *statuses: Status) -> list[Transaction]:
        return TRANSACTIONS.find(self._db, f"status IN ({literals(statuses)}) ORDER BY id")

    async def due(self, now: int) -> list[Transaction]:
        where = f"{_DUE} ORDER BY due_at, id"
        return TRANSACTIONS.find(self._db, where, (now,), index="transactions_due")

    async def overdue(self, now: int) -> list[Transaction]:
        unsigned = f"status IN ({literals(UNSIGNED)}) AND execute_by <= ?"
        found = TRANSACTIONS.find(self._db, unsigned, (now,))
        unanswered = f"{_UNANSWERED} AND expires_at <= ?"
        found += TRANSACTIONS.find(self._db, unanswered, (now,), index="transactions_unanswered")
        return sorted({row.id: row for row in found}.values(), key=lambda row: row.id)

    async def waiting_approvals(self, session_id: str | None) -> int:
        sql = (
            "SELECT count(*) FROM transactions INDEXED BY transactions_unanswered"  # noqa: S608
            f" WHERE {_UNANSWERED}"
        )
        if session_id is None:
            return int(self._db.rows(sql)[0][0])
        return int(self._db.rows(f"{sql} AND session_id = ?", (session_id,))[0][0])

    async def of_session(self, session_id: str, *statuses: Status) -> list[Transaction]:
        """All of the session's, or those in ``statuses``."""
        where = f"session_id = ? AND status IN ({literals(statuses or Status)}) ORDER BY id"
        return TRANSACTIONS.find(self._db, where, (session_id,))

    async def unfinalized(self) -> list[Transaction]:
        where = f"{_UNFINALIZED} ORDER BY id"
        return TRANSACTIONS.find(self._db, where, index="transactions_unfinalized")


def _status_is(status: Status | None) -> list[str]:
    return [] if status is None else [f"status = '{status.value}'"]
