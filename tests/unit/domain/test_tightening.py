"""What tightens counts at once, so it must never allow more: whatever the rules, the request and the moment."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.support.rules import (
    ETH,
    FEE,
    GRANTING,
    RULES,
    TOKEN,
    contexts,
    intents,
    rules,
    tiers,
)
from tests.unit.domain.test_policy_merge import is_as_strict
from wallet.domain.decisions import RuleType
from wallet.domain.intents import Intent
from wallet.domain.policy import AppliedRule, Policy
from wallet.domain.rules import (
    AllowedNetworks,
    AllowedTokens,
    ApproveAmountLimit,
    ApprovedSpenders,
    BalanceShare,
    Context,
    ContractWhitelist,
    CumulativeLimit,
    DollarWindow,
    FeeBounds,
    FeeLimit,
    MethodWhitelist,
    RateLimit,
    Rule,
    SpendingLimit,
    TierBounds,
    TimeRestriction,
    Unproved,
    Whitelist,
    WindowBounds,
)
from wallet.domain.tightening import Beside, tightens

thorough = settings(
    max_examples=250,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
WALLETS = (None, "w1", "w2")


@st.composite
def changes(draw: st.DrawFn) -> tuple[Rule | None, Rule | None]:
    """A rule added, taken away, or with some of its fields those of another of its type."""
    before = draw(rules)
    match draw(st.sampled_from(["add", "remove", "change", "change", "change"])):
        case "add":
            return None, before
        case "remove":
            return before, None
        case _:
            pass
    other: Any = draw(RULES[type(before)])
    names = draw(st.sets(st.sampled_from([f.name for f in fields(before)]), min_size=1))  # type: ignore[arg-type]
    changed = {name: _nudged(draw, getattr(before, name), getattr(other, name)) for name in names}
    return before, replace(before, **changed)  # type: ignore[type-var]


def _nudged(draw: st.DrawFn, before: Any, other: Any) -> Any:
    """Maps lose entries, take over those of the other, or both; sets are cut; the rest is as in the other."""
    if isinstance(before, Mapping):
        kept = {key: bounds for key, bounds in before.items() if draw(st.booleans())}
        return {**kept, **(other if draw(st.booleans()) else {})}
    if isinstance(before, frozenset) and draw(st.booleans()):
        return before & other
    return other


@thorough
@given(
    changes(),
    st.sampled_from(WALLETS),
    st.lists(st.tuples(st.sampled_from(WALLETS), rules), max_size=4),
    st.booleans(),
    intents,
    contexts(),
)
def test_what_tightens_never_allows_more(
    change: tuple[Rule | None, Rule | None],
    wallet_id: str | None,
    others: Sequence[tuple[str | None, Rule]],
    granting: bool,
    intent: Intent,
    context: Context,
) -> None:
    before, after = change
    both = [*((None, rule) for rule in GRANTING if granting), *others]
    applied = [AppliedRule(f"o{n}", of, 1, rule) for n, (of, rule) in enumerate(both)]
    assume(tightens(before, after, Beside.of(applied, "changed", wallet_id)))

    def judged(rule: Rule | None) -> Policy:
        changed = [] if rule is None else [AppliedRule("changed", wallet_id, 1, rule)]
        return Policy([one for one in [*applied, *changed] if one.wallet_id in (None, "w1")])

    old, new = judged(before), judged(after)
    assert is_as_strict(new.judge(intent, FEE, context), old.judge(intent, FEE, context))
    assert new.fee_ceiling(intent, 50) <= old.fee_ceiling(intent, 50)


@given(rules, st.lists(rules, max_size=3))
def test_what_stays_as_it_is_does_not_loosen(rule: Rule, others: Sequence[Rule]) -> None:
    assert tightens(rule, replace(rule), Beside(others, others))  # type: ignore[type-var]


BOUNDS = TierBounds(10, 20, 30)
WINDOW = WindowBounds(100, 20, 40, 60)
DOLLARS = DollarWindow(WINDOW, all_wallets=False)
SPENDING = SpendingLimit({ETH.key: BOUNDS}, 60, 900, TierBounds(10, 20, 30))
CUMULATIVE = CumulativeLimit({ETH.key: WINDOW, TOKEN.key: WINDOW}, 3600, False, True, 60, 900, DOLLARS)  # fmt: skip
WHITELIST = Whitelist(frozenset({"a", "b"}), True, 900)
HOURS = TimeRestriction(9, 18, frozenset({1, 2}), "UTC")
RATE = RateLimit(5, 10, all_wallets=False)
METHODS = MethodWhitelist({"n/c": frozenset({"0x1", "0x2"})}, True, 900)
ALLOWANCES = ApproveAmountLimit({"n/t": 50}, True, 900)
FEES = FeeLimit({"n/native": FeeBounds(50, 100)}, 900)
SHARE = BalanceShare(5000, 8000, 3600, True, 900)


def of_asset(rule: CumulativeLimit, **more: Any) -> CumulativeLimit:
    return replace(rule, assets={**rule.assets, ETH.key: replace(WINDOW, **more)})


TIGHTER: list[tuple[Rule, Rule]] = [
    (SPENDING, replace(SPENDING, assets={ETH.key: TierBounds(9, 20, 30)})),
    (SPENDING, replace(SPENDING, assets={ETH.key: TierBounds(10, 19, 30)})),
    (SPENDING, replace(SPENDING, assets={ETH.key: TierBounds(10, 20, 29)})),
    (SPENDING, replace(SPENDING, usd=TierBounds(10, 20, 29))),
    (replace(SPENDING, usd=None), SPENDING),
    (SPENDING, replace(SPENDING, delay_seconds=61)),
    (SPENDING, replace(SPENDING, approval_seconds=899)),
    (CUMULATIVE, of_asset(CUMULATIVE, limit=99)),
    (CUMULATIVE, of_asset(CUMULATIVE, notify_above=19)),
    (CUMULATIVE, of_asset(CUMULATIVE, delay_above=39)),
    (CUMULATIVE, of_asset(CUMULATIVE, approval_above=59)),
    (of_asset(CUMULATIVE, approval_above=None), CUMULATIVE),
    (CUMULATIVE, replace(CUMULATIVE, assets={ETH.key: WINDOW})),
    (replace(CUMULATIVE, assets={}), CUMULATIVE),
    (CUMULATIVE, replace(CUMULATIVE, window_seconds=3601)),
    (CUMULATIVE, replace(CUMULATIVE, all_wallets=True)),
    (CUMULATIVE, replace(CUMULATIVE, otherwise_ask=False)),
    (CUMULATIVE, replace(CUMULATIVE, delay_seconds=61)),
    (CUMULATIVE, replace(CUMULATIVE, approval_seconds=899)),
    (replace(CUMULATIVE, usd=None), CUMULATIVE),
    (CUMULATIVE, replace(CUMULATIVE, usd=replace(DOLLARS, all_wallets=True))),
    (CUMULATIVE, replace(CUMULATIVE, usd=replace(DOLLARS, bounds=replace(WINDOW, limit=99)))),
    (WHITELIST, replace(WHITELIST, addresses=frozenset({"a"}))),
    (WHITELIST, replace(WHITELIST, otherwise_ask=False)),
    (WHITELIST, replace(WHITELIST, approval_seconds=899)),
    (HOURS, replace(HOURS, start_hour=10)),
    (HOURS, replace(HOURS, end_hour=17)),
    (HOURS, replace(HOURS, days=frozenset({1}))),
    (RATE, replace(RATE, max_per_hour=4)),
    (RATE, replace(RATE, max_per_day=9)),
    (RATE, replace(RATE, all_wallets=True)),
    (AllowedNetworks(frozenset({"a", "b"})), AllowedNetworks(frozenset({"a"}))),
    (AllowedTokens(frozenset({"a", "b"})), AllowedTokens(frozenset({"a"}))),
    (
        ContractWhitelist(frozenset({"a", "b"}), False, 9),
        ContractWhitelist(frozenset({"a"}), False, 9),
    ),
    (
        ApprovedSpenders(frozenset({"a", "b"}), True, 9),
        ApprovedSpenders(frozenset({"a", "b"}), False, 9),
    ),
    (METHODS, replace(METHODS, methods={"n/c": frozenset({"0x1"})})),
    (METHODS, replace(METHODS, methods={})),
    (METHODS, replace(METHODS, otherwise_ask=False)),
    (ALLOWANCES, replace(ALLOWANCES, assets={"n/t": 49})),
    (ALLOWANCES, replace(ALLOWANCES, assets={})),
    (ALLOWANCES, replace(ALLOWANCES, approval_seconds=899)),
    (replace(FEES, assets={**FEES.assets, "m/native": FeeBounds(1)}), FEES),
    (FEES, replace(FEES, assets={"n/native": FeeBounds(49, 100)})),
    (FEES, replace(FEES, assets={"n/native": FeeBounds(50, 99)})),
    (replace(FEES, assets={"n/native": FeeBounds(50)}), FEES),
    (FEES, replace(FEES, approval_seconds=899)),
    (SHARE, replace(SHARE, max_payment_bps=4999)),
    (SHARE, replace(SHARE, max_window_bps=7999)),
    (replace(SHARE, max_window_bps=None), SHARE),
    (SHARE, replace(SHARE, window_seconds=3601)),
    (SHARE, replace(SHARE, otherwise_ask=False)),
    (SHARE, replace(SHARE, approval_seconds=899)),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after"), TIGHTER)
def test_each_field_tightens_one_way_and_loosens_the_other(before: Rule, after: Rule) -> None:
    assert tightens(before, after, Beside())
    assert not tightens(after, before, Beside())


def test_every_type_is_in_the_table() -> None:
    assert {before.type for before, _ in TIGHTER} == set(RuleType)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (HOURS, replace(HOURS, timezone="Europe/Berlin")),  # shifted hours are other hours
        (HOURS, replace(HOURS, start_hour=8, end_hour=17)),
        (SPENDING, replace(SPENDING, assets={ETH.key: TierBounds(5, 20, 31)})),
        (SPENDING, replace(SPENDING, assets={**SPENDING.assets, TOKEN.key: BOUNDS})),
        (CUMULATIVE, of_asset(CUMULATIVE, notify_above=None, delay_above=20)),
        (CUMULATIVE, replace(CUMULATIVE, assets={})),
        (replace(CUMULATIVE, assets={TOKEN.key: WINDOW}), replace(CUMULATIVE, assets={ETH.key: WINDOW})),
        (WHITELIST, replace(WHITELIST, addresses=frozenset({"a", "c"}))),
        (SHARE, replace(SHARE, max_window_bps=7999, window_seconds=3599)),
        (RATE, AllowedNetworks(frozenset())),
        (Unproved(), RATE),
        (RATE, Unproved()),
    ],
)  # fmt: skip
def test_what_cannot_be_proved_loosens(before: Rule, after: Rule) -> None:
    assert not tightens(before, after, Beside())


def beside(*always: Rule, somewhere: Sequence[Rule] = ()) -> Beside:
    return Beside(always, [*always, *somewhere])


CALLS, SPENDERS, TOKENS = GRANTING[2], GRANTING[3], GRANTING[1]


@pytest.mark.parametrize("rule", [tiers(), TOKENS, CALLS, SPENDERS])
def test_what_allows_by_being_there_loosens_unless_another_of_its_kind_is(rule: Rule) -> None:
    assert not tightens(None, rule, beside())
    assert not tightens(None, rule, beside(somewhere=[rule]))
    assert tightens(None, rule, beside(rule))


@pytest.mark.parametrize("rule", [WHITELIST, HOURS, RATE, CUMULATIVE, METHODS, ALLOWANCES, FEES, SHARE,
                                  AllowedNetworks(frozenset())])  # fmt: skip
def test_what_only_objects_tightens_by_being_added_and_loosens_by_going(rule: Rule) -> None:
    assert tightens(None, rule, beside())
    assert not tightens(rule, None, beside(*GRANTING))


@pytest.mark.parametrize("rule", [tiers(), CALLS, SPENDERS])
def test_taking_away_the_only_rule_that_allows_tightens(rule: Rule) -> None:
    assert tightens(rule, None, beside(RATE))
    assert not tightens(rule, None, beside(somewhere=[rule]))
    assert not tightens(rule, None, beside(Unproved()))


def test_without_a_list_of_tokens_allowances_of_any_are_heard_by_nobody() -> None:
    assert not tightens(TOKENS, None, beside(SPENDERS))


def test_a_tier_for_a_new_asset_loosens_unless_another_rule_grants_it_everywhere() -> None:
    more = replace(SPENDING, assets={**SPENDING.assets, TOKEN.key: BOUNDS})
    grants = SpendingLimit({TOKEN.key: BOUNDS}, 60, 900)
    assert tightens(SPENDING, more, beside(grants))
    assert not tightens(SPENDING, more, beside(somewhere=[grants]))


def test_an_asset_that_a_milder_rule_names_as_well_is_not_given_up() -> None:
    more = replace(SPENDING, assets={**SPENDING.assets, TOKEN.key: BOUNDS})
    assert tightens(more, SPENDING, beside())
    assert not tightens(more, SPENDING, beside(somewhere=[tiers()]))
    assert not tightens(more, SPENDING, beside(Unproved()))


def test_a_rule_for_every_wallet_stands_beside_all_and_a_wallets_beside_its_own() -> None:
    applied = [
        AppliedRule("g", None, 1, RATE),
        AppliedRule("a", "w1", 2, HOURS),
        AppliedRule("b", "w2", 3, FEES),
    ]
    assert Beside.of(applied, "x", None) == Beside([RATE], [RATE, HOURS, FEES])
    assert Beside.of(applied, "x", "w1") == Beside([RATE, HOURS], [RATE, HOURS])
    assert Beside.of(applied, "g", None) == Beside([], [HOURS, FEES])
