"""Admission: what is asked is judged once, stored whole, and answered the same when asked again."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from tests.support.chain import EVM, FEE_CEILING
from tests.support.world import APPROVAL, DELAY, INSTANT, NOTIFY, PAYEE, World
from wallet.domain.decisions import RuleType
from wallet.domain.facts import Fact
from wallet.domain.transactions import Status
from wallet.domain.wallets import WalletStatus
from wallet.errors import Code, WalletError
from wallet.pipeline.admission import APPROVALS_IN_ALL, APPROVALS_PER_SESSION

ETH = EVM.native.key


async def refusal(work: Any) -> WalletError:
    with pytest.raises(WalletError) as caught:
        await work
    return caught.value


async def code_of(work: Any) -> Code:
    return (await refusal(work)).code


async def test_the_same_key_and_request_is_the_same_payment(world: World) -> None:
    first = await world.ask(key="k")
    await world.quiet()
    second = await world.ask(key="k")
    assert second.replayed
    assert second.transaction.id == first.transaction.id
    await world.settled(first.transaction.id)
    assert (await world.ask(key="k")).transaction.status is Status.CONFIRMED
    assert world.chain.received(PAYEE) == INSTANT


@pytest.mark.parametrize("change", [{"amount": INSTANT + 1}, {"to": "other"}, {"memo": "m"}])
async def test_the_same_key_with_another_request_is_refused(
    world: World, change: dict[str, Any]
) -> None:
    await world.pay(key="k")
    assert await code_of(world.ask(key="k", **change)) is Code.IDEMPOTENCY_KEY_REUSED


async def test_a_key_belongs_to_its_wallet(world: World) -> None:
    await world.pay(key="k")
    other = await world.new_wallet("second")
    session = await world.new_session(other)
    assert not (await world.ask(key="k", wallet=other, session=session)).replayed


async def test_twenty_equal_requests_at_once_are_one_payment(world: World) -> None:
    answers = await asyncio.gather(*(world.ask(key="k") for _ in range(20)))
    await world.quiet()
    assert len({answer.transaction.id for answer in answers}) == 1
    assert sum(not answer.replayed for answer in answers) == 1
    await world.settled(answers[0].transaction.id)
    assert world.chain.received(PAYEE) == INSTANT


async def test_a_denied_request_leaves_its_key_free(world: World) -> None:
    rule = await world.set_rule("WHITELIST", {"allowed_addresses": ["other"], "otherwise": "deny"})
    assert await code_of(world.ask(key="k")) is Code.WHITELIST_DENIED
    await world.app.operations.policies.remove(rule, "host")
    assert not (await world.ask(key="k")).replayed


async def test_requests_without_a_key_are_payments_of_their_own(world: World) -> None:
    first, second = await world.pay(), await world.pay()
    assert first.id != second.id


async def test_of_two_payments_for_the_last_of_a_limit_exactly_one_passes(world: World) -> None:
    cost = INSTANT + FEE_CEILING
    world.session = await world.new_session(world.wallet, limits={ETH: 2 * cost - 1})
    answers = await asyncio.gather(*(world.ask() for _ in range(2)), return_exceptions=True)
    refused = [a for a in answers if isinstance(a, WalletError)]
    assert [r.code for r in refused] == [Code.SESSION_LIMIT_EXCEEDED]


async def test_of_many_payments_at_once_no_more_pass_than_a_window_holds(world: World) -> None:
    cost = INSTANT + FEE_CEILING
    await world.set_rule(
        "CUMULATIVE_LIMIT",
        {
            "assets": {ETH: {"limit": str(3 * cost)}},
            "window_seconds": 3600,
            "over": "each_wallet",
            "otherwise": "deny",
        },
    )
    world.chain.mines = False
    answers = await asyncio.gather(*(world.ask() for _ in range(8)), return_exceptions=True)
    passed = [a for a in answers if not isinstance(a, BaseException)]
    assert len(passed) == 3
    assert await world.reserved() == 3 * cost
    await world.quiet()


@pytest.mark.parametrize("over", ["each_wallet", "all_wallets"])
async def test_a_window_over_all_wallets_counts_them_all(world: World, over: str) -> None:
    cost = INSTANT + FEE_CEILING
    rule = {
        "assets": {ETH: {"limit": str(cost)}},
        "window_seconds": 3600,
        "over": over,
        "otherwise": "deny",
    }
    await world.app.operations.policies.put("CUMULATIVE_LIMIT", rule, None, None, "host")
    await world.pay()
    other = await world.new_wallet("second")
    asked = world.ask(wallet=other, session=await world.new_session(other))
    if over == "all_wallets":
        assert await code_of(asked) is Code.CUMULATIVE_LIMIT_EXCEEDED
    else:
        await asked
        await world.quiet()


async def test_a_session_limit_is_met_exactly_and_not_by_one_more(world: World) -> None:
    world.session = await world.new_session(world.wallet, limits={ETH: INSTANT + FEE_CEILING})
    assert await code_of(world.ask(INSTANT + 1)) is Code.SESSION_LIMIT_EXCEEDED
    assert (await world.pay(INSTANT)).status is Status.SUBMITTED


async def test_a_session_limit_counts_the_fees_that_were_paid(world: World) -> None:
    limit = 2 * (INSTANT + FEE_CEILING)
    world.session = await world.new_session(world.wallet, limits={ETH: limit})
    first = await world.pay()
    await world.settled(first.id)
    spent = (await world.app.sessions.get(world.session.id)).spent[ETH]
    assert spent > INSTANT
    left = limit - spent - FEE_CEILING
    assert await code_of(world.ask(left + 1)) is Code.SESSION_LIMIT_EXCEEDED
    await world.pay(left)


async def test_a_session_pays_as_often_as_it_may(world: World) -> None:
    world.session = await world.new_session(world.wallet, max_transactions=2)
    await world.pay()
    await world.pay()
    assert await code_of(world.ask()) is Code.SESSION_LIMIT_EXCEEDED


async def test_a_payment_that_never_left_gives_its_count_back(world: World) -> None:
    world.session = await world.new_session(world.wallet, max_transactions=1)
    row = await world.pay(DELAY)
    await world.app.operations.transactions.cancel(row.id, actor="owner", reason="no")
    await world.pay()


async def test_at_most_five_approvals_wait_per_session(world: World) -> None:
    for _ in range(APPROVALS_PER_SESSION):
        await world.pay(APPROVAL)
    assert await code_of(world.ask(APPROVAL)) is Code.TOO_MANY_APPROVALS


async def test_at_most_twenty_approvals_wait_in_all(world: World) -> None:
    for _ in range(APPROVALS_IN_ALL // APPROVALS_PER_SESSION):
        session = await world.new_session(world.wallet)
        for _ in range(APPROVALS_PER_SESSION):
            await world.pay(APPROVAL, session=session)
    fresh = await world.new_session(world.wallet)
    assert await code_of(world.ask(APPROVAL, session=fresh)) is Code.TOO_MANY_APPROVALS


async def test_a_flood_of_denials_is_answered_from_memory_and_summed_up(world: World) -> None:
    await world.set_rule("WHITELIST", {"allowed_addresses": ["other"], "otherwise": "deny"})
    errors = [await refusal(world.ask()) for _ in range(50)]
    assert {error.code for error in errors} == {Code.WHITELIST_DENIED}
    assert len({str(error.details) for error in errors}) == 1
    assert (await world.facts()).count(Fact.TX_DENIED) == 20
    await world.app.upkeep.write_denial_sums()
    assert Fact.TX_DENIALS_SUMMED not in await world.facts()
    world.clock.advance(60)
    await world.app.upkeep.write_denial_sums()
    await world.app.upkeep.write_denial_sums()
    rows = await world.database.read(lambda unit: unit.audit.rows(limit=1000))
    sums = [row["details"] for row in rows if row["fact"] == Fact.TX_DENIALS_SUMMED]
    assert [dict(found) for found in sums] == [{"count": "30"}]


async def test_a_loosened_policy_is_felt_in_the_middle_of_a_flood(world: World) -> None:
    rule = await world.set_rule("WHITELIST", {"allowed_addresses": ["other"], "otherwise": "deny"})
    for _ in range(30):
        await refusal(world.ask())
    await world.app.operations.policies.remove(rule, "host")
    await world.pay()


async def test_a_repeated_request_is_answered_by_its_row_in_the_middle_of_a_flood(
    world: World,
) -> None:
    cost = INSTANT + FEE_CEILING
    world.session = await world.new_session(world.wallet, limits={ETH: cost})
    first = await world.pay(key="k")
    for _ in range(30):
        assert await code_of(world.ask()) is Code.SESSION_LIMIT_EXCEEDED
    again = await world.ask(key="k")
    assert again.replayed
    assert again.transaction.id == first.id


async def test_without_an_owner_nothing_above_instant_leaves(world: World) -> None:
    world.sql("DELETE FROM owner")
    assert await code_of(world.ask(NOTIFY)) is Code.OWNER_NOT_CONNECTED
    assert await code_of(world.ask(APPROVAL)) is Code.OWNER_NOT_CONNECTED
    assert (await world.pay(INSTANT)).status is Status.SUBMITTED


async def test_a_suspended_wallet_pays_nothing(world: World) -> None:
    await world.database.run(
        lambda unit: unit.wallets.set_status(world.wallet.id, WalletStatus.SUSPENDED, "owner")
    )
    assert await code_of(world.ask()) is Code.WALLET_SUSPENDED


async def test_a_session_that_ended_while_it_asked_pays_nothing(world: World) -> None:
    stale = world.session
    await world.app.sessions.revoke(stale.id, actor="owner", reason="test")
    assert await code_of(world.ask(session=stale)) is Code.SESSION_REVOKED


async def test_a_denial_says_what_would_pass_and_that_passes(world: World) -> None:
    await world.set_rule(
        "CUMULATIVE_LIMIT",
        {
            "assets": {ETH: {"limit": str(10 * INSTANT)}},
            "window_seconds": 3600,
            "over": "each_wallet",
            "otherwise": "deny",
        },
    )
    paid = await world.pay(INSTANT)
    await world.settled(paid.id)
    error = await refusal(world.ask(10 * INSTANT))
    details = error.details
    assert details["rule"] == "CUMULATIVE_LIMIT"
    assert int(details["limit"]) == 10 * INSTANT
    assert int(details["remaining"]) == int(details["limit"]) - int(details["used"])
    most = int(details["smallestPassing"].split("at most ")[1].split(" ")[0])
    assert await code_of(world.ask(most + 1)) is Code.CUMULATIVE_LIMIT_EXCEEDED
    await world.ask(most)
    await world.quiet()
    world.clock.at = details["resetsAt"] * 1000
    assert details["resetsAt"] * 1000 >= paid.created_at + 3_600_000


async def test_a_rule_that_breaks_denies_is_audited_and_alarms(world: World) -> None:
    class Broken:
        type = RuleType.WHITELIST
        window_ms = 0

        def judge(self, *_: object) -> None:
            raise ZeroDivisionError

    await world.set_rule("WHITELIST", {"allowed_addresses": ["x"], "otherwise": "ask"})
    await world.database.run(lambda unit: unit.policies.applied(world.wallet.id))
    known = world.database._sources.rules._known
    for rule_id, (stored, applied) in list(known.items()):
        if stored[1] == "WHITELIST":
            known[rule_id] = stored, replace(applied, rule=Broken())
    assert await code_of(world.ask()) is Code.POLICY_ERROR
    assert Fact.TX_DENIED in await world.facts()
    assert "POLICY_ERROR" in await world.alerts()


async def test_a_request_whose_asker_left_is_carried_out_all_the_same(world: World) -> None:
    asking = asyncio.ensure_future(world.ask(key="k"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await world.database.run(lambda unit: unit.policies.version())  # units come one after another
    await world.tick()
    row = await world.ask(key="k")
    if row.replayed:
        assert (await world.settled(row.transaction.id)).status is Status.CONFIRMED
    await world.quiet()


async def test_what_is_denied_sets_nothing_aside(world: World) -> None:
    before = await world.reserved()
    await world.set_rule("WHITELIST", {"allowed_addresses": ["other"], "otherwise": "deny"})
    await refusal(world.ask())
    assert await world.reserved() == before == 0
    assert (await world.app.sessions.get(world.session.id)).transactions == 0
