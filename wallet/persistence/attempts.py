"""Attempt rows: one per signed payload, never changed but for what a chain said about it."""

from wallet.domain.transactions import Attempt
from wallet.persistence import models
from wallet.persistence.rows import Connection, Table

ATTEMPTS = Table.of(models.Attempt, Attempt)


class SqlAttempts:
    def __init__(self, db: Connection) -> None:
        self._db = db

    async def add(self, attempt: Attempt) -> bool:
        return ATTEMPTS.add(self._db, attempt, otherwise="ON CONFLICT (hash) DO NOTHING")

    async def has_hash(self, attempt_hash: str) -> bool:
        return bool(self._db.rows("SELECT 1 FROM attempts WHERE hash = ?", (attempt_hash,)))

    async def of(self, transaction_id: str) -> list[Attempt]:
        where = "transaction_id = ? ORDER BY number, created_at, rowid"
        return ATTEMPTS.find(self._db, where, (transaction_id,))

    async def accepted(self, attempt_hash: str, at: int) -> None:
        where = "hash = ? AND accepted_at IS NULL"
        ATTEMPTS.change(self._db, {"accepted_at": at}, where, (attempt_hash,))
        ATTEMPTS.change(self._db, {"rejected": None}, "hash = ?", (attempt_hash,))

    async def at_nonce(self, network: str, address: str, nonce: int) -> list[Attempt]:
        # Two ranges, so that each partial index serves its own.
        where = "network = ? AND address = ? AND nonce = ? AND finalized_at IS {} ORDER BY number"
        found: list[Attempt] = []
        for final in ("NULL", "NOT NULL"):
            found += ATTEMPTS.find(self._db, where.format(final), (network, address, nonce))
        return found

    async def rejected(self, attempt_hash: str, reason: str) -> None:
        ATTEMPTS.change(self._db, {"rejected": reason}, "hash = ?", (attempt_hash,))

    async def finalized(self, transaction_id: str, at: int) -> None:
        where = "transaction_id = ? AND finalized_at IS NULL"
        ATTEMPTS.change(self._db, {"finalized_at": at}, where, (transaction_id,))

    async def unfinished(self, network: str, address: str) -> list[Attempt]:
        where = "network = ? AND address = ? AND finalized_at IS NULL ORDER BY created_at, rowid"
        return ATTEMPTS.find(self._db, where, (network, address))

    async def highest_final_nonce(self, network: str, address: str) -> int | None:
        rows = self._db.rows(
            "SELECT max(nonce) FROM attempts"
            " WHERE network = ? AND address = ? AND finalized_at IS NOT NULL",
            (network, address),
        )
        return None if rows[0][0] is None else int(rows[0][0])
