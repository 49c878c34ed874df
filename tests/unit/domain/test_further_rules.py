"""Lists, allowances, fees and shares: each rule judges its intents and keeps quiet about the others."""

from dataclasses import replace

import pytest

from tests.support.rules import (
    CALL_DATA,
    ETH,
    FEE,
    NOW,
    SELECTOR,
    TOKEN,
    approve,
    bucket,
    call,
    context,
    policy,
    reservation,
    tiers,
    token,
    transfer,
)
from wallet.domain.decisions import Decision, RuleType
from wallet.domain.intents import Intent
from wallet.domain.prices import PriceGap, Worth
from wallet.domain.rules import (
    AllowedNetworks,
    AllowedTokens,
    ApproveAmountLimit,
    ApprovedSpenders,
    BalanceShare,
    Context,
    ContractWhitelist,
    FeeBounds,
    FeeLimit,
    Holding,
    MethodWhitelist,
    Rule,
    Whitelist,
)
from wallet.domain.tiers import Tier
from wallet.errors import Code

CONTRACT = "evm-local/0xContract"
SPENDER = "evm-local/0xSpender"
TOKENS = AllowedTokens(frozenset({TOKEN.key}))
CONTRACTS = ContractWhitelist(frozenset({CONTRACT}), False, 900)
SPENDERS = ApprovedSpenders(frozenset({SPENDER}), False, 900)
EVERY: list[Intent] = [transfer(), token(), call(), approve()]


def alone(
    rule: Rule, intent: Intent, at: Context | None = None, fee: int = FEE
) -> Decision | None:
    return rule.judge(intent, fee, at or context())


def judge(intent: Intent, *rules: Rule, at: Context | None = None) -> Decision:
    return policy(tiers(), *rules).judge(intent, FEE, at or context())


@pytest.mark.parametrize(
    ("rule", "silent"),
    [
        (TOKENS, {0, 2}),
        (CONTRACTS, {0, 1, 3}),
        (MethodWhitelist({}, False, 900), {0, 1, 3}),
        (SPENDERS, {0, 1, 2}),
        (ApproveAmountLimit({}, False, 900), {0, 1, 2}),
        (Whitelist(frozenset(), False, 900), {2, 3}),
        (AllowedNetworks(frozenset()), set()),
        (FeeLimit({}, 900), set()),
        (BalanceShare(1, None, 0, False, 900), set()),
    ],
)
def test_a_rule_judges_what_it_is_about(rule: Rule, silent: set[int]) -> None:
    assert {n for n, intent in enumerate(EVERY) if alone(rule, intent) is None} == silent


@pytest.mark.parametrize(
    ("intent", "code", "rule"),
    [
        (token(), Code.TOKEN_DENIED, RuleType.ALLOWED_TOKENS),
        (call(), Code.CONTRACT_DENIED, RuleType.CONTRACT_WHITELIST),
        (approve(), Code.SPENDER_DENIED, RuleType.APPROVED_SPENDERS),
    ],
)
def test_what_no_rule_names_is_denied(intent: Intent, code: Code, rule: RuleType) -> None:
    decision = judge(intent)
    assert (decision.code, decision.rule) == (code, rule)
    assert decision.explanation.owner_can_help


def test_what_a_rule_names_is_sorted_by_its_amount() -> None:
    assert judge(token(100), TOKENS).tier is Tier.INSTANT
    assert judge(token(201), TOKENS).tier is Tier.DELAY
    assert judge(call(0), CONTRACTS).tier is Tier.INSTANT
    assert judge(call(301), CONTRACTS).tier is Tier.APPROVAL
    assert judge(approve(100), SPENDERS).tier is Tier.INSTANT
    assert judge(approve(301), SPENDERS).tier is Tier.APPROVAL


