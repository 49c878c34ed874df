"""What is offered beside a payment that was sent: whichever of the two lands, it is told and counted once."""

import pytest

from tests.attacks.catalogue import scenario
from tests.support.chain import ETHER
from tests.support.house import House
from tests.support.world import PAYEE
from wallet.ports.chain import SendOutcome

AMOUNT = ETHER // 2


async def replaced(home: House, token: str, order: str, *, arrives: bool) -> str:
    """A payment that no block takes and the owner's order about it, signed and sent; the payment's id."""
    home.world.chain.mines = False
    row = await home.paid(token, AMOUNT)
    await home.world.poll()
    if not arrives:
        home.world.chain.next_send = [SendOutcome.UNKNOWN] * 3
    ordered = await home.host("POST", f"/v1/transactions/{row}/{order}")
    assert ordered.is_success, ordered.text
    await home.world.poll()
    first, second = await home.world.attempts(row)
    assert first.nonce == second.nonce
    return row


async def spent(home: House) -> int:
    """What all sessions together have spent."""
    sessions = (await home.holder("GET", "/v1/sessions")).json()["items"]
    return sum(int(session["spent"].get("evm-local/native", "0")) for session in sessions)


@scenario("R-05")
async def test_a_cancellation_that_wins_pays_nothing_and_spends_its_fee(home: House) -> None:
    token = await home.token()
    row = await replaced(home, token, "cancel-sent", arrives=True)

    ended = await home.world.settled(row)

    assert (await home.sees(token, row))["status"] == "CANCELLED"
    assert ended.hash == (await home.world.attempts(row))[1].hash
    assert home.world.chain.received(PAYEE) == 0
    assert ended.fee
    assert home.world.chain.spent(home.world.wallet.address) == ended.fee
    assert await spent(home) == ended.fee
    assert await home.world.reserved() == 0


@scenario("R-05")
@pytest.mark.parametrize(
    ("order", "arrives"), [("cancel-sent", False), ("speed-up", False), ("speed-up", True)]
)
async def test_a_payment_with_a_sibling_is_paid_and_counted_once(
    home: House, order: str, *, arrives: bool
) -> None:
    token = await home.token()
    row = await replaced(home, token, order, arrives=arrives)

    ended = await home.world.settled(row)
    home.world.clock.advance(60)
    await home.world.settled(row)

    assert (await home.sees(token, row))["status"] == "CONFIRMED"
    assert ended.hash == (await home.world.attempts(row))[1 if arrives else 0].hash
    assert home.world.chain.received(PAYEE) == AMOUNT
    assert ended.fee
    assert await spent(home) == AMOUNT + ended.fee
    assert await home.world.reserved() == 0
