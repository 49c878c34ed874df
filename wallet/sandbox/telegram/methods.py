"""The methods of the Bot API that the stand-in knows, with Telegram's refusals."""

import re
import secrets
import struct
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from wallet.sandbox.telegram.markup import MarkupError, parse_html, read_keyboard, trim, units
from wallet.sandbox.telegram.params import Params, Upload
from wallet.sandbox.telegram.state import Telegram
from wallet.sandbox.telegram.values import (
    Draft,
    Json,
    Message,
    Photo,
    RefusedError,
    User,
    bad_request,
)

TEXT_UNITS: Final = 4096
CAPTION_UNITS: Final = 1024
ANSWER_CHARACTERS: Final = 200
DESCRIPTION_CHARACTERS: Final = 256
COMMAND: Final = re.compile("[a-z0-9_]{1,32}")
PNG_SIZE: Final = slice(16, 24)
JPEG_MARKER: Final = 0xFF
JPEG_FRAMES: Final = frozenset({0xC0, 0xC1, 0xC2})

Method = Callable[[Telegram, Params], Any]


# ---- what is shared by several methods


def _chat(telegram: Telegram, params: Params) -> User:
    given = params.text("chat_id")
    if not given:
        raise bad_request("chat_id is empty")
    person = telegram.person(int(given)) if given.removeprefix("-").isdecimal() else None
    if person is None or person.id not in telegram.open_chats:
        raise bad_request("chat not found")
    return person


def _styled(params: Params, name: str) -> tuple[str, tuple[Json, ...]]:
    """Plain text and entities of the parameter `name`."""
    mode = params.text("parse_mode").lower()
    if mode not in {"", "html"}:
        raise bad_request("unsupported parse_mode")
    try:
        if mode == "html":
            text, entities = parse_html(params.text(name))
        else:
            given = params.parsed("caption_entities" if name == "caption" else "entities")
            text, entities = trim(params.text(name), given or [])
    except MarkupError as error:
        raise bad_request(str(error)) from error
    return text, tuple(entities)


def _message_text(params: Params) -> tuple[str, tuple[Json, ...]]:
    text, entities = _styled(params, "text")
    if not text:
        raise bad_request("message text is empty")
    if units(text) > TEXT_UNITS:
        raise bad_request("message is too long")
    return text, entities


def _caption(params: Params) -> tuple[str, tuple[Json, ...]]:
    text, entities = _styled(params, "caption")
    if units(text) > CAPTION_UNITS:
        raise bad_request("message caption is too long")
    return text, entities


def _keyboard(params: Params) -> list[list[Json]]:
    try:
        return read_keyboard(params.values.get("reply_markup"))
    except MarkupError as error:
        raise bad_request(str(error)) from error


def _reply_to(telegram: Telegram, params: Params, chat: User) -> int | None:
    given = params.parsed("reply_parameters") or {}
    number = int(given.get("message_id") or params.number("reply_to_message_id"))
    if not number:
        return None
    message = telegram.messages.get(number)
    if message is not None and message.chat.id == chat.id:
        return number
    if given.get("allow_sending_without_reply") or params.flag("allow_sending_without_reply"):
        return None
    raise bad_request("message to be replied not found")


def _editable(telegram: Telegram, params: Params) -> Message:
    if params.text("inline_message_id"):
        raise bad_request("MESSAGE_ID_INVALID")
    chat = _chat(telegram, params)
    message = telegram.messages.get(params.number("message_id"))
    if message is None or message.chat.id != chat.id:
        raise bad_request("message to edit not found")
    if message.sender != "bot":
        raise bad_request("message can't be edited")
    return message


def _edit(telegram: Telegram, message: Message, draft: Draft) -> Json:
    if draft == message.draft:
        raise bad_request(
            "message is not modified: specified new message content and reply markup are exactly "
            "the same as a current content and reply markup of the message"
        )
    return telegram.as_json(telegram.edit(message, draft))


