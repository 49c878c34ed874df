"""The audit table against somebody who has the file."""

import sqlite3
from pathlib import Path

import pytest

from tests.support.stores import World, opened
from wallet.domain.audit_chain import Verdict, verify
from wallet.domain.facts import Fact
from wallet.persistence.database import Database
from wallet.ports.store import Unit

KEY = b"k" * 32


@pytest.fixture
def world() -> World:
    return World(key=KEY)


async def ten_facts(unit: Unit) -> None:
    for number in range(10):
        await unit.audit.append(Fact.TX_REQUESTED, actor="a", details={"n": number})


async def judged(path: Path, *tampering: str) -> Verdict:
    """Write ten facts, change the file behind the triggers' back, and check the chain."""
    async with opened(path, World(key=KEY)) as store:
        await store.run(ten_facts)
    raw = sqlite3.connect(path)
    raw.executescript("DROP TRIGGER audit_refuses_update; DROP TRIGGER audit_refuses_delete")
    for statement in tampering:
        raw.execute(statement)
    raw.commit()
    raw.close()
    async with opened(path, World(key=KEY)) as store:
        return verify(await store.read(lambda u: u.audit.rows()), KEY)


@pytest.mark.parametrize("statement", ["UPDATE audit SET actor = 'b'", "DELETE FROM audit"])
async def test_the_table_refuses_change_and_removal(store: Database, statement: str) -> None:
    await store.run(ten_facts)
    with pytest.raises(sqlite3.IntegrityError, match="audit rows"):
        store._client.raw.execute(statement)
    assert verify(await store.read(lambda u: u.audit.rows()), KEY).checked == 10


async def test_an_untouched_chain_is_sound(path: Path) -> None:
    verdict = await judged(path)
    assert (verdict.is_sound, verdict.checked, verdict.head[0]) == (True, 10, 10)


@pytest.mark.parametrize(
    "change",
    [
        "actor = 'b'", "at = at + 1", "details = '{\"n\":99}'", "fact = 'TX_DENIED'",
        "wallet_id = 'w'", "chaining = 'plain'", "hash = 'ff'",
    ],
)  # fmt: skip
async def test_a_changed_row_is_named(path: Path, change: str) -> None:
    verdict = await judged(path, f"UPDATE audit SET {change} WHERE number = 4")
    assert (verdict.first_bad, verdict.checked) == (4, 3)


async def test_a_removed_row_is_named(path: Path) -> None:
    verdict = await judged(path, "DELETE FROM audit WHERE number = 5")
    assert (verdict.first_bad, verdict.reason) == (5, "row 5 is missing")


async def test_a_row_removed_with_the_gap_closed_is_named(path: Path) -> None:
    verdict = await judged(
        path,
        "DELETE FROM audit WHERE number = 5",
        "UPDATE audit SET number = 5 WHERE number = 6",
    )
    assert verdict.first_bad == 5


async def test_swapped_rows_are_named(path: Path) -> None:
    verdict = await judged(
        path,
        "UPDATE audit SET number = 1000 WHERE number = 7",
        "UPDATE audit SET number = 7 WHERE number = 8",
        "UPDATE audit SET number = 8 WHERE number = 1000",
    )
    assert verdict.first_bad == 7
