"""A storm at Telegram while cards are due: refusals of every kind on every method, and nothing lost, doubled or stopped."""

from tests.support.console_chat import Chat
from wallet.domain.tiers import Tier
from wallet.domain.transactions import Event
from wallet.pipeline.moves import Cause, move
from wallet.ports.store import Unit


async def test_a_storm_of_refusals_delays_cards_and_changes_nothing_else(chat: Chat) -> None:
    world = chat.world
    await chat.owner.plants("409", method="getUpdates", count=2)
    await chat.owner.plants("429", method="sendMessage", count=2, retry_after=1)
    for kind, method in (
        ("502", "sendMessage"),
        ("502", "editMessageText"),
        ("502", "getUpdates"),
    ):
        await chat.owner.plants(kind, method=method, count=3)
    rows = [await world.payment(tier) for tier in (Tier.APPROVAL, Tier.DELAY, Tier.NOTIFY)]
    delayed, now = rows[1], world.clock.now()

    async def is_cancelled(unit: Unit) -> None:
        row = await unit.transactions.get(delayed.id)
        assert row is not None
        await move(unit, row, Event.CANCEL, Cause("owner", now))

    await world.database.run(is_cancelled)
    await world.database.run(lambda unit: unit.console.alert("PAIRED:1", "PAIRED", {}, now))
    world.outbox.wake()

    await chat.card("now belongs to the owner")
    cards = [await chat.settled(row) for row in rows]
    await chat.card("Cancelled")

    said = [m for m in await chat.owner.messages() if m["from"] == "bot"]
    assert {card.message_id for card in cards} <= {message["message_id"] for message in said}
    assert len([m for m in said if "0.5 ETH" in m["text"]]) == len(rows)
    assert len([m for m in said if "now belongs to the owner" in m["text"]]) == 1
    assert len([m for m in said if "Approve this payment?" in m["text"]]) == 1
    assert len([m for m in said if "Cancelled" in m["text"]]) == 1
    assert not await world.console.is_frozen()
    await chat.reply("/pending", "Waiting: 1")
