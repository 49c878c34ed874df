"""The audit log: numbered without gaps, each row's hash covering the row before it.

While the keystore is unlocked the chain is an HMAC, which nobody without the data key can continue or
rewrite; locked, it is a plain SHA-256, and the row says so.
"""

import hashlib
import hmac
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from wallet.domain.facts import Fact
from wallet.persistence.fields import encode_json
from wallet.persistence.rows import Connection

GENESIS = "0" * 64
HMAC = "hmac"
PLAIN = "plain"
AuditKey = Callable[[], bytes | None]

_DOMAIN = "waiaas/audit/1\0"
_ABOUT = ("actor", "wallet_id", "session_id", "transaction_id")
_COLUMNS = ("number", "at", "fact", *_ABOUT, "details", "chaining", "hash")
_LISTED = ", ".join(_COLUMNS)
_MARKS = ", ".join("?" * len(_COLUMNS))


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
        self._db.run(sql, [row[name] for name in _COLUMNS])
        return number + 1

    async def rows(self, *, after: int = 0, limit: int = 1000) -> list[Mapping[str, Any]]:
        sql = f"SELECT {_LISTED} FROM audit WHERE number > ? ORDER BY number LIMIT ?"  # noqa: S608
        found = [
            dict(zip(_COLUMNS, row, strict=True)) for row in self._db.rows(sql, (after, limit))
        ]
        return [{**row, "details": json.loads(row["details"])} for row in found]

    async def head(self) -> tuple[int, str]:
        rows = self._db.rows("SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1")
        return (int(rows[0][0]), str(rows[0][1])) if rows else (0, GENESIS)


def row_hash(previous: str, row: Mapping[str, Any], key: bytes | None) -> str:
    """Hex HMAC-SHA256 under ``key``, or SHA-256 without one, over the previous hash and the row."""
    covered = {
        "number": row["number"],
        "at": row["at"],
        "fact": row["fact"],
        "actor": row["actor"],
        "walletId": row["wallet_id"],
        "sessionId": row["session_id"],
        "transactionId": row["transaction_id"],
        "details": row["details"],
    }
    text = f"{_DOMAIN}{previous}{encode_json(covered)}".encode("ascii")
    if key is None:
        return hashlib.sha256(text).hexdigest()
    return hmac.new(key, text, hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check of the chain found. ``first_bad`` is the number of the first row that does not fit.

    ``unchecked`` counts HMAC rows that could not be judged because no key was given. ``head`` is where
    the check stands, to go on from with the next rows.
    """

    checked: int
    unchecked: int
    head: tuple[int, str]
    first_bad: int | None = None
    reason: str | None = None

    @property
    def is_sound(self) -> bool:
        return self.first_bad is None


def verify(
    rows: Iterable[Mapping[str, Any]],
    key: bytes | None,
    *,
    head: tuple[int, str] = (0, GENESIS),
) -> Verdict:
    """Check rows that follow ``head``, in the order of their numbers.

    A change, a gap, a swap and a row chained in another way are all named by number. Rows missing at the
    end can only be seen by who remembers an earlier head.
    """
    checked = unchecked = 0
    number, previous = head
    for row in rows:
        if row["number"] != number + 1:
            reason = f"row {number + 1} is missing"
            return Verdict(checked, unchecked, (number, previous), number + 1, reason)
        if row["chaining"] == HMAC and key is None:
            unchecked += 1
        elif not _fits(previous, row, key):
            reason = f"row {number + 1} does not fit its hash"
            return Verdict(checked, unchecked, (number, previous), number + 1, reason)
        else:
            checked += 1
        number, previous = row["number"], row["hash"]
    return Verdict(checked, unchecked, (number, previous))


def _fits(previous: str, row: Mapping[str, Any], key: bytes | None) -> bool:
    if row["chaining"] not in (HMAC, PLAIN):
        return False
    expected = row_hash(previous, row, key if row["chaining"] == HMAC else None)
    return hmac.compare_digest(expected.encode(), str(row["hash"]).encode())
