"""The owner, what proves the owner, and the stop state."""

from collections.abc import Callable, Mapping
from typing import Any

from wallet.domain.owner import PAIRING_TRIES, Band, Factor, Owner
from wallet.domain.safety import StopState, SystemState
from wallet.persistence import owner_models as models
from wallet.persistence.fields import encode_amount
from wallet.persistence.rows import Connection, Table

APPROVED = "APPROVED"
REJECTED = "REJECTED"
# Nothing is ever NORMAL because nobody said otherwise.
NO_STATE = SystemState(StopState.ACTIVATED, version=0, reason="no state stored")

_STATE = Table.of(models.SystemState, SystemState)
_PAIRING_COLUMNS = ("code_hash", "expires_at", "tries_left", "candidate", "voided")
_PAIRING: Table[dict[str, Any]] = Table(
    models.Pairing,
    lambda *columns: dict(zip(_PAIRING_COLUMNS, columns, strict=True)),
    _PAIRING_COLUMNS,
)
_STEP = "totp_step"


def _owner(*columns: Any) -> Owner:
    plain = dict(zip(_OWNER_COLUMNS, columns, strict=True))
    bands = plain.pop("bands")
    return Owner(
        **plain, bands={asset: Band(int(tap), int(code)) for asset, (tap, code) in bands.items()}
    )


_OWNER_COLUMNS = ("user_id", "chat_id", "name", "username", "paired_at", "bands")
_OWNER: Table[Owner] = Table(models.Owner, _owner, _OWNER_COLUMNS)


class SqlAuthority:
    def __init__(self, db: Connection, new_id: Callable[[], str]) -> None:
        self._db = db
        self._new_id = new_id

    async def owner(self) -> Owner | None:
        return _OWNER.one(self._db, "id = 1")

    async def save_owner(self, owner: Owner) -> None:
        bands = {
            asset: [encode_amount(band.tap_max), encode_amount(band.code_max)]
            for asset, band in owner.bands.items()
        }
        columns = {name: getattr(owner, name) for name in _OWNER.columns} | {"bands": bands}
        _, values = _OWNER.assignments(columns)
        self._replace("owner", _OWNER.columns, values)

    async def state(self) -> SystemState:
        return _STATE.one(self._db, "id = 1") or NO_STATE

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
        values = (code_hash, expires_at, PAIRING_TRIES, None, 0)
        self._replace("pairing", _PAIRING.columns, values)

    async def pairing(self) -> Mapping[str, Any] | None:
        return _PAIRING.one(self._db, "id = 1")

    async def update_pairing(self, **changes: Any) -> None:
        _PAIRING.change(self._db, changes, "id = ?", (1,))

    async def end_pairing(self) -> None:
        self._db.run("DELETE FROM pairing")

    async def released_by(self, asset: str, since: int) -> Mapping[Factor, int]:
        sql = "SELECT factor, amount FROM approvals WHERE asset = ? AND at >= ? AND answer = ?"
        released: dict[Factor, int] = {}
        for factor, amount in self._db.rows(sql, (asset, since, APPROVED)):
            released[Factor(factor)] = released.get(Factor(factor), 0) + int(amount)
        return released

    async def add_approval(
        self, transaction_id: str, answer: str, factor: str, asset: str, amount: int, at: int
    ) -> None:
        if answer not in (APPROVED, REJECTED):
            raise ValueError(f"an answer is {APPROVED} or {REJECTED}, not {answer}")
        self._db.run(
            "INSERT INTO approvals (id, transaction_id, answer, factor, asset, amount, at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                self._new_id(),
                transaction_id,
                answer,
                Factor(factor).value,
                asset,
                encode_amount(amount),
                at,
            ),
        )

    async def spend_step(self, step: int) -> bool:
        sql = (
            "INSERT INTO numbers (name, value) VALUES (?, ?) ON CONFLICT (name)"
            " DO UPDATE SET value = excluded.value WHERE excluded.value > value"
        )
        return self._db.run(sql, (_STEP, step)) == 1

    async def counter(self, name: str) -> tuple[int, int]:
        sql = "SELECT count, locked_until FROM failure_counters WHERE name = ?"
        rows = self._db.rows(sql, (name,))
        return (int(rows[0][0]), int(rows[0][1])) if rows else (0, 0)

    async def set_counter(self, name: str, count: int, locked_until: int) -> None:
        self._db.run(
            "INSERT INTO failure_counters (name, count, locked_until) VALUES (?, ?, ?)"
            " ON CONFLICT (name) DO UPDATE SET count = excluded.count,"
            " locked_until = excluded.locked_until",
            (name, count, locked_until),
        )

    def _replace(self, table: str, columns: tuple[str, ...], values: Any) -> None:
        """Write the one row of a table that has at most one."""
        names = ", ".join(columns)
        marks = ", ".join("?" * len(columns))
        sql = f"INSERT OR REPLACE INTO {table} (id, {names}) VALUES (1, {marks})"  # noqa: S608
        self._db.run(sql, tuple(values))
