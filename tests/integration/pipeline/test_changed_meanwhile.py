"""What was revoked, suspended or tightened while a payload was being built is not signed for, or not sent."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.integration.pipeline.test_replacing import order, purposes, stuck
from tests.support.chain import SOL, LedgerChain
from tests.support.vault import PASSWORD
from tests.support.world import INSTANT, PAYEE, World
from wallet.domain.facts import Fact
from wallet.domain.rules import DAY_MS
from wallet.domain.transactions import Purpose, Status, Transaction
from wallet.errors import Code
from wallet.ports.chain import SendOutcome

OTHERS = {"allowed_addresses": ["other"], "otherwise": "deny"}
TENTH = {"max_payment_bps": 1000, "otherwise": "deny"}

Change = Callable[[World, Transaction], Awaitable[object]]


async def revoke(world: World, row: Transaction) -> None:
    await world.app.sessions.revoke(row.session_id, actor="owner", reason="test")


async def freeze(world: World, row: Transaction) -> None:
    await world.app.operations.holds.freeze_session(row.session_id, actor="owner", reason="test")


async def suspend(world: World, row: Transaction) -> None:
    await world.app.operations.holds.suspend_wallet(row.wallet_id, actor="owner", reason="test")


async def tighten(world: World, row: Transaction) -> None:
    put = world.app.operations.policies.put
    await put("WHITELIST", OTHERS, row.wallet_id, None, "host")


CHANGES = pytest.mark.parametrize("change", [revoke, freeze, suspend, tighten])


@asynccontextmanager
async def being_built(world: World, chain: LedgerChain) -> AsyncIterator[None]:
    """A poll that is held while a payload is built."""
    chain.build_asked.clear()
    chain.holding_build = asyncio.Event()
    polling = asyncio.ensure_future(world.poll())
    await chain.build_asked.wait()
    yield
    chain.holding_build.set()
    await polling


async def dead(world: World) -> tuple[LedgerChain, Transaction]:
    """A Solana payment whose bytes can never land."""
    chain = world.chains[SOL.name]
    wallet = await world.new_wallet("sol", SOL.name)
    chain.swallows = True
    row = await world.pay(wallet=wallet, session=await world.new_session(wallet))
    chain.swallows = False
    chain.mine(200)
    return chain, row


@CHANGES
async def test_a_dead_payment_is_not_built_anew(world: World, change: Change) -> None:
    chain, row = await dead(world)
    async with being_built(world, chain):
        await change(world, row)
    await world.poll()
    assert len(await world.attempts(row.id)) == 1
    assert (await world.row(row.id)).status is Status.EXPIRED
    assert chain.received(PAYEE) == 0
    assert await world.reserved() == 0


@CHANGES
async def test_a_speed_up_is_dropped(world: World, change: Change) -> None:
    row = await stuck(world)
    await order(world, row, Purpose.SPEED_UP)
    async with being_built(world, world.chain):
        await change(world, row)
    world.clock.advance(2)
    await world.poll()
    assert await purposes(world, row) == [Purpose.PAY]
    assert Fact.TX_SPEED_UP_DROPPED in await world.facts(row.id)


@CHANGES
async def test_a_refused_payload_is_filled_and_not_rebuilt(world: World, change: Change) -> None:
    world.chain.next_send = [SendOutcome.REJECTED] * 3
    row = await world.pay()
    world.chain.fee *= 2
    world.clock.advance(2)
    async with being_built(world, world.chain):
        await change(world, row)
    world.clock.advance(2)
    await world.poll()
    assert await purposes(world, row) == [Purpose.PAY, Purpose.FILL]
    assert (await world.settled(row.id)).status is Status.FAILED
    assert world.chain.received(PAYEE) == 0


async def test_a_cancellation_is_signed_all_the_same(world: World) -> None:
    row = await stuck(world)
    await order(world, row, Purpose.CANCEL)
    async with being_built(world, world.chain):
        await revoke(world, row)
    assert await purposes(world, row) == [Purpose.PAY, Purpose.CANCEL]


async def share(world: World, _: Transaction) -> None:
    await world.set_rule("BALANCE_SHARE", {**TENTH, "max_payment_bps": 1})


@pytest.mark.parametrize(
    ("change", "error"),
    [(tighten, Code.WHITELIST_DENIED), (share, Code.BALANCE_SHARE_EXCEEDED)],
)
async def test_a_payment_that_new_rules_deny_while_it_is_built_is_never_sent(
    world: World, change: Change, error: Code
) -> None:
    world.chain.holding_build = asyncio.Event()
    row = (await world.ask(2 * INSTANT)).transaction
    await world.chain.build_asked.wait()
    await change(world, row)
    world.chain.holding_build.set()
    await world.quiet()
    await world.passes(1)
    ended = await world.row(row.id)
    assert (ended.status, ended.error) == (Status.CANCELLED, error)
    assert await world.attempts(row.id) == []
    assert world.chain.sent == []
    assert await world.reserved() == 0


async def test_a_payment_leaves_that_changed_rules_still_allow(world: World) -> None:
    world.chain.holding_build = asyncio.Event()
    row = (await world.ask()).transaction
    await world.chain.build_asked.wait()
    await world.set_rule("WHITELIST", {**OTHERS, "allowed_addresses": [PAYEE]})
    world.chain.holding_build.set()
    await world.quiet()
    await world.passes(1)
    assert (await world.settled(row.id)).status is Status.CONFIRMED


async def test_a_share_of_the_balance_holds_for_a_payment_that_is_built_anew(
    world: World,
) -> None:
    chain, row = await dead(world)
    put = world.app.operations.policies.put
    await put("BALANCE_SHARE", TENTH, row.wallet_id, None, "host")
    payer = (await world.attempts(row.id))[0].address
    chain.drain(payer, left=2 * INSTANT)
    await world.poll()
    assert len(await world.attempts(row.id)) == 1
    assert (await world.row(row.id)).status is Status.EXPIRED


@pytest.mark.parametrize("left", [9 * INSTANT, 20 * INSTANT])
async def test_a_share_of_the_balance_holds_for_a_speed_up(world: World, left: int) -> None:
    await world.set_rule("BALANCE_SHARE", TENTH)
    row = await stuck(world)
    await order(world, row, Purpose.SPEED_UP)
    world.chain.drain(world.wallet.address, left=left)
    await world.poll()
    is_sped_up = Purpose.SPEED_UP in await purposes(world, row)
    assert is_sped_up is (left > 10 * INSTANT)


async def test_a_payload_that_is_stored_already_ends_none_before_it(
    world: World, monkeypatch: Any
) -> None:
    """Two equal payments built in one moment: the second must not be left without any payload."""
    chain, row = await dead(world)
    chain.mines = False
    session = await world.app.sessions.get(row.session_id)
    wallet = await world.database.read(lambda unit: unit.wallets.get(row.wallet_id))
    monkeypatch.setattr(world.ids, "below", lambda _: 0)
    await world.pay(wallet=wallet, session=session)
    await world.poll()
    [first] = await world.attempts(row.id)
    assert first.finalized_at is None
    monkeypatch.undo()
    await world.restart()
    await world.poll()
    chain.mines = True
    assert len(await world.attempts(row.id)) == 2
    assert (await world.settled(row.id)).status is Status.CONFIRMED
    assert chain.received(PAYEE) == 2 * INSTANT


async def expire(world: World, row: Transaction) -> None:
    """The session ends by time, which its payments outlive."""
    session = await world.app.sessions.get(row.session_id)
    world.clock.advance((session.expires_at - world.clock.now()) / 1000 + 1)
    await world.app.upkeep.clean_sessions()
    assert (await world.app.sessions.get(row.session_id)).revoked_at is not None


async def test_an_expired_session_that_is_revoked_signs_nothing_again(world: World) -> None:
    chain, row = await dead(world)
    note = {"execute_by": world.clock.now() + 10 * DAY_MS}
    await world.database.run(lambda unit: unit.transactions.note(row.id, **note))
    await expire(world, row)
    await revoke(world, row)
    await world.poll()
    assert len(await world.attempts(row.id)) == 1
    assert (await world.row(row.id)).status is Status.EXPIRED
    assert chain.received(PAYEE) == 0


async def recovered(world: World) -> None:
    await world.app.safety.halt("test", "host")
    await world.app.safety.begin_recovery(PASSWORD, "host")
    await world.passes(86_401)
    assert world.gate.is_normal


async def test_what_no_node_takes_after_a_stop_is_filled_and_not_rebuilt(world: World) -> None:
    row = await stuck(world)
    await expire(world, row)
    note = {"execute_by": world.clock.now() + 10 * DAY_MS}
    await world.database.run(lambda unit: unit.transactions.note(row.id, **note))
    await recovered(world)
    world.chain.forget()
    world.chain.next_send = [SendOutcome.REJECTED] * 2
    world.chain.fee *= 2
    for _ in range(3):
        world.clock.advance(6)
        await world.poll()
    assert await purposes(world, row) == [Purpose.PAY, Purpose.FILL]
    assert (await world.settled(row.id)).status is Status.FAILED
    assert world.chain.received(PAYEE) == 0
