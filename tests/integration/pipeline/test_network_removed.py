"""A network that is taken out of the settings while payments on it are under way."""

import pytest

from tests.integration.pipeline.test_replacing import CEILING, order, stuck
from tests.support.chain import EVM, SOL
from tests.support.world import APPROVAL, DELAY, INSTANT, World
from tests.unit.notifications.test_outbox import PaperChannel
from wallet.domain.owner import Factor
from wallet.domain.transactions import Purpose, Status
from wallet.errors import Code, WalletError
from wallet.ports.owner_channel import CardView


async def without_the_network(world: World) -> None:
    """Restart with one network less; its chain is the same when it comes back."""
    world.chains = {SOL.name: world.chains[SOL.name]}
    await world.restart()


async def test_what_is_not_signed_waits_and_expires_with_its_time(world: World) -> None:
    world.chain.down = True
    direct = await world.pay()
    delayed, asked = await world.pay(DELAY), await world.pay(APPROVAL)
    await without_the_network(world)
    approve = world.app.operations.approvals.approve
    await approve(asked.id, digest=asked.digest, factor=Factor.HOST, actor="host")
    for _ in range(4):
        await world.passes(150)
    assert "TX_PARKED" not in await world.alerts()
    assert (await world.row(direct.id)).status is Status.EXPIRED
    await world.passes(7200)
    for row in (delayed, asked):
        assert (await world.row(row.id)).status is Status.EXPIRED
    assert await world.reserved() == 0


async def test_it_goes_on_when_the_network_is_back_in_time(world: World) -> None:
    row, evm = await world.pay(DELAY), world.chain
    await without_the_network(world)
    await world.passes(301)
    assert (await world.row(row.id)).status is Status.QUEUED
    world.chains = {EVM.name: evm, **world.chains}
    await world.restart()
    await world.passes(1)
    assert (await world.settled(row.id)).status is Status.CONFIRMED


async def test_what_is_signed_keeps_its_money_and_takes_no_orders(world: World) -> None:
    row, evm = await stuck(world), world.chain
    await without_the_network(world)
    await world.passes(7200)
    replacements = world.app.operations.replacements
    for asking in (replacements.offer(row.id), order(world, row, Purpose.CANCEL)):
        with pytest.raises(WalletError) as refused:
            await asking
        assert refused.value.code is Code.TX_NOT_REPLACEABLE
    assert (await world.row(row.id)).status is Status.SUBMITTED
    assert await world.reserved() == INSTANT + EVM.fee_ceiling
    report = await world.app.operations.ledger.check(with_chains=True)
    assert report.violations == []
    world.chains = {EVM.name: evm, **world.chains}
    await world.restart()
    assert (await world.app.operations.replacements.offer(row.id)).ceiling == CEILING
    assert (await world.settled(row.id)).status is Status.CONFIRMED


async def test_its_cards_hold_up_no_other(world: World) -> None:
    views: list[CardView] = []

    class Paper(PaperChannel):
        def render(self, view: CardView) -> str:
            views.append(view)
            return super().render(view)

    asked = await world.pay(APPROVAL)
    await without_the_network(world)
    wallet = await world.new_wallet("sol", SOL.name)
    other = await world.pay(APPROVAL, wallet=wallet, session=await world.new_session(wallet))
    world.app.outbox.attach(Paper())
    await world.app.outbox.drain()
    shown = {view.transaction.id: (view.symbol, view.decimals) for view in views}
    assert shown == {asked.id: ("base units", 0), other.id: (SOL.symbol, SOL.decimals)}
