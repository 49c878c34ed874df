"""Session rows, their counters and their claim codes.

What a session spent and how often it asked may rise without a key, because payments settle while the keystore
is locked. The last sealed values are kept beside the proof: below them the row is not believed.
"""

import json
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from wallet.domain.sessions import EXPIRED, Session, SessionLimits
from wallet.persistence import models
from wallet.persistence.fields import encode_json
from wallet.persistence.rows import Connection, Table, amounts_to_text, text_to_amounts
from wallet.persistence.seals import Cover, Raw, Seals, Without

# One value, three columns: the limits of a session are not nested in its row.
_LIMITS = ("amount_limits", "max_transactions", "max_renewals")
_FIELDS = tuple(f.name for f in fields(Session))
_BEFORE, _AFTER = _FIELDS[: _FIELDS.index("limits")], _FIELDS[_FIELDS.index("limits") + 1 : -2]
_PLAIN = (*_BEFORE, *_AFTER)
assert _FIELDS[-2:] == ("spent", "proof")


def _session(*columns: Any) -> Session:
    """By position, in the order of the value's own fields: this runs on every request."""
    start = len(_BEFORE)
    amounts, transactions, renewals = columns[start : start + 3]
    limits = SessionLimits(text_to_amounts(amounts), transactions, renewals)
    spent = text_to_amounts(columns[-1])
    values: list[Any] = [*columns[:start], limits, *columns[start + 3 : -1], spent]
    return Session(*values)


def _phase(row: Raw) -> str | None:
    """An ended session has another proof than a live one, or none, so nothing makes it live again.

    Its proof says what was ended: after a recovery the owner may grant the same anew.
    """
    if row["revoked_at"] is None or row["revoked_reason"] == EXPIRED:
        return "live"
    return None if row.get("mac") is None else "ended"


def _tally(row: Raw) -> str:
    return encode_json({"spent": json.loads(row["spent"]), "transactions": row["transactions"]})


def _has_risen(row: Raw) -> bool:
    """Whether no counter is below its sealed value."""
    sealed, spent = json.loads(row["tally"]), text_to_amounts(json.loads(row["spent"]))
    least = text_to_amounts(sealed["spent"])
    return bool(row["transactions"] >= sealed["transactions"]) and all(
        spent.get(asset, 0) >= amount for asset, amount in least.items()
    )


def _thawed(row: Raw) -> Raw | None:
    """A frozen session as it was sealed before, where it was frozen without a key."""
    return None if row["frozen_at"] is None else {**row, "frozen_at": None, "frozen_by": None}


SESSIONS: Cover[Session] = Cover(
    Table(models.Session, _session, (*_BEFORE, *_LIMITS, *_AFTER, "spent")),
    "session",
    moving=("spent", "transactions"),
    untightened=_thawed,
    phase=_phase,
    tally=_tally,
    has_risen=_has_risen,
)
_CLAIM_COLUMNS = ("code_hash", "session_id", "expires_at", "used_at")
CLAIMS: Cover[dict[str, Any]] = Cover(
    Table(
        models.Claim,
        lambda *columns: dict(zip(_CLAIM_COLUMNS, columns, strict=True)),
        _CLAIM_COLUMNS,
    ),
    "claim code",
    key="code_hash",
    may_lack=True,  # ended while locked
)


def _columns(session: Session) -> dict[str, Any]:
    found = {
        "amount_limits": amounts_to_text(session.limits.amounts),
        "max_transactions": session.limits.max_transactions,
        "max_renewals": session.limits.max_renewals,
        "spent": amounts_to_text(dict(session.spent)),
        **{name: getattr(session, name) for name in _PLAIN},
    }
    return {name: found[name] for name in SESSIONS.table.columns}


