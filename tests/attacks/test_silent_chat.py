"""A chat that nothing reaches any more: the owner still stops everything there, and is told of it later."""

import pytest

from tests.attacks.catalogue import scenario
from tests.attacks.test_owner import bands
from tests.attacks.test_sessions import answered
from tests.attacks.test_stop import state
from tests.support.chain import ETHER
from tests.support.chat import Chat
from tests.support.console_world import eventually
from tests.support.house import House
from wallet.sandbox.telegram.state import Fault

LARGE = 25 * ETHER


async def stops_by_button(home: House, chat: Chat) -> None:
    """The offer came while the bot could still speak; nothing of what it says now arrives."""
    offer = await chat.asks("/killswitch", button="Confirm")
    chat.lets_nothing_out()
    chat.taps_unheard(offer, "Confirm")

    async def is_stopped() -> bool:
        return await state(home) == "ACTIVATED" and not home.world.keyring.is_open

    await eventually(is_stopped)
    await home.world.quiet()


@scenario("R-03", "TG-e", "N-18")
async def test_a_forged_card_freezes_approving_and_stopping_still_works(
    home: House, chat: Chat
) -> None:
    """Somebody with the bot's token rewrote the story above our button."""
    token = await home.token()
    await bands(home, LARGE, LARGE)
    row = await home.paid(token, LARGE)
    card = await chat.finds("payee", button="Approve")

    forged = await chat.taps(card, "Approve", stale_text="Pay 0.01 ETH to a friend")
    assert "does not match" in forged["answer"]
    assert "frozen" in (await chat.taps(card, "Approve"))["answer"]
    assert (await home.sees(token, row))["status"] == "QUEUED"
    assert (await home.holder("GET", "/v1/status")).json()["bot"]["frozen"] is True

    await stops_by_button(home, chat)
    assert (await home.world.row(row)).status == "CANCELLED"
    assert home.world.chain.sent == []


@scenario("R-03")
@pytest.mark.parametrize("how", ["webhook", "poller"])
async def test_another_listener_freezes_approving_and_stopping_still_works(
    home: House, chat: Chat, how: str
) -> None:
    """Somebody with the bot's token has the owner's taps sent to himself, or asks for them beside us."""
    token = await home.token()
    await bands(home, LARGE, LARGE)
    row = await home.paid(token, LARGE)
    card = await chat.finds("payee", button="Approve")

    if how == "webhook":
        chat.telegram.state.webhook = "https://evil.test/hook"
    else:
        chat.telegram.state.faults.append(
            Fault(kind="409", method="getUpdates", count=8, retry_after=1, seconds=0)
        )
    await chat.finds("Somebody else uses this bot's token")

    assert chat.telegram.state.webhook == ""
    assert (await home.holder("GET", "/v1/status")).json()["bot"]["frozen"] is True
    assert "frozen" in (await chat.taps(card, "Approve"))["answer"]
    assert (await home.sees(token, row))["status"] == "QUEUED"

    await chat.taps(await chat.asks("/killswitch", button="Confirm"), "Confirm")
    assert await state(home) == "ACTIVATED"
    assert (await home.world.row(row)).status == "CANCELLED"
    assert home.world.chain.sent == []


@scenario("TG-e", "N-18")
async def test_a_stop_works_and_is_told_later_when_nothing_reaches_the_chat(
    home: House, chat: Chat
) -> None:
    token = await home.token()
    row = await home.paid(token, 10 * ETHER)

    await stops_by_button(home, chat)

    assert home.world.halt_file.exists()
    assert answered(await home.sends(token, 1)) == (503, "SYSTEM_LOCKED")
    await chat.restarts(unlocked=False)
    assert await state(home) == "ACTIVATED"
    assert (await home.world.row(row)).status == "CANCELLED"
    said = [m["text"] for m in await chat.owner.messages() if m["from"] == "bot"]
    assert not any("Kill switch active" in text for text in said)

    chat.lets_out_again()
    home.world.clock.advance(3600)
    await chat.finds("Kill switch active")
