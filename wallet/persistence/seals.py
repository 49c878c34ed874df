"""Proofs on authority rows: the one place where a stored row gets its MAC and where it is judged.

While the keystore is unlocked a row is sealed with the row key; a change seals it anew only if it was proved
before, so that nothing bent is ever made good. While it is locked nothing can be sealed: what forbids is
written without a proof, and a payment that is asked for gets the seal of this process, which ends with it.
"""

import hashlib
import json
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property
from typing import Any, Generic, TypeVar

import structlog

from wallet.domain.authority import Proof, is_provisional, row_mac, same_mac, unproved
from wallet.persistence.rows import Connection, Table, quoted
from wallet.ports.store import Unproved

V = TypeVar("V")
RowKey = Callable[[], bytes | None]
Raw = dict[str, Any]
log = structlog.get_logger(__name__)

REMEMBERED = 4096
_BENT = (ValueError, KeyError, TypeError, AttributeError, LookupError)


class Without(Enum):
    """What a change does to the seal of a row that cannot be sealed anew."""

    REFUSED = "REFUSED"  # it is made only on a proved row, or while locked
    KEPT = "KEPT"  # it only forbids: made anyway, and what was sealed before stays known
    GONE = "GONE"  # it only forbids, for ever: made anyway, and the row is never believed again


@dataclass(frozen=True)
class Cover(Generic[V]):
    """What the proof of a table's rows covers: every column but ``moving`` ones.

    ``later`` columns came with a later version; rows sealed before hold None there and keep their proof.

    ``tally``: the counters of a row that may only rise without a key, as text; their last sealed values are
    kept in the column of that name. ``untightened``: the row as it may have been sealed before an act without
    a key tightened it. ``phase``: where in its life a row is; None where it allows nothing any more.
    """

    table: Table[V]
    what: str  # for a person
    key: str = "id"
    moving: Collection[str] = ()
    untightened: Callable[[Raw], Raw | None] = lambda _: None
    phase: Callable[[Raw], str | None] = lambda _: ""
    tally: Callable[[Raw], str] | None = None
    has_risen: Callable[[Raw], bool] = lambda _: True
    later: Collection[str] = ()  # of a later version: without a value they are not said
    may_lack: bool = False  # whether a row without any proof is nothing to alarm about
    provisional: bool = False  # whether a row made while locked gets the seal of this process

    @cached_property
    def columns(self) -> tuple[str, ...]:
        more = ("mac",) if self.tally is None else ("tally", "mac")
        return (*self.table.columns, *more)

    @cached_property
    def select(self) -> str:
        listed = ", ".join(map(quoted, self.columns))
        return f"SELECT {listed} FROM {self.table.name}"  # noqa: S608 - names of our own models

    def covered(self, row: Raw) -> Raw:
        left_out = {"mac", *self.moving}
        return {
            **{
                name: value
                for name, value in row.items()
                if name not in left_out and not (value is None and name in self.later)
            },
            "phase": self.phase(row),
        }


