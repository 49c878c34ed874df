"""Execution and settlement of payments on a chain that does what the test says."""

import asyncio
import sqlite3
from dataclasses import replace
from typing import Any

import pytest

from tests.support.chain import ETHER, EVM, FEE, FEE_CEILING, SOL
from tests.support.vault import PASSWORD
from tests.support.world import APPROVAL, DELAY, INSTANT, NOTIFY, PAYEE, World
from wallet.domain.facts import Fact
from wallet.domain.owner import Factor
from wallet.domain.safety import StopState
from wallet.domain.tiers import Tier
from wallet.domain.transactions import Purpose, Status
from wallet.domain.wallets import WalletStatus
from wallet.errors import Code, UnavailableError
from wallet.ports.chain import SendOutcome
from wallet.ports.world import EXECUTING, STORED

HOUR = 3_600


async def retry(world: World, seconds: float = 16) -> None:
    """Time enough for every back-off, then a sweep and a look at the chain."""
    await world.passes(seconds)
    await world.poll()


async def approve(world: World, transaction_id: str) -> None:
    row = await world.row(transaction_id)
    approvals = world.app.operations.approvals
    await approvals.approve(row.id, digest=row.digest, factor=Factor.TAP, actor="owner")


async def test_an_instant_payment_is_signed_once_sent_once_and_settled(world: World) -> None:
    row = await world.pay()
    assert (row.tier, row.status) == (Tier.INSTANT, Status.SUBMITTED)
    after = await world.settled(row.id)
    assert after.status is Status.CONFIRMED
    assert after.finalized_at is not None
    assert after.fee == FEE // 2
    assert len(world.vault.signed) == len(world.chain.sent) == 1
    assert world.chain.received(PAYEE) == INSTANT
    assert await world.reserved() == 0
    spent = (await world.app.sessions.get(world.session.id)).spent
    assert spent[EVM.native.key] == INSTANT + FEE // 2


async def test_a_notify_payment_leaves_at_once_and_wants_a_card(world: World) -> None:
    row = await world.pay(NOTIFY)
    assert (row.tier, row.status) == (Tier.NOTIFY, Status.SUBMITTED)
    assert await world.database.read(lambda unit: unit.console.card(row.id)) is not None


async def test_a_delayed_payment_is_signed_only_once_released(world: World) -> None:
    row = await world.pay(DELAY)
    assert (row.tier, row.status) == (Tier.DELAY, Status.QUEUED)
    await world.passes(299)
    assert world.vault.signed == []
    await world.passes(1)
    assert (await world.settled(row.id)).status is Status.CONFIRMED


async def test_an_approval_payment_is_signed_only_once_approved(world: World) -> None:
    row = await world.pay(APPROVAL)
    assert (row.tier, row.status) == (Tier.APPROVAL, Status.QUEUED)
    await world.passes(HOUR)
    assert world.vault.signed == []
    await approve(world, row.id)
    await world.quiet()
    assert (await world.settled(row.id)).status is Status.CONFIRMED


async def test_a_payment_waits_unsigned_while_no_node_answers_and_then_finishes(
    world: World,
) -> None:
    world.chain.down = True
    row = await world.pay()
    assert row.status is Status.EXECUTING
    await retry(world)
    assert world.vault.signed == []
    world.chain.down = False
    await retry(world)
    assert (await world.settled(row.id)).status is Status.CONFIRMED
    assert world.chain.received(PAYEE) == INSTANT


async def test_a_payment_no_node_took_in_time_expires_and_frees_its_money(world: World) -> None:
    world.chain.down = True
    row = await world.pay()
    await retry(world, 601)
    ended = await world.row(row.id)
    assert (ended.status, ended.error) == (Status.EXPIRED, Code.CHAIN_UNAVAILABLE.value)
    world.chain.down = False
    await retry(world)
    assert world.vault.signed == []
    assert await world.reserved() == 0
    assert (await world.app.sessions.get(world.session.id)).transactions == 0


async def test_a_simulation_that_fails_ends_the_payment_and_frees_its_money(world: World) -> None:
    world.chain.simulation_fails = True
    row = await world.pay()
    assert (row.status, row.error) == (Status.FAILED, Code.SIMULATION_FAILED)
    assert world.vault.signed == []
    assert await world.reserved() == 0


