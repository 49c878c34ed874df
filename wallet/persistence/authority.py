"""The owner, what proves the owner, and the stop state."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from tortoise.models import Model

from wallet.domain.authority import CODE_COUNTER, DENYING, FROZEN, unproved
from wallet.domain.owner import PAIRING_TRIES, STEP_MS, Band, Factor, Owner
from wallet.domain.safety import StopState, SystemState
from wallet.persistence import owner_models as models
from wallet.persistence.fields import encode_amount
from wallet.persistence.models import Number
from wallet.persistence.rows import Connection, Table, quoted
from wallet.persistence.seals import Cover, Seals, Without

APPROVED = "APPROVED"
REJECTED = "REJECTED"
# Nothing is ever NORMAL because nobody said otherwise.
NO_STATE = SystemState(StopState.ACTIVATED, version=0, reason="no state stored")

_STATE = Table.of(models.SystemState, SystemState)


def _plain(model: type[Model], what: str, key: str, *columns: str) -> Cover[dict[str, Any]]:
    """A table whose rows are read as mappings."""
    kind: Callable[..., dict[str, Any]] = lambda *found: dict(zip(columns, found, strict=True))  # noqa: E731
    return Cover(Table(model, kind, columns), what, key=key)


_PAIRING_COLUMNS = ("code_hash", "expires_at", "tries_left", "candidate", "voided")
PAIRINGS = _plain(models.Pairing, "pairing", "id", "id", *_PAIRING_COLUMNS)
COUNTERS = _plain(models.FailureCounter, "counter", "name", "name", "count", "locked_until")
NUMBERS = _plain(Number, "number", "name", "name", "value")
APPROVALS = _plain(
    models.Approval,
    "approval",
    "id",
    "id", "transaction_id", "answer", "factor", "asset", "amount", "at", "number",
)  # fmt: skip
_STEP = "totp_step"
_APPROVALS = "approvals"
# What every factor released where nobody can say: more than any band.
_EVERYTHING: Mapping[Factor, int] = MappingProxyType(dict.fromkeys(Factor, 2**300))


def _owner(*columns: Any) -> Owner:
    plain = dict(zip(_OWNER_COLUMNS, columns, strict=True))
    del plain["id"]
    bands = plain.pop("bands")
    return Owner(
        **plain, bands={asset: Band(int(tap), int(code)) for asset, (tap, code) in bands.items()}
    )


_OWNER_COLUMNS = ("id", "user_id", "chat_id", "name", "username", "paired_at", "bands")
OWNERS: Cover[Owner] = Cover(Table(models.Owner, _owner, _OWNER_COLUMNS), "owner")


class SqlAuthority:
    def __init__(self, db: Connection, new_id: Callable[[], str], seals: Seals) -> None:
        self._db = db
        self._new_id = new_id
        self._seals = seals

    async def begin(self) -> None:
        for name in (CODE_COUNTER, FROZEN):
            await self.set_counter(name, 0, 0)
        for name in (_STEP, _APPROVALS):
            self._put(NUMBERS, (name, 0))

    async def owner(self) -> Owner | None:
        # One that cannot be read is nobody: a stop must not fail because of it.
        found = self._seals.find(OWNERS, self._db, "id = 1")
        return found[0] if found else None

    async def save_owner(self, owner: Owner) -> None:
        bands = {
            asset: [encode_amount(band.tap_max), encode_amount(band.code_max)]
            for asset, band in owner.bands.items()
        }
        columns = {name: getattr(owner, name) for name in _OWNER_COLUMNS[1:-1]}
        _, values = OWNERS.table.assignments({"id": 1, **columns, "bands": bands})
        self._put(OWNERS, values)

    async def state(self) -> SystemState:
        try:
            return _STATE.one(self._db, "id = 1") or NO_STATE
        except (ValueError, KeyError, TypeError):
            version = self._db.rows("SELECT version FROM system_state WHERE id = 1")[0][0]
            return replace(NO_STATE, version=version, reason="the stored state cannot be read")

    async def save_state(self, state: SystemState, *, expected_version: int) -> bool:
        values = _STATE.values(state)
        if expected_version == 0:
            names = ", ".join(_STATE.columns)
            marks = ", ".join("?" * len(values))
            sql = (
                f"INSERT INTO system_state (id, {names}) VALUES (1, {marks})"  # noqa: S608 - literals
                " ON CONFLICT (id) DO NOTHING"
            )
            return self._db.run(sql, values) == 1
        columns = {name: getattr(state, name) for name in _STATE.columns}
        where = "id = 1 AND version = ?"
        return _STATE.change(self._db, columns, where, (expected_version,)) == 1

    async def start_pairing(self, code_hash: str, expires_at: int) -> None:
        self._put(PAIRINGS, (1, code_hash, expires_at, PAIRING_TRIES, None, 0))

    async def pairing(self) -> Mapping[str, Any] | None:
        found = self._seals.one(PAIRINGS, self._db, "id = 1")
        if found is None or found["proof"].is_broken:
            return None
        return {name: found[name] for name in _PAIRING_COLUMNS}

    async def update_pairing(self, **changes: Any) -> None:
        self._seals.change(PAIRINGS, self._db, changes, "id = ?", (1,), unsealed=Without.KEPT)

    async def end_pairing(self) -> None:
        self._db.run("DELETE FROM pairing")

    async def released_by(self, asset: str, since: int) -> Mapping[Factor, int]:
        head = self._number(_APPROVALS)
        if head is None:
            return _EVERYTHING
        # From the newest down to one before the window: a row that was bent, moved or taken away is noticed.
        oldest = self._db.rows("SELECT min(number) FROM approvals WHERE at >= ?", (since,))[0][0]
        first = max(1, (head + 1 if oldest is None else int(oldest)) - 1)
        rows = self._seals.find(APPROVALS, self._db, "number >= ? ORDER BY number", (first,))
        whole = [row["number"] for row in rows] == list(range(first, head + 1))
        if not whole or any(row["proof"].is_broken for row in rows):
            self._seals.note(APPROVALS.table.name, f"{first}..{head}", [row["id"] for row in rows])
            return _EVERYTHING
        released: dict[Factor, int] = {}
        for row in rows:
            if (row["asset"], row["answer"]) == (asset, APPROVED) and row["at"] >= since:
                released[row["factor"]] = released.get(row["factor"], 0) + row["amount"]
        return released

    async def add_approval(
        self, transaction_id: str, answer: str, factor: str, asset: str, amount: int, at: int
    ) -> None:
        if answer not in (APPROVED, REJECTED):
            raise ValueError(f"an answer is {APPROVED} or {REJECTED}, not {answer}")
        number = self._number(_APPROVALS)
        if number is None:
            raise unproved("number of approvals")
        self._put(NUMBERS, (_APPROVALS, number + 1))
        factor_word, text = Factor(factor).value, encode_amount(amount)
        values = (self._new_id(), transaction_id, answer, factor_word, asset, text, at, number + 1)
        self._seals.add(APPROVALS, self._db, values)

    async def spend_step(self, step: int) -> bool:
        spent = self._number(_STEP)
        if spent is None:
            raise unproved("time step of codes")
        behind_at = (await self.state()).behind_at
        if (
            behind_at is not None
        ):  # codes up to then may have been used in what this database forgot
            spent = max(spent, behind_at // STEP_MS + 1)
        if step <= spent:
            return False
        self._put(NUMBERS, (_STEP, step))
        return True

    async def start_steps(self, step: int) -> None:
        self._put(NUMBERS, (_STEP, step))

    async def counter(self, name: str) -> tuple[int, int]:
        rows = self._db.rows(f"{COUNTERS.select} WHERE name = ?", (name,))
        row = dict(zip(COUNTERS.columns, rows[0], strict=True)) if rows else None
        stored = (0, 0) if row is None else (int(row["count"]), int(row["locked_until"]))
        if name not in DENYING or not self._seals.is_open or _denies(name, stored):
            return stored
        # What is written while locked forbids and has no proof; only a proof that does not fit is strange.
        if row is None or row["mac"] is None or self._seals.proof(COUNTERS, row).is_broken:
            return DENYING[name]
        return stored

    async def set_counter(self, name: str, count: int, locked_until: int) -> None:
        self._put(COUNTERS, (name, count, locked_until))

    def _number(self, name: str) -> int | None:
        """A proved number, 0 where there was never one; None where it is not proved."""
        rows = self._db.rows(f"{NUMBERS.select} WHERE name = ?", (name,))
        if not rows:
            if self._seals.is_open:
                self._seals.note(NUMBERS.table.name, name, None)
            return None if self._seals.is_open else 0
        row = dict(zip(NUMBERS.columns, rows[0], strict=True))
        return None if self._seals.proof(NUMBERS, row).is_broken else int(row["value"])

    def _put(self, cover: Cover[Any], values: Sequence[Any]) -> None:
        """Insert or replace the one row of this key; without the row key it has no proof."""
        row = dict(zip(cover.table.columns, values, strict=True))
        row = self._seals.sealed(cover, row, provisional=False)
        names = ", ".join(map(quoted, cover.columns))
        marks = ", ".join("?" * len(row))
        sql = f"INSERT OR REPLACE INTO {cover.table.name} ({names}) VALUES ({marks})"  # noqa: S608
        self._db.run(sql, [row[name] for name in cover.columns])


def _denies(name: str, stored: tuple[int, int]) -> bool:
    """Whether the counter forbids something as it stands, so that it needs no proof."""
    return name == FROZEN and stored[0] > 0
