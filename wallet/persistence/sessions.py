"""Session rows, their counters and their claim codes."""

import json
from dataclasses import fields
from typing import Any

from wallet.domain.sessions import Session, SessionLimits
from wallet.persistence import models
from wallet.persistence.fields import encode_json
from wallet.persistence.rows import Connection, Table, amounts_to_text, text_to_amounts

# One value, three columns: the limits of a session are not nested in its row.
_LIMITS = ("amount_limits", "max_transactions", "max_renewals")
_PLAIN = tuple(f.name for f in fields(Session) if f.name not in ("limits", "spent"))


def _session(*columns: Any) -> Session:
    amounts, transactions, renewals, spent, *plain = columns
    return Session(
        **dict(zip(_PLAIN, plain, strict=True)),
        limits=SessionLimits(text_to_amounts(amounts), transactions, renewals),
        spent=text_to_amounts(spent),
    )


SESSIONS: Table[Session] = Table(models.Session, _session, (*_LIMITS, "spent", *_PLAIN))


def _columns(session: Session) -> dict[str, Any]:
    return {
        "amount_limits": amounts_to_text(session.limits.amounts),
        "max_transactions": session.limits.max_transactions,
        "max_renewals": session.limits.max_renewals,
        "spent": amounts_to_text(dict(session.spent)),
        **{name: getattr(session, name) for name in _PLAIN},
    }


class SqlSessions:
    def __init__(self, db: Connection) -> None:
        self._db = db

    async def get(self, session_id: str) -> Session | None:
        return SESSIONS.one(self._db, "id = ?", (session_id,))

    async def all(self, *, wallet_id: str | None = None) -> list[Session]:
        if wallet_id is None:
            return SESSIONS.find(self._db, "true ORDER BY id")
        return SESSIONS.find(self._db, "wallet_id = ? ORDER BY id", (wallet_id,))

    async def add(self, session: Session) -> None:
        _, values = SESSIONS.assignments(_columns(session))
        self._db.run(SESSIONS.insert, values)

    async def replace_token(
        self, session: Session, *, expected_hash: str | None, expected_renewals: int
    ) -> bool:
        names = (
            "token_hash", "previous_token_hash", "previous_valid_until", "expires_at",
            "renewals", "renewed_at", "claimed_at",
        )  # fmt: skip
        changed = SESSIONS.change(
            self._db,
            {name: getattr(session, name) for name in names},
            "id = ? AND token_hash IS ? AND renewals = ? AND revoked_at IS NULL",
            (session.id, expected_hash, expected_renewals),
        )
        return changed == 1

    async def revoke(self, session_id: str, at: int, reason: str) -> bool:
        changes = {"revoked_at": at, "revoked_reason": reason}
        where = "id = ? AND revoked_at IS NULL"
        return SESSIONS.change(self._db, changes, where, (session_id,)) == 1

    async def hold(self, session_id: str, at: int | None, by: str | None) -> None:
        changes = {"frozen_at": at, "frozen_by": by}
        SESSIONS.change(self._db, changes, "id = ?", (session_id,))

    async def count(self, session_id: str, by: int) -> None:
        sql = "UPDATE sessions SET transactions = transactions + ? WHERE id = ?"
        self._db.run(sql, (by, session_id))

    async def spend(self, session_id: str, asset: str, amount: int) -> None:
        """Add in Python: SQLite has no integers of this size."""
        rows = self._db.rows("SELECT spent FROM sessions WHERE id = ?", (session_id,))
        spent = text_to_amounts(json.loads(rows[0][0]))
        spent[asset] = spent.get(asset, 0) + amount
        text = encode_json(amounts_to_text(spent))
        self._db.run("UPDATE sessions SET spent = ? WHERE id = ?", (text, session_id))

    async def forget_previous_token(self, session_id: str) -> None:
        changes = {"previous_token_hash": None, "previous_valid_until": None}
        SESSIONS.change(self._db, changes, "id = ?", (session_id,))

    async def add_claim(self, code_hash: str, session_id: str, expires_at: int) -> None:
        sql = "INSERT INTO claims (code_hash, session_id, expires_at) VALUES (?, ?, ?)"
        self._db.run(sql, (code_hash, session_id, expires_at))

    async def claim(self, code_hash: str) -> tuple[str, int, int | None] | None:
        sql = "SELECT session_id, expires_at, used_at FROM claims WHERE code_hash = ?"
        rows = self._db.rows(sql, (code_hash,))
        return (rows[0][0], rows[0][1], rows[0][2]) if rows else None

    async def use_claim(self, code_hash: str, at: int) -> bool:
        sql = "UPDATE claims SET used_at = ? WHERE code_hash = ? AND used_at IS NULL AND expires_at > ?"
        return self._db.run(sql, (at, code_hash, at)) == 1

    async def end_claims(self, at: int) -> None:
        sql = "UPDATE claims SET expires_at = ? WHERE used_at IS NULL AND expires_at > ?"
        self._db.run(sql, (at, at))
