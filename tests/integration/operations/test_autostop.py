"""Auto-stop over real rows: it stops the one that did it, forgets nothing, and is let go by the owner only."""

import asyncio
from typing import Any

from tests.integration.operations.test_safety import code_of, halt, recover
from tests.support.chain import ETHER, EVM
from tests.support.vault import code_at
from tests.support.world import APPROVAL, DELAY, INSTANT, NOTIFY, World
from wallet.domain.autostop import StopRule
from wallet.domain.facts import Fact
from wallet.domain.owner import Factor
from wallet.domain.sessions import Session
from wallet.domain.transactions import Status
from wallet.domain.wallets import WalletStatus
from wallet.errors import Code

KEY = EVM.native.key
HOUR = 3600


async def rule(world: World, kind: str, wallet_id: str | None = None, **fields: Any) -> None:
    given = {"enabled": True, **fields}
    put = world.app.operations.autostop.put
    await put(StopRule(kind), given, wallet_id, actor="host", proved=True)


async def session(world: World) -> Session:
    return await world.app.sessions.get(world.session.id)


async def is_frozen(world: World) -> bool:
    return (await session(world)).frozen_at is not None


async def resume(world: World) -> None:
    await world.app.operations.holds.resume_session(world.session.id, actor="host")


async def fails(world: World, **more: Any) -> None:
    """One payment that cannot be simulated."""
    world.chain.simulation_fails = True
    row = await world.pay(**more)
    world.chain.simulation_fails = False
    assert row.status is Status.FAILED


async def alert_kinds(world: World) -> list[str]:
    return [kind for kind in await world.alerts() if "AUTO_STOP" in kind or "FROZEN" in kind]


# ---- failures in a row


async def test_three_failures_in_a_row_freeze_the_session_and_end_what_waits(world: World) -> None:
    waiting = await world.pay(DELAY)
    for _ in range(2):
        await fails(world)
    assert not await is_frozen(world)
    await fails(world)
    found = await session(world)
    assert (found.frozen_by, found.frozen_at) == ("CONSECUTIVE_FAILURES", world.clock.now())
    after = await world.row(waiting.id)
    assert (after.status, after.error) == (Status.CANCELLED, Code.SESSION_FROZEN)
    assert await world.reserved() == 0
    assert await code_of(world.ask()) is Code.SESSION_FROZEN
    assert await alert_kinds(world) == ["SESSION_FROZEN"]
    assert (await world.facts()).count(Fact.SESSION_FROZEN) == 1


async def test_a_confirmed_payment_starts_the_row_anew(world: World) -> None:
    for _ in range(2):
        await fails(world)
    paid = await world.pay()
    assert (await world.settled(paid.id)).status is Status.CONFIRMED
    for _ in range(2):
        await fails(world)
    assert not await is_frozen(world)


async def test_failures_on_chain_count_as_well(world: World) -> None:
    world.chain.reverts = True
    for _ in range(3):
        paid = await world.pay()
        assert (await world.settled(paid.id)).status is Status.FAILED
    assert await is_frozen(world)


async def test_a_restart_forgets_no_failure(world: World) -> None:
    for _ in range(3):
        await world.restart()
        await fails(world)
    await world.restart()
    assert await is_frozen(world)
    assert await code_of(world.ask()) is Code.SESSION_FROZEN


async def test_a_payment_under_way_of_a_frozen_session_is_not_signed(world: World) -> None:
    world.chain.holding_build = asyncio.Event()
    admitted = await world.ask()
    await world.chain.build_asked.wait()
    await world.app.operations.holds.freeze_session(
        world.session.id, actor="host", reason="looks odd"
    )
    world.chain.holding_build.set()
    await world.quiet()
    row = await world.row(admitted.transaction.id)
    assert (row.status, row.error) == (Status.CANCELLED, Code.SESSION_FROZEN)
    assert world.chain.sent == []


# ---- who may not be stopped


async def test_another_agent_of_the_same_wallet_goes_on(world: World) -> None:
    other = await world.new_session(world.wallet)
    delayed = await world.pay(DELAY, session=other)
    for _ in range(4):
        if not await is_frozen(world):
            await fails(world)
    assert await is_frozen(world)
    assert (await world.row(delayed.id)).status is Status.QUEUED
    assert (await world.pay(session=other)).status is Status.SUBMITTED
    assert (await world.app.operations.wallets.get(world.wallet.id)).status is WalletStatus.ACTIVE


async def test_an_emptied_wallet_freezes_nobody(world: World) -> None:
    """Another agent may have emptied it, or the owner has not filled it yet."""
    victim = await world.new_session(world.wallet)
    await world.pay(APPROVAL)
    world.chain._spent[world.wallet.address] = 100 * ETHER
    for _ in range(5):
        row = await world.pay(INSTANT, session=victim)
        assert row.error == Code.INSUFFICIENT_FUNDS
    found = await world.app.sessions.get(victim.id)
    assert found.frozen_at is None


