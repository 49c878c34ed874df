"""The last router: old buttons and unknown words get an answer too."""

from aiogram import Router
from aiogram.types import CallbackQuery, Message

from bot import texts
from bot.handlers.replies import reply, toast
from wallet.operations.taps import AnswerKind


async def old_button(query: CallbackQuery) -> None:
    await toast(query, texts.ANSWERS[AnswerKind.OUT_OF_DATE])


async def unknown(message: Message) -> None:
    await reply(message, texts.UNKNOWN)


def router() -> Router:
    made = Router(name="fallback")
    made.callback_query.register(old_button)
    made.message.register(unknown)
    return made
