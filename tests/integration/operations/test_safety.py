"""The kill switch: one cascade through any door, a slow way back, and nothing unsent ever leaves later."""

import asyncio
import sqlite3
from typing import Any

import pytest

from tests.support.chain import SOL, LedgerChain
from tests.support.vault import PASSWORD, code_at
from tests.support.world import APPROVAL, DELAY, PAYEE, World
from wallet.domain.facts import Fact
from wallet.domain.safety import StopState
from wallet.domain.transactions import Status
from wallet.domain.wallets import WalletStatus
from wallet.errors import Code, WalletError
from wallet.ports.chain import SendOutcome
from wallet.ports.world import STORED


async def halt(world: World, reason: str = "test") -> Any:
    return await world.app.safety.halt(reason, "host")


async def recover(world: World) -> None:
    await world.app.safety.begin_recovery(PASSWORD, "host")
    await world.passes(86_401)
    assert world.gate.is_normal


async def code_of(work: Any) -> Code:
    with pytest.raises(WalletError) as caught:
        await work
    return caught.value.code


async def stored_state(world: World) -> StopState:
    return (await world.database.read(lambda unit: unit.authority.state())).state


async def wallet_status(world: World) -> WalletStatus:
    return (await world.app.operations.wallets.get(world.wallet.id)).status


async def test_a_stop_ends_sessions_waiting_payments_and_wallets_together(world: World) -> None:
    delayed, asked = await world.pay(DELAY), await world.pay(APPROVAL)
    report = await halt(world)
    assert (report.sessions_revoked, report.transactions_cancelled, report.wallets_suspended) == (
        1,
        2,
        1,
    )
    for row in (delayed, asked):
        assert (await world.row(row.id)).status is Status.CANCELLED
    assert await world.reserved() == 0
    assert (await world.app.sessions.get(world.session.id)).was_revoked
    assert await wallet_status(world) is WalletStatus.SUSPENDED
    assert world.halt_file.exists()
    assert not world.gate.is_normal
    assert world.vault.locked
    assert not world.vault.alive
    assert not world.keyring.is_open
    assert "KILL_SWITCH_ACTIVATED" in await world.alerts()


async def test_a_cascade_that_fails_changes_no_row_but_the_process_is_stopped(
    world: World,
) -> None:
    row = await world.pay(DELAY)
    world.sql(
        "CREATE TRIGGER broken BEFORE UPDATE ON wallets BEGIN SELECT RAISE(ABORT, 'no'); END"
    )
    report = await halt(world)
    assert not report.stored
    assert await stored_state(world) is StopState.NORMAL
    assert (await world.app.safety.state()).state is StopState.ACTIVATED
    assert (await world.row(row.id)).status is Status.QUEUED
    assert (await world.app.sessions.get(world.session.id)).revoked_at is None
    assert not world.gate.is_normal
    assert not world.vault.alive
    assert world.halt_file.exists()
    assert await code_of(world.ask()) is Code.SYSTEM_LOCKED
    assert await code_of(world.app.safety.begin_recovery(PASSWORD, "host")) is Code.STORAGE_BUSY
    world.clock.advance(1)
    assert await code_of(world.tick()) is Code.STORAGE_BUSY
    world.sql("DROP TRIGGER broken")
    await world.passes(1)
    assert (await world.app.safety.state()).reason == "test"
    assert (await world.app.safety.state()).state is StopState.ACTIVATED
    assert (await world.row(row.id)).status is Status.CANCELLED


async def test_a_second_stop_conflicts_and_keeps_the_first_reason(world: World) -> None:
    await halt(world, "first")
    assert await code_of(halt(world, "second")) is Code.KILL_SWITCH_ACTIVE
    assert (await world.app.safety.state()).reason == "first"


async def test_two_stops_at_once_are_one_stop(world: World) -> None:
    answers = await asyncio.gather(halt(world), halt(world), return_exceptions=True)
    assert sum(isinstance(answer, WalletError) for answer in answers) == 1
    assert (await world.facts()).count(Fact.KILL_SWITCH_ACTIVATED) == 1


async def test_a_file_named_halt_stops_everything(world: World) -> None:
    row = await world.pay(DELAY)
    world.halt_file.touch()
    await world.tick()
    assert (await world.app.safety.state()).state is StopState.ACTIVATED
    assert (await world.row(row.id)).status is Status.CANCELLED


async def test_a_file_named_halt_keeps_a_start_stopped_and_locked(world: World) -> None:
    world.halt_file.touch()
    await world.restart()
    assert (await world.app.safety.state()).state is StopState.ACTIVATED
    assert world.vault.locked


async def test_removing_the_file_is_no_recovery(world: World) -> None:
    await halt(world)
    world.halt_file.unlink()
    await world.restart()
    assert not world.gate.is_normal
    assert await code_of(world.app.unlocking.unlock(PASSWORD)) is Code.SYSTEM_LOCKED


