"""Only the owner in his private chat comes in, and whoever sends a pairing code while one waits."""

from typing import Any

import pytest

from bot import lean

lean.load()

from aiogram.types import Update  # noqa: E402

from bot.access import Rule, caller_of, caller_of_raw  # noqa: E402
from wallet.domain.owner import Owner  # noqa: E402

OLGA = Owner(7, 7, "Olga", None, 0, {})


def message(user: int, chat: int, kind: str, text: str) -> dict[str, Any]:
    return {
        "update_id": 1,
        "message": {
            "message_id": 1, "date": 1, "text": text, "chat": {"id": chat, "type": kind},
            "from": {"id": user, "is_bot": False, "first_name": "X"},
        },
    }  # fmt: skip


def tap(user: int, chat: int) -> dict[str, Any]:
    inner = message(99, chat, "private", "a card")["message"]
    sender = {"id": user, "is_bot": False, "first_name": "X"}
    query = {"id": "1", "from": sender, "chat_instance": "1", "data": "a:x", "message": inner}
    return {"update_id": 1, "callback_query": query}


CASES = [
    (message(7, 7, "private", "/status"), True, True),
    (message(8, 8, "private", "/status"), False, False),
    (message(7, -5, "group", "/status"), False, False),
    (message(7, 7, "channel", "/status"), False, False),
    (tap(7, 7), True, True),
    (tap(8, 8), False, False),
    (tap(8, 7), False, False),
    (message(8, 8, "private", "/start 0123456789"), False, True),
    (message(8, -8, "group", "/start 0123456789"), False, False),
    (message(8, 8, "private", "/start"), False, False),
    (message(8, 8, "private", "/start 0123456789 and more"), False, False),
]


@pytest.mark.parametrize(("update", "paired", "pairing"), CASES)
def test_who_comes_in(update: dict[str, Any], paired: bool, pairing: bool) -> None:
    for caller in (caller_of_raw(update), caller_of(Update.model_validate(update))):
        assert Rule(OLGA, pairing=False).admits(caller) is paired
        assert Rule(OLGA, pairing=True).admits(caller) is pairing


def test_before_there_is_an_owner_anybody_may_say_start_and_nothing_else() -> None:
    rule = Rule(None, pairing=False)

    assert rule.admits(caller_of_raw(message(8, 8, "private", "/start")))
    assert not rule.admits(caller_of_raw(message(8, 8, "private", "/killswitch")))
    assert not rule.admits(caller_of_raw(tap(8, 8)))


@pytest.mark.parametrize(
    "update",
    [
        {},
        {"message": None},
        {"message": {"chat": {}}},
        {"callback_query": {"from": {"id": 7}, "inline_message_id": "1"}},
        {"edited_message": message(7, 7, "private", "x")["message"]},
        {"message": {"chat": {"id": 7, "type": "private"}, "from": {"id": "seven"}}},
    ],
)
def test_what_is_nothing_we_asked_for_has_no_caller(update: dict[str, Any]) -> None:
    assert caller_of_raw(update) is None