class Seals:
    """Judges and writes proofs. ``key`` is the row key, or None while locked."""

    def __init__(self, key: RowKey) -> None:
        self._key = key
        self._own = secrets.token_bytes(32)
        self._remembered: dict[tuple[str, Any], tuple[tuple[Any, ...], Any]] = {}
        self._remembered_key: bytes | None = None
        self._reported: set[str] = set()
        self._found: list[Unproved] = []

    @property
    def key(self) -> bytes | None:
        return self._key()

    @property
    def is_open(self) -> bool:
        return self._key() is not None

    # Reading

    def find(
        self,
        cover: Cover[V],
        db: Connection,
        where: str,
        parameters: Sequence[Any] = (),
        *,
        index: str = "",
    ) -> list[V]:
        """Values of the selected rows, each with its proof. One that cannot even be read is left out."""
        hint = f" INDEXED BY {index}" if index else ""
        found = []
        for raw in db.rows(f"{cover.select}{hint} WHERE {where}", parameters):
            value = self._value(cover, raw)
            if value is not None:
                found.append(value)
        return found

    def one(
        self, cover: Cover[V], db: Connection, where: str, parameters: Sequence[Any] = ()
    ) -> V | None:
        """The selected row with its proof. AUTHORITY_UNPROVED where it cannot even be read."""
        rows = db.rows(f"{cover.select} WHERE {where}", parameters)
        if not rows:
            return None
        value = self._value(cover, rows[0])
        if value is None:
            raise unproved(cover.what)
        return value

    def proof(self, cover: Cover[Any], row: Raw) -> Proof:
        """What is known of a raw row; a broken one is noted, to be told.

        Not what this daemon itself leaves behind: the seal of a locked process that ended.
        """
        found, mac = self._judge(cover, row), row["mac"]
        ours = (mac is None and cover.may_lack) or (isinstance(mac, str) and is_provisional(mac))
        if found.is_broken and not ours:
            self.note(cover.table.name, str(row[cover.key]), cover.covered(row))
        return found

    def note(self, table: str, row_id: str, content: object) -> None:
        """A row without a valid proof was met. Each content is told once."""
        text = json.dumps([table, row_id, content], sort_keys=True, default=str)
        known = hashlib.sha256(text.encode()).hexdigest()
        if known not in self._reported:
            self._reported.add(known)
            self._found.append(Unproved(table, row_id, known[:16]))
            log.error("authority_unproved", table=table, row=row_id)

    def found(self) -> list[Unproved]:
        """What was met and not yet told."""
        return list(self._found)

    def told(self, found: Collection[Unproved]) -> None:
        self._found = [one for one in self._found if one not in found]

    # Writing

    def add(
        self, cover: Cover[Any], db: Connection, values: Sequence[Any], *, otherwise: str = ""
    ) -> bool:
        """Insert encoded ``values`` in the order of the table's columns, sealed. True when it was written."""
        row = dict(zip(cover.table.columns, values, strict=True))
        row = self.sealed(cover, row, provisional=cover.provisional and not self.is_open)
        listed = ", ".join(map(quoted, cover.columns))
        marks = ", ".join("?" * len(row))
        sql = f"INSERT INTO {cover.table.name} ({listed}) VALUES ({marks}) {otherwise}"  # noqa: S608
        return db.run(sql, [row[name] for name in cover.columns]) == 1

    def change(
        self,
        cover: Cover[Any],
        db: Connection,
        changes: Mapping[str, Any] | Callable[[Raw], Mapping[str, Any]],
        where: str,
        parameters: Sequence[Any],
        *,
        unsealed: Without = Without.REFUSED,
    ) -> int:
        """Change the selected rows and seal them anew; returns how many.

        ``changes`` may depend on the raw row.
        """
        rows = db.rows(f"{cover.select} WHERE {where}", parameters)
        for raw in rows:
            before = dict(zip(cover.columns, raw, strict=True))
            made = changes(before) if callable(changes) else changes
            names, (_, encoded) = list(made), cover.table.assignments(made)
            after = {**before, **dict(zip(names, encoded, strict=True))}
            self._write(cover, db, before, after, [*names], unsealed)
        return len(rows)

    def sealed(self, cover: Cover[Any], row: Raw, *, provisional: bool) -> Raw:
        """The row with its tally and its MAC, over what it says now."""
        if cover.tally is not None:
            row = {**row, "tally": cover.tally(row)}
        key = self._own if provisional else self._key()
        if key is None or cover.phase(row) is None:
            return {**row, "mac": None}
        mac = row_mac(key, cover.table.name, cover.covered(row), provisional=provisional)
        return {**row, "mac": mac}

    def _write(
        self,
        cover: Cover[Any],
        db: Connection,
        before: Raw,
        after: Raw,
        names: list[str],
        unsealed: Without,
    ) -> None:
        match self.proof(cover, before):
            case Proof.PROVED:
                after = self.sealed(cover, after, provisional=False)
            case Proof.PROVISIONAL:
                after = self.sealed(cover, after, provisional=True)
            case Proof.BROKEN if unsealed is Without.REFUSED:
                raise unproved(cover.what)
            case _ if unsealed is Without.GONE:
                after = {**after, "mac": None}
            case _:
                pass
        names += [name for name in ("tally", "mac") if name in after]
        listed = ", ".join(f"{quoted(name)} = ?" for name in names)
        sql = f"UPDATE {cover.table.name} SET {listed} WHERE {quoted(cover.key)} = ?"  # noqa: S608
        db.run(sql, [*(after[name] for name in names), before[cover.key]])

    # Judging

    def _value(self, cover: Cover[V], raw: tuple[Any, ...]) -> V | None:
        key = self._key()
        if key is not self._remembered_key:
            self._remembered.clear()
            self._remembered_key = key
        name = (cover.table.name, raw[cover.columns.index(cover.key)])
        known = self._remembered.get(name)
        if known is not None and known[0] == raw:
            return known[1]  # type: ignore[no-any-return]
        row = dict(zip(cover.columns, raw, strict=True))
        proof = self.proof(cover, row)
        try:
            read: Any = cover.table.value(raw[: len(cover.table.columns)])
        except _BENT:
            self.note(*name, row)
            return None
        value: Any = (
            {**read, "proof": proof} if isinstance(read, dict) else replace(read, proof=proof)
        )
        if len(self._remembered) >= REMEMBERED:
            self._remembered.clear()
        self._remembered[name] = raw, value
        return value  # type: ignore[no-any-return]

    def _judge(self, cover: Cover[Any], row: Raw) -> Proof:
        if cover.phase(row) is None:
            return Proof.UNKNOWN
        mac, key = row["mac"], self._key()
        if isinstance(mac, str) and is_provisional(mac):
            if self._fits(cover, row, self._own):
                return Proof.PROVISIONAL
            return Proof.UNKNOWN if key is None else Proof.BROKEN
        if key is None:
            return Proof.UNKNOWN
        if not isinstance(mac, str):
            return Proof.BROKEN
        if self._fits(cover, row, key):
            return Proof.PROVED
        before = cover.untightened(row)
        if before is not None and self._fits(cover, before, key):
            return Proof.PROVED
        return Proof.BROKEN

    def _fits(self, cover: Cover[Any], row: Raw, key: bytes) -> bool:
        try:
            mac = row_mac(key, cover.table.name, cover.covered(row), provisional=key is self._own)
            return same_mac(row["mac"], mac) and cover.has_risen(row)
        except _BENT:
            return False