async def test_a_balance_that_cannot_pay_ends_the_payment_at_once(world: World) -> None:
    world.chain.drain(world.wallet.address, INSTANT)
    row = await world.pay()
    assert (row.status, row.error) == (Status.FAILED, Code.INSUFFICIENT_FUNDS)


async def test_unfinished_payments_let_a_big_one_wait_and_a_small_one_overtake(
    world: World,
) -> None:
    world.chain.mines = False
    world.chain.drain(world.wallet.address, INSTANT * 6 // 5 + 2 * FEE)
    first = await world.pay(INSTANT)
    big = await world.pay(INSTANT // 2)
    small = await world.pay(INSTANT // 10)
    assert first.status is small.status is Status.SUBMITTED
    assert big.status is Status.EXECUTING
    assert await world.attempts(big.id) == []
    world.chain.mine()
    await world.settled(first.id)
    await retry(world)
    assert (await world.row(big.id)).error == Code.INSUFFICIENT_FUNDS


async def test_a_fee_above_the_ceiling_waits_and_is_never_paid(world: World) -> None:
    world.chain.fee = FEE_CEILING + 1
    row = await world.pay()
    assert row.status is Status.EXECUTING
    world.chain.fee = FEE_CEILING
    await retry(world)
    assert (await world.settled(row.id)).status is Status.CONFIRMED


@pytest.mark.parametrize(
    "bend", [{"to": "thief"}, {"amount": INSTANT + 1}, {"memo": "x"}, {"max_fee": FEE_CEILING + 1}]
)
async def test_a_built_payload_that_is_another_payment_is_not_signed(
    world: World, bend: dict[str, Any]
) -> None:
    world.chain.bend_inspect = bend
    row = await world.pay()
    assert row.status is Status.EXECUTING
    assert world.vault.signed == []


async def test_the_signature_of_an_overtaken_executor_is_never_stored_nor_sent(
    world: World,
) -> None:
    world.vault.holding = asyncio.Event()
    admitted = await world.ask()
    await world.vault.asked.wait()
    found = await world.row(admitted.transaction.id)
    world.sql("UPDATE transactions SET attempt = attempt + 1 WHERE id = ?", found.id)
    world.vault.holding.set()
    await world.quiet()
    assert len(world.vault.signed) == 1
    assert await world.attempts(found.id) == []
    assert world.chain.sent == []
    world.vault.holding = None
    await retry(world)
    assert (await world.settled(found.id)).status is Status.CONFIRMED
    assert world.chain.received(PAYEE) == INSTANT


async def test_a_stop_while_signing_stores_nothing_and_sends_nothing(world: World) -> None:
    world.vault.holding = asyncio.Event()
    admitted = await world.ask()
    await world.vault.asked.wait()
    await world.app.safety.halt("test", "host")
    world.vault.holding.set()
    await world.quiet()
    assert (await world.row(admitted.transaction.id)).status is Status.CANCELLED
    assert await world.attempts(admitted.transaction.id) == []
    assert world.chain.sent == []


async def test_a_session_revoked_while_signing_stores_nothing_and_sends_nothing(
    world: World,
) -> None:
    world.vault.holding = asyncio.Event()
    admitted = await world.ask()
    await world.vault.asked.wait()
    await world.app.sessions.revoke(world.session.id, actor="owner", reason="test")
    world.vault.holding.set()
    await world.quiet()
    assert (await world.row(admitted.transaction.id)).status is Status.CANCELLED
    assert world.chain.sent == []


async def test_a_signer_that_dies_while_signing_loses_nothing(world: World) -> None:
    world.vault.holding = asyncio.Event()
    admitted = await world.ask()
    await world.vault.asked.wait()
    world.vault.kill()
    world.vault.holding.set()
    await world.quiet()
    assert (await world.row(admitted.transaction.id)).status is Status.EXECUTING
    world.vault.holding = None
    await world.app.unlocking.unlock(PASSWORD)
    await retry(world)
    assert (await world.settled(admitted.transaction.id)).status is Status.CONFIRMED


async def test_a_send_nobody_answered_is_repeated_with_the_same_bytes_only(world: World) -> None:
    world.chain.next_send = [SendOutcome.UNKNOWN, SendOutcome.UNKNOWN]
    row = await world.pay()
    for _ in range(3):
        world.clock.advance(2)
        await world.poll()
    assert (await world.settled(row.id)).status is Status.CONFIRMED
    assert len(world.chain.sent) == 3
    assert len(set(world.chain.sent)) == 1
    assert len(world.vault.signed) == 1


async def test_bytes_that_a_node_forgot_are_sent_again(world: World) -> None:
    world.chain.swallows = True
    row = await world.pay()
    world.chain.swallows = False
    world.clock.advance(6)
    await world.poll()
    assert (await world.settled(row.id)).status is Status.CONFIRMED
    assert len(set(world.chain.sent)) == 1


async def test_a_rejected_payload_is_rebuilt_at_its_nonce_and_paid_once(world: World) -> None:
    world.chain.next_send = [SendOutcome.REJECTED, SendOutcome.REJECTED]
    row = await world.pay()
    world.chain.fee = FEE * 2
    world.clock.advance(2)
    await world.poll()
    first, second = await world.attempts(row.id)
    assert first.nonce == second.nonce
    assert second.purpose is Purpose.PAY
    assert (await world.settled(row.id)).status is Status.CONFIRMED
    assert world.chain.received(PAYEE) == INSTANT
    assert Fact.TX_REPLACED in await world.facts(row.id)


async def test_a_rejected_payload_that_cannot_be_afforded_is_filled_and_the_money_freed(
    world: World,
) -> None:
    world.chain.next_send = [SendOutcome.REJECTED, SendOutcome.REJECTED]
    row = await world.pay()
    world.chain.drain(world.wallet.address, FEE * 3)
    world.clock.advance(2)
    await world.poll()
    assert [a.purpose for a in await world.attempts(row.id)] == [Purpose.PAY, Purpose.FILL]
    assert (await world.row(row.id)).status is Status.SUBMITTED
    after = await world.settled(row.id)
    assert after.status is Status.FAILED
    assert world.chain.received(PAYEE) == 0
    assert await world.reserved() == 0
    spent = (await world.app.sessions.get(world.session.id)).spent
    assert spent[EVM.native.key] == FEE // 2


async def test_a_payment_that_failed_on_chain_keeps_its_money_set_aside_until_final(
    world: World,
) -> None:
    world.chain.reverts = True
    row = await world.pay()
    await world.poll()
    assert (await world.row(row.id)).status is Status.SUBMITTED
    assert await world.reserved() == INSTANT + FEE_CEILING
    after = await world.settled(row.id)
    assert (after.status, after.fee) == (Status.FAILED, FEE // 2)
    assert await world.reserved() == 0


async def test_a_confirmed_payment_whose_block_is_undone_is_sent_again_and_alarms(
    world: World,
) -> None:
    row = await world.pay()
    await world.poll()
    assert (await world.row(row.id)).status is Status.CONFIRMED
    landed = (await world.attempts(row.id))[0].hash
    world.chain.undo(landed)
    world.clock.advance(6)
    await world.poll()
    assert landed in world.chain.landed
    assert Fact.TX_REORGED in await world.facts(row.id)
    assert "TX_REORGED" in await world.alerts()
    after = await world.settled(row.id)
    assert after.status is Status.CONFIRMED
    assert after.finalized_at is not None
    assert world.chain.received(PAYEE) == INSTANT


async def test_a_confirmed_payment_that_finally_failed_alarms(world: World) -> None:
    row = await world.pay()
    await world.poll()
    world.chain.landed[(await world.attempts(row.id))[0].hash].worked = False
    after = await world.settled(row.id)
    assert after.status is Status.CONFIRMED
    assert Fact.TX_REORGED in await world.facts(row.id)
    assert "TX_UNPAID" in await world.alerts()


async def test_a_nonce_taken_by_a_stranger_keeps_the_row_and_the_money_and_alarms(
    world: World,
) -> None:
    world.chain.mines = False
    row = await world.pay()
    world.chain.take_nonce(world.wallet.address, 0)
    assert (await world.settled(row.id)).status is Status.SUBMITTED
    assert await world.reserved() == INSTANT + FEE_CEILING
    assert "NONCE_TAKEN" in await world.alerts()
    await world.poll()
    assert (await world.facts(row.id)).count(Fact.TX_NONCE_TAKEN) == 1


async def a_solana_wallet(world: World) -> dict[str, Any]:
    wallet = await world.new_wallet("sol", SOL.name)
    return {"wallet": wallet, "session": await world.new_session(wallet)}


async def test_two_equal_solana_payments_never_share_signed_bytes(world: World) -> None:
    sol = await a_solana_wallet(world)
    chain = world.chains[SOL.name]
    chain.mines = False
    rows = [await world.pay(**sol) for _ in range(3)]
    assert all(row.status is Status.SUBMITTED for row in rows)
    assert len({row.hash for row in rows}) == 3
    assert len(set(chain.sent)) == 3
    chain.mine()
    for row in rows:
        assert (await world.settled(row.id)).status is Status.CONFIRMED
    assert chain.received(PAYEE) == 3 * INSTANT


async def test_a_solana_payment_whose_bytes_are_dead_is_built_anew_while_its_time_lasts(
    world: World,
) -> None:
    sol = await a_solana_wallet(world)
    chain = world.chains[SOL.name]
    chain.swallows = True
    row = await world.pay(**sol)
    chain.mine(150)
    await world.poll()
    assert len(await world.attempts(row.id)) == 1
    chain.swallows = False
    chain.mine(10)
    await world.poll()
    first, second = await world.attempts(row.id)
    assert first.hash != second.hash
    assert first.finalized_at is not None
    assert Fact.TX_RENEWED in await world.facts(row.id)
    await world.poll()
    assert (await world.settled(row.id)).status is Status.CONFIRMED
    assert chain.received(PAYEE) == INSTANT
    assert await world.reserved() == 0


async def test_the_death_of_some_payloads_concludes_nothing_about_a_newer_one(
    world: World,
) -> None:
    sol = await a_solana_wallet(world)
    chain = world.chains[SOL.name]
    chain.swallows = True
    row = await world.pay(**sol)
    chain.mine(160)

    def crash() -> None:
        raise UnavailableError(Code.STORAGE_BUSY, "The answer of the commit was lost.")

    world.checkpoints.at[STORED] = crash
    await world.poll()
    first, second = await world.attempts(row.id)
    desk = world.app.settlement._desks[SOL.name]
    desk.rows[row.id].is_stale = False  # as if only the dead one were known
    assert [one.hash for one in desk.rows[row.id].attempts] == [first.hash]
    for late in (0, 601):
        world.clock.advance(late)
        desk.rows[row.id].is_stale = False
        await world.poll()
        assert [one.hash for one in await world.attempts(row.id)] == [first.hash, second.hash]
        assert (await world.row(row.id)).status is Status.SUBMITTED
    chain.swallows = False
    await world.poll()
    assert (await world.settled(row.id)).status is Status.CONFIRMED
    assert chain.received(PAYEE) == INSTANT


async def test_a_solana_payment_that_died_after_its_time_expires_and_frees_its_money(
    world: World,
) -> None:
    sol = await a_solana_wallet(world)
    chain = world.chains[SOL.name]
    chain.swallows = True
    row = await world.pay(**sol)
    world.clock.advance(601)
    chain.mine(150)
    await world.poll()
    assert (await world.row(row.id)).status is Status.SUBMITTED
    chain.mine(10)
    await world.poll()
    assert (await world.row(row.id)).status is Status.EXPIRED
    assert len(world.vault.signed) == 1
    assert await world.reserved() == 0


async def test_a_dead_solana_payment_that_the_rules_now_refuse_is_not_built_anew(
    world: World,
) -> None:
    sol = await a_solana_wallet(world)
    chain = world.chains[SOL.name]
    chain.swallows = True
    row = await world.pay(**sol)
    await world.app.sessions.revoke(sol["session"].id, actor="owner", reason="test")
    chain.mine(160)
    await world.poll()
    assert (await world.row(row.id)).status is Status.EXPIRED
    assert len(world.vault.signed) == 1


async def test_a_dead_solana_payment_waits_for_the_key_while_its_time_lasts(world: World) -> None:
    sol = await a_solana_wallet(world)
    chain = world.chains[SOL.name]
    chain.swallows = True
    row = await world.pay(**sol)
    await world.restart(unlocked=False)
    await world.app.executor.carry_on()
    chain.mine(160)
    await world.poll()
    assert (await world.row(row.id)).status is Status.SUBMITTED
    chain.swallows = False
    await world.app.unlocking.unlock(PASSWORD)
    await world.poll()
    assert (await world.settled(row.id)).status is Status.CONFIRMED
    assert chain.received(PAYEE) == INSTANT


async def test_a_queued_payment_of_a_suspended_wallet_is_cancelled_at_its_time(
    world: World,
) -> None:
    row = await world.pay(DELAY)
    await world.database.run(
        lambda unit: unit.wallets.set_status(world.wallet.id, WalletStatus.SUSPENDED, "owner")
    )
    await world.passes(301)
    after = await world.row(row.id)
    assert (after.status, after.error) == (Status.CANCELLED, Code.WALLET_SUSPENDED)
    assert await world.reserved() == 0


async def test_a_queued_payment_that_a_tightened_policy_denies_is_cancelled(world: World) -> None:
    row = await world.pay(DELAY)
    await world.set_rule("WHITELIST", {"allowed_addresses": ["other"], "otherwise": "deny"})
    await world.passes(301)
    after = await world.row(row.id)
    assert (after.status, after.error) == (Status.CANCELLED, Code.WHITELIST_DENIED)
    assert world.vault.signed == []


async def test_a_row_is_not_denied_by_its_own_reservation(world: World) -> None:
    rule = {
        "assets": {EVM.native.key: {"limit": str(DELAY + FEE_CEILING)}},
        "window_seconds": 3600,
        "over": "each_wallet",
        "otherwise": "deny",
    }
    await world.set_rule("CUMULATIVE_LIMIT", rule)
    row = await world.pay(DELAY)
    await world.passes(301)
    assert (await world.settled(row.id)).status is Status.CONFIRMED


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("amount", str(DELAY * 2)),
        ("recipient", "thief"),
        ("request", "{}"),
        ("request_hash", "0" * 64),
        ("digest", "0" * 64),
        ("fee_ceiling", str(FEE_CEILING * 2)),
        ("memo", "other"),
    ],
)
async def test_a_row_altered_in_the_database_is_cancelled_and_not_signed(
    world: World, column: str, value: str
) -> None:
    row = await world.pay(DELAY)
    names = [c[1] for c in columns(world)]
    actual = column if column in names else {"recipient": "to"}[column]
    world.sql(f'UPDATE transactions SET "{actual}" = ? WHERE id = ?', value, row.id)
    await world.passes(301)
    assert (await world.row(row.id)).status is Status.CANCELLED
    assert world.vault.signed == []


def columns(world: World) -> list[Any]:
    connection = sqlite3.connect(world.settings.database.path)
    try:
        return connection.execute("PRAGMA table_info(transactions)").fetchall()
    finally:
        connection.close()


async def test_an_expired_sessions_waiting_payment_still_leaves(world: World) -> None:
    world.session = await world.new_session(world.wallet, ttl_seconds=300)
    row = await world.pay(DELAY)
    world.clock.advance(301)
    await world.app.upkeep.clean_sessions()
    await world.tick()
    assert (await world.settled(row.id)).status is Status.CONFIRMED


async def test_a_locked_daemon_signs_nothing_and_finishes_after_the_unlock(world: World) -> None:
    world.chain.down = True
    row = await world.pay()
    await world.restart(unlocked=False)
    world.chain.down = False
    await retry(world)
    assert (await world.row(row.id)).status is Status.EXECUTING
    await world.app.unlocking.unlock(PASSWORD)
    await world.quiet()
    assert (await world.settled(row.id)).status is Status.CONFIRMED


async def test_a_row_that_a_locked_daemon_could_not_sign_in_time_expires(world: World) -> None:
    world.chain.down = True
    row = await world.pay()
    await world.restart(unlocked=False)
    await retry(world, 601)
    assert (await world.row(row.id)).status is Status.EXPIRED


async def test_a_crash_after_storing_sends_the_stored_bytes_and_signs_nothing_new(
    world: World,
) -> None:
    world.chain.next_send = [SendOutcome.UNKNOWN]
    row = await world.pay()
    await world.restart()
    world.clock.advance(2)
    await world.poll()
    assert (await world.settled(row.id)).status is Status.CONFIRMED
    assert len(world.vault.signed) == 1
    assert len(set(world.chain.sent)) == 1


async def test_a_crash_before_signing_pays_once(world: World) -> None:
    def crash() -> None:
        raise RuntimeError("crash")

    world.checkpoints.at[EXECUTING] = crash
    row = await world.pay()
    assert row.status is Status.EXECUTING
    await world.restart()
    await world.quiet()
    assert (await world.settled(row.id)).status is Status.CONFIRMED
    assert world.chain.received(PAYEE) == INSTANT


async def test_a_row_whose_handling_fails_three_times_is_parked_shown_and_still_expires(
    world: World,
) -> None:
    def broken(*_: object) -> Any:
        raise RuntimeError("a bug")

    real, world.chain.inspect = world.chain.inspect, broken  # type: ignore[assignment,method-assign]
    row = await world.pay()
    for _ in range(5):
        await retry(world)
    assert len(world.chain.built) == 3
    assert "TX_PARKED" in await world.alerts()
    world.chain.inspect = real  # type: ignore[method-assign]
    await retry(world, 601)
    assert (await world.row(row.id)).status is Status.EXPIRED
    assert await world.reserved() == 0


async def test_a_busy_disk_neither_parks_a_payment_nor_ends_the_process(world: World) -> None:
    row = await world.ask(DELAY)
    world.clock.advance(301)
    refuse_writes(world, "database or disk is full")
    for _ in range(4):
        await retry(world)
    allow_writes(world)
    await retry(world)
    assert (await world.settled(row.transaction.id)).status is Status.CONFIRMED


def refuse_writes(world: World, why: str) -> None:
    async def run(_: Any) -> Any:
        raise UnavailableError(Code.STORAGE_FULL, why)

    world.database.run = run  # type: ignore[assignment,method-assign]


def allow_writes(world: World) -> None:
    del world.database.run


async def test_settlement_survives_a_full_disk(world: World) -> None:
    row = await world.pay()
    refuse_writes(world, "full")
    await world.poll()
    allow_writes(world)
    assert (await world.settled(row.id)).status is Status.CONFIRMED


async def test_a_waiter_that_left_cancels_nothing(world: World) -> None:
    world.chain.holding_build = asyncio.Event()
    admitted = await world.ask()
    waiting = asyncio.ensure_future(
        world.app.operations.transactions.outcome(admitted.transaction.id, 30)
    )
    await world.chain.build_asked.wait()
    waiting.cancel()
    world.chain.holding_build.set()
    await world.quiet()
    assert (await world.settled(admitted.transaction.id)).status is Status.CONFIRMED


async def test_an_address_signs_one_payment_at_a_time_with_a_nonce_each(world: World) -> None:
    world.chain.mines = False
    rows = [(await world.ask()).transaction for _ in range(10)]
    await world.quiet()
    nonces = [(await world.attempts(row.id))[0].nonce for row in rows]
    assert sorted(n for n in nonces if n is not None) == list(range(10))


async def test_an_undone_spend_is_not_given_back(world: World) -> None:
    row = await world.pay()
    await world.poll()
    world.chain.swallows = True
    world.chain.undo((await world.attempts(row.id))[0].hash)
    await world.settled(row.id)
    spent = (await world.app.sessions.get(world.session.id)).spent
    assert spent[EVM.native.key] == INSTANT + FEE // 2


async def test_gate_and_stored_state_must_both_say_normal_before_anything_is_taken(
    world: World,
) -> None:
    row = await world.pay(DELAY)
    world.clock.advance(301)
    world.sql("UPDATE system_state SET state = 'ACTIVATED'")
    await world.tick()
    assert (await world.row(row.id)).status is Status.QUEUED
    world.sql("UPDATE system_state SET state = 'NORMAL'")
    world.gate.set(StopState.ACTIVATED)
    await world.tick()
    assert (await world.row(row.id)).status is Status.QUEUED
    assert replace(row, status=Status.QUEUED) == await world.row(row.id)


async def test_amounts_beyond_sixty_four_bits_are_exact(world: World) -> None:
    amount = 9 * ETHER + 12_345_678_901_234_567
    row = await world.pay(amount)
    await approve(world, row.id)
    await world.quiet()
    await world.settled(row.id)
    assert world.chain.received(PAYEE) == amount
