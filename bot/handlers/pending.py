"""/pending: payments that wait for the owner or for time."""

from aiogram import Router
from aiogram.filters import Command
from aiogram.types import Message

from bot import views
from bot.doors import Desk
from bot.handlers.replies import reply


async def pending(message: Message, desk: Desk) -> None:
    await reply(message, views.pending(await desk.queries.pending(), desk.networks))


def router() -> Router:
    made = Router(name="pending")
    made.message.register(pending, Command("pending"))
    return made