async def test_a_recovery_needs_the_password(world: World) -> None:
    await halt(world)
    wrong = world.app.safety.begin_recovery("wrong", "host")
    assert await code_of(wrong) is Code.WRONG_PASSWORD
    assert (await world.app.safety.state()).state is StopState.ACTIVATED
    assert world.vault.locked


async def test_a_recovery_waits_and_then_everything_works_again(world: World) -> None:
    await halt(world)
    state = await world.app.safety.begin_recovery(PASSWORD, "host")
    assert state.state is StopState.RECOVERING
    await world.passes(86_399)
    assert not world.gate.is_normal
    assert await code_of(world.ask()) is Code.SYSTEM_LOCKED
    await world.passes(1)
    assert world.app.safety.is_normal
    assert not world.halt_file.exists()
    assert await wallet_status(world) is WalletStatus.ACTIVE
    world.session = await world.new_session(world.wallet)
    paid = await world.pay()
    assert (await world.settled(paid.id)).status is Status.CONFIRMED


async def test_a_code_shortens_the_wait_and_is_spent(world: World) -> None:
    await world.app.operations.owner.enrol_totp()
    await world.app.operations.owner.confirm_totp(code_at(world.clock.now()))
    world.clock.advance(30)
    await halt(world)
    code = code_at(world.clock.now())
    await world.app.safety.begin_recovery(PASSWORD, "host", code)
    await world.app.safety.cancel_recovery("host")
    again = world.app.safety.begin_recovery(PASSWORD, "host", code)
    assert await code_of(again) is Code.FACTOR_INVALID
    assert world.vault.locked
    assert (await world.app.safety.state()).state is StopState.ACTIVATED
    world.clock.advance(30)
    await world.app.safety.begin_recovery(PASSWORD, "host", code_at(world.clock.now()))
    await world.passes(1_799)
    assert not world.gate.is_normal
    await world.passes(1)
    assert world.gate.is_normal


async def test_a_wrong_code_leaves_everything_locked_and_stopped(world: World) -> None:
    world.vault.enrolled = True
    await halt(world)
    wrong = world.app.safety.begin_recovery(PASSWORD, "host", "999999")
    assert await code_of(wrong) is Code.FACTOR_INVALID
    assert world.vault.locked
    assert not world.keyring.is_open
    assert (await world.app.safety.state()).state is StopState.ACTIVATED


async def test_the_chat_cancels_a_recovery_once_and_the_host_at_will(world: World) -> None:
    safety = world.app.safety
    await halt(world)
    await safety.begin_recovery(PASSWORD, "host")
    await safety.cancel_recovery("owner", from_chat=True)
    assert world.vault.locked
    await world.passes(90_000)
    assert not world.gate.is_normal
    await safety.begin_recovery(PASSWORD, "host")
    assert (
        await code_of(safety.cancel_recovery("owner", from_chat=True))
        is Code.RECOVERY_ALREADY_STARTED
    )
    for _ in range(2):
        await safety.cancel_recovery("host")
        await safety.begin_recovery(PASSWORD, "host")
    await world.passes(86_400)
    assert world.gate.is_normal


async def test_normal_is_committed_before_the_halt_file_goes(world: World) -> None:
    await halt(world)
    await world.app.safety.begin_recovery(PASSWORD, "host")
    world.sql(
        "CREATE TRIGGER broken BEFORE UPDATE ON system_state BEGIN SELECT RAISE(ABORT, 'no'); END"
    )
    world.clock.advance(86_401)
    with pytest.raises(Exception, match="no"):
        await world.app.upkeep.recover()
    assert world.halt_file.exists()
    assert not world.gate.is_normal


async def test_a_restart_while_recovering_keeps_the_wait(world: World) -> None:
    await halt(world)
    before = await world.app.safety.begin_recovery(PASSWORD, "host")
    await world.restart()
    await world.passes(86_401)
    assert not world.gate.is_normal
    again = await world.app.safety.begin_recovery(PASSWORD, "host")
    assert again.recovery_at == before.recovery_at
    await world.tick()
    assert world.gate.is_normal


async def test_a_recovering_state_written_by_a_stranger_shortens_no_wait(world: World) -> None:
    await halt(world)
    world.sql("UPDATE system_state SET state = 'RECOVERING', recovery_at = 1")
    await world.restart()
    await code_of(world.app.safety.begin_recovery(PASSWORD, "host"))
    await world.tick()
    assert not world.gate.is_normal
    assert world.vault.locked


async def test_a_wait_shortened_in_the_database_never_ends(world: World) -> None:
    await halt(world)
    await world.app.safety.begin_recovery(PASSWORD, "host")
    world.sql("UPDATE system_state SET recovery_at = 1")
    assert await code_of(world.app.safety.tick()) is Code.SYSTEM_LOCKED
    assert not world.gate.is_normal
    assert world.vault.locked