@pytest.mark.parametrize(
    ("rule", "intent", "code"),
    [
        (AllowedNetworks(frozenset({"elsewhere"})), transfer(), Code.NETWORK_DENIED),
        (AllowedTokens(frozenset({"evm-local/0xOther"})), token(), Code.TOKEN_DENIED),
        (AllowedTokens(frozenset({"elsewhere/0xToken"})), token(), Code.TOKEN_DENIED),
        (AllowedTokens(frozenset()), approve(), Code.TOKEN_DENIED),
        (ContractWhitelist(frozenset({"elsewhere/0xContract"}), False, 9), call(), Code.CONTRACT_DENIED),
        (MethodWhitelist({CONTRACT: frozenset()}, False, 9), call(), Code.METHOD_DENIED),
        (MethodWhitelist({CONTRACT: frozenset({"0x00000000"})}, False, 9), call(), Code.METHOD_DENIED),
        (MethodWhitelist({CONTRACT: frozenset({SELECTOR})}, False, 9), call(to="0xOther"), Code.METHOD_DENIED),
        (MethodWhitelist({CONTRACT: frozenset({SELECTOR})}, False, 9), call(data=b""), Code.METHOD_DENIED),
        (MethodWhitelist({CONTRACT: frozenset({SELECTOR})}, False, 9), call(data=CALL_DATA[:3]), Code.METHOD_DENIED),
        (ApprovedSpenders(frozenset(), False, 9), approve(), Code.SPENDER_DENIED),
        (ApproveAmountLimit({TOKEN.key: 99}, False, 9), approve(100), Code.APPROVE_AMOUNT_EXCEEDED),
        (ApproveAmountLimit({}, False, 9), approve(1), Code.APPROVE_AMOUNT_EXCEEDED),
        (Whitelist(frozenset({"payee"}), False, 9), call(1), Code.WHITELIST_DENIED),
    ],
)  # fmt: skip
def test_what_a_list_does_not_name_is_denied(rule: Rule, intent: Intent, code: Code) -> None:
    decision = alone(rule, intent)
    assert decision is not None
    assert decision.is_denied
    assert decision.code is code
    assert decision.explanation.smallest_passing


@pytest.mark.parametrize(
    ("rule", "intent"),
    [
        (ContractWhitelist(frozenset(), True, 9), call()),
        (MethodWhitelist({}, True, 9), call()),
        (ApprovedSpenders(frozenset(), True, 9), approve()),
        (ApproveAmountLimit({TOKEN.key: 99}, True, 9), approve(100)),
    ],
)
def test_or_asked_about_where_the_rule_says_so(rule: Rule, intent: Intent) -> None:
    decision = alone(rule, intent)
    assert decision is not None
    assert (decision.tier, decision.approval_seconds) == (Tier.APPROVAL, 9)


@pytest.mark.parametrize(
    ("rule", "intent"),
    [
        (CONTRACTS, call()),
        (MethodWhitelist({CONTRACT: frozenset({SELECTOR})}, False, 9), call()),
        (SPENDERS, approve()),
        (TOKENS, token()),
    ],
)
def test_an_address_that_is_listed_for_one_network_is_not_for_another(
    rule: Rule, intent: Intent
) -> None:
    elsewhere = replace(intent, asset=replace(intent.asset, network="elsewhere"))
    here, there = alone(rule, intent), alone(rule, elsewhere)
    assert here is not None
    assert there is not None
    assert not here.is_denied
    assert there.is_denied


def test_a_listed_method_passes_whatever_follows_its_selector() -> None:
    rule = MethodWhitelist({CONTRACT: frozenset({SELECTOR})}, False, 9)
    for data in (CALL_DATA, CALL_DATA[:4]):
        decision = alone(rule, call(data=data))
        assert decision is not None
        assert decision.tier is Tier.INSTANT


@pytest.mark.parametrize("amount", [2**256 - 1, 2**255, 2**64 - 1])
def test_an_unlimited_allowance_is_denied_whatever_the_rule_says(amount: int) -> None:
    decision = alone(ApproveAmountLimit({TOKEN.key: 2**256 - 1}, True, 9), approve(amount))
    assert decision is not None
    assert decision.code is Code.APPROVE_AMOUNT_EXCEEDED


def test_a_fee_limit_lowers_the_ceiling_to_the_share_of_a_payment() -> None:
    rule = FeeLimit({ETH.key: FeeBounds(50, 1000)}, 900)  # 50 units, and 10 % of it
    assert rule.ceiling(transfer(1000)) == 50
    assert rule.ceiling(transfer(100)) == 10
    assert rule.ceiling(transfer(9)) == 0
    assert rule.ceiling(call(9)) == 50
    assert (
        policy(rule, FeeLimit({ETH.key: FeeBounds(20)}, 9)).fee_ceiling(transfer(1000), 99) == 20
    )
    assert policy().fee_ceiling(transfer(1000), 99) == 99


