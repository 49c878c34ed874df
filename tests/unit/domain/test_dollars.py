"""Dollars under SPENDING_LIMIT and CUMULATIVE_LIMIT, and what settles of them."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.rules import (
    DOLLAR,
    ETH,
    FEE,
    NOW,
    TOKEN,
    bucket,
    context,
    policy,
    reservation,
    tiers,
    transfer,
)
from wallet.domain.decisions import Decision
from wallet.domain.prices import PriceGap, Worth
from wallet.domain.rules import (
    CumulativeLimit,
    DollarWindow,
    Rule,
    TierBounds,
    WindowBounds,
)
from wallet.domain.spending import dollar_usage, spent
from wallet.domain.tiers import Tier
from wallet.errors import Code

USD_TIERS = TierBounds(10 * DOLLAR, 100 * DOLLAR, 500 * DOLLAR)
WIDE = tiers(10**30, 10**30, 10**30)


def judge(*rules: Rule, worth: Worth | PriceGap, amount: int = 100, **more: Any) -> Decision:
    return policy(*rules).judge(transfer(amount), FEE, context(worth=worth, **more))


def usd_window(limit: int = 1000, *, ask: bool = False, every: bool = True, **more: int) -> Rule:
    bounds = WindowBounds(limit * DOLLAR, **{key: n * DOLLAR for key, n in more.items()})
    return CumulativeLimit({}, 3600, False, ask, 60, 900, DollarWindow(bounds, every))


@pytest.mark.parametrize(
    ("micros", "tier"),
    [
        (10 * DOLLAR, Tier.INSTANT), (10 * DOLLAR + 1, Tier.NOTIFY), (100 * DOLLAR, Tier.NOTIFY),
        (100 * DOLLAR + 1, Tier.DELAY), (500 * DOLLAR, Tier.DELAY), (500 * DOLLAR + 1, Tier.APPROVAL),
    ],
)  # fmt: skip
def test_an_amount_falls_into_the_tier_of_its_dollars(micros: int, tier: Tier) -> None:
    rule = tiers(10**30, 10**30, 10**30, usd=USD_TIERS)
    assert judge(rule, worth=Worth(micros, 0)).tier is tier


def test_the_stricter_of_coin_and_dollars_wins() -> None:
    rule = tiers(usd=USD_TIERS)
    assert judge(rule, worth=Worth(1, 0), amount=301).tier is Tier.APPROVAL
    assert judge(rule, worth=Worth(101 * DOLLAR, 0), amount=1).tier is Tier.DELAY
    assert judge(rule, worth=Worth(1, 0), amount=1).tier is Tier.INSTANT


@pytest.mark.parametrize("gap", PriceGap)
def test_without_a_price_a_rule_in_dollars_asks(gap: PriceGap) -> None:
    for rules in ([tiers(usd=USD_TIERS)], [WIDE, usd_window()], [WIDE, usd_window(ask=True)]):
        decision = judge(*rules, worth=gap, amount=1)
        assert decision.tier is Tier.APPROVAL
        assert decision.reason == gap.words


def test_without_a_rule_in_dollars_no_price_is_needed() -> None:
    assert judge(tiers(), worth=PriceGap.UNKNOWN, amount=1).tier is Tier.INSTANT


def test_dollars_name_no_asset_so_they_grant_none() -> None:
    rule = tiers(usd=USD_TIERS)
    nothing = type(rule)({}, 60, 900, USD_TIERS)
    assert judge(nothing, worth=Worth(1, 0)).is_denied


def test_a_window_counts_what_left_of_every_asset_and_wallet_with_fees() -> None:
    held = [
        reservation(1, wallet_id="w2", usd=200 * DOLLAR, fee_usd=1 * DOLLAR),
        reservation(1, asset=TOKEN.key, usd=99 * DOLLAR, fee_usd=0),
    ]
    left = [bucket(1, usd=300 * DOLLAR), bucket(1, asset=TOKEN.key, usd=300 * DOLLAR)]
    moment: dict[str, Any] = {"reservations": held, "buckets": left}

    passes = judge(WIDE, usd_window(), worth=Worth(98 * DOLLAR, 2 * DOLLAR), **moment)
    over = judge(WIDE, usd_window(), worth=Worth(98 * DOLLAR, 2 * DOLLAR + 1), **moment)
    own = usd_window(every=False)
    alone = judge(WIDE, own, worth=Worth(300 * DOLLAR, 1 * DOLLAR), **moment)

    assert passes.tier is Tier.INSTANT
    assert over.code is Code.CUMULATIVE_LIMIT_EXCEEDED
    assert over.explanation.unit == "USD"
    assert over.explanation.remaining == 100 * DOLLAR
    assert over.explanation.smallest_passing == "Ask for at most 97.999999 dollars' worth."
    assert over.explanation.resets_at is not None
    assert alone.tier is Tier.INSTANT


def test_thresholds_in_dollars_raise_the_tier_but_not_for_what_the_owner_approved() -> None:
    rule = usd_window(notify_above=10, delay_above=20, approval_above=30)
    for cents, tier in (
        (10, Tier.INSTANT),
        (20, Tier.NOTIFY),
        (30, Tier.DELAY),
        (31, Tier.APPROVAL),
    ):
        assert judge(WIDE, rule, worth=Worth(cents * DOLLAR, 0)).tier is tier
    approved = [bucket(1, usd=500 * DOLLAR, owner_usd=500 * DOLLAR)]
    assert judge(WIDE, rule, worth=Worth(DOLLAR, 0), buckets=approved).tier is Tier.INSTANT


def test_spending_of_unknown_value_in_the_window_asks() -> None:
    unknown = [bucket(1, unpriced=1)]
    old = [bucket(1, ago=2 * 3_600_000, unpriced=1)]
    held = [reservation(1)]
    assert judge(WIDE, usd_window(), worth=Worth(1, 0), buckets=unknown).tier is Tier.APPROVAL
    assert judge(WIDE, usd_window(), worth=Worth(1, 0), reservations=held).tier is Tier.APPROVAL
    assert judge(WIDE, usd_window(), worth=Worth(1, 0), buckets=old).tier is Tier.INSTANT


def test_coins_and_dollars_of_one_window_both_bind() -> None:
    both = CumulativeLimit(
        {ETH.key: WindowBounds(1000)}, 3600, False, False, 60, 900,
        DollarWindow(WindowBounds(5 * DOLLAR)),
    )  # fmt: skip
    assert judge(WIDE, both, worth=Worth(5 * DOLLAR, 0)).tier is Tier.INSTANT
    assert judge(WIDE, both, worth=Worth(5 * DOLLAR, 1)).is_denied
    assert judge(WIDE, both, worth=Worth(1, 0), amount=994).is_denied


@settings(deadline=None)
@given(
    amount=st.integers(1, 10**24),
    ceiling=st.integers(1, 10**18),
    share=st.fractions(0, 1),
    usd=st.integers(0, 10**12),
    fee_usd=st.integers(0, 10**9),
    token=st.booleans(),
    approved=st.booleans(),
)
def test_what_settles_never_counts_for_less_than_its_share_nor_more_than_was_reserved(
    amount: int, ceiling: int, share: Any, usd: int, fee_usd: int, token: bool, approved: bool
) -> None:
    held = reservation(
        amount, asset=TOKEN.key if token else ETH.key, fee=ceiling, usd=usd, fee_usd=fee_usd,
        owner_approved=approved,
    )  # fmt: skip
    fee = int(ceiling * share)

    buckets = spent(held, amount, fee, NOW)

    assert sum(b.amount for b in buckets) == amount + fee
    assert usd + fee_usd * fee / ceiling <= sum(b.usd for b in buckets) + 1e-3
    assert sum(b.usd for b in buckets) <= usd + fee_usd
    assert sum(b.owner_usd for b in buckets) == (sum(b.usd for b in buckets) if approved else 0)
    assert sum(b.count for b in buckets) == 1
    assert not any(b.unpriced for b in buckets)


def test_a_failed_payment_costs_its_fee_alone_and_the_unknown_stays_unknown() -> None:
    priced = reservation(100, fee=10, usd=50, fee_usd=5)
    unknown = reservation(100, fee=10)

    [failed] = spent(priced, 0, 10, NOW)
    [paid] = spent(unknown, 100, 10, NOW)
    [nothing] = spent(unknown, 0, 0, NOW)

    assert (failed.amount, failed.usd, failed.count, failed.unpriced) == (10, 5, 0, 0)
    assert (paid.amount, paid.usd, paid.count, paid.unpriced) == (110, 0, 1, 2)
    assert nothing.unpriced == 0


def test_a_window_resets_when_its_oldest_spend_leaves() -> None:
    found = dollar_usage(
        [bucket(1, usd=4), bucket(1, ago=600_000, usd=3)], [], window_ms=3_600_000, now=NOW
    )
    assert found.amount == 7
    assert found.resets_at == bucket(1, ago=600_000).started_at + 300_000 + 3_600_000
