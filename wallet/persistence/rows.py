"""Row <-> value: one table description per domain value, both directions side by side.

Columns and their codecs come from the tortoise models, so there is no second place that knows the schema.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from enum import Enum
from typing import Any, Generic, Protocol, TypeVar

from tortoise.fields import BooleanField
from tortoise.fields.data import CharEnumFieldInstance
from tortoise.fields.relational import ForeignKeyFieldInstance
from tortoise.models import Model

from wallet.persistence.fields import AmountField, JsonField, encode_amount, encode_json

V = TypeVar("V")
Codec = Callable[[Any], Any] | None  # None: as it is
Rows = list[tuple[Any, ...]]


class Connection(Protocol):
    """What repositories ask of a transaction."""

    def rows(self, sql: str, parameters: Sequence[Any] = (), /) -> Rows: ...
    def run(self, sql: str, parameters: Sequence[Any] = (), /) -> int: ...


class Table(Generic[V]):
    """A table whose rows are ``kind`` values. ``renamed`` maps a value's field to its column."""

    def __init__(self, model: type[Model], kind: Callable[..., V], names: Iterable[str]) -> None:
        self.name = model._meta.db_table  # noqa: SLF001 - tortoise's documented way to a model's schema
        self.kind = kind
        self.columns = tuple(names)
        codecs = _codecs(model)
        self.encoders: dict[str, Codec] = {name: codecs[name][0] for name in self.columns}
        # Only the few columns that need it are decoded, because sessions are read on every request.
        self._decoders = [
            (place, decode)
            for place, name in enumerate(self.columns)
            if (decode := codecs[name][1]) is not None
        ]
        listed = ", ".join(map(quoted, self.columns))
        self.select = f"SELECT {listed} FROM {self.name}"  # noqa: S608 - names of our own models
        marks = ", ".join("?" * len(self.columns))
        self.insert = f"INSERT INTO {self.name} ({listed}) VALUES ({marks})"  # noqa: S608 - same

    @classmethod
    def of(cls, model: type[Model], kind: type[V]) -> "Table[V]":
        """The table of a dataclass whose field names are the column names, but for ``proof``."""
        names = [f.name for f in fields(kind) if f.name != "proof"]  # type: ignore[arg-type]
        return cls(model, kind, names)

    def values(self, value: V) -> list[Any]:
        """The value's columns, encoded, in the order of ``columns``."""
        return [
            encode(getattr(value, name))
            if encode is not None and getattr(value, name) is not None
            else getattr(value, name)
            for name, encode in self.encoders.items()
        ]

    def value(self, row: Sequence[Any]) -> V:
        columns = list(row)
        for place, decode in self._decoders:
            if columns[place] is not None:
                columns[place] = decode(columns[place])
        return self.kind(*columns)

    def assignments(self, changes: Mapping[str, Any]) -> tuple[str, list[Any]]:
        """``"a" = ?, "b" = ?`` with its parameters; an unknown column is a bug."""
        values = []
        for name, change in changes.items():
            encode = self.encoders[name]
            values.append(change if encode is None or change is None else encode(change))
        return ", ".join(f"{quoted(name)} = ?" for name in changes), values

    def find(
        self, db: Connection, where: str, parameters: Sequence[Any] = (), *, index: str = ""
    ) -> list[V]:
        """Values of the rows that ``where`` (anything after WHERE) selects.

        ``index`` names a partial index that must be used: without statistics SQLite prefers a wider one,
        whose size follows history.
        """
        hint = f" INDEXED BY {index}" if index else ""
        return [
            self.value(row) for row in db.rows(f"{self.select}{hint} WHERE {where}", parameters)
        ]

    def one(self, db: Connection, where: str, parameters: Sequence[Any] = ()) -> V | None:
        rows = db.rows(f"{self.select} WHERE {where}", parameters)
        return self.value(rows[0]) if rows else None

    def add(self, db: Connection, value: V, *, otherwise: str = "") -> bool:
        """Insert; ``otherwise`` is an ON CONFLICT clause. True when a row was written."""
        return db.run(f"{self.insert} {otherwise}", self.values(value)) == 1

    def change(
        self, db: Connection, changes: Mapping[str, Any], where: str, parameters: Sequence[Any]
    ) -> int:
        """Update the rows that ``where`` selects; returns how many."""
        listed, values = self.assignments(changes)
        sql = f"UPDATE {self.name} SET {listed} WHERE {where}"  # noqa: S608 - names of our own models
        return db.run(sql, [*values, *parameters])


def quoted(name: str) -> str:
    return f'"{name}"'


def literals(values: Iterable[Enum]) -> str:
    """``'A', 'B'`` for an IN: literal, so that SQLite can see that a partial index applies."""
    return ", ".join(f"'{value.value}'" for value in values)


def amounts_to_text(amounts: Mapping[str, int]) -> dict[str, str]:
    return {asset: encode_amount(amount) for asset, amount in amounts.items()}


def text_to_amounts(text: Mapping[str, str]) -> dict[str, int]:
    return {asset: int(amount) for asset, amount in text.items()}


def _codecs(model: type[Model]) -> dict[str, tuple[Codec, Codec]]:
    found: dict[str, tuple[Codec, Codec]] = {}
    for name, field in model._meta.fields_map.items():  # noqa: SLF001 - see Table
        column = field.source_field or name
        # A foreign key is stored in ``<name>_id``, which tortoise adds to the map only at start.
        if isinstance(field, ForeignKeyFieldInstance):
            column = f"{name}_id"
        found[column] = _codec(field)
    return found


def _codec(field: Any) -> tuple[Codec, Codec]:
    match field:
        case AmountField():
            return encode_amount, int
        case JsonField():
            return encode_json, json.loads
        case CharEnumFieldInstance():
            members: Mapping[str, Enum] = {m.value: m for m in field.enum_type}
            return _word, members.__getitem__
        case BooleanField():
            return int, bool
        case _:
            return None, None


def _word(member: Enum | str) -> str:
    return str(member.value) if isinstance(member, Enum) else member
