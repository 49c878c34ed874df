"""/killswitch: offers the stop, one tap away."""

from aiogram import Router
from aiogram.filters import Command
from aiogram.types import Message
from aiogram.utils.formatting import Bold

from bot import keyboards, texts, views
from bot.doors import Desk
from bot.handlers.replies import reply


async def killswitch(message: Message, desk: Desk) -> None:
    buttons = await desk.console.offer_kill(message.chat.id)
    shown = views.joined([Bold(texts.KILL_OFFER), "", texts.KILL_MEANS])
    sent = await reply(message, shown, keyboards.keyboard([[button] for button in buttons]))
    await desk.console.bind(buttons, sent.message_id, sent.text or "")


def router() -> Router:
    made = Router(name="safety")
    made.message.register(killswitch, Command("killswitch"))
    return made
