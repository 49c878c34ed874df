"""Whose updates count: as Telegram would send them, through its Bot API to the polling bot."""

from pathlib import Path
from typing import Any

import pytest

from tests.attacks.catalogue import scenario
from tests.attacks.test_owner import bands
from tests.attacks.test_stop import state
from tests.support.chain import ETHER
from tests.support.chat import OUTGOING, OWNER_ID, Chat, chat_of, data_of
from tests.support.house import House, house

OLGA = {"id": OWNER_ID, "is_bot": False, "first_name": "Olga"}
MALLORY = {"id": 8, "is_bot": False, "first_name": "Mallory"}
PRIVATE = {"id": OWNER_ID, "type": "private", "first_name": "Olga"}
GROUP = {"id": -100_123, "type": "supergroup", "title": "All"}
CHANNEL = {"id": -100_124, "type": "channel", "title": "News"}
Json = dict[str, Any]


def said(text: str, **changes: Any) -> Json:
    return {"message_id": 9_001, "date": 1, "from": OLGA, "chat": PRIVATE, "text": text} | changes


def not_the_owners(text: str) -> list[tuple[str, Json]]:
    """The words as everybody else could make Telegram send them: (kind, content) of updates."""
    stranger = {"type": "user", "date": 1, "sender_user": MALLORY}
    hidden = {"type": "hidden_user", "date": 1, "sender_user_name": "x"}
    himself = {"type": "user", "date": 1, "sender_user": OLGA}
    return [
        ("message", said(text, chat=GROUP)),
        ("message", said(text, chat=GROUP, sender_chat=GROUP)),
        ("message", said(text, **{"from": MALLORY})),
        ("message", said(text, **{"from": MALLORY}, chat=GROUP)),
        ("message", said(text, forward_origin=stranger)),
        ("message", said(text, forward_origin=hidden)),
        ("message", said(text, forward_origin=himself)),
        ("edited_message", said(text, edit_date=2)),
        ("channel_post", {"message_id": 1, "date": 1, "chat": CHANNEL, "text": text}),
        ("business_message", said(text, business_connection_id="1")),
        ("my_chat_member", {}),
        ("message", {"message_id": 1}),
    ]


@scenario("TG-g", "TG-a")
async def test_only_the_owners_own_words_in_his_private_chat_are_heard(
    home: House, chat: Chat
) -> None:
    await chat.told_all()
    before = len(chat.calls(*OUTGOING))
    facts = await home.world.facts()

    for text in ("/killswitch", "/status", "/start", "123456", "hello"):
        for kind, content in not_the_owners(text):
            chat.telegram.state.deliver(kind, content)
    await chat.asks("/help", "What you can do here")

    answers = [(call["method"], call["params"]["chat_id"]) for call in chat.calls(*OUTGOING)]
    assert answers[before:] == [("sendMessage", str(OWNER_ID))]
    assert await home.world.facts() == facts


@scenario("TG-g", "TG-c")
@pytest.mark.parametrize("paired", [True, False], ids=["owned", "ownerless"])
async def test_a_pairing_code_counts_in_a_private_chat_only(
    tmp_path: Path, *, paired: bool
) -> None:
    """Read in a group, forwarded or edited in, it proves nobody; and the bot does not speak there."""
    async with house(tmp_path / "home", paired=paired) as home, chat_of(home) as chat:
        code = (await home.host("POST", "/v1/pairing")).json()["code"]
        if paired:
            await chat.told_all()
        before = len(chat.calls(*OUTGOING))

        for text in (f"/start {code}", "/start"):
            somebody = (
                "message",
                said(text, **{"from": MALLORY}),
            )  # in private anybody may send it
            for update in not_the_owners(text):
                if update != somebody:
                    chat.telegram.state.deliver(*update)
        await chat.asks("/start 0000000000", "This code is not valid.")

        assert [call["method"] for call in chat.calls(*OUTGOING)][before:] == ["sendMessage"]
        assert (await home.holder("GET", "/v1/pairing")).json()["state"] == "WAITING"
        await chat.asks(f"/start {code}", "The code is right.")


@scenario("TG-g", "TG-a")
async def test_only_the_owners_own_taps_in_his_private_chat_do_anything(
    home: House, chat: Chat
) -> None:
    """True buttons, pressed by whoever sees them in a group or was sent them; then by the owner."""
    token = await home.token()
    await bands(home, 25 * ETHER, 25 * ETHER)
    row = await home.paid(token, 25 * ETHER)
    card = await chat.finds("payee", button="Approve")
    offer = await chat.asks("/killswitch", button="Confirm")
    await chat.told_all()
    before = len(chat.calls(*OUTGOING))
    facts = await home.world.facts()

    for message, label in ((card, "Approve"), (card, "Reject"), (offer, "Confirm")):
        data, shown = data_of(message, label), in_full(chat, message)
        for tap in not_his(data, shown):
            chat.telegram.state.deliver("callback_query", tap)
    await chat.asks("/help", "What you can do here")

    assert [call["method"] for call in chat.calls(*OUTGOING)][before:] == ["sendMessage"]
    assert await home.world.facts() == facts
    assert (await home.sees(token, row))["status"] == "QUEUED"
    assert await state(home) == "NORMAL"
    await chat.taps(offer, "Confirm")
    assert await state(home) == "ACTIVATED"


def in_full(chat: Chat, message: Json) -> Json:
    telegram = chat.telegram.state
    return telegram.as_json(telegram.messages[message["message_id"]])


def not_his(data: str, shown: Json) -> list[Json]:
    tap = {"id": "1", "chat_instance": "1", "data": data, "message": shown}
    in_group = tap | {"message": shown | {"chat": GROUP}}
    return [
        tap | {"from": MALLORY},
        in_group | {"from": OLGA},
        in_group | {"from": MALLORY},
        tap | {"from": OLGA, "message": shown | {"chat": CHANNEL}},
        {key: value for key, value in tap.items() if key != "message"}
        | {"from": OLGA, "inline_message_id": "1"},
    ]
