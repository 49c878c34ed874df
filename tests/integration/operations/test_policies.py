"""Rules on their way in: addresses are normalised, and what could never be meant is refused."""

from typing import Any

import pytest

from tests.support.chain import EVM, SOL
from tests.support.rules import RULES
from tests.support.world import World
from wallet.domain.decisions import RuleType
from wallet.errors import Code, InputError

ETH, LAMPORTS = EVM.native.key, SOL.native.key
BODIES: dict[str, dict[str, Any]] = {
    "SPENDING_LIMIT": {
        "assets": {ETH: {"instant_max": "1", "notify_max": "2", "delay_max": "3"}},
        "usd": {"instant_max": "1", "notify_max": "2.50", "delay_max": "3"},
        "delay_seconds": 60,
    },
    "CUMULATIVE_LIMIT": {
        "assets": {ETH: {"limit": "1"}},
        "usd": {"limit": "500"},
        "window_seconds": 3600,
        "over": "each_wallet",
        "otherwise": "ask",
    },
    "WHITELIST": {"allowed_addresses": ["abc"], "otherwise": "deny"},
    "TIME_RESTRICTION": {
        "allowed_hours": {"start": 8, "end": 20},
        "timezone": "UTC",
        "allowed_days": [1],
    },
    "RATE_LIMIT": {"max_tx_per_hour": 1, "max_tx_per_day": 2, "over": "each_wallet"},
    "ALLOWED_NETWORKS": {"networks": [EVM.name]},
    "ALLOWED_TOKENS": {"tokens": [f"{EVM.name}/Token1"]},
    "CONTRACT_WHITELIST": {"contracts": [f"{EVM.name}/Pool1"], "otherwise": "deny"},
    "METHOD_WHITELIST": {"methods": {f"{EVM.name}/Pool1": ["0xa9059cbb"]}, "otherwise": "ask"},
    "APPROVED_SPENDERS": {"spenders": [f"{EVM.name}/Pool1"], "otherwise": "deny"},
    "APPROVE_AMOUNT_LIMIT": {"tokens": {f"{EVM.name}/Token1": "5"}, "otherwise": "deny"},
    "FEE_LIMIT": {"assets": {ETH: {"max_fee": "100000000000000", "max_share_bps": 100}}},
    "BALANCE_SHARE": {
        "max_payment_bps": 1000,
        "max_window_bps": 5000,
        "window_seconds": 3600,
        "otherwise": "ask",
    },
}


def test_there_is_a_body_of_every_type() -> None:
    assert set(BODIES) == set(RuleType)
    assert len(RULES) == len(RuleType)


@pytest.mark.parametrize("rule_type", BODIES)
async def test_every_rule_is_stored_read_back_and_put_into_words(
    world: World, rule_type: str
) -> None:
    rule_id = await world.set_rule(rule_type, BODIES[rule_type])

    stored = await world.app.operations.policies.list(world.wallet.id)
    lines = await world.app.queries.limits()

    assert next(rule["rules"] for rule in stored if rule["id"] == rule_id) == BODIES[rule_type]
    words = [line for line in lines if line.rule_type == rule_type and line.wallet == "main"]
    assert words
    assert all(line.text for line in words)


async def test_dollars_stand_beside_coins_in_the_limits(world: World) -> None:
    await world.set_rule("CUMULATIVE_LIMIT", BODIES["CUMULATIVE_LIMIT"])
    await world.pay(1)

    lines = await world.app.queries.limits()

    [line] = [line for line in lines if line.asset == "USD"]
    assert (line.used, line.limit) == ("0", "500")
    assert line.text == "in 1 h; beyond: ask and 1 of unknown value"


@pytest.mark.parametrize(
    ("rule_type", "body", "path"),
    [
        ("ALLOWED_NETWORKS", {"networks": ["elsewhere"]}, "networks.elsewhere"),
        ("ALLOWED_TOKENS", {"tokens": ["elsewhere/Token1"]}, "tokens.elsewhere/Token1"),
        ("ALLOWED_TOKENS", {"tokens": [f"{SOL.name}/Token1"]}, f"tokens.{SOL.name}/Token1"),
        (
            "APPROVE_AMOUNT_LIMIT",
            {"tokens": {"elsewhere/Token1": "5"}, "otherwise": "deny"},
            "tokens.elsewhere/Token1",
        ),
        (
            "METHOD_WHITELIST",
            {"methods": {"elsewhere/Pool1": []}, "otherwise": "deny"},
            "methods.elsewhere/Pool1",
        ),
        (
            "FEE_LIMIT",
            {"assets": {"elsewhere/native": {"max_fee": "1"}}},
            "assets.elsewhere/native",
        ),
        ("FEE_LIMIT", {"assets": {LAMPORTS: {"max_fee": "1"}}}, f"assets.{LAMPORTS}"),
    ],
)
async def test_what_is_on_no_network_of_the_wallet_is_refused(
    world: World, rule_type: str, body: dict[str, Any], path: str
) -> None:
    before = await world.app.operations.policies.list(None)

    with pytest.raises(InputError) as refused:
        await world.set_rule(rule_type, body)

    assert refused.value.code is Code.POLICY_INVALID
    assert [issue["path"] for issue in refused.value.details["issues"]] == [path]
    assert await world.app.operations.policies.list(None) == before


async def test_an_absent_part_is_not_stored_as_a_null(world: World) -> None:
    body = {**BODIES["CUMULATIVE_LIMIT"], "assets": None}
    rule_id = await world.set_rule("CUMULATIVE_LIMIT", body)

    stored = await world.app.operations.policies.list(world.wallet.id)

    kept = next(rule["rules"] for rule in stored if rule["id"] == rule_id)
    assert "assets" not in kept
