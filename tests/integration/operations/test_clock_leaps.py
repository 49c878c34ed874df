"""A leap of the host's clock releases nothing, frees no window and makes no code right, until the world agrees."""

import pytest

from tests.integration.operations.test_safety import code_of, halt
from tests.support.chain import ETHER, EVM, SOL
from tests.support.vault import PASSWORD, code_at
from tests.support.world import APPROVAL, DELAY, NOTIFY, World
from wallet.domain.facts import Fact
from wallet.domain.owner import Factor
from wallet.domain.safety import StopState
from wallet.domain.spending import bucket_start
from wallet.domain.transactions import Status
from wallet.errors import Code
from wallet.operations.clock_watch import ClockWatch
from wallet.operations.clock_watch import World as Outside
from wallet.ports.chain import SendOutcome

DAY = 86_400


async def watch(world: World) -> None:
    await world.app.upkeep.watch_clock()


async def agreed(world: World) -> None:
    """A chain's newest block is as old as the host's clock says that it is."""
    world.chain.block_time = world.clock.now()
    world.clock._seconds += 2
    world.clock.at += 2_000
    await watch(world)
    assert world.gate.has_time


async def test_a_day_forward_releases_no_delay(world: World) -> None:
    row = await world.pay(DELAY)
    world.clock.leap(DAY)
    await world.tick()
    assert (await world.row(row.id)).status is Status.QUEUED
    assert world.chain.sent == []
    await watch(world)
    assert "CLOCK_DOUBTED" in await world.alerts()
    world.clock.leap(-DAY)
    await agreed(world)
    await world.tick()
    assert (await world.row(row.id)).status is Status.QUEUED
    await world.passes(300)
    assert (await world.row(row.id)).status is Status.SUBMITTED
    assert (await world.facts()).count(Fact.CLOCK_TRUSTED) == 1


async def test_a_day_forward_expires_and_ends_nothing(world: World) -> None:
    asked = await world.pay(APPROVAL)
    world.clock.leap(DAY + 3600)
    await world.tick()
    await world.app.upkeep.clean_sessions()
    assert (await world.row(asked.id)).status is Status.QUEUED
    assert (await world.app.sessions.get(world.session.id)).revoked_at is None


@pytest.mark.parametrize("seconds", [7200, -7200])
async def test_nothing_is_admitted_while_windows_cannot_be_told(
    world: World, seconds: int
) -> None:
    first = await world.ask(NOTIFY, key="known")
    await world.quiet()
    world.clock.leap(seconds)
    assert await code_of(world.ask(NOTIFY)) is Code.CLOCK_UNTRUSTED
    again = await world.ask(NOTIFY, key="known")
    assert again.transaction.id == first.transaction.id
    await agreed(world)
    assert (await world.pay(NOTIFY)).status is Status.SUBMITTED


async def test_windows_are_as_full_after_a_leap_and_back(world: World) -> None:
    for _ in range(2):
        await world.pay(2 * DELAY)
    world.clock.leap(DAY)
    await world.tick()
    world.clock.leap(-DAY)
    await agreed(world)
    row = await world.pay(3 * ETHER)
    assert row.tier == "APPROVAL"  # 8 of the day's 10 are set aside


async def test_no_code_no_consent_and_no_claim_count_meanwhile(world: World) -> None:
    world.vault.enrolled = True
    asked = await world.pay(APPROVAL)
    _, code = await world.app.sessions.create(
        world.wallet.id, name="x", limits={EVM.native.key: 1}, source="host", actor="host"
    )
    world.clock.leap(3600)
    approvals = world.app.operations.approvals
    now = code_at(world.clock.now())
    assert await code_of(approvals.check_code(now)) is Code.CLOCK_UNTRUSTED
    assert await code_of(approvals.require_current_code(None)) is Code.CLOCK_UNTRUSTED
    given = approvals.approve(asked.id, digest=asked.digest, factor=Factor.HOST, actor="host")
    assert await code_of(given) is Code.CLOCK_UNTRUSTED
    assert await code_of(world.app.sessions.claim(code)) is Code.CLOCK_UNTRUSTED
    pairing = world.app.operations.owner.start_pairing("host")
    assert await code_of(pairing) is Code.CLOCK_UNTRUSTED
    rejected = await world.app.operations.transactions.cancel(asked.id, actor="o", reason="no")
    assert rejected.status is Status.CANCELLED  # stopping needs no clock