async def test_a_flood_of_denials_freezes_nobody(world: World) -> None:
    await rule(world, "HOURLY_RATE", max_per_hour=5)
    await rule(world, "ANOMALY_PATTERN", same_address_warn=2, same_address_stop=3)
    await world.set_rule("WHITELIST", {"allowed_addresses": ["payee"], "otherwise": "deny"})
    for number in range(60):
        refused = world.ask(INSTANT, f"stranger{number % 2}")
        assert await code_of(refused) is Code.WHITELIST_DENIED
    assert (await world.pay()).status is Status.SUBMITTED
    assert not await is_frozen(world)


async def test_what_the_owner_rejects_freezes_nobody(world: World) -> None:
    await rule(world, "HOURLY_RATE", max_per_hour=3)
    await rule(world, "ANOMALY_PATTERN", same_address_warn=2, same_address_stop=4)
    for _ in range(8):
        row = await world.pay(APPROVAL)
        await world.app.operations.transactions.cancel(row.id, actor="owner", reason="no")
    assert not await is_frozen(world)
    assert (await world.pay()).status is Status.SUBMITTED


async def test_a_stop_counts_for_nobody(world: World) -> None:
    for _ in range(2):
        await fails(world)
    await halt(world)
    await recover(world)
    world.session = await world.new_session(world.wallet)
    await fails(world)
    assert not await is_frozen(world)


# ---- the other rules


async def test_the_request_beyond_the_hourly_rate_is_refused_and_freezes(world: World) -> None:
    await rule(world, "HOURLY_RATE", max_per_hour=3)
    rows = [await world.pay() for _ in range(3)]
    assert await code_of(world.ask()) is Code.SESSION_FROZEN
    assert (await session(world)).frozen_by == "HOURLY_RATE"
    assert {(await world.row(row.id)).status for row in rows} == {Status.SUBMITTED}


async def test_the_hour_rolls(world: World) -> None:
    await rule(world, "HOURLY_RATE", max_per_hour=3)
    for _ in range(4):
        await world.pay()
        world.clock.advance(HOUR / 3)
    assert not await is_frozen(world)


async def test_a_repeated_key_is_no_further_request(world: World) -> None:
    await rule(world, "HOURLY_RATE", max_per_hour=1)
    first = await world.ask(key="once")
    for _ in range(5):
        again = await world.ask(key="once")
        assert again.replayed
        assert again.transaction.id == first.transaction.id
    assert not await is_frozen(world)


async def test_a_rate_that_only_warns_says_so_once_a_day(world: World) -> None:
    await rule(world, "HOURLY_RATE", max_per_hour=1, action="WARN")
    for _ in range(5):
        await world.pay()
    assert not await is_frozen(world)
    assert (await alert_kinds(world)).count("AUTO_STOP_WARNED") == 1
    assert (await world.facts()).count(Fact.AUTO_STOP_WARNED) == 1
    world.clock.advance(24 * HOUR)
    world.session = await world.new_session(world.wallet)
    for _ in range(2):
        await world.pay()
    assert (await world.facts()).count(Fact.AUTO_STOP_WARNED) == 2


async def test_one_address_again_and_again_warns_and_then_freezes(world: World) -> None:
    await rule(world, "ANOMALY_PATTERN", same_address_warn=2, same_address_stop=4)
    for number in range(5):
        await world.pay(to=f"shop{number}")
    assert await alert_kinds(world) == ["AUTO_STOP_CHANGED"]
    for _ in range(3):
        await world.pay(to="drain")
    assert "AUTO_STOP_WARNED" in await alert_kinds(world)
    assert await code_of(world.ask(to="drain")) is Code.SESSION_FROZEN
    assert (await session(world)).frozen_by == "ANOMALY_PATTERN"


async def test_a_request_outside_the_hours_warns_or_freezes(world: World) -> None:
    hour = world.clock.now() // 3_600_000 % 24
    outside: dict[str, Any] = {"start_hour": (hour + 2) % 24, "end_hour": (hour + 3) % 24 or 24}
    await rule(world, "TIME_RESTRICTION", **outside)
    await world.pay()
    assert "AUTO_STOP_WARNED" in await alert_kinds(world)
    await rule(world, "TIME_RESTRICTION", action="FREEZE_SESSION")
    assert await code_of(world.ask()) is Code.SESSION_FROZEN


