"""The one gate: only the paired owner in his private chat comes in; everybody else gets nothing at all.

The exception is the door to pairing: /start in a private chat, while there is no owner or a code waits.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiogram import BaseMiddleware
from aiogram.types import TelegramObject, Update

from bot.doors import Desk
from wallet.domain.owner import Owner

START: Final = re.compile(r"/start(?:@\w+)?(?:\s+(?P<code>[0-9A-Za-z-]{10,14}))?\s*")
WAITING: Final = ("WAITING", "CANDIDATE")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who wrote or tapped, and where. ``text`` is empty for taps."""

    user_id: int
    chat_id: int
    is_private: bool
    text: str


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may enter now. ``pairing`` says whether a pairing code waits to be sent."""

    owner: Owner | None
    pairing: bool

    def admits(self, caller: Caller | None) -> bool:
        if caller is None or not caller.is_private:
            return False
        if self.is_owner(caller):
            return True
        start = START.fullmatch(caller.text)
        return start is not None and (self.owner is None or (self.pairing and bool(start["code"])))

    def is_owner(self, caller: Caller) -> bool:
        owner = self.owner
        return owner is not None and (caller.user_id, caller.chat_id) == (
            owner.user_id,
            owner.chat_id,
        )


async def present_rule(desk: Desk) -> Rule:
    owner = await desk.owner_desk.owner()
    status = await desk.owner_desk.pairing_status()
    return Rule(owner, str(status["state"]) in WAITING)


def caller_of_raw(update: Mapping[str, Any]) -> Caller | None:
    """The caller of an update as Telegram wrote it; None where it is nothing we asked for."""
    query: Any = update.get("callback_query")
    tapped = isinstance(query, Mapping)
    source: Any = query if tapped else update.get("message")
    message: Any = query.get("message") if tapped else source
    if not isinstance(source, Mapping) or not isinstance(message, Mapping):
        return None
    if not tapped and "forward_origin" in message:
        return None  # somebody else's words: the owner only passed them on
    try:
        chat = message["chat"]
        text = "" if tapped else str(message.get("text") or "")
        return Caller(int(source["from"]["id"]), int(chat["id"]), chat["type"] == "private", text)
    except (KeyError, TypeError, ValueError):
        return None


def caller_of(update: Update) -> Caller | None:
    query = update.callback_query
    message = update.message if query is None else query.message
    user = query.from_user if query is not None else update.message and update.message.from_user
    if message is None or not user:
        return None
    if update.message is not None and update.message.forward_origin is not None:
        return None
    text = update.message.text if update.message is not None else None
    return Caller(user.id, message.chat.id, message.chat.type == "private", text or "")


class Gate(BaseMiddleware):
    """An outer middleware on every update."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def __call__(
        self,
        handler: Callable[[TelegramObject, dict[str, Any]], Awaitable[Any]],
        event: TelegramObject,
        data: dict[str, Any],
    ) -> Any:
        caller = caller_of(event) if isinstance(event, Update) else None
        rule = await present_rule(self._desk)
        if caller is None or not rule.admits(caller):
            return None
        data["is_owner"] = rule.is_owner(caller)
        return await handler(event, data)