async def test_a_leap_ends_no_recovery_and_begins_none(world: World) -> None:
    await halt(world)
    await world.app.safety.begin_recovery(PASSWORD, "host")
    world.clock.leap(2 * DAY)
    await world.tick()
    assert (await world.app.safety.state()).state is StopState.RECOVERING
    await world.app.safety.cancel_recovery("host")
    refused = world.app.safety.begin_recovery(PASSWORD, "host")
    assert await code_of(refused) is Code.CLOCK_UNTRUSTED


async def test_a_payment_that_waited_leaves_once_the_time_is_settled(world: World) -> None:
    world.chain.down = True
    row = await world.pay()
    world.chain.down = False
    world.clock.leap(3600)
    world.app.executor.retry_all()
    await world.quiet()
    assert world.chain.sent == []
    assert (await world.row(row.id)).status is Status.EXECUTING
    world.clock.leap(-3600)
    await agreed(world)
    await world.quiet()
    assert (await world.row(row.id)).status is Status.SUBMITTED


@pytest.mark.parametrize("seconds", [DAY, -DAY])
async def test_nothing_is_signed_anew_meanwhile(world: World, seconds: int) -> None:
    world.chain.next_send = [SendOutcome.REJECTED] * 3
    refused = await world.pay()
    world.chain.fee *= 2
    world.clock.advance(2)
    world.clock.leap(seconds)
    await world.poll()
    assert len(await world.attempts(refused.id)) == 1
    world.clock.leap(-seconds)
    await agreed(world)
    await world.poll()
    assert len(await world.attempts(refused.id)) == 2
    assert (await world.settled(refused.id)).status is Status.CONFIRMED


@pytest.mark.parametrize("seconds", [DAY, -DAY])
async def test_dead_bytes_are_neither_built_anew_nor_given_up_meanwhile(
    world: World, seconds: int
) -> None:
    chain = world.chains[SOL.name]
    chain.swallows = True
    wallet = await world.new_wallet("sol", SOL.name)
    row = await world.pay(wallet=wallet, session=await world.new_session(wallet))
    chain.swallows = False
    chain.mine(200)
    world.clock.leap(seconds)
    await world.poll()
    assert (await world.row(row.id)).status is Status.SUBMITTED
    assert len(await world.attempts(row.id)) == 1
    world.clock.leap(-seconds)
    await agreed(world)
    await world.poll()
    assert len(await world.attempts(row.id)) == 2
    assert (await world.settled(row.id)).status is Status.CONFIRMED


async def test_what_settles_by_a_clock_that_leapt_back_leaves_its_window_no_earlier(
    world: World,
) -> None:
    """Nothing lands before it was signed, whatever the host's clock says."""
    rows = [await world.pay(2 * DELAY) for _ in range(2)]
    await world.passes(301)
    signed_at = world.clock.now()
    world.clock.leap(-2 * DAY)
    for row in rows:
        assert (await world.settled(row.id)).status is Status.CONFIRMED
    world.clock.leap(2 * DAY)
    await agreed(world)
    assert {bucket.started_at for bucket in await world.buckets()} == {bucket_start(signed_at)}
    row = await world.pay(3 * ETHER)
    assert row.tier == "APPROVAL"  # 8 of the day's 10 are spent


