"""The rule bodies: what is accepted, what is refused, and that every mistake is named."""

from typing import Any

import pytest

from tests.support.rules import approve, call, context, token, transfer
from wallet.domain.decisions import RuleType
from wallet.domain.intents import Intent
from wallet.domain.rules import (
    AllowedNetworks,
    AllowedTokens,
    ApproveAmountLimit,
    ApprovedSpenders,
    BalanceShare,
    ContractWhitelist,
    CumulativeLimit,
    DollarWindow,
    FeeBounds,
    FeeLimit,
    MethodWhitelist,
    RateLimit,
    SpendingLimit,
    TierBounds,
    TimeRestriction,
    Whitelist,
    WindowBounds,
)
from wallet.errors import Code, InputError
from wallet.wire.policies import parse_rule

NATIVE = "solana-devnet/native"

SPENDING: dict[str, Any] = {
    "assets": {NATIVE: {"instant_max": "1", "notify_max": "10", "delay_max": "50"}},
    "delay_seconds": 60,
}
CUMULATIVE: dict[str, Any] = {
    "assets": {NATIVE: {"limit": "100", "notify_above": "10", "approval_above": "90"}},
    "window_seconds": 86400,
    "over": "all_wallets",
    "otherwise": "ask",
}
WHITELIST: dict[str, Any] = {"allowed_addresses": ["abc", "def"], "otherwise": "deny"}
TIMES: dict[str, Any] = {
    "allowed_hours": {"start": 8, "end": 24},
    "timezone": "Europe/Berlin",
    "allowed_days": [1, 2, 3],
}
RATE: dict[str, Any] = {"max_tx_per_hour": 10, "max_tx_per_day": 20, "over": "each_wallet"}
TOKEN = "solana-devnet/Mint1"
GOOD: dict[str, dict[str, Any]] = {
    "SPENDING_LIMIT": SPENDING,
    "CUMULATIVE_LIMIT": CUMULATIVE,
    "WHITELIST": WHITELIST,
    "TIME_RESTRICTION": TIMES,
    "RATE_LIMIT": RATE,
    "ALLOWED_NETWORKS": {"networks": ["solana-devnet"]},
    "ALLOWED_TOKENS": {"tokens": [TOKEN]},
    "CONTRACT_WHITELIST": {"contracts": ["evm-local/0xAb"], "otherwise": "deny"},
    "METHOD_WHITELIST": {"methods": {"evm-local/0xAb": ["0xa9059cbb"]}, "otherwise": "ask"},
    "APPROVED_SPENDERS": {"spenders": ["evm-local/0xAb"], "otherwise": "ask"},
    "APPROVE_AMOUNT_LIMIT": {"tokens": {TOKEN: "5"}, "otherwise": "deny"},
    "FEE_LIMIT": {"assets": {NATIVE: {"max_fee": "5000", "max_share_bps": 100}}},
    "BALANCE_SHARE": {
        "max_payment_bps": 2500,
        "max_window_bps": 5000,
        "window_seconds": 3600,
        "otherwise": "ask",
    },
}


def test_there_is_a_good_body_of_every_type() -> None:
    assert sorted(GOOD) == sorted(RuleType)
    assert {parse_rule(name, body).type for name, body in GOOD.items()} == set(RuleType)


def test_the_lists_bounds_and_shares_become_their_domain_rule() -> None:
    contract = "evm-local/0xAb"
    assert [parse_rule(name, GOOD[name]) for name in list(GOOD)[5:]] == [
        AllowedNetworks(frozenset({"solana-devnet"})),
        AllowedTokens(frozenset({TOKEN})),
        ContractWhitelist(frozenset({contract}), False, 43_200),
        MethodWhitelist({contract: frozenset({"0xa9059cbb"})}, True, 43_200),
        ApprovedSpenders(frozenset({contract}), True, 43_200),
        ApproveAmountLimit({TOKEN: 5}, False, 43_200),
        FeeLimit({NATIVE: FeeBounds(5000, 100)}, 43_200),
        BalanceShare(2500, 5000, 3600, True, 43_200),
    ]


def test_dollars_become_millionths() -> None:
    tiers = {"instant_max": "10", "notify_max": "100.50", "delay_max": "100.500001"}
    spending = parse_rule("SPENDING_LIMIT", {**SPENDING, "usd": tiers})
    assert isinstance(spending, SpendingLimit)
    assert spending.usd == TierBounds(10_000_000, 100_500_000, 100_500_001)

    body = {**CUMULATIVE, "usd": {"limit": "500", "approval_above": "250"}}
    both = parse_rule("CUMULATIVE_LIMIT", body)
    alone = parse_rule("CUMULATIVE_LIMIT", {k: v for k, v in body.items() if k != "assets"})
    own = parse_rule("CUMULATIVE_LIMIT", {**body, "usd": {"limit": "1", "over": "each_wallet"}})
    assert isinstance(both, CumulativeLimit)
    assert isinstance(alone, CumulativeLimit)
    assert isinstance(own, CumulativeLimit)
    assert both.usd == DollarWindow(WindowBounds(500_000_000, approval_above=250_000_000), True)
    assert (alone.assets, alone.usd) == ({}, both.usd)
    assert own.usd == DollarWindow(WindowBounds(1_000_000), False)


@pytest.mark.parametrize(
    ("rule_type", "body"),
    [
        ("ALLOWED_NETWORKS", {"networks": []}),
        ("ALLOWED_TOKENS", {"tokens": []}),
        ("CONTRACT_WHITELIST", {"contracts": [], "otherwise": "deny"}),
        ("METHOD_WHITELIST", {"methods": {}, "otherwise": "deny"}),
        ("METHOD_WHITELIST", {"methods": {"evm-local/0xAb": []}, "otherwise": "deny"}),
        ("APPROVED_SPENDERS", {"spenders": [], "otherwise": "deny"}),
        ("APPROVE_AMOUNT_LIMIT", {"tokens": {}, "otherwise": "deny"}),
    ],
)
def test_an_empty_list_is_a_rule_that_allows_nothing(rule_type: str, body: dict[str, Any]) -> None:
    rule = parse_rule(rule_type, body)
    intents: dict[str, Intent] = {
        "ALLOWED_NETWORKS": transfer(),
        "ALLOWED_TOKENS": token(),
        "APPROVED_SPENDERS": approve(),
        "APPROVE_AMOUNT_LIMIT": approve(),
    }
    intent = intents.get(rule_type, call(to="0xAb"))

    decision = rule.judge(intent, 1, context())

    assert decision is not None
    assert decision.is_denied


def test_a_spending_limit_becomes_bounds_in_base_units() -> None:
    rule = parse_rule("SPENDING_LIMIT", SPENDING)

    assert isinstance(rule, SpendingLimit)
    assert rule.assets[NATIVE].delay_max == 50
    assert (rule.delay_seconds, rule.approval_seconds) == (60, 43_200)


def test_the_other_rules_become_their_domain_rule() -> None:
    cumulative = parse_rule("CUMULATIVE_LIMIT", CUMULATIVE)
    whitelist = parse_rule("WHITELIST", WHITELIST)
    times = parse_rule("TIME_RESTRICTION", TIMES)
    rate = parse_rule("RATE_LIMIT", RATE)

    assert isinstance(cumulative, CumulativeLimit)
    assert cumulative.assets[NATIVE].delay_above is None
    assert cumulative.assets[NATIVE].approval_above == 90
    assert (cumulative.all_wallets, cumulative.otherwise_ask) == (True, True)
    assert (cumulative.delay_seconds, cumulative.approval_seconds) == (300, 43_200)
    assert whitelist == Whitelist(
        frozenset({"abc", "def"}), otherwise_ask=False, approval_seconds=43_200
    )
    assert times == TimeRestriction(8, 24, frozenset({1, 2, 3}), "Europe/Berlin")
    assert rate == RateLimit(10, 20, all_wallets=False)


@pytest.mark.parametrize("rule_type", GOOD)
def test_an_unknown_key_or_an_empty_body_is_refused(rule_type: str) -> None:
    with pytest.raises(InputError) as unknown:
        parse_rule(rule_type, {**GOOD[rule_type], "surprise": 1})
    with pytest.raises(InputError) as empty:
        parse_rule(rule_type, {})

    assert unknown.value.code is Code.POLICY_INVALID
    assert unknown.value.details["issues"] == [{"path": "surprise", "message": "unknown key"}]
    assert empty.value.details["issues"]


def bounds(**changes: Any) -> dict[str, Any]:
    return {**SPENDING, "assets": {NATIVE: {**SPENDING["assets"][NATIVE], **changes}}}


def dollars(amount: object) -> dict[str, Any]:
    return {**SPENDING, "usd": {"instant_max": amount, "notify_max": "9", "delay_max": "9"}}


def method(selector: str) -> dict[str, Any]:
    return {"methods": {"evm-local/0xAb": [selector]}, "otherwise": "deny"}


def window(**changes: Any) -> dict[str, Any]:
    return {**CUMULATIVE, "assets": {NATIVE: {"limit": "100", **changes}}}


@pytest.mark.parametrize(
    ("rule_type", "body"),
    [
        ("SPENDING_LIMIT", {**SPENDING, "assets": {}}),
        ("SPENDING_LIMIT", {**SPENDING, "assets": {"no key": SPENDING["assets"][NATIVE]}}),
        ("SPENDING_LIMIT", {**SPENDING, "delay_seconds": 0}),
        ("SPENDING_LIMIT", {**SPENDING, "delay_seconds": True}),
        ("SPENDING_LIMIT", {**SPENDING, "approval_timeout": 0}),
        ("SPENDING_LIMIT", {**SPENDING, "approval_timeout": 86_401}),
        ("SPENDING_LIMIT", bounds(instant_max="11")),
        ("SPENDING_LIMIT", bounds(notify_max="51")),
        ("SPENDING_LIMIT", bounds(instant_max=1)),
        ("SPENDING_LIMIT", bounds(instant_max="-1")),
        ("SPENDING_LIMIT", bounds(instant_max="1e3")),
        ("SPENDING_LIMIT", bounds(instant_max=" 1")),
        ("SPENDING_LIMIT", bounds(instant_max="1\n")),
        ("SPENDING_LIMIT", bounds(instant_max="\u0665")),
        ("SPENDING_LIMIT", bounds(instant_max="1_0")),
        ("SPENDING_LIMIT", bounds(delay_max=str(2**256))),
        ("SPENDING_LIMIT", bounds(instant_max=None)),
        ("CUMULATIVE_LIMIT", {**CUMULATIVE, "assets": {}}),
        ("CUMULATIVE_LIMIT", {**CUMULATIVE, "window_seconds": 0}),
        ("CUMULATIVE_LIMIT", {**CUMULATIVE, "window_seconds": 2_592_001}),
        ("CUMULATIVE_LIMIT", {**CUMULATIVE, "over": "everything"}),
        ("CUMULATIVE_LIMIT", {**CUMULATIVE, "otherwise": "allow"}),
        ("CUMULATIVE_LIMIT", window(notify_above="50", delay_above="40")),
        ("CUMULATIVE_LIMIT", window(approval_above="101")),
        ("CUMULATIVE_LIMIT", {**CUMULATIVE, "assets": {NATIVE: {"notify_above": "1"}}}),
        ("WHITELIST", {**WHITELIST, "allowed_addresses": []}),
        ("WHITELIST", {**WHITELIST, "allowed_addresses": ["a b"]}),
        ("WHITELIST", {"allowed_addresses": ["abc"]}),
        ("TIME_RESTRICTION", {**TIMES, "allowed_days": []}),
        ("TIME_RESTRICTION", {**TIMES, "allowed_days": [7]}),
        ("TIME_RESTRICTION", {**TIMES, "allowed_days": [1, 1]}),
        ("TIME_RESTRICTION", {**TIMES, "timezone": "Mars/Olympus"}),
        ("TIME_RESTRICTION", {**TIMES, "timezone": "../../etc/passwd"}),
        ("TIME_RESTRICTION", {**TIMES, "timezone": "America"}),
        ("TIME_RESTRICTION", {**TIMES, "timezone": "a\0b"}),
        ("TIME_RESTRICTION", {**TIMES, "allowed_hours": {"start": 24, "end": 24}}),
        ("TIME_RESTRICTION", {**TIMES, "allowed_hours": {"start": 0, "end": 0}}),
        ("RATE_LIMIT", {**RATE, "max_tx_per_hour": 0}),
        ("RATE_LIMIT", {**RATE, "max_tx_per_day": "5"}),
        ("CUMULATIVE_LIMIT", {k: v for k, v in CUMULATIVE.items() if k != "assets"}),
        ("CUMULATIVE_LIMIT", {**CUMULATIVE, "usd": {}}),
        ("CUMULATIVE_LIMIT", {**CUMULATIVE, "usd": {"notify_above": "1"}}),
        ("CUMULATIVE_LIMIT", {**CUMULATIVE, "usd": {"limit": "1", "notify_above": "1.1"}}),
        ("CUMULATIVE_LIMIT", {**CUMULATIVE, "usd": {"limit": 1}}),
        ("CUMULATIVE_LIMIT", {**CUMULATIVE, "usd": {"limit": "1", "over": "nobody"}}),
        ("SPENDING_LIMIT", {**SPENDING, "usd": {"instant_max": "1", "notify_max": "2"}}),
        ("SPENDING_LIMIT", dollars("1.0000001")),
        ("SPENDING_LIMIT", dollars("$1")),
        ("SPENDING_LIMIT", dollars("1.")),
        ("SPENDING_LIMIT", dollars("-1")),
        ("SPENDING_LIMIT", dollars("1e1")),
        ("SPENDING_LIMIT", dollars("9.1")),
        ("SPENDING_LIMIT", dollars(1.5)),
        ("ALLOWED_NETWORKS", {"networks": ["Bad Name"]}),
        ("ALLOWED_NETWORKS", {"networks": ["a", "a"]}),
        ("ALLOWED_TOKENS", {"tokens": [NATIVE]}),
        ("ALLOWED_TOKENS", {"tokens": ["0xAb"]}),
        ("ALLOWED_TOKENS", {"tokens": [f"a/{n}" for n in range(1001)]}),
        ("CONTRACT_WHITELIST", {"contracts": ["evm-local/0xAb"]}),
        ("METHOD_WHITELIST", {"methods": {"0xAb": []}, "otherwise": "deny"}),
        ("METHOD_WHITELIST", method("0xA9059CBB")),
        ("METHOD_WHITELIST", method("a9059cbb")),
        ("METHOD_WHITELIST", method("transfer(address,uint256)")),
        ("APPROVED_SPENDERS", {"spenders": ["evm-local/0xAb"], "otherwise": "allow"}),
        ("APPROVE_AMOUNT_LIMIT", {"tokens": {TOKEN: "-1"}, "otherwise": "deny"}),
        ("APPROVE_AMOUNT_LIMIT", {"tokens": {NATIVE: "1"}, "otherwise": "deny"}),
        ("APPROVE_AMOUNT_LIMIT", {"tokens": {TOKEN: None}, "otherwise": "deny"}),
        ("FEE_LIMIT", {"assets": {}}),
        ("FEE_LIMIT", {"assets": {NATIVE: {"max_share_bps": 1}}}),
        ("FEE_LIMIT", {"assets": {NATIVE: {"max_fee": "1", "max_share_bps": 0}}}),
        ("FEE_LIMIT", {"assets": {NATIVE: {"max_fee": "1", "max_share_bps": 10_001}}}),
        ("FEE_LIMIT", {"assets": {TOKEN: {"max_fee": "1"}}}),
        ("BALANCE_SHARE", {"otherwise": "deny"}),
        ("BALANCE_SHARE", {"max_payment_bps": 1}),
        ("BALANCE_SHARE", {"max_payment_bps": 1, "max_window_bps": 1, "otherwise": "deny"}),
        ("BALANCE_SHARE", {"max_payment_bps": 1, "window_seconds": 1, "otherwise": "deny"}),
        ("BALANCE_SHARE", {"max_payment_bps": 10_001, "otherwise": "deny"}),
        ("NO_SUCH_RULE", RATE),
        ("", {}),
    ],
)
def test_a_body_that_leaves_anything_open_is_refused(rule_type: str, body: dict[str, Any]) -> None:
    with pytest.raises(InputError) as refused:
        parse_rule(rule_type, body)

    assert refused.value.code is Code.POLICY_INVALID
    assert all(issue["path"] and issue["message"] for issue in refused.value.details["issues"])


def test_every_mistake_is_reported_with_its_path() -> None:
    with pytest.raises(InputError) as refused:
        parse_rule(
            "SPENDING_LIMIT", {**bounds(instant_max="x", notify_max="y"), "approval_timeout": 0}
        )

    assert {issue["path"] for issue in refused.value.details["issues"]} == {
        f"assets.{NATIVE}.instant_max",
        f"assets.{NATIVE}.notify_max",
        "approval_timeout",
    }
