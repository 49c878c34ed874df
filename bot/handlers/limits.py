"""/limits: the rules in force, read-only."""

from aiogram import Router
from aiogram.filters import Command
from aiogram.types import Message

from bot import views
from bot.doors import Desk
from bot.handlers.replies import reply


async def limits(message: Message, desk: Desk) -> None:
    await reply(message, views.limits(await desk.queries.limits()))


def router() -> Router:
    made = Router(name="limits")
    made.message.register(limits, Command("limits"))
    return made
