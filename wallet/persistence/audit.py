"""The audit log: numbered without gaps, written in the transaction of what it tells.

How rows are chained is the domain's: see ``wallet.domain.audit_chain``.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from wallet.domain.audit_chain import HMAC, PLAIN, START, Head, row_hash
from wallet.domain.facts import Fact
from wallet.persistence.fields import encode_json
from wallet.persistence.rows import Connection

AuditKey = Callable[[], bytes | None]

_ABOUT = ("actor", "wallet_id", "session_id", "transaction_id")
COLUMNS = ("number", "at", "fact", *_ABOUT, "details", "chaining", "hash")
_LISTED = ", ".join(COLUMNS)
_MARKS = ", ".join("?" * len(COLUMNS))


class SqlAudit:
    def __init__(self, db: Connection, key: AuditKey, now: Callable[[], int]) -> None:
        self._db = db
        self._key = key
        self._now = now

    async def append(self, fact: Fact, **about: Any) -> int:
        """Add a row; ``at`` is now unless given. An unknown word in ``about`` is a bug."""
        number, previous = await self.head()
        row: dict[str, Any] = {
            "number": number + 1,
            "at": about.pop("at", None),
            "fact": fact.value,
            **{name: about.pop(name, None) for name in _ABOUT},
            "details": dict(about.pop("details", None) or {}),
        }
        if about:
            raise TypeError(f"an audit row has no {', '.join(about)}")
        if row["at"] is None:
            row["at"] = self._now()
        key = self._key()
        row["chaining"] = PLAIN if key is None else HMAC
        row["hash"] = row_hash(previous, row, key)
        row["details"] = encode_json(row["details"])
        sql = f"INSERT INTO audit ({_LISTED}) VALUES ({_MARKS})"  # noqa: S608 - literals above
        self._db.run(sql, [row[name] for name in COLUMNS])
        return number + 1

    async def rows(
        self, *, after: int = 0, limit: int = 1000, transaction_id: str | None = None
    ) -> list[Mapping[str, Any]]:
        if transaction_id is None:
            return self._find("number > ? ORDER BY number LIMIT ?", (after, limit))
        where = "transaction_id = ? AND number > ? ORDER BY number LIMIT ?"
        return self._find(where, (transaction_id, after, limit))

    async def tells_of(self, fact: Fact, wallet_id: str | None) -> bool:
        sql = "SELECT 1 FROM audit WHERE fact = ? AND (? IS NULL OR wallet_id = ?) LIMIT 1"
        return bool(self._db.rows(sql, (fact.value, wallet_id, wallet_id)))

    async def hash_at(self, number: int) -> str | None:
        rows = self._db.rows("SELECT hash FROM audit WHERE number = ?", (number,))
        return str(rows[0][0]) if rows else None

    async def head(self) -> Head:
        rows = self._db.rows("SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1")
        return (int(rows[0][0]), str(rows[0][1])) if rows else START

    def _find(self, where: str, parameters: Sequence[Any]) -> list[Mapping[str, Any]]:
        sql = f"SELECT {_LISTED} FROM audit WHERE {where}"  # noqa: S608 - literals above
        return [audit_row(row) for row in self._db.rows(sql, parameters)]


def audit_row(columns: Sequence[Any]) -> dict[str, Any]:
    """A row as the port gives it, from ``COLUMNS`` as they are stored."""
    row = dict(zip(COLUMNS, columns, strict=True))
    return {**row, "details": details_of(row["details"])}


def details_of(text: str) -> Any:
    """Details that are no JSON, which somebody else wrote, stay the text they are: their hash does not fit."""
    try:
        return json.loads(text)
    except ValueError:
        return text
