"""Past requests judged anew: windows of the replay, what really left, and nothing else."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.rules import ETH, NOW, rules, tiers, transfer
from wallet.domain.policy import AppliedRule, Policy
from wallet.domain.prices import PriceGap, Worth
from wallet.domain.replay import DENIED, PastRequest, Replay
from wallet.domain.rules import (
    HOUR_MS,
    Context,
    CumulativeLimit,
    DollarWindow,
    FeeBounds,
    FeeLimit,
    Rule,
    WindowBounds,
)
from wallet.domain.tiers import Tier

CEILINGS = {ETH.network: 7}


def replay(*found: Rule) -> Replay:
    return Replay([AppliedRule(f"r{n}", None, 1, rule) for n, rule in enumerate(found)], CEILINGS)


def asked(amount: int = 100, ago: int = 0, **changes: object) -> PastRequest:
    plain = PastRequest(NOW - ago, transfer(amount), "INSTANT", PriceGap.UNKNOWN, True, 7)
    return replace(plain, **changes)  # type: ignore[arg-type]


def window(limit: int, *, ask: bool = False, **more: int) -> CumulativeLimit:
    return CumulativeLimit({ETH.key: WindowBounds(limit, **more)}, 3600, False, ask, 60, 900)


def words(found: Replay, *requests: PastRequest) -> list[str]:
    return [DENIED if (tier := found.judge(one).tier) is None else tier.value for one in requests]


def test_what_the_replay_denies_takes_no_room_in_its_windows() -> None:
    found = replay(tiers(500, 600, 700), window(214))
    requests = [asked(ago=3), asked(150, ago=2), asked(ago=1), asked(1)]
    assert words(found, *requests) == ["INSTANT", DENIED, "INSTANT", DENIED]


def test_a_window_slides_and_holds_the_fees_that_were_paid() -> None:
    found = replay(tiers(), window(107))
    later = asked(ago=0)
    assert words(found, asked(ago=2 * HOUR_MS, fee=0), later) == ["INSTANT", "INSTANT"]
    cheap = replay(tiers(), window(207))
    assert words(cheap, asked(fee=0), asked()) == ["INSTANT", "INSTANT"]
    dear = replay(tiers(), window(207))
    assert words(dear, asked(fee=1), asked()) == ["INSTANT", DENIED]


@pytest.mark.parametrize(("paid", "second"), [(True, DENIED), (None, DENIED), (False, "INSTANT")])
def test_what_never_left_counts_nothing(paid: bool | None, second: str) -> None:
    found = replay(tiers(), window(150))
    assert words(found, asked(paid=paid), asked()) == ["INSTANT", second]


def test_what_left_before_the_first_request_fills_its_windows() -> None:
    found = replay(tiers(), window(150))
    found.remember(asked(ago=HOUR_MS, paid=False))
    assert words(found, asked(1)) == ["INSTANT"]
    found.remember(asked(ago=HOUR_MS, was="APPROVAL"))
    assert words(found, asked()) == [DENIED]


def test_what_the_owner_is_asked_for_he_grants_and_it_escalates_nothing() -> None:
    found = replay(tiers(50, 60, 70), window(10_000, delay_above=100))
    small = asked(40)
    assert words(found, asked(90), small) == ["APPROVAL", "INSTANT"]


def test_dollars_are_those_of_the_decision_and_unknown_ones_ask() -> None:
    usd = CumulativeLimit({}, 3600, False, False, 60, 900, DollarWindow(WindowBounds(100)))
    found = replay(tiers(), usd)
    priced = asked(worth=Worth(50, 1))
    assert words(found, priced, priced, asked()) == ["INSTANT", DENIED, "APPROVAL"]


def test_a_rule_may_lower_the_ceiling_of_fees() -> None:
    strict = FeeLimit({ETH.key: FeeBounds(2)}, 900)
    assert words(replay(tiers(), window(102), strict), asked()) == ["INSTANT"]
    assert words(replay(tiers(), window(102)), asked()) == [DENIED]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(rules, max_size=4), st.integers(1, 400))
def test_the_first_request_is_judged_as_the_policy_judges_it(
    found: Sequence[Rule], amount: int
) -> None:
    intent, applied = transfer(amount), [AppliedRule("r", None, 1, rule) for rule in found]
    policy = Policy(applied)
    context = Context(NOW, "w1", owner_paired=True, buckets=[], reservations=[])
    expected = policy.judge(intent, policy.fee_ceiling(intent, 7), context)
    assert Replay(applied, CEILINGS).judge(asked(amount)).tier is expected.tier


def test_each_wallet_has_its_own_rules() -> None:
    own = AppliedRule("own", "w2", 1, tiers())
    found = Replay([own], CEILINGS)
    assert found.judge(asked()).tier is None
    other = replace(transfer(), wallet_id="w2")
    assert found.judge(asked(intent=other)).tier is Tier.INSTANT
