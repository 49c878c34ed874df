"""Answering in the chat."""

import logging
from typing import Any

from aiogram.exceptions import AiogramError
from aiogram.types import CallbackQuery, InlineKeyboardMarkup, LinkPreviewOptions, Message
from aiogram.utils.formatting import Text

from bot.errors import boxed, whereabouts

_log = logging.getLogger("waiaas.bot")


async def reply(
    message: Message, shown: Text | str, markup: InlineKeyboardMarkup | None = None
) -> Message:
    """Send a message to the chat; raises what Telegram raises, and the update is taken up again."""
    text, entities = (shown, None) if isinstance(shown, str) else shown.render()
    return await message.answer(
        text,
        entities=entities,
        parse_mode=None,
        reply_markup=markup,
        link_preview_options=LinkPreviewOptions(is_disabled=True),
    )


async def toast(query: CallbackQuery, text: str, *, alert: bool = False) -> None:
    """Answer a tap. The act is done by then, so an answer that cannot be given is no failure."""
    await quietly(query.answer(boxed(text), show_alert=alert))


async def quietly(call: Any) -> None:
    """Await a call of the Bot API whose failure changes nothing."""
    try:
        await call
    except AiogramError as error:
        _log.info("Telegram did not take an answer: %s", whereabouts(error))
