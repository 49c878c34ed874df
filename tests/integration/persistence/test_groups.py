"""Units that share a commit: each is whole or absent by itself, and none is answered before the commit."""

import asyncio
import sqlite3

import pytest

from tests.support.stores import a_transaction, a_wallet
from wallet.persistence.database import Database
from wallet.ports.store import Unit


async def test_a_unit_that_fails_in_a_group_takes_back_its_own_changes_alone(
    store: Database,
) -> None:
    async def fails(unit: Unit) -> None:
        await unit.wallets.add(a_wallet(id="bad"))
        raise ValueError("no")

    async def adds(number: int) -> None:
        await store.run(lambda u: u.wallets.add(a_wallet(id=f"g{number}")))

    units = [store.run(fails) if number == 3 else adds(number) for number in range(6)]
    answers = await asyncio.gather(*units, return_exceptions=True)
    assert [type(a) for a in answers] == [type(None)] * 3 + [ValueError] + [type(None)] * 2
    kept = {wallet.id for wallet in await store.read(lambda u: u.wallets.all())}
    assert {f"g{number}" for number in (0, 1, 2, 4, 5)} <= kept
    assert "bad" not in kept


async def test_units_in_a_group_share_a_commit_and_are_answered_after_it(store: Database) -> None:
    begun: list[str] = []
    store._client.raw.set_trace_callback(begun.append)

    async def unit(number: int) -> bool:
        await store.run(lambda u: u.wallets.add(a_wallet(id=f"g{number}")))
        return store.reader.wallet(f"g{number}") is not None

    assert all(await asyncio.gather(*(unit(number) for number in range(10))))
    assert begun.count("COMMIT") < 10


async def test_a_commit_that_fails_is_heard_by_every_unit_in_it(store: Database) -> None:
    async def breaks(unit: Unit) -> None:
        store._client.raw.execute("PRAGMA defer_foreign_keys = ON")
        await unit.transactions.add(a_transaction(session_id="nobody"))

    answers = await asyncio.gather(
        store.run(lambda u: u.wallets.add(a_wallet(id="w2"))),
        store.run(breaks),
        return_exceptions=True,
    )
    assert [type(answer) for answer in answers] == [sqlite3.IntegrityError] * 2
    assert await store.read(lambda u: u.wallets.get("w2")) is None


async def test_a_unit_inside_a_unit_is_refused(store: Database) -> None:
    async def body(unit: Unit) -> None:
        await store.run(lambda u: u.wallets.all())

    with pytest.raises(RuntimeError):
        await store.run(body)


async def test_a_unit_that_is_over_answers_nothing_more(store: Database) -> None:
    kept = await store.run(_itself)
    with pytest.raises(RuntimeError):
        await kept.wallets.all()


async def _itself(unit: Unit) -> Unit:
    return unit