async def test_a_restart_does_not_forget_the_doubt(world: World) -> None:
    row = await world.pay(DELAY)
    world.clock.leap(DAY)
    await watch(world)
    await world.restart()
    await world.tick()
    assert (await world.row(row.id)).status is Status.QUEUED
    assert "restart" in world.clock_guard.reason
    await world.app.clock_watch.trust("host")
    await world.restart()
    assert world.gate.has_time


async def test_a_start_before_the_last_fact_is_doubted(world: World) -> None:
    world.clock.set_back(3600)
    await world.restart()
    assert not world.gate.has_time
    assert "before the last fact" in (await world.app.queries.status()).clock_doubt


@pytest.mark.parametrize("has_reference", [True, False])
async def test_a_start_after_a_long_pause_waits_for_the_world_where_there_is_one(
    world: World, *, has_reference: bool
) -> None:
    row = await world.pay(DELAY)
    world.clock.advance(DAY / 2)
    outside = Outside(world.chains, frozenset(), has_reference=has_reference)
    starting = ClockWatch(
        world.database, world.clock, world.clock_guard, outside, world.app.executor.retry_all
    )
    await starting.load()
    assert world.gate.has_time is not has_reference
    if has_reference:
        assert await code_of(world.ask()) is Code.CLOCK_UNTRUSTED
    world.chain.block_time = world.clock.now()
    await starting.tick()
    assert world.gate.has_time
    assert (await world.row(row.id)).status is Status.QUEUED
    assert not {Fact.CLOCK_DOUBTED, Fact.CLOCK_TRUSTED} & set(await world.facts())


async def test_a_chain_that_does_not_answer_settles_nothing(world: World) -> None:
    world.clock.leap(DAY)
    world.chain.down = True
    await watch(world)
    assert not world.gate.has_time


@pytest.mark.parametrize("seconds", [DAY, -DAY])
async def test_a_day_either_way_changes_nothing_that_waits(world: World, seconds: int) -> None:
    """A delay, a question, a code and a window: the same before the leap and after it was taken back."""
    world.vault.enrolled = True
    held, asked = await world.pay(DELAY), await world.pay(APPROVAL)
    reserved = await world.reserved()
    before = code_at(world.clock.now())

    world.clock.leap(seconds)
    for _ in range(3):
        await world.passes(2)
        await watch(world)
    approvals = world.app.operations.approvals
    given = approvals.approve(asked.id, digest=asked.digest, factor=Factor.HOST, actor="host")
    assert await code_of(given) is Code.CLOCK_UNTRUSTED
    for code in (before, code_at(world.clock.now())):
        assert await code_of(approvals.check_code(code)) is Code.CLOCK_UNTRUSTED
    assert await code_of(world.ask()) is Code.CLOCK_UNTRUSTED
    for row in (held, asked):
        assert await world.row(row.id) == row
    assert await world.reserved() == reserved

    world.clock.leap(-seconds)
    await agreed(world)
    await world.tick()
    assert (await world.row(held.id)).status is Status.QUEUED
    assert await approvals.check_code(code_at(world.clock.now())) > 0
    await approvals.approve(asked.id, digest=asked.digest, factor=Factor.HOST, actor="host")
    await world.quiet()
    assert (await world.settled(asked.id)).status is Status.CONFIRMED
    await world.passes(300)
    assert (await world.settled(held.id)).status is Status.CONFIRMED
    assert len(world.chain.landed) == 2


async def test_a_doubted_clock_begins_no_reset_of_the_app(world: World) -> None:
    """Begun by a clock that is a day behind, its day of waiting would be over once the clock is right."""
    world.vault.enrolled = True
    world.clock.set_back(DAY)

    assert await code_of(world.app.operations.reset.start("host")) is Code.CLOCK_UNTRUSTED

    world.clock.leap(DAY)
    await agreed(world)
    ready_at = await world.app.operations.reset.start("host")
    assert ready_at == world.clock.now() + DAY * 1000
