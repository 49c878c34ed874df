"""Dollars through the real pipeline: priced at admission, kept with the money, and never guessed."""

from typing import Any

import pytest

from tests.support.chain import ETHER, EVM, FEE, FEE_CEILING
from tests.support.world import INSTANT, World
from wallet.domain.prices import Price, PriceGap, Quote
from wallet.domain.tiers import Tier
from wallet.domain.transactions import Status
from wallet.errors import Code, RefusedError

ETH = EVM.native.key
TIERS = {"instant_max": "100", "notify_max": "1000", "delay_max": "5000"}
WIDE = {key: str(10**30) for key in TIERS}
DAY: dict[str, Any] = {"window_seconds": 86_400, "over": "each_wallet", "otherwise": "deny"}


def at(world: World, dollars: int) -> Price:
    return Price(dollars, 0, world.clock.now())


async def spending(world: World) -> None:
    """Tiers in dollars alone: any amount of the coin would be INSTANT."""
    body = {"assets": {ETH: WIDE}, "usd": TIERS, "delay_seconds": 60}
    await world.set_rule("SPENDING_LIMIT", body, await world.rule_of("SPENDING_LIMIT"))


async def denied(work: Any) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        await work
    return caught.value


@pytest.mark.parametrize(
    ("dollars", "tier"),
    [(10_000, Tier.INSTANT), (10_001, Tier.NOTIFY), (100_001, Tier.DELAY), (500_001, Tier.APPROVAL)],
)  # fmt: skip
async def test_a_payment_is_sorted_by_its_dollars(world: World, dollars: int, tier: Tier) -> None:
    await spending(world)
    world.prices.table[ETH] = at(world, dollars)  # of which a hundredth is paid

    assert (await world.ask(INSTANT)).transaction.tier is tier


@pytest.mark.parametrize("gap", PriceGap)
async def test_without_a_price_the_owner_is_asked(world: World, gap: PriceGap) -> None:
    await spending(world)
    world.prices.table[ETH] = gap

    row = (await world.ask(INSTANT)).transaction

    assert (row.tier, row.status) == (Tier.APPROVAL, Status.QUEUED)