def test_a_fee_above_the_limit_is_denied_and_says_what_would_pass() -> None:
    rule = FeeLimit({ETH.key: FeeBounds(50, 1000)}, 900)
    over = alone(rule, transfer(100), fee=11)
    tiny = alone(rule, transfer(9), fee=0)
    elsewhere = alone(FeeLimit({"elsewhere/native": FeeBounds(50)}, 900), transfer(100))
    for decision in (over, tiny, elsewhere):
        assert decision is not None
        assert decision.code is Code.FEE_LIMIT_EXCEEDED
        assert decision.explanation.unit == ETH.key
    assert over is not None
    assert over.explanation.limit == 10
    assert over.explanation.smallest_passing == (
        "Ask for at least 110 base units, so that the fee is a small share."
    )
    passing = alone(rule, transfer(110), fee=11)
    assert passing is not None
    assert passing.tier is Tier.INSTANT


def test_a_tokens_fee_is_compared_in_dollars() -> None:
    rule = FeeLimit({ETH.key: FeeBounds(50, 1000)}, 900)
    cases = [
        (Worth(100, 10), Tier.INSTANT),
        (Worth(100, 11), None),
        (PriceGap.STALE, Tier.APPROVAL),
    ]
    for worth, tier in cases:
        decision = alone(rule, token(100), context(worth=worth))
        assert decision is not None
        assert decision.tier is tier


def holding(amount: int, age: int = 0) -> dict[str, Holding]:
    return {ETH.key: Holding(amount, NOW - age)}


def test_a_payment_is_bounded_by_its_share_of_the_balance_fee_included() -> None:
    rule = BalanceShare(2500, None, 0, False, 900)
    fits = alone(rule, transfer(93), context(balances=holding(400)))
    over = alone(rule, transfer(94), context(balances=holding(400)))
    assert fits is not None
    assert fits.tier is Tier.INSTANT
    assert over is not None
    assert over.code is Code.BALANCE_SHARE_EXCEEDED
    assert (over.explanation.limit, over.explanation.smallest_passing) == (
        100, "Ask for at most 93 base units.",
    )  # fmt: skip


def test_an_unknown_or_old_balance_asks() -> None:
    rule = BalanceShare(10_000, None, 0, False, 900)
    for balances in ({}, holding(10**9, age=60_001), {TOKEN.key: Holding(10**9, NOW)}):
        decision = alone(rule, transfer(1), context(balances=balances))
        assert decision is not None
        assert decision.tier is Tier.APPROVAL
    fresh = alone(rule, transfer(1), context(balances=holding(10**9, age=60_000)))
    assert fresh is not None
    assert fresh.tier is Tier.INSTANT


def test_a_window_is_bounded_by_the_share_of_what_was_there_before_it() -> None:
    rule = BalanceShare(10_000, 5000, 3600, False, 900)  # half in an hour
    left = [bucket(300), bucket(10**6, wallet_id="w2"), bucket(10**6, ago=2 * 3_600_000)]
    held = [reservation(100)]
    moment = context(balances=holding(700), buckets=left, reservations=held)

    fits = alone(rule, transfer(93), moment)
    over = alone(rule, transfer(94), moment)

    assert fits is not None
    assert fits.tier is Tier.INSTANT  # 300 spent + 100 reserved + 93 + 7 is half of 700 + 300
    assert over is not None
    assert (over.explanation.limit, over.explanation.used) == (500, 400)
    assert over.explanation.resets_at is not None


def test_its_window_counts_as_full_after_a_database_was_behind() -> None:
    windowed = BalanceShare(10_000, 5000, 3600, False, 900)
    behind = context(balances=holding(700), behind_at=NOW - 3_600_000 + 1)

    full = alone(windowed, transfer(1), behind)
    passed = alone(windowed, transfer(1), replace(behind, behind_at=NOW - 3_600_000))
    plain = alone(BalanceShare(10_000, None, 0, False, 900), transfer(1), behind)

    assert full is not None
    assert (full.code, full.explanation.resets_at) == (Code.BALANCE_SHARE_EXCEEDED, NOW + 1)
    assert passed is not None
    assert passed.tier is Tier.INSTANT
    assert plain is not None
    assert plain.tier is Tier.INSTANT


def test_beyond_its_share_the_owner_may_be_asked() -> None:
    decision = alone(BalanceShare(1, None, 0, True, 77), transfer(), context(balances=holding(9)))
    assert decision is not None
    assert (decision.tier, decision.approval_seconds) == (Tier.APPROVAL, 77)
