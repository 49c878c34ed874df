"""Execution and settlement of payments on a chain that does what the test says."""

from tests.support.world import INSTANT, PAYEE, World
from wallet.domain.transactions import Status


async def test_an_instant_payment_is_signed_once_sent_once_and_settled(world: World) -> None:
    row = await world.pay()
    assert row.status is Status.SUBMITTED
    assert (await world.settled(row.id)).status is Status.CONFIRMED
    assert len(world.vault.signed) == len(world.chain.sent) == 1
    assert world.chain.received(PAYEE) == INSTANT
    assert await world.reserved() == 0
