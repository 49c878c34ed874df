"""`policy test`: the stored history under other rules. It reads, and changes nothing."""

from typing import Any

import pytest

from tests.support.chain import ETHER, EVM
from tests.support.world import APPROVAL, INSTANT, NOTIFY, World
from wallet.errors import Code, WalletError
from wallet.operations.rehearsal import Proposal, RehearsalReport

ASSET = EVM.native.key
DAY = 86_400


def tiers(instant: int) -> dict[str, Any]:
    bounds = {"instant_max": instant, "notify_max": ETHER, "delay_max": 5 * ETHER}
    return {"assets": {ASSET: {k: str(v) for k, v in bounds.items()}}, "delay_seconds": 300}


def limit(units: int) -> dict[str, Any]:
    return {
        "assets": {ASSET: {"limit": str(units)}},
        "window_seconds": DAY,
        "over": "each_wallet",
        "otherwise": "deny",
    }


async def tried(world: World, *proposals: Proposal, **more: int) -> RehearsalReport:
    asked = {"days": 30, "examples": 20, **more}
    return await world.app.operations.rehearsal.run(proposals, **asked)


async def replacing(world: World, rule_type: str, rules: dict[str, Any]) -> Proposal:
    return Proposal(rule_type, rules, world.wallet.id, await world.rule_of(rule_type))


async def test_a_stricter_bound_is_told_request_by_request(world: World) -> None:
    await world.pay(INSTANT)
    await world.pay(NOTIFY)
    before = await world.facts()

    report = await tried(world, await replacing(world, "SPENDING_LIMIT", tiers(INSTANT - 1)))

    assert (report.requests, report.loosens) == (2, False)
    assert dict(report.changed) == {("INSTANT", "NOTIFY"): 1}
    (found,) = report.examples
    assert (found.request.intent.amount, found.request.was) == (INSTANT, "INSTANT")
    assert found.rule == "SPENDING_LIMIT"
    assert await world.facts() == before


async def test_what_was_denied_may_pass_and_the_other_way_round(world: World) -> None:
    await world.set_rule("WHITELIST", {"allowed_addresses": ["friend"], "otherwise": "deny"})
    with pytest.raises(WalletError):
        await world.pay(INSTANT)
    await world.pay(INSTANT, to="friend")
    await world.pay(INSTANT, to="friend")

    remove = Proposal("", None, rule_id=await world.rule_of("WHITELIST"))
    report = await tried(world, remove, Proposal("CUMULATIVE_LIMIT", limit(3 * INSTANT)))

    assert report.loosens
    assert dict(report.changed) == {("DENIED", "INSTANT"): 1, ("INSTANT", "DENIED"): 1}
    assert report.examples[0].request.was == "DENIED"


async def test_old_requests_fill_windows_and_are_not_judged(world: World) -> None:
    await world.pay(INSTANT)
    await world.passes(DAY - 60)
    await world.pay(INSTANT)
    await world.passes(90)

    report = await tried(world, Proposal("CUMULATIVE_LIMIT", limit(2 * INSTANT)), days=1)

    assert (report.requests, dict(report.changed)) == (1, {("INSTANT", "DENIED"): 1})


async def test_rules_as_they_are_change_nothing_and_wrong_ones_are_refused(world: World) -> None:
    await world.pay(INSTANT)
    await world.ask(APPROVAL)
    same = await world.app.operations.policies.list(world.wallet.id)
    proposals = [Proposal(r["type"], r["rules"], r["walletId"], r["id"]) for r in same]

    report = await tried(world, *proposals, examples=0)

    assert (report.requests, report.changed.total(), report.loosens) == (2, 0, False)
    for proposal, code in (
        (Proposal("RATE_LIMIT", {"x": 1}), Code.POLICY_INVALID),
        (Proposal("SPENDING_LIMIT", tiers(1), rule_id="nowhere"), Code.POLICY_NOT_FOUND),
        (Proposal("SPENDING_LIMIT", tiers(1), "nowhere"), Code.WALLET_NOT_FOUND),
        (Proposal("SPENDING_LIMIT", tiers(1), None, proposals[0].rule_id), Code.POLICY_INVALID),
    ):
        with pytest.raises(WalletError) as caught:
            await tried(world, proposal)
        assert caught.value.code is code


async def test_what_cannot_be_read_is_counted_and_no_more(world: World) -> None:
    await world.pay(INSTANT)
    await world.pay(INSTANT)
    world.sql("DROP TRIGGER audit_refuses_update")
    first = "SELECT min(number) FROM audit WHERE fact = 'TX_REQUESTED'"
    world.sql(f"UPDATE audit SET details = '{{}}' WHERE number = ({first})")
    once = {"max_tx_per_hour": 1, "max_tx_per_day": 1, "over": "all_wallets"}

    report = await tried(world, Proposal("RATE_LIMIT", once))

    assert (report.requests, report.unreadable, report.changed.total()) == (1, 1, 0)


async def test_no_more_than_the_newest_are_judged_and_that_is_said(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wallet.operations.rehearsal.MOST_REQUESTS", 1)
    await world.pay(INSTANT)
    await world.pay(NOTIFY)
    report = await tried(world, await replacing(world, "SPENDING_LIMIT", tiers(1)))
    assert (report.requests, report.is_cut, report.changed.total()) == (1, True, 0)
