"""/status: balances, the stop state, what waits."""

from aiogram import Router
from aiogram.filters import Command
from aiogram.types import Message

from bot import views
from bot.doors import Desk
from bot.handlers.replies import reply
from bot.poller import BotStatus


async def status(message: Message, desk: Desk, bot_status: BotStatus) -> None:
    view = await desk.queries.status()
    await reply(message, views.status(view, bot_status.as_dict(), desk.networks))


def router() -> Router:
    made = Router(name="status")
    made.message.register(status, Command("status"))
    return made
