"""Units of work under cancellation, under load, and while the store closes."""

import asyncio
import sqlite3
import stat
from collections import Counter
from pathlib import Path

import pytest

from tests.support.stores import World, a_transaction, a_wallet, opened, put_wallet_and_session
from wallet.domain.audit_chain import verify
from wallet.domain.facts import Fact
from wallet.errors import Code, UnavailableError, WalletError
from wallet.persistence.database import Database
from wallet.ports.store import Unit


async def count_one(unit: Unit) -> None:
    value, _ = await unit.authority.counter("c")
    await asyncio.sleep(0)  # a body that does wait a moment, as none of ours should
    await unit.authority.set_counter("c", value + 1, 0)
    await unit.audit.append(Fact.DAEMON_STARTED)


async def test_a_storm_of_cancellations_loses_nothing_and_blocks_nobody(store: Database) -> None:
    """Callers are cancelled at every step of a unit; each unit still commits as a whole."""
    callers = []
    for steps in range(200):
        caller = asyncio.create_task(store.run(count_one))
        callers.append(caller)
        for _ in range(steps % 14):
            await asyncio.sleep(0)
        caller.cancel()
    ended = await asyncio.gather(*callers, return_exceptions=True)
    assert any(isinstance(end, asyncio.CancelledError) for end in ended)
    # A unit is started by the caller's first step; a caller cancelled before it never asked.
    asked = sum(1 for steps in range(200) if steps % 14)
    async with asyncio.timeout(10):
        await store.run(count_one)
    value, _ = await store.read(lambda u: u.authority.counter("c"))
    assert value == asked + 1
    rows = await store.read(lambda u: u.audit.rows())
    assert len(rows) == value
    assert verify(rows, None).is_sound


async def test_cancelling_the_unit_s_own_task_leaves_the_connection_usable(
    store: Database,
) -> None:
    """A closing loop cancels every task, the units' own included, at any step."""
    for steps in range(200):
        before = asyncio.all_tasks()
        caller = asyncio.create_task(store.run(count_one))
        for _ in range(steps % 20):
            await asyncio.sleep(0)
        for task in asyncio.all_tasks() - before:
            task.cancel()
        await asyncio.gather(caller, return_exceptions=True)
    async with asyncio.timeout(10):
        await store.run(count_one)
    value, _ = await store.read(lambda u: u.authority.counter("c"))
    rows = await store.read(lambda u: u.audit.rows())
    assert len(rows) == value >= 1
    assert verify(rows, None).is_sound


async def test_a_cancelled_caller_does_not_cut_its_unit(store: Database) -> None:
    inside, leave = asyncio.Event(), asyncio.Event()

    async def body(unit: Unit) -> None:
        inside.set()
        await leave.wait()
        await unit.wallets.add(a_wallet(id="w2"))

    caller = asyncio.create_task(store.run(body))
    await inside.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    leave.set()
    await store.run(lambda u: u.wallets.all())
    assert await store.read(lambda u: u.wallets.get("w2")) is not None


async def test_a_hundred_parallel_units_count_exactly(store: Database) -> None:
    await asyncio.gather(*(store.run(count_one) for _ in range(100)))
    assert await store.read(lambda u: u.authority.counter("c")) == (100, 0)


async def test_a_read_does_not_wait_for_a_running_unit(store: Database) -> None:
    inside, leave = asyncio.Event(), asyncio.Event()

    async def body(unit: Unit) -> None:
        await unit.wallets.add(a_wallet(id="w2"))
        inside.set()
        await leave.wait()

    writing = asyncio.create_task(store.run(body))
    await inside.wait()
    async with asyncio.timeout(20):
        assert len(await store.read(lambda u: u.wallets.all())) == 1
    assert store.reader.wallet("w2") is None
    leave.set()
    await writing
    assert store.reader.wallet("w2") is not None


async def test_one_read_sees_one_state(store: Database) -> None:
    async def body(unit: Unit) -> tuple[int, int]:
        before = len(await unit.wallets.all())
        await store.run(lambda u: u.wallets.add(a_wallet(id="w2")))
        return before, len(await unit.wallets.all())

    assert await store.read(body) == (1, 1)


async def test_closing_waits_for_running_units_and_refuses_new_ones(
    path: Path, world: World
) -> None:
    store = await world.open(path)
    inside, leave = asyncio.Event(), asyncio.Event()

    async def body(unit: Unit) -> None:
        inside.set()
        await leave.wait()
        await unit.wallets.add(a_wallet())

    running = asyncio.create_task(store.run(body))
    await inside.wait()
    closing = asyncio.create_task(store.close())
    await asyncio.sleep(0)
    with pytest.raises(WalletError) as refused:
        await store.run(body)
    assert refused.value.code is Code.SHUTTING_DOWN
    leave.set()
    await running
    await closing
    async with opened(path) as again:
        assert again.reader.wallet("w1") == a_wallet()


async def test_another_writer_makes_a_unit_wait_and_then_say_busy(
    path: Path, world: World
) -> None:
    async with opened(path, world, busy_timeout_ms=50) as store:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(UnavailableError) as busy:
            await store.run(lambda u: u.wallets.add(a_wallet()))
        assert (busy.value.code, busy.value.retryable) == (Code.STORAGE_BUSY, True)
        assert await store.read(lambda u: u.wallets.all()) == []
        other.execute("COMMIT")
        other.close()
        await store.run(lambda u: u.wallets.add(a_wallet()))
        assert store.reader.wallet("w1") == a_wallet()


async def test_the_event_loop_runs_on_while_a_unit_waits_for_another_process(
    path: Path, world: World
) -> None:
    async with opened(path, world) as store:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        waiting = asyncio.create_task(store.run(lambda u: u.wallets.add(a_wallet())))
        for _ in range(50):
            await asyncio.sleep(0)
        assert not waiting.done()
        other.execute("COMMIT")
        other.close()
        async with asyncio.timeout(10):
            await waiting


async def test_a_full_disk_is_said_so_and_changes_nothing(path: Path, world: World) -> None:
    async with opened(path, world) as store:
        store._client.raw.execute("PRAGMA max_page_count = 1")  # it cannot grow any more

        async def body(unit: Unit) -> None:
            await put_wallet_and_session(unit)
            for number in range(100):
                await unit.sessions.add_claim(f"{number}" + "c" * 5000, "s1", 1)

        with pytest.raises(UnavailableError) as full:
            await store.run(body)
        assert full.value.code is Code.STORAGE_FULL
        assert await store.read(lambda u: u.wallets.all()) == []


async def test_a_commit_that_fails_rolls_back_and_is_heard(store: Database) -> None:
    async def body(unit: Unit) -> None:
        await unit.wallets.add(a_wallet(id="w2"))
        store._client.raw.execute("PRAGMA defer_foreign_keys = ON")
        await unit.transactions.add(a_transaction(session_id="nobody"))

    with pytest.raises(sqlite3.IntegrityError):
        await store.run(body)
    assert await store.run(lambda u: u.wallets.get("w2")) is None


async def test_files_of_the_database_are_the_owner_s_alone(store: Database, path: Path) -> None:
    await store.run(count_one)
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert Counter(modes.values()) == {0o600: len(modes)}
    assert {"wallet.db", "wallet.db-wal", "wallet.db-shm"} <= modes.keys()


async def test_the_connection_is_as_durable_as_money_needs(store: Database) -> None:
    raw = store._client.raw
    values = {
        name: raw.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "foreign_keys")
    }
    assert values == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