def unknown_method(_: Telegram, __: Params) -> None:
    raise RefusedError(404, "Not Found")


# ---- the bot itself


def get_me(telegram: Telegram, _: Params) -> Json:
    abilities = {
        "can_join_groups": True,
        "can_read_all_group_messages": False,
        "supports_inline_queries": False,
        "can_connect_to_business": False,
        "has_main_web_app": False,
    }
    return {**telegram.bot.as_json(), **abilities}


def _scope(telegram: Telegram, params: Params) -> tuple[str, str]:
    scope = params.parsed("scope") or {"type": "default"}
    kind = str(scope.get("type"))
    if kind == "chat":
        kind = f"chat:{_chat(telegram, Params(scope)).id}"
    return kind, params.text("language_code")


def set_my_commands(telegram: Telegram, params: Params) -> bool:
    commands = params.parsed("commands") or []
    for command in commands:
        name, description = str(command.get("command", "")), str(command.get("description", ""))
        name = name.removeprefix("/")
        if not COMMAND.fullmatch(name):
            raise bad_request("BOT_COMMAND_INVALID")
        if not 1 <= len(description) <= DESCRIPTION_CHARACTERS:
            raise bad_request("BOT_COMMAND_DESCRIPTION_INVALID")
        command["command"] = name
    telegram.commands[_scope(telegram, params)] = commands
    telegram.tell_all("info", {})
    return True


def get_my_commands(telegram: Telegram, params: Params) -> list[Json]:
    return telegram.commands.get(_scope(telegram, params), [])


def delete_my_commands(telegram: Telegram, params: Params) -> bool:
    telegram.commands.pop(_scope(telegram, params), None)
    telegram.tell_all("info", {})
    return True


def _about(name: str) -> Method:
    def change(telegram: Telegram, params: Params) -> bool:
        telegram.about[name] = params.text(name)
        telegram.tell_all("info", {})
        return True

    return change


# ---- updates


def get_webhook_info(telegram: Telegram, _: Params) -> Json:
    pending = len(telegram.updates)
    return {
        "url": telegram.webhook,
        "has_custom_certificate": False,
        "pending_update_count": pending,
    }


def set_webhook(telegram: Telegram, params: Params) -> bool:
    url = params.text("url")
    if url and not url.startswith("https://"):
        raise bad_request("bad webhook: An HTTPS URL must be provided for webhook")
    telegram.webhook = url
    _forget_updates(telegram, params)
    return True


def delete_webhook(telegram: Telegram, params: Params) -> bool:
    telegram.webhook = ""
    _forget_updates(telegram, params)
    return True


def _forget_updates(telegram: Telegram, params: Params) -> None:
    if params.flag("drop_pending_updates"):
        telegram.updates.clear()


# ---- messages


def send_message(telegram: Telegram, params: Params) -> Json:
    chat = _chat(telegram, params)
    text, entities = _message_text(params)
    draft = Draft(
        text=text,
        entities=entities,
        keyboard=_keyboard(params),
        reply_to=_reply_to(telegram, params, chat),
    )
    return telegram.as_json(telegram.post(chat, "bot", draft))


def send_photo(telegram: Telegram, params: Params) -> Json:
    chat = _chat(telegram, params)
    text, entities = _caption(params)
    draft = Draft(
        text=text,
        entities=entities,
        keyboard=_keyboard(params),
        photo=_photo(telegram, params),
        reply_to=_reply_to(telegram, params, chat),
    )
    return telegram.as_json(telegram.post(chat, "bot", draft))


def _photo(telegram: Telegram, params: Params) -> Photo:
    upload = params.upload("photo")
    if upload is None:
        known = telegram.photos.get(params.text("photo"))
        if known is None:
            raise bad_request("there is no photo in the request")
        return known
    media_type, width, height = _measure(upload)
    photo = Photo(secrets.token_urlsafe(24), upload.content, media_type, width, height)
    telegram.photos[photo.file_id] = photo
    return photo