async def test_most_of_the_day_used_warns_and_never_stops_by_itself(world: World) -> None:
    """The policy already asks beyond its limit; a share of it is worth a word."""
    for _ in range(4):
        await world.pay(DELAY)
        await world.passes(301)
    await world.poll()
    assert "AUTO_STOP_WARNED" in await alert_kinds(world)
    assert (await world.pay()).status is Status.SUBMITTED
    assert not await is_frozen(world)


async def test_a_whole_day_used_suspends_the_wallet_where_the_owner_says_so(world: World) -> None:
    await rule(world, "DAILY_LIMIT_THRESHOLD", daily_max={KEY: str(4 * ETHER)}, stop_percent=100)
    waiting = [await world.pay(DELAY - ETHER // 10) for _ in range(2)]
    assert await code_of(world.ask(NOTIFY)) is Code.WALLET_SUSPENDED
    found = await world.app.operations.wallets.get(world.wallet.id)
    assert (found.status, found.suspended_by) == (
        WalletStatus.SUSPENDED,
        "DAILY_LIMIT_THRESHOLD",
    )
    for row in waiting:
        assert (await world.row(row.id)).error == Code.WALLET_SUSPENDED
    other = await world.new_session(world.wallet)
    assert await code_of(world.ask(session=other)) is Code.WALLET_SUSPENDED
    await world.app.operations.holds.resume_wallet(world.wallet.id, actor="host")
    world.clock.advance(1)
    assert (await world.pay(session=other)).status is Status.SUBMITTED


async def test_what_the_owner_approves_or_is_asked_uses_nothing_of_the_day(world: World) -> None:
    await rule(world, "DAILY_LIMIT_THRESHOLD", daily_max={KEY: str(5 * ETHER)}, stop_percent=100)
    wide = {"assets": {KEY: {"limit": str(90 * ETHER)}}, "window_seconds": 86_400}
    wide |= {"over": "each_wallet", "otherwise": "ask"}
    await world.set_rule("CUMULATIVE_LIMIT", wide, await world.rule_of("CUMULATIVE_LIMIT"))
    asked = await world.pay(APPROVAL)
    approved = await world.pay(APPROVAL)
    await world.app.operations.approvals.approve(
        approved.id, digest=approved.digest, factor=Factor.HOST, actor="host"
    )
    await world.quiet()
    assert (await world.pay()).status is Status.SUBMITTED
    assert (await world.row(asked.id)).status is Status.QUEUED


# ---- resume


async def test_a_resumed_session_is_not_frozen_by_what_was_before(world: World) -> None:
    await rule(world, "HOURLY_RATE", max_per_hour=8)
    for _ in range(3):
        await fails(world)
    await resume(world)
    world.clock.advance(1)
    await fails(world)
    assert not await is_frozen(world)
    for _ in range(6):
        await world.pay()
    assert not await is_frozen(world)
    for _ in range(3):
        if not await is_frozen(world):
            await world.app.executor.carry_on()
    assert (await world.facts()).count(Fact.SESSION_RESUMED) == 1
    assert "SESSION_RESUMED" in await world.alerts()


async def test_a_payment_from_before_the_resume_that_fails_later_does_not_count(
    world: World,
) -> None:
    world.chain.reverts = True
    rows = [await world.pay() for _ in range(3)]
    await world.app.operations.holds.freeze_session(
        world.session.id, actor="host", reason="looks odd"
    )
    await resume(world)
    for row in rows:
        assert (await world.settled(row.id)).status is Status.FAILED
    assert not await is_frozen(world)


async def test_resume_is_refused_while_stopped_for_ended_and_for_working_ones(
    world: World,
) -> None:
    holds = world.app.operations.holds
    working = holds.resume_session(world.session.id, actor="host")
    assert await code_of(working) is Code.INVALID_STATE_TRANSITION
    unknown = holds.resume_session("nobody", actor="host")
    assert await code_of(unknown) is Code.SESSION_NOT_FOUND
    active = holds.resume_wallet(world.wallet.id, actor="host")
    assert await code_of(active) is Code.INVALID_STATE_TRANSITION
    await halt(world)
    stopped = holds.resume_wallet(world.wallet.id, actor="host")
    assert await code_of(stopped) is Code.SYSTEM_LOCKED
    await recover(world)
    ended = holds.resume_session(world.session.id, actor="host")
    assert await code_of(ended) is Code.INVALID_STATE_TRANSITION


async def test_a_wallet_the_owner_suspended_stays_so_over_a_stop(world: World) -> None:
    holds = world.app.operations.holds
    waiting = await world.pay(DELAY)
    await holds.suspend_wallet(world.wallet.id, actor="host", reason="moving")
    assert (await world.row(waiting.id)).status is Status.CANCELLED
    again = holds.suspend_wallet(world.wallet.id, actor="host", reason="moving")
    assert await code_of(again) is Code.INVALID_STATE_TRANSITION
    await halt(world)
    await recover(world)
    found = await world.app.operations.wallets.get(world.wallet.id)
    assert (found.status, found.suspended_by) == (WalletStatus.SUSPENDED, "OWNER")
    await holds.resume_wallet(world.wallet.id, actor="host")
    world.session = await world.new_session(world.wallet)
    assert (await world.pay()).status is Status.SUBMITTED


async def test_a_frozen_session_looks_and_does_not_renew(world: World) -> None:
    frozen = await world.app.operations.holds.freeze_session(
        world.session.id, actor="host", reason="looks odd"
    )
    assert frozen.frozen_by == "OWNER"
    world.clock.advance(frozen.ttl_seconds / 2)
    assert await code_of(world.app.sessions.renew(frozen, "token")) is Code.SESSION_FROZEN
    held = (await world.app.queries.status()).held
    assert [(one.kind, one.id, one.by) for one in held] == [("session", world.session.id, "OWNER")]


# ---- the owner's hands


async def test_tightening_counts_at_once_and_loosening_asks_for_the_password(
    world: World,
) -> None:
    autostop = world.app.operations.autostop
    kind = StopRule.CONSECUTIVE_FAILURES
    put: Any = {"actor": "host", "proved": False}
    line = await autostop.put(kind, {"threshold": 2}, None, **put)
    assert line.rules["threshold"] == 2
    assert line.rules["action"] == "FREEZE_SESSION"
    for looser in ({"threshold": 3}, {"enabled": False}, {"action": "WARN"}):
        assert await code_of(autostop.put(kind, looser, None, **put)) is (
            Code.MASTER_PASSWORD_REQUIRED
        )
        assert await code_of(autostop.reset(kind, None, **put)) is Code.MASTER_PASSWORD_REQUIRED
    for _ in range(2):
        await fails(world)
    assert await is_frozen(world)
    await autostop.reset(kind, None, actor="host", proved=True)
    lines = await autostop.list(None)
    assert next(one for one in lines if one.kind is kind).is_default
    facts = await world.facts()
    assert facts.count(Fact.AUTO_STOP_RESET) == 1
    assert "AUTO_STOP_CHANGED" in await world.alerts()


async def test_loosening_needs_a_code_where_an_app_is_enrolled_and_tightening_none(
    world: World,
) -> None:
    autostop, kind = world.app.operations.autostop, StopRule.CONSECUTIVE_FAILURES
    world.vault.enrolled = True
    wallet = world.wallet.id
    await autostop.put(kind, {"threshold": 2}, wallet, actor="host", proved=False)
    looser: Any = (kind, {"threshold": 9}, wallet)
    assert await code_of(autostop.put(*looser, actor="host", proved=True)) is Code.FACTOR_REQUIRED
    wrong = autostop.put(*looser, actor="host", proved=True, code="999999")
    assert await code_of(wrong) is Code.FACTOR_INVALID
    reset = autostop.reset(kind, wallet, actor="host", proved=True)
    assert await code_of(reset) is Code.FACTOR_REQUIRED
    code = code_at(world.clock.now())
    line = await autostop.put(*looser, actor="host", proved=True, code=code)
    assert line.rules["threshold"] == 9
    # Back to the stricter rule for all is a tightening.
    await autostop.reset(kind, wallet, actor="host", proved=False)


async def test_a_wallet_can_have_a_rule_of_its_own(world: World) -> None:
    busy = await world.new_wallet("busy")
    await rule(world, "HOURLY_RATE", max_per_hour=2)
    await rule(world, "HOURLY_RATE", busy.id, max_per_hour=20)
    on_busy = await world.new_session(busy)
    for _ in range(10):
        await world.pay(wallet=busy, session=on_busy)
    for _ in range(2):
        await world.pay()
    assert await code_of(world.ask()) is Code.SESSION_FROZEN
    lines = await world.app.operations.autostop.list(busy.id)
    shown = {one.kind: (one.wallet_id, one.rules) for one in lines}
    assert shown[StopRule.HOURLY_RATE][0] == busy.id
    assert shown[StopRule.HOURLY_RATE][1]["max_per_hour"] == 20
    assert len(await world.app.operations.autostop.list(None)) == 6


async def test_a_rule_for_a_wallet_nobody_knows_is_refused(world: World) -> None:
    put = world.app.operations.autostop.put
    refused = put(StopRule.HOURLY_RATE, {}, "nowhere", actor="host", proved=True)
    assert await code_of(refused) is Code.WALLET_NOT_FOUND
    never = world.app.operations.autostop.reset(
        StopRule.HOURLY_RATE, world.wallet.id, actor="host", proved=True
    )
    assert await code_of(never) is Code.POLICY_NOT_FOUND
