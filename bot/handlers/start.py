"""/start and /help: pairing by code, a greeting, what the bot does."""

from aiogram import Router
from aiogram.filters import Command
from aiogram.types import Message

from bot import texts, views, wording
from bot.access import START
from bot.doors import Desk
from bot.handlers.replies import reply


async def start(message: Message, desk: Desk, *, is_owner: bool) -> None:
    found = START.fullmatch(message.text or "")
    code = found["code"] if found else None
    if code is None or message.from_user is None:
        await reply(message, texts.WELCOME if is_owner else texts.UNPAIRED)
        return
    user = message.from_user
    stored = await desk.owner_desk.offer_pairing(
        code, user.id, message.chat.id, wording.clean(user.full_name)[:64], user.username
    )
    await reply(message, texts.PAIRING_STORED if stored else texts.PAIRING_REFUSED)


async def say_help(message: Message) -> None:
    await reply(message, views.help_text())


def router() -> Router:
    made = Router(name="start")
    made.message.register(start, Command("start"))
    made.message.register(say_help, Command("help"))
    return made
