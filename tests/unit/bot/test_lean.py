"""The lean import changes speed and memory, never what a call or an update means."""

import json
import subprocess
import sys

PROBE = """
import json, sys
from bot import lean
lean_import = lean.load(plain=sys.argv[1] == "plain")
from aiogram import types
from aiogram.methods import (
    AnswerCallbackQuery, DeleteMessage, DeleteWebhook, EditMessageReplyMarkup, GetMe, GetWebhookInfo,
    SendMessage, SetMyCommands,
)
from aiogram.methods.base import Response
from bot.calls import RawUpdates, Rewrite, Say

user = {"id": 7, "is_bot": False, "first_name": "Olga"}
chat = {"id": 7, "type": "private", "first_name": "Olga"}
message = {"message_id": 1, "date": 1, "chat": chat, "from": user, "text": "/start ABC",
           "entities": [{"type": "bot_command", "offset": 0, "length": 6}]}
old = {"message_id": 1, "date": 0, "chat": chat}
updates = [
    {"update_id": 1, "message": message},
    {"update_id": 2, "callback_query": {"id": "9", "from": user, "chat_instance": "1", "data": "a:x", "message": message}},
    {"update_id": 3, "callback_query": {"id": "9", "from": user, "chat_instance": "1", "data": "a:x", "message": old}},
]
read = [types.Update.model_validate(one) for one in updates]
markup = types.InlineKeyboardMarkup(inline_keyboard=[[types.InlineKeyboardButton(text="Approve", callback_data="a:x", style="success")]])
plain = {"text": "hi", "entities": [types.MessageEntity(type="bold", offset=0, length=2)],
         "link_preview_options": types.LinkPreviewOptions(is_disabled=True), "parse_mode": None}
calls = [
    Say(chat_id=7, reply_markup=markup, **plain),
    Rewrite(chat_id=7, message_id=1, reply_markup=markup, **plain),
    SendMessage(chat_id=7, **plain),
    RawUpdates(offset=1, timeout=25, allowed_updates=["message"]),
    AnswerCallbackQuery(callback_query_id="9", text="x", show_alert=True),
    EditMessageReplyMarkup(chat_id=7, message_id=1, reply_markup=None),
    DeleteMessage(chat_id=7, message_id=1),
    DeleteWebhook(drop_pending_updates=False),
    SetMyCommands(commands=[types.BotCommand(command="a", description="b")]),
]
answers = [
    (Say, message), (SendMessage, message), (RawUpdates, updates), (AnswerCallbackQuery, True),
    (EditMessageReplyMarkup, message), (GetMe, {**user, "username": "b"}),
    (GetWebhookInfo, {"url": "", "has_custom_certificate": False, "pending_update_count": 0}),
    (SetMyCommands, True),
]
got = [Response[call.__returning__].model_validate({"ok": True, "result": result}).result for call, result in answers]
json.dump({
    "lean": lean_import,
    "updates": [one.model_dump(mode="json", exclude_none=True) for one in read],
    "kinds": [[type(one.event).__name__, type(getattr(one.event, "message", None)).__name__] for one in read],
    "calls": [json.loads(json.dumps(call.model_dump(exclude_none=True, warnings=False), default=repr)) for call in calls],
    "answers": [one.model_dump(mode="json", exclude_none=True) if hasattr(one, "model_dump") else one for one in got],
}, sys.stdout)
"""


def probe(mode: str) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-c", PROBE, mode], check=True, capture_output=True, text=True
    )
    return dict(json.loads(done.stdout))


def test_every_call_and_update_we_use_means_the_same_under_the_lean_import() -> None:
    lean, plain = probe("lean"), probe("plain")

    assert (lean.pop("lean"), plain.pop("lean")) == (True, False)
    assert lean == plain