@pytest.mark.parametrize("mac", [None, "00" * 32])
async def test_a_normal_without_proof_reads_as_a_stop_on_unlock(
    world: World, mac: str | None
) -> None:
    row = await world.pay(DELAY)
    world.sql("UPDATE system_state SET mac = ?", mac)
    await world.restart(unlocked=False)
    assert await code_of(world.app.unlocking.unlock(PASSWORD)) is Code.SYSTEM_LOCKED
    assert (await world.app.safety.state()).state is StopState.ACTIVATED
    assert (await world.row(row.id)).status is Status.CANCELLED
    assert world.vault.locked


async def test_an_old_normal_put_back_whole_ends_no_stop(world: World) -> None:
    """Its proof is valid, and the log tells of a stop after it."""
    with sqlite3.connect(world.settings.database.path) as reading:
        columns = [column[1] for column in reading.execute("PRAGMA table_info(system_state)")]
        (normal,) = reading.execute(f"SELECT {', '.join(columns)} FROM system_state").fetchall()
    reading.close()
    await halt(world)
    marks = ", ".join("?" * len(columns))
    world.sql(f"INSERT OR REPLACE INTO system_state VALUES ({marks})", *normal)
    world.halt_file.unlink()

    await world.restart(unlocked=False)
    assert await code_of(world.app.unlocking.unlock(PASSWORD)) is Code.SYSTEM_LOCKED

    assert (await world.app.safety.state()).state is StopState.ACTIVATED
    assert world.vault.locked
    assert world.halt_file.exists()
    await recover(world)
    await world.restart()
    assert world.gate.is_normal
    assert not world.vault.locked


async def test_nothing_is_signed_between_the_unlock_and_the_proof(world: World) -> None:
    world.chain.down = True
    await world.pay()
    world.sql("UPDATE system_state SET mac = NULL")
    await world.restart(unlocked=False)
    world.chain.down = False
    unlocking = asyncio.ensure_future(world.app.unlocking.unlock(PASSWORD))
    while not unlocking.done():
        world.app.executor.retry_all()
        await world.app.executor.carry_on()
        await asyncio.sleep(0)
    assert isinstance(unlocking.exception(), WalletError)
    await world.quiet()
    assert world.vault.signed == []


async def test_a_stop_during_the_end_of_a_recovery_wins(world: World) -> None:
    await halt(world)
    await world.app.safety.begin_recovery(PASSWORD, "host")
    world.clock.advance(86_401)
    await asyncio.gather(world.app.safety.tick(), halt(world, "again"), return_exceptions=True)
    state = (await world.app.safety.state()).state
    assert world.gate.is_normal is (state is StopState.NORMAL)
    assert world.vault.locked is (state is not StopState.NORMAL)
    assert world.halt_file.exists() is (state is not StopState.NORMAL)


async def test_a_stop_between_storing_and_sending_sends_nothing(world: World) -> None:
    world.checkpoints.at[STORED] = lambda: world.gate.set(StopState.ACTIVATED)
    row = await world.pay()
    assert row.status is Status.SUBMITTED
    assert world.chain.sent == []


async def stopped_before_sending(world: World, wallet_name: str | None = None) -> str:
    """A payment whose signed bytes are stored and were never sent; then a stop."""
    more: dict[str, Any] = {}
    if wallet_name is not None:
        more["wallet"] = await world.new_wallet(wallet_name, SOL.name)
        more["session"] = await world.new_session(more["wallet"])
    world.checkpoints.at[STORED] = lambda: world.gate.set(StopState.ACTIVATED)
    row = await world.pay(**more)
    world.gate.set(StopState.NORMAL)
    report = await halt(world)
    assert [found.id for found in report.exposure] == [row.id]
    return row.id


@pytest.mark.parametrize("restarted", [False, True])
async def test_an_unsent_payment_is_not_sent_after_a_recovery_and_its_nonce_is_filled(
    world: World, restarted: bool
) -> None:
    unsent = await stopped_before_sending(world)
    if restarted:
        await world.restart()
    await recover(world)
    for _ in range(4):
        world.clock.advance(6)
        await world.poll()
    row = await world.settled(unsent)
    assert world.chain.received(PAYEE) == 0
    assert row.status is Status.FAILED
    assert await world.reserved() == 0


async def test_an_unsent_solana_payment_ends_by_proof_and_is_never_sent(world: World) -> None:
    unsent = await stopped_before_sending(world, "sol")
    chain: LedgerChain = world.chains[SOL.name]
    await recover(world)
    for _ in range(4):
        world.clock.advance(6)
        await world.poll()
    assert chain.sent == []
    chain.mine(200)
    assert (await world.settled(unsent)).status is Status.EXPIRED
    assert chain.received(PAYEE) == 0


async def test_a_sent_payment_is_settled_while_stopped(world: World) -> None:
    row = await world.pay()
    await halt(world)
    assert (await world.settled(row.id)).status is Status.CONFIRMED


async def test_nothing_is_sent_again_while_stopped(world: World) -> None:
    world.chain.next_send = [SendOutcome.UNKNOWN]
    await world.pay()
    await halt(world)
    for _ in range(3):
        world.clock.advance(10)
        await world.poll()
    assert len(world.chain.sent) == 1
