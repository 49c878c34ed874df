"""Policies: the strictest rule wins, nothing means no, and every bound is where it says."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet.domain.decisions import Decision, RuleType
from wallet.domain.intents import Intent, Transfer
from wallet.domain.money import Asset
from wallet.domain.policy import AppliedRule, Policy
from wallet.domain.rules import (
    DAY_MS,
    HOUR_MS,
    Context,
    CumulativeLimit,
    RateLimit,
    Rule,
    SpendingLimit,
    TierBounds,
    TimeRestriction,
    Whitelist,
    WindowBounds,
)
from wallet.domain.spending import BUCKET_MS, Bucket, Reservation, bucket_start
from wallet.domain.tiers import Tier
from wallet.errors import Code

ETH = Asset("evm-local", "ETH", 18)
TOKEN = Asset("evm-local", "USD", 6, "0xToken")
NOW = 1_800_000_000_000
FEE = 7
TIERS = SpendingLimit({ETH.key: TierBounds(100, 200, 300)}, delay_seconds=60, approval_seconds=900)


def policy(*rules: Rule) -> Policy:
    return Policy([AppliedRule(f"r{n}", None, n + 1, rule) for n, rule in enumerate(rules)])


def context(**changes: Any) -> Context:
    plain = Context(NOW, "w1", owner_paired=True, buckets=[], reservations=[])
    return replace(plain, **changes)


def transfer(amount: int = 100, asset: Asset = ETH, to: str = "payee") -> Transfer:
    return Transfer("w1", asset, to, amount)


def judge(*rules: Rule, amount: int = 100, at: Context | None = None, **of: Any) -> Decision:
    return policy(*rules).judge(transfer(amount, **of), FEE, at or context())


def bucket(amount: int = 0, ago: int = 0, **changes: Any) -> Bucket:
    plain = Bucket("w1", ETH.key, bucket_start(NOW - ago), amount, 0, 1)
    return replace(plain, **changes)


def reservation(amount: int = 0, **changes: Any) -> Reservation:
    plain = Reservation(
        "t1", "w1", "s1", ETH.key, amount, ETH.key, 0, owner_approved=False, created_at=NOW
    )
    return replace(plain, **changes)


def window(
    limit: int = 1000, *, ask: bool = False, every: bool = False, **more: int
) -> CumulativeLimit:
    return CumulativeLimit({ETH.key: WindowBounds(limit, **more)}, 3600, every, ask, 60, 900)


@pytest.mark.parametrize(
    ("amount", "tier"),
    [
        (99, Tier.INSTANT), (100, Tier.INSTANT), (101, Tier.NOTIFY), (199, Tier.NOTIFY), (200, Tier.NOTIFY),
        (201, Tier.DELAY), (299, Tier.DELAY), (300, Tier.DELAY), (301, Tier.APPROVAL), (10**30, Tier.APPROVAL),
    ],
)  # fmt: skip
def test_an_amount_falls_into_the_tier_of_its_bound(amount: int, tier: Tier) -> None:
    decision = judge(TIERS, amount=amount)
    assert decision.tier is tier
    assert decision.delay_seconds == (60 if tier is Tier.DELAY else None)
    assert decision.approval_seconds == (900 if tier is Tier.APPROVAL else None)


def test_no_rule_means_no() -> None:
    decision = judge()
    assert decision.is_denied
    assert decision.code is Code.POLICY_DENIED


def test_rules_that_only_object_grant_nothing() -> None:
    everyday = TimeRestriction(0, 24, frozenset(range(7)), "UTC")
    allowed: list[Rule] = [
        Whitelist(frozenset({"payee"}), False, 900),
        window(),
        everyday,
        RateLimit(9, 9, False),
    ]
    assert judge(*allowed).is_denied


def test_an_unlisted_asset_is_denied() -> None:
    assert judge(TIERS, asset=TOKEN).is_denied
    assert judge(TIERS, window(), asset=TOKEN).is_denied


def test_a_recipient_that_is_not_listed_is_denied_or_asked_about() -> None:
    assert judge(TIERS, Whitelist(frozenset({"x"}), False, 900)).code is Code.WHITELIST_DENIED
    assert judge(TIERS, Whitelist(frozenset({"x"}), True, 900)).tier is Tier.APPROVAL
    assert judge(TIERS, Whitelist(frozenset(), False, 900)).is_denied
    assert judge(TIERS, Whitelist(frozenset({"payee"}), False, 900)).tier is Tier.INSTANT


def test_the_strictest_rule_wins_and_is_named() -> None:
    decision = judge(TIERS, Whitelist(frozenset({"x"}), True, 300), window(notify_above=1))
    assert decision.tier is Tier.APPROVAL
    assert decision.rule is RuleType.WHITELIST
    assert decision.rule_id == "r1"


def test_the_longest_delay_and_the_shortest_question_win() -> None:
    slower = replace(TIERS, delay_seconds=600, approval_seconds=100)
    assert judge(TIERS, slower, amount=300).delay_seconds == 600
    assert judge(TIERS, slower, amount=301).approval_seconds == 100


def test_without_an_owner_only_instant_amounts_leave() -> None:
    alone = context(owner_paired=False)
    assert judge(TIERS, amount=100, at=alone).tier is Tier.INSTANT
    for amount in (101, 201, 301):
        assert judge(TIERS, amount=amount, at=alone).code is Code.OWNER_NOT_CONNECTED


class Broken:
    type = RuleType.WHITELIST
    window_ms = 0

    def judge(self, intent: Intent, fee: int, context: Context) -> Decision | None:
        raise ZeroDivisionError


def test_a_rule_that_fails_denies() -> None:
    decision = judge(TIERS, Broken())
    assert decision.code is Code.POLICY_ERROR
    assert decision.rule_id == "r1"


def test_a_window_holds_exactly_its_limit_fees_included() -> None:
    held = context(buckets=[bucket(500)])
    assert judge(TIERS, window(500 + 100 + FEE), at=held).tier is Tier.INSTANT
    decision = judge(TIERS, window(500 + 100 + FEE - 1), at=held)
    assert decision.code is Code.CUMULATIVE_LIMIT_EXCEEDED
    assert decision.explanation.used == 500
    assert decision.explanation.remaining == 100 + FEE - 1


def test_a_window_that_asks_above_its_limit_asks() -> None:
    assert judge(TIERS, window(99, ask=True)).tier is Tier.APPROVAL


def test_reservations_count_like_what_was_spent() -> None:
    held = context(reservations=[reservation(500, fee=9)])
    assert judge(TIERS, window(500 + 9 + 100 + FEE), at=held).tier is Tier.INSTANT
    assert judge(TIERS, window(500 + 9 + 100 + FEE - 1), at=held).is_denied


@pytest.mark.parametrize(("ago", "counts"), [(0, True), (HOUR_MS - 1, True), (HOUR_MS, True), (HOUR_MS + BUCKET_MS, False)])  # fmt: skip
def test_a_bucket_counts_until_it_lies_wholly_outside(ago: int, counts: bool) -> None:
    held = context(buckets=[bucket(1000, ago=ago)])
    assert judge(TIERS, window(1000), at=held).is_denied is counts


def test_a_bucket_leaves_at_the_very_moment_it_promised() -> None:
    held = context(buckets=[bucket(1000)])
    resets = judge(TIERS, window(1000), at=held).explanation.resets_at
    assert resets is not None
    assert judge(TIERS, window(1000), at=replace(held, now=resets - 1)).is_denied
    assert not judge(TIERS, window(1000), at=replace(held, now=resets)).is_denied


def test_another_wallets_spending_counts_only_over_all_wallets() -> None:
    held = context(
        buckets=[bucket(1000, wallet_id="w2")], reservations=[reservation(9, wallet_id="w2")]
    )
    assert not judge(TIERS, window(1000), at=held).is_denied
    assert judge(TIERS, window(1000, every=True), at=held).is_denied


def test_another_assets_spending_does_not_count() -> None:
    held = context(buckets=[bucket(1000, asset=TOKEN.key)])
    assert not judge(TIERS, window(1000), at=held).is_denied


def test_a_token_reservation_counts_its_fee_as_native_spend() -> None:
    token = reservation(10**9, asset=TOKEN.key, fee=900)
    assert judge(TIERS, window(999 + FEE), at=context(reservations=[token])).is_denied
    assert not judge(TIERS, window(1000 + FEE), at=context(reservations=[token])).is_denied


@pytest.mark.parametrize(("spent", "tier"), [
    (0, Tier.INSTANT), (93, Tier.INSTANT), (94, Tier.NOTIFY), (293, Tier.NOTIFY), (294, Tier.DELAY),
    (493, Tier.DELAY), (494, Tier.APPROVAL), (893, Tier.APPROVAL), (894, None),
])  # fmt: skip
def test_a_windows_total_raises_the_tier_above_each_threshold(
    spent: int, tier: Tier | None
) -> None:
    rule = window(1000, notify_above=200, delay_above=400, approval_above=600)
    decision = judge(TIERS, rule, amount=99, at=context(buckets=[bucket(spent + 1)]))
    assert decision.tier is tier


def test_what_the_owner_approved_counts_for_the_limit_and_escalates_nothing() -> None:
    rule = window(1000, approval_above=200)
    own = context(buckets=[bucket(800, owner_amount=800)])
    assert judge(TIERS, rule, at=own).tier is Tier.INSTANT
    assert judge(TIERS, rule, amount=194, at=own).is_denied
    held = context(reservations=[reservation(800, owner_approved=True)])
    assert judge(TIERS, rule, at=held).tier is Tier.INSTANT


def test_what_a_denial_says_would_pass_passes_and_one_more_does_not() -> None:
    held = context(buckets=[bucket(300)])
    rule = window(350)
    why = judge(TIERS, rule, at=held).explanation.smallest_passing
    assert why is not None
    most = int(why.split("at most ")[1].split(" ")[0])
    assert not judge(TIERS, rule, amount=most, at=held).is_denied
    assert judge(TIERS, rule, amount=most + 1, at=held).is_denied


def payments(count: int, ago: int = 0) -> Context:
    return context(buckets=[bucket(1, ago=ago, count=count)])


def test_the_tenth_payment_of_an_hour_passes_and_the_eleventh_does_not() -> None:
    rule = RateLimit(10, 1000, all_wallets=False)
    assert not judge(TIERS, rule, at=payments(9)).is_denied
    decision = judge(TIERS, rule, at=payments(10))
    assert decision.code is Code.TX_RATE_EXCEEDED
    assert (decision.explanation.limit, decision.explanation.used) == (10, 10)


def test_open_payments_count_for_the_rate() -> None:
    rule = RateLimit(2, 1000, all_wallets=False)
    held = [reservation(transaction_id=str(n)) for n in range(2)]
    assert judge(TIERS, rule, at=context(reservations=held)).is_denied
    assert not judge(TIERS, rule, at=context(reservations=held[:1])).is_denied


def test_the_rates_window_slides() -> None:
    rule = RateLimit(10, 1000, all_wallets=False)
    resets = judge(TIERS, rule, at=payments(10)).explanation.resets_at
    assert resets is not None
    assert judge(TIERS, rule, at=replace(payments(10), now=resets - 1)).is_denied
    assert not judge(TIERS, rule, at=replace(payments(10), now=resets)).is_denied
    assert judge(TIERS, RateLimit(1000, 10, False), at=payments(10, ago=DAY_MS - 1)).is_denied


def at_local(zone: str, *when: int) -> int:
    return int(datetime(*when, tzinfo=ZoneInfo(zone)).timestamp() * 1000)  # type: ignore[misc,arg-type]


def hours(start: int, end: int, zone: str = "UTC", days: str = "0123456") -> TimeRestriction:
    return TimeRestriction(start, end, frozenset(int(day) for day in days), zone)


def test_hours_begin_with_their_first_second_and_end_before_their_last() -> None:
    rule = hours(9, 18)
    assert rule.allows(at_local("UTC", 2026, 3, 4, 17, 59, 59))
    assert not rule.allows(at_local("UTC", 2026, 3, 4, 18, 0, 0))
    assert not rule.allows(at_local("UTC", 2026, 3, 4, 8, 59, 59))
    assert rule.allows(at_local("UTC", 2026, 3, 4, 9, 0, 0))


def test_hours_may_wrap_midnight() -> None:
    rule = hours(22, 6)
    allowed = [h for h in range(24) if rule.allows(at_local("UTC", 2026, 3, 4, h, 30))]
    assert allowed == [0, 1, 2, 3, 4, 5, 22, 23]


@pytest.mark.parametrize(("start", "end"), [(5, 5), (0, 24)])
def test_equal_hours_and_a_full_day_mean_all_day(start: int, end: int) -> None:
    rule = hours(start, end)
    assert all(rule.allows(at_local("UTC", 2026, 3, 4, hour)) for hour in range(24))


def test_hours_until_midnight_end_there() -> None:
    rule = hours(20, 24)
    assert rule.allows(at_local("UTC", 2026, 3, 4, 23, 59, 59))
    assert not rule.allows(at_local("UTC", 2026, 3, 5, 0, 0, 0))


@pytest.mark.parametrize(
    "zone", ["Europe/Berlin", "Asia/Kolkata", "America/New_York", "Pacific/Auckland"]
)
def test_hours_are_those_of_the_time_zone(zone: str) -> None:
    rule = hours(9, 18, zone)
    assert rule.allows(at_local(zone, 2026, 7, 4, 9, 0, 0))
    assert not rule.allows(at_local(zone, 2026, 7, 4, 18, 0, 0))


def test_hours_follow_the_change_of_the_clocks() -> None:
    rule = hours(9, 10, "Europe/Berlin")
    assert rule.allows(int(datetime(2026, 3, 28, 8, 30, tzinfo=UTC).timestamp() * 1000))
    assert rule.allows(int(datetime(2026, 3, 30, 7, 30, tzinfo=UTC).timestamp() * 1000))


def test_days_begin_with_sunday_at_zero() -> None:
    sunday = at_local("UTC", 2026, 3, 1, 12)
    assert hours(0, 24, days="0").allows(sunday)
    assert not hours(0, 24, days="123456").allows(sunday)
    assert not hours(0, 24, days="").allows(sunday)


def test_a_denial_outside_hours_says_when_they_open_and_they_do() -> None:
    rule = hours(9, 18, "Europe/Berlin", days="12345")
    closed = at_local("Europe/Berlin", 2026, 3, 6, 20)  # a Friday
    opens = judge(TIERS, rule, at=context(now=closed)).explanation.resets_at
    assert opens == at_local("Europe/Berlin", 2026, 3, 9, 9)
    assert not judge(TIERS, rule, at=context(now=opens)).is_denied


def test_hours_in_a_zone_off_the_full_hour_open_when_the_denial_says() -> None:
    rule = hours(9, 18, "Asia/Kolkata")
    opens = judge(
        TIERS, rule, at=context(now=at_local("Asia/Kolkata", 2026, 3, 4, 3))
    ).explanation.resets_at
    assert opens == at_local("Asia/Kolkata", 2026, 3, 4, 9)


def test_a_policys_version_and_reach_are_those_of_its_rules() -> None:
    assert policy(TIERS, window(), RateLimit(1, 1, False)).version == 3
    assert policy(TIERS, window()).window_ms == HOUR_MS
    assert policy(TIERS).window_ms == policy().version == 0


bounds = st.lists(st.integers(0, 400), min_size=3, max_size=3).map(sorted)
tier_rules = st.builds(
    lambda b, d, a: SpendingLimit({ETH.key: TierBounds(*b)}, d, a),
    bounds,
    st.integers(1, 900),
    st.integers(1, 900),
)
windows = st.builds(
    lambda limit, ask, every, low: window(max(limit, low), ask=ask, every=every, notify_above=low),
    st.integers(0, 1500),
    st.booleans(),
    st.booleans(),
    st.integers(0, 1500),
)
objections = st.one_of(
    windows,
    st.builds(
        Whitelist,
        st.sampled_from([frozenset({"payee"}), frozenset({"x"})]),
        st.booleans(),
        st.just(60),
    ),
    st.builds(RateLimit, st.integers(1, 5), st.integers(1, 5), st.booleans()),
    st.builds(hours, st.integers(0, 23), st.integers(1, 24)),
)
rules = st.one_of(tier_rules, objections)
worlds = st.builds(
    lambda amounts, held, paired: context(
        buckets=[bucket(a, ago=n * BUCKET_MS) for n, a in enumerate(amounts)],
        reservations=[reservation(a, transaction_id=str(n)) for n, a in enumerate(held)],
        owner_paired=paired,
    ),
    st.lists(st.integers(0, 500), max_size=4),
    st.lists(st.integers(0, 500), max_size=3),
    st.booleans(),
)


@given(tier_rules, st.lists(rules, max_size=4), rules, st.integers(1, 500), worlds)
def test_one_more_rule_can_only_tighten(
    granting: Rule, before: list[Rule], more: Rule, amount: int, at: Context
) -> None:
    first = judge(granting, *before, amount=amount, at=at)
    second = judge(granting, *before, more, amount=amount, at=at)
    assert second.strictness >= first.strictness
    if first.tier is second.tier is Tier.DELAY:
        assert (second.delay_seconds or 0) >= (first.delay_seconds or 0)
    if first.tier is second.tier is Tier.APPROVAL:
        assert (second.approval_seconds or 0) <= (first.approval_seconds or 0)


@given(st.lists(rules, max_size=5), st.integers(1, 500), worlds, st.randoms())
def test_the_order_of_rules_does_not_matter(
    given_rules: list[Rule], amount: int, at: Context, random: Any
) -> None:
    shuffled = list(given_rules)
    random.shuffle(shuffled)
    first, second = (judge(*found, amount=amount, at=at) for found in (given_rules, shuffled))
    assert (first.tier, first.delay_seconds, first.approval_seconds) == (
        second.tier,
        second.delay_seconds,
        second.approval_seconds,
    )


@given(st.lists(rules, max_size=5), st.integers(1, 499), worlds)
def test_a_larger_amount_is_never_judged_more_loosely(
    given_rules: list[Rule], amount: int, at: Context
) -> None:
    smaller, larger = (judge(*given_rules, amount=a, at=at) for a in (amount, amount + 1))
    assert larger.strictness >= smaller.strictness
