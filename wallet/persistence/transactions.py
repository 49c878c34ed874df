"""Transaction rows: added once, moved by compare-and-set, found by what is still to be done.

The proof covers what was decided, consented and ordered, whether the row is still unsigned, and which payload was
signed last. It ends with the row: nothing makes a payment of a terminal one again.
"""

from collections.abc import Sequence
from typing import Any

from wallet.domain.owner import Factor
from wallet.domain.transactions import UNSIGNED, Status, Transaction
from wallet.persistence import models
from wallet.persistence.rows import Connection, Table, literals
from wallet.persistence.seals import Cover, Raw, Seals, Without

_PHASES = {**dict.fromkeys(UNSIGNED, "unsigned"), Status.SUBMITTED: "signed"}


def _phase(row: Raw) -> str | None:
    return _PHASES.get(row["status"])


def _without_hash(row: Raw) -> Raw | None:
    """A signed row as an earlier version sealed it."""
    return {**row, "hash": None} if _phase(row) == "signed" else None


TRANSACTIONS = Cover(
    Table.of(models.Transaction, Transaction),
    "payment",
    moving=(
        "status", "attempt", "fee", "error", "error_message", "submitted_at", "executed_at",
        "finalized_at", "stuck_at",
    ),
    later=("wanted", "cancelling_at", "offered_ceiling", "hash"),
    untightened=_without_hash,
    phase=_phase,
    provisional=True,
)  # fmt: skip
# These texts repeat the conditions of the partial indexes, which is how SQLite knows that they apply.
_DUE = "status = 'QUEUED' AND tier = 'DELAY' AND due_at <= ?"
_UNANSWERED = "status = 'QUEUED' AND tier = 'APPROVAL' AND consent_at IS NULL"
_UNFINALIZED = "status = 'CONFIRMED' AND finalized_at IS NULL"


class SqlTransactions:
    def __init__(self, db: Connection, seals: Seals) -> None:
        self._db = db
        self._seals = seals

    async def get(self, transaction_id: str) -> Transaction | None:
        return self._one("id = ?", (transaction_id,))

    async def by_key(self, wallet_id: str, key: str) -> Transaction | None:
        where = "wallet_id = ? AND idempotency_key = ?"
        return self._one(where, (wallet_id, key))

    async def add(self, transaction: Transaction) -> None:
        self._seals.add(TRANSACTIONS, self._db, TRANSACTIONS.table.values(transaction))

    async def move(
        self, transaction_id: str, *, expected: Status, attempt: int, to: Status, **changes: Any
    ) -> bool:
        all_changes = {**changes, "status": to}
        if to is Status.EXECUTING:
            all_changes["attempt"] = attempt + 1
        where = "id = ? AND status = ? AND attempt = ?"
        parameters = (transaction_id, expected.value, attempt)
        if to is Status.SUBMITTED:
            return self._change(all_changes, where, parameters)
        listed, values = TRANSACTIONS.table.assignments(all_changes)
        ends = ", mac = NULL" if to.is_terminal else ""
        sql = f"UPDATE transactions SET {listed}{ends} WHERE {where}"  # noqa: S608 - our own names
        return self._db.run(sql, [*values, *parameters]) == 1

    async def note(self, transaction_id: str, **changes: Any) -> None:
        if not changes.keys().isdisjoint(("id", "status", "attempt")):
            raise ValueError("a status, an attempt number or an id is not a note")
        # The hash of an ended row changes without a proof.
        covered = changes.keys() - {*TRANSACTIONS.moving, "hash"}
        if covered and not self._seals.is_open:
            # A shorter time can only be stored with its proof; without it the longer one of before stays.
            changes = {name: value for name, value in changes.items() if name not in covered}
        if changes:
            self._change(changes, "id = ?", (transaction_id,), unsealed=Without.KEPT)

    async def consent(
        self, transaction_id: str, *, at: int, factor: Factor, execute_by: int
    ) -> bool:
        changes = {"consent_at": at, "consent_factor": factor.value, "execute_by": execute_by}
        where = f"id = ? AND {_UNANSWERED} AND (expires_at IS NULL OR expires_at > ?)"
        return self._change(changes, where, (transaction_id, at))

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
            found += self._find(where, [*parameters, limit])
        return sorted(found, key=lambda row: row.id, reverse=descending)[:limit]

    async def in_status(self, *statuses: Status) -> list[Transaction]:
        return self._find(f"status IN ({literals(statuses)}) ORDER BY id")

    async def due(self, now: int) -> list[Transaction]:
        where = f"{_DUE} ORDER BY due_at, id"
        return self._find(where, (now,), index="transactions_due")

    async def overdue(self, now: int) -> list[Transaction]:
        unsigned = f"status IN ({literals(UNSIGNED)}) AND execute_by <= ?"
        found = self._find(unsigned, (now,))
        unanswered = f"{_UNANSWERED} AND expires_at <= ?"
        found += self._find(unanswered, (now,), index="transactions_unanswered")
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
        return self._find(where, (session_id,))

    async def unfinalized(self) -> list[Transaction]:
        where = f"{_UNFINALIZED} ORDER BY id"
        return self._find(where, index="transactions_unfinalized")

    def _one(self, where: str, parameters: Sequence[Any]) -> Transaction | None:
        return self._seals.one(TRANSACTIONS, self._db, where, parameters)

    def _find(
        self, where: str, parameters: Sequence[Any] = (), *, index: str = ""
    ) -> list[Transaction]:
        return self._seals.find(TRANSACTIONS, self._db, where, parameters, index=index)

    def _change(
        self,
        changes: dict[str, Any],
        where: str,
        parameters: Sequence[Any],
        *,
        unsealed: Without = Without.REFUSED,
    ) -> bool:
        changed = self._seals.change(
            TRANSACTIONS, self._db, changes, where, parameters, unsealed=unsealed
        )
        return changed == 1


def _status_is(status: Status | None) -> list[str]:
    return [] if status is None else [f"status = '{status.value}'"]
