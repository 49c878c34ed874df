"""What is set aside and what was spent. Sums are made in Python: SQLite's are floating point."""

from wallet.domain.spending import BUCKET_MS, Bucket, Reservation
from wallet.persistence import models
from wallet.persistence.rows import Connection, Table

RESERVATIONS = Table.of(models.Reservation, Reservation)
BUCKETS = Table.of(models.SpendBucket, Bucket)


class SqlLedger:
    def __init__(self, db: Connection) -> None:
        self._db = db

    async def reserve(self, reservation: Reservation) -> None:
        RESERVATIONS.add(self._db, reservation)

    async def reservation(self, transaction_id: str) -> Reservation | None:
        return RESERVATIONS.one(self._db, "transaction_id = ?", (transaction_id,))

    async def reservations(self) -> list[Reservation]:
        return RESERVATIONS.find(self._db, "true")

    async def release(self, transaction_id: str) -> bool:
        sql = "DELETE FROM reservations WHERE transaction_id = ?"
        return self._db.run(sql, (transaction_id,)) == 1

    async def set_fee(self, transaction_id: str, fee: int) -> None:
        held = await self.reservation(transaction_id)
        if held is not None:
            changes = {"fee": fee, "fee_usd": held.fee_worth(fee)}
            RESERVATIONS.change(self._db, changes, "transaction_id = ?", (transaction_id,))

    async def mark_owner_approved(self, transaction_id: str) -> None:
        changes = {"owner_approved": True}
        RESERVATIONS.change(self._db, changes, "transaction_id = ?", (transaction_id,))

    async def buckets(self, since: int) -> list[Bucket]:
        return BUCKETS.find(self._db, "started_at >= ?", (since - BUCKET_MS,))

    async def spend(self, bucket: Bucket) -> None:
        where = "started_at = ? AND wallet_id = ? AND asset = ?"
        key = (bucket.started_at, bucket.wallet_id, bucket.asset)
        before = BUCKETS.one(self._db, where, key)
        if before is None:
            BUCKETS.add(self._db, bucket)
            return
        changes = {
            "amount": before.amount + bucket.amount,
            "owner_amount": before.owner_amount + bucket.owner_amount,
            "count": before.count + bucket.count,
            "usd": before.usd + bucket.usd,
            "owner_usd": before.owner_usd + bucket.owner_usd,
            "unpriced": before.unpriced + bucket.unpriced,
        }
        BUCKETS.change(self._db, changes, where, key)
