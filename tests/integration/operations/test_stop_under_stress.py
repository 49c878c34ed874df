"""A stop holds when the disk, the database, the signer or the folder do not help, and is recorded later."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from tests.integration.operations.test_safety import code_of, halt, recover, stored_state
from tests.support.vault import PASSWORD, code_at
from tests.support.world import DELAY, World
from wallet.domain.facts import Fact
from wallet.domain.safety import StopState
from wallet.domain.transactions import Status
from wallet.errors import Code, LimitedError
from wallet.operations.factor_reset import reset_is_over


@contextmanager
def locked(world: World) -> Iterator[None]:
    """Another process writes and does not end."""
    path = world.settings.database.path
    with closing(sqlite3.connect(path, timeout=10, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


@pytest.fixture
async def quick(world: World) -> World:
    """The same world, with a database that gives up waiting at once."""
    world.database._client.busy_timeout_ms = 20
    return world


async def test_a_stop_holds_while_the_database_is_locked_and_is_stored_afterwards(
    quick: World,
) -> None:
    world = quick
    row = await world.pay(DELAY)
    with locked(world):
        report = await halt(world, "the agent went mad")
        assert not report.stored
        assert not world.gate.is_normal
        assert not world.vault.alive
        assert not world.keyring.is_open
        assert world.halt_file.exists()
        seen = await world.app.safety.state()
        assert (seen.state, seen.reason) == (StopState.ACTIVATED, "the agent went mad")
        assert (await world.app.queries.status()).state.state is StopState.ACTIVATED
        assert await stored_state(world) is StopState.NORMAL
        assert await code_of(world.ask()) is Code.SYSTEM_LOCKED
        assert await code_of(world.app.unlocking.unlock(PASSWORD)) is Code.SYSTEM_LOCKED
        begun = world.app.safety.begin_recovery(PASSWORD, "host")
        assert await code_of(begun) is Code.STORAGE_BUSY
        world.clock.advance(1)
        assert await code_of(world.app.upkeep.finish_halt()) is Code.STORAGE_BUSY
    await world.passes(1)
    assert await stored_state(world) is StopState.ACTIVATED
    assert (await world.app.safety.state()).reason == "the agent went mad"
    assert (await world.row(row.id)).status is Status.CANCELLED
    assert (await world.facts()).count(Fact.KILL_SWITCH_ACTIVATED) == 1
    assert world.chain.sent == []


async def test_keys_are_wiped_before_a_slow_database_is_through(world: World) -> None:
    wiped, kill = asyncio.Event(), world.vault.kill
    world.vault.kill = lambda: (kill(), wiped.set())[0]  # type: ignore[func-returns-value,method-assign]
    with locked(world):
        stopping = asyncio.ensure_future(halt(world))
        async with asyncio.timeout(3):
            await wiped.wait()
        assert not stopping.done()
    assert (await stopping).stored
    assert await stored_state(world) is StopState.ACTIVATED


async def test_a_stop_that_a_crash_found_unstored_is_still_a_stop(quick: World) -> None:
    world = quick
    with locked(world):
        await halt(world, "before the crash")
    await world.restart()
    state = await world.app.safety.state()
    assert (state.state, state.actor) == (StopState.ACTIVATED, "file")
    assert state.reason == "a HALT file was found: before the crash"
    assert world.vault.locked


async def test_a_file_that_appears_while_stored_rows_say_normal_stops_before_any_wait(
    quick: World,
) -> None:
    world = quick
    world.halt_file.touch()
    with locked(world):
        assert await code_of(world.app.upkeep.finish_halt()) is Code.STORAGE_BUSY
        assert not world.gate.is_normal
    await world.passes(1)
    assert await stored_state(world) is StopState.ACTIVATED


@pytest.mark.parametrize("kind", ["empty", "words", "folder", "dangling link", "bytes"])
async def test_whatever_is_named_halt_stops(world: World, kind: str) -> None:
    match kind:
        case "empty":
            world.halt_file.touch()
        case "words":
            world.halt_file.write_text("from the\nhost \x1b[31m")
        case "folder":
            world.halt_file.mkdir()
        case "dangling link":
            world.halt_file.symlink_to(world.folder / "nowhere")
        case _:
            world.halt_file.write_bytes(bytes(range(256)) * 40)
    await world.tick()
    state = await world.app.safety.state()
    assert state.state is StopState.ACTIVATED
    assert state.reason is not None
    assert state.reason.isprintable()
    if kind == "words":
        assert state.reason == "a HALT file was found: from the host [31m"
    assert not (world.folder / "nowhere").exists()


async def test_a_halt_that_cannot_be_removed_keeps_everything_stopped(world: World) -> None:
    """As in a folder that may not be written: a name that no unlink takes away."""
    world.halt_file.mkdir()
    await world.tick()
    await world.app.safety.begin_recovery(PASSWORD, "host")
    await world.passes(86_401)
    state = await world.app.safety.state()
    assert (state.state, state.reason) == (
        StopState.ACTIVATED,
        "the HALT file could not be removed",
    )
    assert not world.gate.is_normal
    assert world.vault.locked
    world.halt_file.rmdir()
    await recover(world)


async def test_a_halt_file_that_cannot_be_written_does_not_end_the_stop(world: World) -> None:
    world.halt_file.symlink_to(world.folder / "nowhere" / "deeper")
    assert (await halt(world)).stored
    assert not world.vault.alive


async def test_a_signer_that_does_not_die_is_told_of(world: World) -> None:
    def broken() -> None:
        raise RuntimeError("it does not die")

    world.vault.kill = broken  # type: ignore[method-assign]
    assert (await halt(world)).stored
    assert not world.keyring.is_open
    assert Fact.SIGNER_NOT_KILLED in await world.facts()
    assert "SIGNER_NOT_KILLED" in await world.alerts()


async def test_a_stop_ends_codes_resets_and_tickets(world: World) -> None:
    operations = world.app.operations
    await operations.owner.enrol_totp()
    await operations.owner.confirm_totp(code_at(world.clock.now()))
    await operations.owner.start_pairing("host")
    await operations.reset.start("host")
    ticket, _ = await operations.password.ticket(PASSWORD)
    await operations.password.require(None, ticket=ticket)
    await halt(world)
    assert (await operations.owner.pairing_status())["state"] == "PAIRED"
    later = world.clock.now() + 10**9
    assert not await world.database.read(lambda unit: reset_is_over(unit, later))
    used = operations.password.require(None, ticket=ticket)
    assert await code_of(used) is Code.MASTER_PASSWORD_REQUIRED


async def test_a_recovery_compares_the_keys_with_the_wallets(world: World) -> None:
    await halt(world)
    world.sql("UPDATE wallets SET address = 'addrelsewhere' WHERE id = ?", world.wallet.id)
    refused = world.app.safety.begin_recovery(PASSWORD, "host")
    assert await code_of(refused) is Code.KEYSTORE_CORRUPTED
    assert (await world.app.safety.state()).state is StopState.ACTIVATED
    assert not world.keyring.is_open
    assert world.vault.locked


async def test_no_wallet_is_made_while_stopped(world: World) -> None:
    await halt(world)
    await world.app.safety.begin_recovery(PASSWORD, "host")
    assert await code_of(world.new_wallet("another")) is Code.SYSTEM_LOCKED


async def test_no_app_is_enrolled_while_stopped(world: World) -> None:
    """The password alone waits a day: an app that it enrolled meanwhile would make it half an hour."""
    await halt(world)
    await world.app.safety.begin_recovery(PASSWORD, "host")
    desk = world.app.operations.owner
    assert await code_of(desk.enrol_totp()) is Code.SYSTEM_LOCKED
    code = code_at(world.clock.now())
    assert await code_of(desk.confirm_totp(code)) is Code.SYSTEM_LOCKED
    assert not world.vault.enrolled


async def test_a_wrong_password_while_recovering_keeps_the_wait(world: World) -> None:
    await halt(world)
    begun = await world.app.safety.begin_recovery(PASSWORD, "host")
    await world.restart()
    wrong = world.app.safety.begin_recovery("wrong", "host")
    assert await code_of(wrong) is Code.WRONG_PASSWORD
    state: Any = await world.app.safety.state()
    assert (state.state, state.recovery_at) == (StopState.RECOVERING, begun.recovery_at)


async def test_wrong_passwords_lock_the_way_back_also_after_a_restart(world: World) -> None:
    await halt(world)
    for _ in range(5):
        await code_of(world.app.operations.password.require("wrong"))
    await world.restart()
    with pytest.raises(LimitedError):
        await world.app.operations.password.require(PASSWORD)
    world.clock.advance(1800)
    await world.app.operations.password.require(PASSWORD)


async def test_a_stop_in_the_moment_a_recovery_ends_leaves_it_stopped(world: World) -> None:
    """The stop finds RECOVERING and is refused, while the very next commit says NORMAL."""
    await halt(world)
    await world.app.safety.begin_recovery(PASSWORD, "host")
    world.clock.advance(86_401)
    run = world.database.run
    stops: list[asyncio.Future[Any]] = []

    async def stopped_first(body: Any) -> Any:
        if world.app.safety._completing and not stops:
            stops.append(asyncio.ensure_future(halt(world, "in that moment")))
            await asyncio.sleep(0)  # its unit stands in the queue before the recovery's
        return await run(body)

    world.database.run = stopped_first  # type: ignore[method-assign]
    assert not await world.app.safety.tick()
    assert await code_of(stops[0]) is Code.KILL_SWITCH_ACTIVE
    assert await stored_state(world) is StopState.NORMAL
    assert (await world.app.safety.state()).state is StopState.ACTIVATED
    await world.passes(1)
    assert await stored_state(world) is StopState.ACTIVATED
    assert (await world.app.safety.state()).reason == "in that moment"
    assert not world.gate.is_normal
    assert world.vault.locked
    assert world.halt_file.exists()
