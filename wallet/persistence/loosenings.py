"""Queued changes of rules. A row that is gone can do nothing, so ending one needs no key."""

from wallet.domain.loosenings import Loosening
from wallet.persistence import models
from wallet.persistence.rows import Connection, Table
from wallet.persistence.seals import Cover, Seals

LOOSENINGS = Cover(Table.of(models.Loosening, Loosening), "queued loosening")


class SqlLoosenings:
    def __init__(self, db: Connection, seals: Seals) -> None:
        self._db = db
        self._seals = seals

    async def add(self, loosening: Loosening) -> None:
        self._seals.add(LOOSENINGS, self._db, LOOSENINGS.table.values(loosening))

    async def get(self, loosening_id: str) -> Loosening | None:
        return self._seals.one(LOOSENINGS, self._db, "id = ?", (loosening_id,))

    async def all(self) -> list[Loosening]:
        return self._seals.find(LOOSENINGS, self._db, "true ORDER BY counts_at, id")

    async def ids(self) -> list[str]:
        return [str(row[0]) for row in self._db.rows("SELECT id FROM loosenings ORDER BY id")]

    async def of_rule(self, rule_id: str) -> list[Loosening]:
        return self._seals.find(LOOSENINGS, self._db, "rule_id = ? ORDER BY id", (rule_id,))

    async def end(self, loosening_id: str) -> bool:
        return self._db.run("DELETE FROM loosenings WHERE id = ?", (loosening_id,)) == 1
