"""Bot API calls of which only what is needed is read, so that an odd answer never repeats a sent message."""

from typing import Any, Final

from aiogram.methods import EditMessageText, GetUpdates, SendMessage

ALLOWED_UPDATES: Final = ["message", "callback_query"]


class RawUpdates(GetUpdates):
    """getUpdates, each update as Telegram wrote it: one that cannot be read spoils no other."""

    __returning__ = list[dict[str, Any]]


class Say(SendMessage):
    """sendMessage, answered by the message as a mapping."""

    __returning__ = dict[str, Any]


class Rewrite(EditMessageText):
    """editMessageText, answered by the message as a mapping."""

    __returning__ = dict[str, Any]
