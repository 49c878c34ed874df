"""A send whose answer was lost may show a card twice: both can be answered, and one of them remains."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.console_chat import Chat, button
from tests.support.console_world import ConsoleWorld, console_world, eventually
from wallet.domain.console import Action, Handle
from wallet.domain.tiers import Tier
from wallet.domain.transactions import Status, Transaction
from wallet.operations.taps import Answer, AnswerKind, Press

CHAT = 1001
FIRST, SECOND, TEXT = 7, 8, "the card"


async def doubled(chat: Chat) -> tuple[Transaction, dict[str, Any], dict[str, Any]]:
    """A payment whose card was delivered twice, the first time without an answer."""
    await chat.owner.plants("drop_answer", method="sendMessage", count=1)
    row = await chat.world.payment(Tier.APPROVAL)

    async def both() -> list[dict[str, Any]] | None:
        found = [m for m in await chat.owner.messages() if button(m, "Approve")]
        return found if len(found) == 2 else None

    first, second = await eventually(both, 15)
    await chat.settled(row)
    assert first["text"] == second["text"]
    return row, first, second


@pytest.mark.parametrize("which", [0, 1])
async def test_either_copy_is_answered_and_the_other_loses_its_buttons(
    chat: Chat, which: int
) -> None:
    row, *cards = await doubled(chat)
    pressed, other = cards[which], cards[1 - which]

    asked = await chat.owner.presses(pressed["message_id"], button(pressed, "Approve") or "")
    assert asked["answer"] == "Press Confirm within 60 seconds."
    confirm = await chat.owner.sees(
        lambda m: m["message_id"] == pressed["message_id"] and button(m, "Confirm")
    )
    done = await chat.owner.presses(pressed["message_id"], button(confirm, "Confirm") or "")

    assert done["answer"] == "Approved."
    assert not await chat.world.console.is_frozen()
    assert chat.world.executor.ids == [row.id]
    if which == 1:  # nobody knows of the first copy until it is pressed
        dead = await chat.owner.presses(other["message_id"], button(other, "Approve") or "")
        assert dead["answer"] == "This button is out of date."
    gone = await chat.owner.sees(
        lambda m: m["message_id"] == other["message_id"] and not m["buttons"], 10
    )
    assert gone["text"].startswith("↪️ Copy of a card")
    assert not await chat.world.console.is_frozen()


async def test_a_changed_text_on_a_copy_still_freezes(chat: Chat) -> None:
    row, first, _ = await doubled(chat)

    forged = await chat.owner.presses(
        first["message_id"], button(first, "Approve") or "", stale_text="Pay 1 ETH to Mallory"
    )

    assert forged["alert"]
    assert await chat.world.console.is_frozen()
    assert (await chat.world.row(row.id)).consent_at is None


async def test_a_dead_button_goes_and_a_card_is_shown_as_it_is(chat: Chat) -> None:
    await chat.world.payment(Tier.APPROVAL)
    card = await chat.card()
    await chat.owner.says("/killswitch")
    offer = await chat.owner.sees(lambda m: "Stop everything?" in m["text"])

    on_card = await chat.owner.presses(card["message_id"], "a:" + "x" * 22)
    on_offer = await chat.owner.presses(offer["message_id"], "x")

    assert on_card["answer"] == on_offer["answer"] == "This button is out of date."
    await chat.owner.sees(lambda m: m["message_id"] == offer["message_id"] and not m["buttons"])
    assert button(await chat.card(), "Approve")


# ---- the judgement itself


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[ConsoleWorld]:
    async with console_world(tmp_path) as made:
        yield made


async def stands(world: ConsoleWorld, handle_message: int | None, sent: str | None) -> str:
    """A card in message 8; a Reject button that is known to be in ``handle_message``, sent with ``sent``."""
    row = await world.payment(Tier.APPROVAL)
    card = replace(await world.card(row.id), message_id=SECOND, renderings=(TEXT,))
    handle = Handle(
        f"h-{row.id}", Action.REJECT, row.id, row.digest, 1, CHAT, handle_message, sent, None
    )
    await world.database.run(lambda unit: unit.console.save_card(card))
    await world.database.run(lambda unit: unit.console.add_handle(handle))
    return row.id


async def taps(world: ConsoleWorld, row_id: str, message_id: int, text: str) -> Answer:
    return await world.console.press(Press(f"h-{row_id}", CHAT, CHAT, message_id, text))


@pytest.mark.parametrize(
    ("handle_message", "sent", "pressed", "text", "kind"),
    [
        (SECOND, TEXT, SECOND, TEXT, AnswerKind.REJECTED),
        (None, TEXT, FIRST, TEXT, AnswerKind.REJECTED),
        (FIRST, TEXT, FIRST, TEXT, AnswerKind.REJECTED),
        (None, "an earlier text", FIRST, "an earlier text", AnswerKind.OUT_OF_DATE),
        (FIRST, "an earlier text", FIRST, "an earlier text", AnswerKind.OUT_OF_DATE),
        (None, TEXT, FIRST, "another text", AnswerKind.MISMATCH),
        (FIRST, TEXT, FIRST, "another text", AnswerKind.MISMATCH),
        (SECOND, TEXT, FIRST, TEXT, AnswerKind.MISMATCH),
    ],
)
async def test_a_copy_counts_only_by_its_own_handle_and_our_own_text(
    world: ConsoleWorld,
    handle_message: int | None,
    sent: str | None,
    pressed: int,
    text: str,
    kind: AnswerKind,
) -> None:
    row_id = await stands(world, handle_message, sent)

    answer = await taps(world, row_id, pressed, text)

    assert answer.kind is kind
    assert await world.console.is_frozen() is (kind is AnswerKind.MISMATCH)
    rejected = (await world.row(row_id)).status is Status.CANCELLED
    assert rejected is (kind is AnswerKind.REJECTED)
    expected = pressed if rejected else SECOND
    assert (await world.card(row_id)).message_id == expected