async def test_what_left_is_counted_at_the_price_of_its_decision(world: World) -> None:
    world.prices.table[ETH] = at(world, 3000)
    row = await world.pay(INSTANT)
    [held] = await world.database.read(lambda unit: unit.ledger.reservations())
    assert held.usd == 30 * 10**6
    assert held.fee_usd == 3 * 10**6

    world.prices.table[ETH] = at(world, 9000)
    await world.settled(row.id)

    [spent] = await world.buckets()
    share = -(-3 * 10**6 * (FEE // 2) // FEE_CEILING)
    assert (spent.usd, spent.owner_usd, spent.unpriced) == (30 * 10**6 + share, 0, 0)


async def test_a_window_in_dollars_spans_wallets_and_its_denial_speaks_dollars(
    world: World,
) -> None:
    world.prices.table[ETH] = at(world, 3000)
    other = await world.new_wallet("second")
    session = await world.new_session(other)
    await world.pay(INSTANT, wallet=other, session=session)
    body = {key: value for key, value in DAY.items() if key != "assets"}
    await world.set_rule("CUMULATIVE_LIMIT", {**body, "usd": {"limit": "65.50"}})

    refusal = await denied(world.ask(INSTANT))

    assert refusal.code is Code.CUMULATIVE_LIMIT_EXCEEDED
    assert refusal.details["asset"] == "USD"
    assert (refusal.details["limit"], refusal.details["used"]) == ("65.5", "33")
    assert refusal.details["remaining"] == "32.5"
    assert refusal.details["smallestPassing"] == "Ask for at most 29.5 dollars' worth."
    assert (await world.ask(INSTANT * 29 // 30)).transaction.tier is Tier.INSTANT


async def test_what_was_spent_without_a_price_makes_a_later_window_ask(world: World) -> None:
    row = await world.pay(INSTANT)
    await world.settled(row.id)
    world.prices.table[ETH] = at(world, 3000)
    hour = {**DAY, "window_seconds": 3600, "usd": {"limit": "1000"}}
    await world.set_rule("CUMULATIVE_LIMIT", hour)

    waiting = (await world.ask(INSTANT)).transaction
    assert waiting.tier is Tier.APPROVAL

    cancel = world.app.operations.transactions.cancel
    await cancel(waiting.id, actor="owner", reason="enough")
    world.clock.advance(3600 + 600)
    assert (await world.ask(INSTANT)).transaction.tier is Tier.INSTANT


async def test_a_price_that_rises_while_a_payment_waits_changes_nothing_for_it(
    world: World,
) -> None:
    await world.set_rule("CUMULATIVE_LIMIT", {**DAY, "usd": {"limit": "10000"}})
    world.prices.table[ETH] = at(world, 3000)
    waiting = (await world.ask(2 * ETHER)).transaction
    assert waiting.tier is Tier.DELAY

    world.prices.table[ETH] = at(world, 90_000)
    await world.passes(301)
    await world.settled(waiting.id)

    assert (await world.row(waiting.id)).status is Status.CONFIRMED


async def test_a_window_tightened_below_a_waiting_payment_denies_it_at_execution(
    world: World,
) -> None:
    world.prices.table[ETH] = at(world, 3000)
    waiting = (await world.ask(2 * ETHER)).transaction
    await world.set_rule("CUMULATIVE_LIMIT", {**DAY, "usd": {"limit": "6000"}})

    await world.passes(301)

    ended = await world.row(waiting.id)
    assert (ended.status, ended.error) == (
        Status.CANCELLED, Code.CUMULATIVE_LIMIT_EXCEEDED,
    )  # fmt: skip
    assert await world.reserved() == 0


async def test_prices_are_read_before_the_unit_and_once_per_request(world: World) -> None:
    world.prices.table[ETH] = at(world, 3000)

    await world.ask(INSTANT)

    assert world.prices.asked == [{ETH}]


async def test_a_fee_limit_lowers_the_ceiling_that_is_reserved_signed_and_shown(
    world: World,
) -> None:
    await world.set_rule("FEE_LIMIT", {"assets": {ETH: {"max_fee": str(2 * FEE)}}})

    row = await world.pay(INSTANT)

    assert row.fee_ceiling == 2 * FEE
    assert await world.reserved() == INSTANT + 2 * FEE
    assert world.chain.built[-1].fee_ceiling == 2 * FEE
    assert (await world.settled(row.id)).status is Status.CONFIRMED


async def test_a_fee_limit_below_the_moments_fee_makes_the_payment_wait(world: World) -> None:
    await world.set_rule("FEE_LIMIT", {"assets": {ETH: {"max_fee": str(FEE - 1)}}})
    row = await world.pay(INSTANT)
    assert row.status is Status.EXECUTING

    world.chain.fee = FEE - 1
    await world.passes(20)

    assert (await world.settled(row.id)).status is Status.CONFIRMED


async def test_a_fee_limit_by_share_denies_what_is_too_small_for_any_fee(world: World) -> None:
    bounds = {"max_fee": str(FEE_CEILING), "max_share_bps": 100}
    await world.set_rule("FEE_LIMIT", {"assets": {ETH: bounds}})

    refusal = await denied(world.ask(99))

    assert refusal.code is Code.FEE_LIMIT_EXCEEDED
    assert refusal.details["asset"] == ETH
    assert refusal.details["smallestPassing"] == (
        "Ask for at least 100 base units, so that the fee is a small share."
    )
    assert (await world.ask(100 * FEE)).transaction.fee_ceiling == FEE


async def test_a_fee_limit_tightened_below_a_waiting_payments_ceiling_denies_it(
    world: World,
) -> None:
    waiting = (await world.ask(2 * ETHER)).transaction
    await world.set_rule("FEE_LIMIT", {"assets": {ETH: {"max_fee": str(FEE)}}})

    await world.passes(301)

    ended = await world.row(waiting.id)
    assert (ended.status, ended.error) == (Status.CANCELLED, Code.FEE_LIMIT_EXCEEDED)


SHARE = {"max_payment_bps": 1000, "otherwise": "deny"}  # a tenth of 100 ETH


async def test_a_payment_is_bounded_by_its_share_of_the_balance(world: World) -> None:
    await world.set_rule("BALANCE_SHARE", SHARE)
    await spending(world)
    world.prices.table[ETH] = at(world, 1)

    assert (await world.ask(10 * ETHER - FEE_CEILING)).transaction.tier is Tier.INSTANT
    refusal = await denied(world.ask(10 * ETHER - FEE_CEILING + 1))

    assert refusal.code is Code.BALANCE_SHARE_EXCEEDED
    assert refusal.details["limit"] == str(10 * ETHER)


async def test_without_a_node_the_balance_is_unknown_and_the_owner_is_asked(world: World) -> None:
    await world.set_rule("BALANCE_SHARE", SHARE)
    world.chain.down = True

    assert (await world.ask(INSTANT)).transaction.tier is Tier.APPROVAL


async def test_a_balance_that_shrank_meanwhile_denies_at_execution_and_nothing_is_signed(
    world: World,
) -> None:
    await world.set_rule("BALANCE_SHARE", SHARE)
    waiting = (await world.ask(2 * ETHER)).transaction
    assert waiting.tier is Tier.DELAY

    world.chain.drain(world.wallet.address, left=19 * ETHER)
    await world.passes(301)

    ended = await world.row(waiting.id)
    assert (ended.status, ended.error) == (Status.CANCELLED, Code.BALANCE_SHARE_EXCEEDED)
    assert await world.attempts(waiting.id) == []
    assert await world.reserved() == 0
    assert world.chain.sent == []


async def test_a_rule_without_use_for_the_balance_causes_no_question_to_the_chain(
    world: World,
) -> None:
    asked: list[str] = []
    plain = world.chain.balance

    async def balance(address: str) -> Any:
        asked.append(address)
        return await plain(address)

    world.chain.balance = balance  # type: ignore[method-assign]
    await world.ask(INSTANT)
    assert asked == []

    await world.set_rule("BALANCE_SHARE", SHARE)
    await world.ask(INSTANT)
    assert asked == [world.wallet.address]


async def test_a_replay_of_a_denied_day_is_still_the_same_payment(world: World) -> None:
    """Prices and balances decide new payments only."""
    first = await world.ask(INSTANT, key="k")
    await world.set_rule("BALANCE_SHARE", {**SHARE, "max_payment_bps": 1})
    quote: Quote = PriceGap.UNAVAILABLE
    world.prices.table[ETH] = quote

    again = await world.ask(INSTANT, key="k")

    assert again.replayed
    assert again.transaction.id == first.transaction.id