def _measure(upload: Upload) -> tuple[str, int, int]:
    """Media type, width and height in pixels of a PNG or JPEG picture."""
    content = upload.content
    if content.startswith(b"\x89PNG\r\n\x1a\n") and len(content) > PNG_SIZE.stop:
        width, height = struct.unpack(">II", content[PNG_SIZE])
        return "image/png", width, height
    position = 2 if content.startswith(b"\xff\xd8") else len(content)
    while position + 9 <= len(content) and content[position] == JPEG_MARKER:
        if content[position + 1] in JPEG_FRAMES:
            height, width = struct.unpack(">HH", content[position + 5 : position + 9])
            return "image/jpeg", width, height
        position += 2 + int.from_bytes(content[position + 2 : position + 4], "big")
    raise bad_request("IMAGE_PROCESS_FAILED")


def edit_message_text(telegram: Telegram, params: Params) -> Json:
    message = _editable(telegram, params)
    if message.draft.photo is not None:
        raise bad_request("there is no text in the message to edit")
    text, entities = _message_text(params)
    draft = replace(message.draft, text=text, entities=entities, keyboard=_keyboard(params))
    return _edit(telegram, message, draft)


def edit_message_caption(telegram: Telegram, params: Params) -> Json:
    message = _editable(telegram, params)
    if message.draft.photo is None:
        raise bad_request("there is no caption in the message to edit")
    text, entities = _caption(params)
    draft = replace(message.draft, text=text, entities=entities, keyboard=_keyboard(params))
    return _edit(telegram, message, draft)


def edit_message_reply_markup(telegram: Telegram, params: Params) -> Json:
    message = _editable(telegram, params)
    return _edit(telegram, message, replace(message.draft, keyboard=_keyboard(params)))


def delete_message(telegram: Telegram, params: Params) -> bool:
    chat = _chat(telegram, params)
    message = telegram.messages.get(params.number("message_id"))
    if message is None or message.chat.id != chat.id:
        raise bad_request("message to delete not found")
    telegram.delete(message)
    return True


def answer_callback_query(telegram: Telegram, params: Params) -> bool:
    text = params.text("text")
    if len(text) > ANSWER_CHARACTERS:
        raise bad_request("MESSAGE_TOO_LONG")
    answer = {"answer": text or None, "alert": params.flag("show_alert")}
    telegram.answer(params.text("callback_query_id"), answer)
    return True


# ---- chats


def send_chat_action(telegram: Telegram, params: Params) -> bool:
    chat = _chat(telegram, params)
    action = params.text("action")
    if not action:
        raise bad_request("wrong parameter action in request")
    telegram.typing(chat.id, action)
    return True


def get_chat(telegram: Telegram, params: Params) -> Json:
    gifts = (
        "unlimited_gifts",
        "limited_gifts",
        "unique_gifts",
        "premium_subscription",
        "gifts_from_channels",
    )
    return {
        **_chat(telegram, params).as_chat(),
        "accent_color_id": 0,
        "max_reaction_count": 11,
        "accepted_gift_types": dict.fromkeys(gifts, False),
    }


# getUpdates waits, so the server answers it itself.
METHODS: Final[dict[str, Method]] = {
    "getme": get_me,
    "setmycommands": set_my_commands,
    "getmycommands": get_my_commands,
    "deletemycommands": delete_my_commands,
    "setmydescription": _about("description"),
    "setmyshortdescription": _about("short_description"),
    "getwebhookinfo": get_webhook_info,
    "setwebhook": set_webhook,
    "deletewebhook": delete_webhook,
    "sendmessage": send_message,
    "sendphoto": send_photo,
    "editmessagetext": edit_message_text,
    "editmessagecaption": edit_message_caption,
    "editmessagereplymarkup": edit_message_reply_markup,
    "deletemessage": delete_message,
    "answercallbackquery": answer_callback_query,
    "sendchataction": send_chat_action,
    "getchat": get_chat,
}
