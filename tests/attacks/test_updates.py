"""Whose updates count: as Telegram would send them, at the gate of the bot."""

from typing import Any

import pytest

from bot import lean

lean.load()

from aiogram.types import Update  # noqa: E402

from bot.access import Rule, caller_of, caller_of_raw  # noqa: E402
from tests.attacks.catalogue import scenario  # noqa: E402
from wallet.domain.owner import Owner  # noqa: E402

OWNER, GROUP, STRANGER = 7, -100_123, 8
RULE = Rule(Owner(OWNER, OWNER, "Olga", None, 1, {}), pairing=True)
OLGA = {"id": OWNER, "is_bot": False, "first_name": "Olga"}
MALLORY = {"id": STRANGER, "is_bot": False, "first_name": "Mallory"}


def message(**changes: Any) -> dict[str, Any]:
    chat = {"id": OWNER, "type": "private", "first_name": "Olga"}
    body = {"message_id": 1, "date": 1, "from": OLGA, "chat": chat, "text": "/killswitch"}
    return body | changes


def tap(by: dict[str, Any], on: dict[str, Any]) -> dict[str, Any]:
    return {"id": "1", "from": by, "chat_instance": "1", "data": "a:x", "message": on}


GROUP_CHAT = {"id": GROUP, "type": "supergroup", "title": "All"}
FORWARDED = {"type": "user", "date": 1, "sender_user": MALLORY}


@scenario("TG-g", "TG-a")
@pytest.mark.parametrize(
    "update",
    [
        {"message": message(chat=GROUP_CHAT)},
        {"message": message(**{"from": MALLORY})},
        {"message": message(forward_origin=FORWARDED)},
        {"message": message(forward_origin={"type": "hidden_user", "date": 1, "sender_user_name": "x"})},
        {"edited_message": message()},
        {"channel_post": message(chat=GROUP_CHAT)},
        {"callback_query": tap(MALLORY, message())},
        {"callback_query": tap(OLGA, message(chat=GROUP_CHAT))},
        {"callback_query": tap(MALLORY, message(chat=GROUP_CHAT))},
        {"my_chat_member": {}},
        {},
    ],
)  # fmt: skip
def test_only_the_owners_own_words_in_his_private_chat_come_in(update: dict[str, Any]) -> None:
    assert not RULE.admits(caller_of_raw({"update_id": 1, **update}))
    if "my_chat_member" not in update:
        assert not RULE.admits(caller_of(Update.model_validate({"update_id": 1, **update})))


@scenario("TG-g")
@pytest.mark.parametrize(
    "update", [{"message": message()}, {"callback_query": tap(OLGA, message())}]
)
def test_the_owner_himself_comes_in(update: dict[str, Any]) -> None:
    assert RULE.admits(caller_of_raw({"update_id": 1, **update}))
    assert RULE.admits(caller_of(Update.model_validate({"update_id": 1, **update})))