class SqlSessions:
    def __init__(self, db: Connection, seals: Seals) -> None:
        self._db = db
        self._seals = seals

    async def get(self, session_id: str) -> Session | None:
        return self._seals.one(SESSIONS, self._db, "id = ?", (session_id,))

    async def all(self, *, wallet_id: str | None = None) -> list[Session]:
        if wallet_id is None:
            return self._seals.find(SESSIONS, self._db, "true ORDER BY id")
        return self._seals.find(SESSIONS, self._db, "wallet_id = ? ORDER BY id", (wallet_id,))

    async def live(self) -> list[str]:
        rows = self._db.rows("SELECT id FROM sessions WHERE revoked_at IS NULL ORDER BY id")
        return [row[0] for row in rows]

    async def add(self, session: Session) -> None:
        columns = _columns(session)
        ordered = {name: columns[name] for name in SESSIONS.table.columns}
        _, values = SESSIONS.table.assignments(ordered)
        self._seals.add(SESSIONS, self._db, values)

    async def replace_token(
        self, session: Session, *, expected_hash: str | None, expected_renewals: int
    ) -> bool:
        names = (
            "token_hash", "previous_token_hash", "previous_valid_until", "expires_at",
            "renewals", "renewed_at", "claimed_at",
        )  # fmt: skip
        return self._change(
            {name: getattr(session, name) for name in names},
            "id = ? AND token_hash IS ? AND renewals = ? AND revoked_at IS NULL",
            (session.id, expected_hash, expected_renewals),
        )

    async def revoke(self, session_id: str, at: int, reason: str) -> bool:
        if reason == EXPIRED and not self._seals.is_open:
            return False  # its time denies by itself, and its waiting payments need its proof
        # Time may have ended it before somebody does, and only that ends what it asked for.
        by_time = "" if reason == EXPIRED else f" OR revoked_reason = '{EXPIRED}'"
        where = f"id = ? AND (revoked_at IS NULL{by_time})"
        changes = {"revoked_at": at, "revoked_reason": reason}
        return self._change(changes, where, (session_id,), unsealed=Without.GONE)

    async def hold(self, session_id: str, at: int | None, by: str | None) -> None:
        changes = {"frozen_at": at, "frozen_by": by}
        unsealed = Without.REFUSED if at is None else Without.KEPT
        self._change(changes, "id = ?", (session_id,), unsealed=unsealed)

    async def count(self, session_id: str, by: int) -> None:
        if by < 0 and not self._seals.is_open:
            return  # a counter does not fall without a key
        self._keep_count(session_id, lambda row: {"transactions": row["transactions"] + by})

    async def spend(self, session_id: str, asset: str, amount: int) -> None:
        """Add in Python: SQLite has no integers of this size."""

        def more(row: Raw) -> dict[str, Any]:
            spent = text_to_amounts(json.loads(row["spent"]))
            spent[asset] = spent.get(asset, 0) + amount
            return {"spent": amounts_to_text(spent)}

        self._keep_count(session_id, more)

    async def forget_previous_token(self, session_id: str) -> None:
        if not self._seals.is_open:
            return  # its minute ends it
        changes = {"previous_token_hash": None, "previous_valid_until": None}
        self._change(changes, "id = ?", (session_id,), unsealed=Without.KEPT)

    async def add_claim(self, code_hash: str, session_id: str, expires_at: int) -> None:
        self._seals.add(CLAIMS, self._db, (code_hash, session_id, expires_at, None))

    async def claim(self, code_hash: str) -> tuple[str, int, int | None] | None:
        found = self._seals.one(CLAIMS, self._db, "code_hash = ?", (code_hash,))
        if found is None or found["proof"].is_broken:
            return None
        return found["session_id"], found["expires_at"], found["used_at"]

    async def use_claim(self, code_hash: str, at: int) -> bool:
        where = "code_hash = ? AND used_at IS NULL AND expires_at > ?"
        changes = {"used_at": at}
        return self._seals.change(CLAIMS, self._db, changes, where, (code_hash, at)) == 1

    async def end_claims(self, at: int) -> None:
        where = "used_at IS NULL AND expires_at > ?"
        changes = {"expires_at": at}
        self._seals.change(CLAIMS, self._db, changes, where, (at,), unsealed=Without.GONE)

    def _keep_count(self, session_id: str, changes: Callable[[Raw], dict[str, Any]]) -> None:
        """What was spent is counted whatever the row's proof says; a row that was bent stays bent."""
        self._change(changes, "id = ?", (session_id,), unsealed=Without.KEPT)

    def _change(
        self,
        changes: dict[str, Any] | Callable[[Raw], dict[str, Any]],
        where: str,
        parameters: tuple[Any, ...],
        *,
        unsealed: Without = Without.REFUSED,
    ) -> bool:
        changed = self._seals.change(
            SESSIONS, self._db, changes, where, parameters, unsealed=unsealed
        )
        return changed == 1
