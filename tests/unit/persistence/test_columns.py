"""Codecs, scripts and error translation, without a database."""

import asyncio
import json
import sqlite3

import pytest

from wallet.errors import Code
from wallet.persistence.database import storage_error
from wallet.persistence.fields import AmountField, encode_amount, encode_json
from wallet.persistence.sqlite_engine import settled, statements


@pytest.mark.parametrize("amount", [0, 1, -5, 2**64, 2**256 - 1])
def test_an_amount_is_decimal_text_and_back(amount: int) -> None:
    column = AmountField()
    assert column.to_python_value(column.to_db_value(amount, None)) == amount


@pytest.mark.parametrize("wrong", [1.5, True, "7", None])
def test_what_is_no_integer_is_no_amount(wrong: object) -> None:
    with pytest.raises(TypeError, match="an amount is an int"):
        encode_amount(wrong)  # type: ignore[arg-type]


def test_json_has_one_spelling() -> None:
    assert encode_json({"b": [1, None], "a": "\u2615"}) == '{"a":"\\u2615","b":[1,null]}'
    assert json.loads(encode_json({"n": 2**256})) == {"n": 2**256}
    with pytest.raises(ValueError, match="JSON"):
        encode_json(float("nan"))


def test_a_script_is_split_at_its_statements_and_not_inside_a_trigger() -> None:
    trigger = "CREATE TRIGGER t BEFORE UPDATE ON a BEGIN SELECT 1; SELECT 2; END;"
    script = f"CREATE TABLE a (b TEXT DEFAULT ';');\n{trigger}\nDROP TABLE a"
    found = list(statements(script))
    assert found == ["CREATE TABLE a (b TEXT DEFAULT ';');", trigger, "DROP TABLE a;"]


def test_errors_that_are_no_storage_condition_stay_as_they_are() -> None:
    assert storage_error(LookupError()) is None
    assert storage_error(sqlite3.OperationalError("no such table")) is None


def test_a_busy_database_is_retryable() -> None:
    error = sqlite3.OperationalError("database is locked")
    error.sqlite_errorcode = sqlite3.SQLITE_BUSY_SNAPSHOT
    known = storage_error(error)
    assert known is not None
    assert (known.code, known.retryable) == (Code.STORAGE_BUSY, True)


async def test_a_cancelled_wait_ends_only_with_its_work() -> None:
    work: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(settled(work))
    for _ in range(3):
        await asyncio.sleep(0)
        waiting.cancel()
    await asyncio.sleep(0)
    assert not waiting.done()
    work.set_result(1)
    with pytest.raises(asyncio.CancelledError):
        await waiting
