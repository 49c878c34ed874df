"""Speed up, Cancel, repairs and gaps: whatever lands, the row says it and the money is counted once."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.support.chain import ETHER, EVM, FEE, FEE_CEILING, SOL
from tests.support.vault import PASSWORD, code_at
from tests.support.world import APPROVAL, INSTANT, PAYEE, World
from wallet.domain.facts import Fact
from wallet.domain.owner import Band, Factor
from wallet.domain.prices import Price
from wallet.domain.transactions import UNSENT, Attempt, Purpose, Status, Transaction
from wallet.errors import AuthError, Code, ConflictError, RefusedError, WalletError
from wallet.operations.replacements import Order
from wallet.ports.chain import SendOutcome
from wallet.ports.world import ORDERED, SENT, STORED

CEILING = 2 * FEE_CEILING
DOLLAR = 10**6
STUCK_SECONDS = 120


async def stuck(world: World, amount: int = INSTANT, **more: Any) -> Transaction:
    """A payment that nodes hold and no block takes."""
    world.chain.mines = False
    row = await world.pay(amount, **more)
    await world.poll()
    assert row.status is Status.SUBMITTED
    return row


async def order(world: World, row: Transaction, purpose: Purpose, **bent: Any) -> Transaction:
    made = Order(purpose, row.digest, CEILING, Factor.HOST, "owner")
    return await world.app.operations.replacements.order(row.id, replace(made, **bent))


async def purposes(world: World, row: Transaction) -> list[Purpose]:
    return [one.purpose for one in await world.attempts(row.id)]


async def last(world: World, row: Transaction) -> Attempt:
    return (await world.attempts(row.id))[-1]


async def spent(world: World) -> int:
    return (await world.app.sessions.get(world.session.id)).spent.get(EVM.native.key, 0)


async def wrong(world: World) -> list[str]:
    """What the ledger check says of all this."""
    report = await world.app.operations.ledger.check(with_chains=True)
    return [f"{one.invariant}: {one.message}" for one in report.violations]


async def test_a_sped_up_payment_offers_more_at_its_nonce_and_pays_once(world: World) -> None:
    row = await stuck(world)
    after = await order(world, row, Purpose.SPEED_UP)
    assert (after.status, after.wanted) == (Status.SUBMITTED, Purpose.SPEED_UP)
    assert await world.reserved() == INSTANT + CEILING
    assert await wrong(world) == []
    await world.poll()
    first, second = await world.attempts(row.id)
    assert (second.purpose, second.nonce) == (Purpose.SPEED_UP, first.nonce)
    assert (second.max_cost - INSTANT) * 8 >= (first.max_cost - INSTANT) * 9
    assert (await world.row(row.id)).wanted is None
    ended = await world.settled(row.id)
    assert (ended.status, ended.hash) == (Status.CONFIRMED, second.hash)
    assert world.chain.received(PAYEE) == INSTANT
    assert await world.reserved() == 0
    assert await spent(world) == INSTANT + (ended.fee or 0)
    facts = await world.facts(row.id)
    assert Fact.TX_SPEED_UP_ORDERED in facts
    assert Fact.TX_REPLACED in facts
    assert await wrong(world) == []


async def test_a_cancellation_that_wins_ends_the_payment_once_final(world: World) -> None:
    row = await stuck(world)
    await order(world, row, Purpose.CANCEL)
    await world.poll()
    assert await purposes(world, row) == [Purpose.PAY, Purpose.CANCEL]
    world.chain.mine()
    await world.poll()
    waiting = await world.row(row.id)
    assert (waiting.status, waiting.cancelling_at is not None) == (Status.SUBMITTED, True)
    assert await world.reserved() == INSTANT + CEILING
    assert await wrong(world) == []
    ended = await world.settled(row.id)
    assert (ended.status, ended.error) == (Status.CANCELLED, Code.OWNER_REJECTED)
    assert ended.hash == (await last(world, row)).hash
    assert ended.finalized_at is not None
    assert world.chain.received(PAYEE) == 0
    assert await world.reserved() == 0
    assert await spent(world) == ended.fee
    assert await wrong(world) == []


async def test_a_cancellation_that_loses_is_told_as_a_payment(world: World) -> None:
    row = await stuck(world)
    world.chain.next_send = [SendOutcome.UNKNOWN] * 3  # the cancellation does not get through
    await order(world, row, Purpose.CANCEL)
    await world.poll()
    assert await purposes(world, row) == [Purpose.PAY, Purpose.CANCEL]
    ended = await world.settled(row.id)
    assert (ended.status, ended.cancelling_at is not None) == (Status.CONFIRMED, True)
    assert ended.hash == (await world.attempts(row.id))[0].hash
    assert world.chain.received(PAYEE) == INSTANT
    assert await spent(world) == INSTANT + (ended.fee or 0)


async def test_nothing_that_pays_is_sent_again_once_it_is_being_cancelled(world: World) -> None:
    world.chain.swallows = True
    row = await stuck(world)
    await order(world, row, Purpose.CANCEL)
    await world.poll()
    world.chain.sent.clear()
    for _ in range(5):
        world.clock.advance(6)
        await world.poll()
    cancelling = await last(world, row)
    assert set(world.chain.sent) == {cancelling.raw}


async def test_a_cancellation_is_signed_although_the_rules_now_deny_and_a_speed_up_is_not(
    world: World,
) -> None:
    row = await stuck(world)
    rule = {"allowed_addresses": ["other"], "otherwise": "deny"}
    await world.set_rule("WHITELIST", rule)
    with pytest.raises(RefusedError) as refused:
        await order(world, row, Purpose.SPEED_UP)
    assert refused.value.code is Code.WHITELIST_DENIED
    assert (await world.row(row.id)).wanted is None
    assert await world.reserved() == INSTANT + FEE_CEILING
    await order(world, row, Purpose.CANCEL)
    await world.poll()
    assert await purposes(world, row) == [Purpose.PAY, Purpose.CANCEL]
    assert (await world.settled(row.id)).status is Status.CANCELLED


async def test_a_speed_up_that_the_rules_deny_when_it_is_signed_is_dropped_and_said(
    world: World,
) -> None:
    row = await stuck(world)
    await order(world, row, Purpose.SPEED_UP)
    await world.set_rule("WHITELIST", {"allowed_addresses": ["other"], "otherwise": "deny"})
    await world.poll()
    assert await purposes(world, row) == [Purpose.PAY]
    assert (await world.row(row.id)).wanted is None
    assert Fact.TX_SPEED_UP_DROPPED in await world.facts(row.id)
    assert "SPEED_UP_DROPPED" in await world.alerts()


async def test_a_raised_ceiling_holds_dollars_at_the_price_of_the_decision(world: World) -> None:
    world.prices.table[EVM.native.key] = Price(3000, 0, world.clock.now())
    row = await stuck(world)
    [before] = await world.database.read(lambda unit: unit.ledger.reservations())
    assert (before.usd, before.fee_usd) == (30 * DOLLAR, 3 * DOLLAR)
    await order(world, row, Purpose.SPEED_UP)
    [held] = await world.database.read(lambda unit: unit.ledger.reservations())
    assert (held.fee, held.usd, held.fee_usd) == (CEILING, 30 * DOLLAR, 6 * DOLLAR)
    assert await wrong(world) == []
    await world.poll()
    ended = await world.settled(row.id)
    [bucket] = await world.buckets()
    assert bucket.usd == 30 * DOLLAR + -(-6 * DOLLAR * (ended.fee or 0) // CEILING)
    assert await wrong(world) == []


async def test_a_speed_up_counts_its_ceiling_in_the_limits(world: World) -> None:
    rule = {
        "assets": {EVM.native.key: {"limit": str(INSTANT + FEE_CEILING)}},
        "window_seconds": 3600,
        "over": "each_wallet",
        "otherwise": "deny",
    }
    await world.set_rule("CUMULATIVE_LIMIT", rule)
    row = await stuck(world)
    with pytest.raises(RefusedError) as refused:
        await order(world, row, Purpose.SPEED_UP)
    assert refused.value.code is Code.CUMULATIVE_LIMIT_EXCEEDED


async def test_a_speed_up_counts_its_ceiling_in_the_dollars_of_a_window(world: World) -> None:
    world.prices.table[EVM.native.key] = Price(3000, 0, world.clock.now())
    rule = {
        "usd": {"limit": "35.99"},  # 30 for the payment, and 3 for its fee or 6 for a higher one
        "window_seconds": 3600,
        "over": "each_wallet",
        "otherwise": "deny",
    }
    rule_id = await world.set_rule("CUMULATIVE_LIMIT", rule)
    row = await stuck(world)
    with pytest.raises(RefusedError) as refused:
        await order(world, row, Purpose.SPEED_UP)
    assert refused.value.code is Code.CUMULATIVE_LIMIT_EXCEEDED
    [held] = await world.database.read(lambda unit: unit.ledger.reservations())
    assert held.worth == 33 * DOLLAR
    await world.set_rule("CUMULATIVE_LIMIT", {**rule, "usd": {"limit": "36"}}, rule_id)
    assert (await order(world, row, Purpose.SPEED_UP)).wanted is Purpose.SPEED_UP


async def test_a_speed_up_keeps_the_sessions_own_limit(world: World) -> None:
    limits = {EVM.native.key: INSTANT + FEE_CEILING}
    session = await world.new_session(world.wallet, limits=limits)
    row = await stuck(world, session=session)
    with pytest.raises(RefusedError) as refused:
        await order(world, row, Purpose.SPEED_UP)
    assert refused.value.code is Code.SESSION_LIMIT_EXCEEDED


async def test_fees_never_pass_the_stated_ceiling(world: World) -> None:
    world.chain.fee = FEE_CEILING
    row = await stuck(world)
    for _ in range(10):
        await order(world, row, Purpose.SPEED_UP)
        await world.poll()
    attempts = await world.attempts(row.id)
    assert 2 <= len(attempts) < 10
    assert max(one.max_cost for one in attempts) <= INSTANT + CEILING
    assert await world.reserved() == INSTANT + CEILING
    assert "SPEED_UP_DROPPED" in await world.alerts()


async def test_a_cancellation_outbids_whatever_was_sped_up_before_it(world: World) -> None:
    world.chain.fee = FEE_CEILING
    row = await stuck(world)
    for _ in range(10):
        await order(world, row, Purpose.SPEED_UP)
        await world.poll()
    await order(world, row, Purpose.CANCEL)
    await world.poll()
    assert (await last(world, row)).purpose is Purpose.CANCEL
    assert (await last(world, row)).max_cost <= CEILING
    assert (await world.settled(row.id)).status is Status.CANCELLED
    assert await wrong(world) == []


async def test_a_cancellation_above_the_ceiling_waits_and_is_said_once(world: World) -> None:
    row = await stuck(world)
    world.chain.fee = CEILING + 1
    await order(world, row, Purpose.CANCEL)
    for _ in range(3):
        world.clock.advance(2)
        await world.poll()
    assert await purposes(world, row) == [Purpose.PAY]
    assert (await world.alerts()).count("CANCEL_WAITS") == 1
    world.chain.fee = FEE
    world.clock.advance(2)
    await world.poll()
    assert (await world.settled(row.id)).status is Status.CANCELLED


async def test_a_sped_up_payment_that_lands_as_it_first_was_is_paid_once(world: World) -> None:
    row = await stuck(world)
    world.chain.next_send = [SendOutcome.UNKNOWN] * 3
    await order(world, row, Purpose.SPEED_UP)
    await world.poll()
    ended = await world.settled(row.id)
    first, _ = await world.attempts(row.id)
    assert (ended.status, ended.hash) == (Status.CONFIRMED, first.hash)
    assert world.chain.received(PAYEE) == INSTANT


@pytest.mark.parametrize("purpose", [Purpose.SPEED_UP, Purpose.CANCEL])
@pytest.mark.parametrize("step", [ORDERED, STORED, SENT])
async def test_an_order_survives_a_crash_at(step: str, purpose: Purpose, world: World) -> None:
    row = await stuck(world)

    def crash() -> None:
        raise KeyboardInterrupt(step)  # nothing of ours catches it, as nothing catches SIGKILL

    async def order_and_poll() -> None:
        await order(world, row, purpose)
        await world.poll()

    world.checkpoints.at[step] = crash
    with pytest.raises(KeyboardInterrupt):
        await order_and_poll()
    await world.restart()
    await world.poll()
    assert await purposes(world, row) == [Purpose.PAY, purpose]
    paid = purpose is Purpose.SPEED_UP
    ended = await world.settled(row.id)
    assert ended.status is (Status.CONFIRMED if paid else Status.CANCELLED)
    assert world.chain.received(PAYEE) == (INSTANT if paid else 0)
    assert await world.reserved() == 0


async def test_an_order_changed_while_it_was_signed_stores_nothing(world: World) -> None:
    row = await stuck(world)
    await order(world, row, Purpose.SPEED_UP)
    changed = {"cancelling_at": 5, "wanted": Purpose.CANCEL}
    await world.database.run(lambda unit: unit.transactions.note(row.id, **changed))
    await world.poll()
    assert await purposes(world, row) == [Purpose.PAY, Purpose.CANCEL]


async def test_an_order_that_somebody_wrote_into_the_file_is_none(world: World) -> None:
    row = await stuck(world)
    world.sql("UPDATE transactions SET cancelling_at = 5, wanted = 'CANCEL' WHERE id = ?", row.id)
    await world.passes(2)
    await world.poll()
    assert await purposes(world, row) == [Purpose.PAY]
    with pytest.raises(WalletError) as refused:
        await order(world, row, Purpose.CANCEL)
    assert refused.value.code is Code.AUTHORITY_UNPROVED


async def test_a_ceiling_that_somebody_wrote_into_the_file_lets_a_fill_cost_no_more(
    world: World,
) -> None:
    world.chain.next_send = [SendOutcome.REJECTED] * 9
    row = await world.pay()
    ceilings = "fee_ceiling = ?, offered_ceiling = ?"
    world.sql(f"UPDATE transactions SET {ceilings} WHERE id = ?", *[str(ETHER)] * 2, row.id)
    world.sql("UPDATE reservations SET fee = ?", str(ETHER))
    world.app.settlement.look_again(row.network, row.id)
    world.chain.fee = FEE_CEILING + 1
    for _ in range(2):
        world.clock.advance(2)
        await world.poll()
    assert await purposes(world, row) == [Purpose.PAY]
    world.chain.fee = FEE_CEILING
    world.clock.advance(2)
    await world.poll()
    assert await purposes(world, row) == [Purpose.PAY, Purpose.FILL]
    assert (await last(world, row)).max_cost == FEE_CEILING


async def test_a_stop_after_the_order_signs_and_sends_nothing(world: World) -> None:
    row = await stuck(world)
    await order(world, row, Purpose.SPEED_UP)
    await world.app.safety.halt("test", "host")
    sent = len(world.chain.sent)
    world.clock.advance(6)
    await world.poll()
    assert await purposes(world, row) == [Purpose.PAY]
    assert len(world.chain.sent) == sent
    with pytest.raises(WalletError) as refused:
        await order(world, row, Purpose.CANCEL)
    assert refused.value.code is Code.SYSTEM_LOCKED


async def test_a_speed_up_that_a_stop_caught_unsent_is_never_sent(world: World) -> None:
    row = await stuck(world)
    world.checkpoints.at[STORED] = lambda: world.gate.set(world.gate.state.ACTIVATED)
    await order(world, row, Purpose.SPEED_UP)
    await world.poll()
    unsent = await last(world, row)
    assert (unsent.purpose, unsent.raw in world.chain.sent) == (Purpose.SPEED_UP, False)
    await world.app.safety.halt("test", "host")
    await world.app.safety.begin_recovery(PASSWORD, "host")
    world.clock.advance(86_401)
    await world.tick()
    world.app.settlement.look_again(row.network, row.id)
    for _ in range(3):
        world.clock.advance(6)
        await world.poll()
    assert (await last(world, row)).rejected == UNSENT
    assert unsent.raw not in world.chain.sent
    assert (await world.settled(row.id)).status is Status.CONFIRMED


async def test_what_cannot_be_replaced_is_refused_with_its_reason(world: World) -> None:
    paid = await world.pay()
    await world.settled(paid.id)
    cases: list[tuple[Callable[[], Any], Code]] = [
        (lambda: order(world, paid, Purpose.CANCEL), Code.TX_ALREADY_PROCESSED),
        (lambda: order(world, replace(paid, id="none"), Purpose.CANCEL), Code.TX_NOT_FOUND),
    ]
    row = await stuck(world)
    cases += [
        (lambda: order(world, row, Purpose.CANCEL, digest="0" * 64), Code.CARD_MISMATCH),
        (lambda: order(world, row, Purpose.CANCEL, ceiling=CEILING + 1), Code.CARD_MISMATCH),
    ]
    world.chains[SOL.name].swallows = True
    wallet = await world.new_wallet("sol", SOL.name)
    other = await world.pay(wallet=wallet, session=await world.new_session(wallet))
    cases.append((lambda: order(world, other, Purpose.CANCEL), Code.TX_NOT_REPLACEABLE))
    for ask, code in cases:
        with pytest.raises(WalletError) as refused:
            await ask()
        assert refused.value.code is code
    await order(world, row, Purpose.CANCEL)
    with pytest.raises(ConflictError) as refused:
        await order(world, row, Purpose.SPEED_UP)
    assert refused.value.code is Code.TX_NOT_REPLACEABLE


async def test_an_order_needs_the_factor_of_the_amount(world: World) -> None:
    await world.pair({EVM.native.key: Band(INSTANT - 1, ETHER)})
    row = await stuck(world)
    for factor in (Factor.TAP, Factor.CODE):
        with pytest.raises(RefusedError) as refused:
            await order(world, row, Purpose.CANCEL, factor=factor)
        assert refused.value.details["factor"] == Factor.HOST
    world.vault.enrolled = True
    step = world.clock.now() // 30_000
    assert await world.vault.totp_check(code_at(world.clock.now()), world.clock.now()) == step
    with pytest.raises(RefusedError):
        await order(world, row, Purpose.CANCEL, factor=Factor.TAP)
    with pytest.raises(
        RefusedError
    ) as alone:  # the password stands for a tap, whatever a door asked
        await order(world, row, Purpose.CANCEL, factor=Factor.HOST)
    assert alone.value.details["factor"] == Factor.CODE
    await order(world, row, Purpose.CANCEL, factor=Factor.CODE, totp_step=step)
    with pytest.raises(AuthError) as used:
        await order(world, row, Purpose.CANCEL, factor=Factor.CODE, totp_step=step)
    assert used.value.code is Code.FACTOR_INVALID


async def test_what_the_payment_itself_released_does_not_count_against_its_order(
    world: World,
) -> None:
    await world.pair({EVM.native.key: Band(APPROVAL, APPROVAL)})
    world.chain.mines = False
    row = await world.pay(APPROVAL)
    approve = world.app.operations.approvals.approve
    await approve(row.id, digest=row.digest, factor=Factor.TAP, actor="owner")
    await world.quiet()
    assert (await world.app.operations.replacements.offer(row.id)).factor is Factor.TAP


async def test_a_stuck_payment_is_offered_once_on_a_card_whatever_its_tier(world: World) -> None:
    row = await stuck(world)
    await world.passes(STUCK_SECONDS - 1)
    await world.poll()
    assert (await world.row(row.id)).stuck_at is None
    await world.passes(2)
    for _ in range(3):
        await world.poll()
    offered = await world.row(row.id)
    assert (offered.stuck_at, offered.offered_ceiling) == (world.clock.now(), CEILING)
    assert await world.database.read(lambda unit: unit.console.card(row.id)) is not None
    assert (await world.facts(row.id)).count(Fact.TX_STUCK) == 1
    await order(world, row, Purpose.SPEED_UP)
    await world.poll()
    assert (await world.row(row.id)).stuck_at is None
    await world.passes(STUCK_SECONDS + 1)
    await world.poll()
    assert (await world.row(row.id)).stuck_at is not None


async def test_what_an_order_may_cost_is_stated_in_full_after_a_setting_was_lowered(
    world: World,
) -> None:
    row = await stuck(world)
    world.chain._network = replace(EVM, fee_ceiling=FEE_CEILING // 4)
    await world.restart()
    await world.passes(STUCK_SECONDS + 1)
    await world.poll()
    offered = (await world.row(row.id)).offered_ceiling
    assert offered == FEE_CEILING  # a fee of that much was decided before
    world.chain.fee = FEE_CEILING
    await order(world, row, Purpose.CANCEL, ceiling=offered)
    await world.poll()
    assert (await last(world, row)).max_cost == offered
    assert await wrong(world) == []


async def test_a_repair_of_what_the_rules_now_deny_fills_instead_of_paying(world: World) -> None:
    world.chain.next_send = [SendOutcome.REJECTED] * 2
    row = await world.pay()
    await world.set_rule("WHITELIST", {"allowed_addresses": ["other"], "otherwise": "deny"})
    world.clock.advance(2)
    await world.poll()
    assert await purposes(world, row) == [Purpose.PAY, Purpose.FILL]
    ended = await world.settled(row.id)
    assert (ended.status, ended.error) == (Status.FAILED, Code.WHITELIST_DENIED)
    assert world.chain.received(PAYEE) == 0
    assert await spent(world) == ended.fee


async def test_a_rejected_cancellation_is_rebuilt_as_one(world: World) -> None:
    row = await stuck(world)
    world.chain.next_send = [SendOutcome.REJECTED] * 2
    await order(world, row, Purpose.CANCEL)
    await world.poll()
    world.chain.fee = FEE * 3 // 2
    world.clock.advance(2)
    await world.poll()
    assert await purposes(world, row) == [Purpose.PAY, Purpose.CANCEL, Purpose.CANCEL]
    assert (await world.settled(row.id)).status is Status.CANCELLED


async def in_a_gap(world: World) -> Transaction:
    """A payment whose nonce is one too high, because a node miscounted."""
    world.chain.skip_nonces = 1
    row = await stuck(world)
    world.chain.skip_nonces = 0
    assert (await world.attempts(row.id))[0].nonce == 1
    return row


async def look_twice(world: World) -> None:
    for _ in range(4):
        world.clock.advance(10)
        await world.poll()


async def test_a_gap_is_filled_once_and_its_fee_is_the_waiting_payments(world: World) -> None:
    row = await in_a_gap(world)
    world.chain.mine(3)
    await look_twice(world)
    paid, fill = await world.attempts(row.id)
    assert (fill.purpose, fill.nonce, fill.max_cost) == (Purpose.FILL, 0, FEE)
    assert await world.reserved() == INSTANT + FEE_CEILING + FEE
    assert "GAP_FILLED" in await world.alerts()
    assert Fact.TX_GAP_FILLED in await world.facts(row.id)
    assert await wrong(world) == []
    ended = await world.settled(row.id)
    assert (ended.status, ended.hash) == (Status.CONFIRMED, paid.hash)
    assert ended.fee == FEE  # half of the offered fee each
    assert world.chain.received(PAYEE) == INSTANT
    assert await world.reserved() == 0
    assert await spent(world) == INSTANT + FEE
    assert await wrong(world) == []


async def test_fills_together_cost_no_more_than_the_payments_own_fee_may(world: World) -> None:
    world.chain.skip_nonces = 12  # what a lying node says
    row = await stuck(world)
    world.chain.skip_nonces = 0
    world.chain.fee = 3 * FEE
    for _ in range(20):
        world.chain.mine(3)
        await look_twice(world)
    fills = [one for one in await world.attempts(row.id) if one.purpose is Purpose.FILL]
    assert sum(one.max_cost for one in fills) == 9 * FEE  # of ten that are allowed
    assert await world.reserved() == INSTANT + FEE_CEILING + 9 * FEE
    assert (await world.alerts()).count("GAP_STAYS") == 1
    assert await wrong(world) == []
    world.chain.fee = FEE
    for _ in range(9):
        await world.pay()  # takes the numbers before it
        world.chain.mine()
        await world.poll()
    assert (await world.settled(row.id)).status is Status.CONFIRMED
    assert await wrong(world) == []


async def test_a_row_that_somebody_wrote_into_the_file_fills_no_gap(world: World) -> None:
    row = await in_a_gap(world)
    world.sql("UPDATE transactions SET fee_ceiling = ? WHERE id = ?", str(ETHER), row.id)
    world.chain.mine(3)
    await look_twice(world)
    assert await purposes(world, row) == [Purpose.PAY]


async def test_a_gap_that_closed_meanwhile_is_not_filled(world: World) -> None:
    row = await in_a_gap(world)
    world.clock.advance(10)
    await world.poll()
    world.chain.take_nonce(world.wallet.address, 0)
    await look_twice(world)
    assert await purposes(world, row) == [Purpose.PAY]
    assert (await world.settled(row.id)).status is Status.CONFIRMED


async def test_a_nonce_that_a_waiting_payment_of_ours_holds_is_no_gap(world: World) -> None:
    world.chain.swallows = True
    first = await stuck(world)
    world.chain.swallows = False
    second = await world.pay()
    await look_twice(world)
    for row in (first, second):
        assert await purposes(world, row) == [Purpose.PAY]
        assert (await world.settled(row.id)).status is Status.CONFIRMED
    assert world.chain.received(PAYEE) == 2 * INSTANT


async def test_a_lost_payment_that_counted_as_final_is_sent_again_and_never_filled(
    world: World,
) -> None:
    first = await world.pay()
    await world.settled(first.id)
    known = (await world.attempts(first.id))[0]
    second = await stuck(world)
    world.chain.undo(known.hash)
    await look_twice(world)
    assert await purposes(world, second) == [Purpose.PAY]
    world.chain.finalize()
    assert known.hash in world.chain.landed
    assert (await world.settled(second.id)).status is Status.CONFIRMED


async def test_a_fill_survives_a_crash_before_it_was_sent(world: World) -> None:
    row = await in_a_gap(world)

    def crash() -> None:
        raise KeyboardInterrupt

    world.checkpoints.at[STORED] = crash
    with pytest.raises(KeyboardInterrupt):
        await look_twice(world)
    await world.restart()
    await look_twice(world)
    assert await purposes(world, row) == [Purpose.PAY, Purpose.FILL]
    assert (await world.settled(row.id)).status is Status.CONFIRMED


async def test_an_undone_payment_that_was_being_cancelled_is_sent_again_as_it_was_told(
    world: World,
) -> None:
    row = await stuck(world)
    world.chain.next_send = [SendOutcome.UNKNOWN] * 3
    await order(world, row, Purpose.CANCEL)
    await world.poll()
    world.chain.mine()
    await world.poll()
    paid = await world.row(row.id)
    assert (paid.status, paid.finalized_at) == (Status.CONFIRMED, None)
    before = await spent(world)
    world.chain.next_send.clear()
    world.chain.undo(str(paid.hash))
    world.clock.advance(6)
    await world.poll()
    assert "TX_REORGED" in await world.alerts()
    ended = await world.settled(row.id)
    assert (ended.status, ended.hash) == (Status.CONFIRMED, paid.hash)
    assert ended.finalized_at is not None
    assert await spent(world) == before


async def test_a_payment_that_was_told_as_paid_and_is_finally_cancelled_alarms(
    world: World,
) -> None:
    row = await stuck(world)
    world.chain.next_send = [SendOutcome.UNKNOWN] * 3
    await order(world, row, Purpose.CANCEL)
    await world.poll()
    world.chain.mine()
    await world.poll()
    paid = await world.row(row.id)
    cancelling = await last(world, row)
    before = await spent(world)
    world.chain.next_send.clear()
    world.chain.undo(str(paid.hash))
    await world.chain.send(cancelling.raw)  # a node that had it takes it first
    ended = await world.settled(row.id)
    assert (ended.status, ended.hash) == (Status.CONFIRMED, paid.hash)
    assert ended.finalized_at is not None
    assert "TX_UNPAID" in await world.alerts()
    assert await spent(world) == before
    assert await world.reserved() == 0


async def test_while_locked_the_owner_is_told_and_what_it_may_cost_is_stated_afterwards(
    world: World,
) -> None:
    row = await stuck(world)
    await world.restart(unlocked=False)
    await world.passes(STUCK_SECONDS + 1)
    await world.poll()
    told = await world.row(row.id)
    assert (told.stuck_at, told.offered_ceiling) == (world.clock.now(), None)
    assert await world.database.read(lambda unit: unit.console.card(row.id)) is not None
    with pytest.raises(WalletError) as refused:
        await order(world, row, Purpose.CANCEL)
    assert refused.value.code is Code.KEYSTORE_LOCKED
    await world.app.unlocking.unlock(PASSWORD)
    await world.poll()
    assert (await world.row(row.id)).offered_ceiling == CEILING
    assert (await world.facts(row.id)).count(Fact.TX_STUCK) == 1
    await order(world, row, Purpose.CANCEL)
    await world.poll()
    assert (await world.settled(row.id)).status is Status.CANCELLED
