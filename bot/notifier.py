"""The owner's channel over Telegram: sends cards, edits them in place, says alerts."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from aiogram import Bot
from aiogram.exceptions import AiogramError, TelegramBadRequest, TelegramRetryAfter
from aiogram.types import InlineKeyboardMarkup, LinkPreviewOptions, MessageEntity
from aiogram.utils.formatting import Text

from bot import cards, keyboards, views
from bot.calls import Rewrite, Say
from wallet.domain.console import Alert, Card
from wallet.ports.owner_channel import Button, CardView, ChannelError

SECONDS: Final = 10
UNCHANGED: Final = "message is not modified"
GONE: Final = ("message to edit not found", "message can't be edited", "MESSAGE_ID_INVALID")


class TelegramChannel:
    """OwnerChannel over one bot. Formatting is sent as entities, so a text is what we rendered, always."""

    def __init__(self, bot: Bot) -> None:
        self._bot = bot
        self._busy = 0
        self._idle = asyncio.Event()
        self._closed = False

    async def close(self) -> None:
        """Let calls under way end (at most 10 seconds), refuse new ones, close the connections."""
        self._closed = True
        if self._busy:
            await self._idle.wait()
        await self._bot.session.close()

    def render(self, view: CardView) -> str:
        text, _ = cards.card(view).render()
        return text

    def render_alert(self, kind: str, facts: Mapping[str, str]) -> str:
        text, _ = views.alert(kind, facts).render()
        return text

    async def show(self, card: Card, view: CardView) -> int:
        shown = cards.card(view)
        markup = keyboards.keyboard(view.buttons)
        if card.message_id is None:
            return await self.send(card.chat_id, shown, markup)
        await self.edit(card.chat_id, card.message_id, shown, markup)
        return card.message_id

    async def say(self, chat_id: int, alert: Alert) -> int:
        return await self.send(chat_id, views.alert(alert.kind, alert.payload), None)

    async def retire(self, chat_id: int, message_id: int, view: CardView) -> None:
        await self.edit(chat_id, message_id, cards.copy(view), None)

    async def offer(
        self, chat_id: int, kind: str, facts: Mapping[str, str], buttons: Sequence[Button]
    ) -> int:
        markup = keyboards.keyboard([[button] for button in buttons])
        return await self.send(chat_id, views.alert(kind, facts), markup)

    async def send(self, chat_id: int, shown: Text, markup: InlineKeyboardMarkup | None) -> int:
        """Send a message; returns its id. Raises ChannelError."""
        text, entities = shown.render()
        call = Say(chat_id=chat_id, reply_markup=markup, **_plain(text, entities))
        try:
            answer = await self._call(call)
        except AiogramError as error:
            raise _failure(error) from None
        return int(answer["message_id"])

    async def edit(
        self, chat_id: int, message_id: int, shown: Text, markup: InlineKeyboardMarkup | None
    ) -> None:
        """Edit a message in place; without ``markup`` its buttons go. Raises ChannelError."""
        text, entities = shown.render()
        call = Rewrite(
            chat_id=chat_id, message_id=message_id, reply_markup=markup, **_plain(text, entities)
        )
        try:
            await self._call(call)
        except AiogramError as error:
            if UNCHANGED not in str(error):
                raise _failure(error) from None

    async def _call(self, call: Say | Rewrite) -> Any:
        if self._closed:
            raise ChannelError("the bot is stopping")
        self._busy += 1
        self._idle.clear()
        try:
            return await self._bot(call, request_timeout=SECONDS)
        finally:
            self._busy -= 1
            if not self._busy:
                self._idle.set()


def _plain(text: str, entities: list[MessageEntity]) -> dict[str, Any]:
    preview = LinkPreviewOptions(is_disabled=True)
    return {
        "text": text,
        "entities": entities,
        "link_preview_options": preview,
        "parse_mode": None,
    }


def _failure(error: AiogramError) -> ChannelError:
    """What happened, without the address of the call: it holds the bot's token."""
    if isinstance(error, TelegramRetryAfter):
        return ChannelError("told to wait", retry_after=error.retry_after)
    gone = isinstance(error, TelegramBadRequest) and any(known in str(error) for known in GONE)
    return ChannelError(type(error).__name__, gone=gone)
