"""Columns and indexes that tortoise does not bring: exact amounts, canonical JSON, partial indexes."""

import json
from typing import Any

from tortoise.fields.base import Field
from tortoise.indexes import Index


class AmountField(Field[int], int):
    """An integer of any size as decimal text.

    SQLite's integers end at 2^63 and its REAL is floating point, so money is neither. Amounts are never
    summed or compared in SQL.
    """

    SQL_TYPE = "TEXT"

    def to_db_value(self, value: Any, instance: Any) -> str | None:  # noqa: ARG002 - tortoise's shape
        return None if value is None else encode_amount(value)

    def to_python_value(self, value: Any) -> int | None:
        return None if value is None else int(value)


class JsonField(Field[Any]):
    """JSON as TEXT, always written by ``encode_json``.

    Tortoise's own JSONField takes whatever library happens to be installed, and its column type makes
    SQLite turn the text "5" into a number.
    """

    SQL_TYPE = "TEXT"
    indexable = False

    def to_db_value(self, value: Any, instance: Any) -> str | None:  # noqa: ARG002 - tortoise's shape
        return None if value is None else encode_json(value)

    def to_python_value(self, value: Any) -> Any:
        return json.loads(value) if isinstance(value, str) else value


class PartialIndex(Index):
    """An index over the rows that ``where`` selects, so that its size follows open work, not history."""

    def __init__(self, *, fields: tuple[str, ...] | list[str], name: str, where: str) -> None:
        super().__init__(fields=fields, name=name)
        self.where = where
        self.extra = f" WHERE {where}"

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        path, args, kwargs = super().deconstruct()
        return path, args, {**kwargs, "where": self.where}


def encode_amount(value: int) -> str:
    """Decimal text of an integer; a float or a bool is a bug and is refused."""
    if type(value) is not int:
        raise TypeError(f"an amount is an int, not {type(value).__name__}")
    return str(value)


def encode_json(value: Any) -> str:
    """Canonical: sorted keys, compact, ASCII, no NaN."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )
