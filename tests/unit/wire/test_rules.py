"""The rule bodies: what is accepted, what is refused, and that every mistake is named."""

from typing import Any

import pytest

from wallet.domain.rules import (
    CumulativeLimit,
    RateLimit,
    SpendingLimit,
    TimeRestriction,
    Whitelist,
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
GOOD = {
    "SPENDING_LIMIT": SPENDING,
    "CUMULATIVE_LIMIT": CUMULATIVE,
    "WHITELIST": WHITELIST,
    "TIME_RESTRICTION": TIMES,
    "RATE_LIMIT": RATE,
}


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
    assert len(empty.value.details["issues"]) >= 2


def bounds(**changes: Any) -> dict[str, Any]:
    return {**SPENDING, "assets": {NATIVE: {**SPENDING["assets"][NATIVE], **changes}}}


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
