"""/limits: the rules in force, and the changes that wait, each with a button to keep the rule as it is."""

from typing import Final

from aiogram import Router
from aiogram.filters import Command
from aiogram.types import Message

from bot import keyboards, texts, views
from bot.doors import Desk
from bot.handlers.replies import reply

OFFERED: Final = 5


async def limits(message: Message, desk: Desk) -> None:
    await reply(message, views.limits(await desk.queries.limits()))
    waiting = await desk.queries.waiting_rules()
    for line in waiting[:OFFERED]:
        buttons = await desk.console.offer_cancel_loosening(message.chat.id, line.id)
        shown = views.waiting_rule(line)
        sent = await reply(message, shown, keyboards.keyboard([[button] for button in buttons]))
        await desk.console.bind(buttons, sent.message_id, sent.text or "")
    if len(waiting) > OFFERED:
        await reply(message, texts.WAITING_RULES_MORE.format(more=len(waiting) - OFFERED))


def router() -> Router:
    made = Router(name="limits")
    made.message.register(limits, Command("limits"))
    return made
