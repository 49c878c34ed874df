"""The last router: old buttons and unknown words get an answer too."""

from aiogram import Bot, Router
from aiogram.types import CallbackQuery, Message

from bot import texts
from bot.doors import Desk
from bot.handlers.approvals import press
from bot.handlers.replies import reply


async def old_button(query: CallbackQuery, desk: Desk, bot: Bot) -> None:
    """What it carries is no handle of ours: judged as one that nobody knows."""
    await press(query, query.data or "", desk, bot)


async def unknown(message: Message) -> None:
    await reply(message, texts.UNKNOWN)


def router() -> Router:
    made = Router(name="fallback")
    made.callback_query.register(old_button)
    made.message.register(unknown)
    return made
