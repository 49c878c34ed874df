"""/sessions and /revoke: who may ask for payments, and ending that."""

from typing import Final

from aiogram import Router
from aiogram.filters import Command
from aiogram.types import Message
from aiogram.utils.formatting import Bold

from bot import keyboards, texts, views, wording
from bot.doors import Desk
from bot.handlers.replies import reply
from wallet.domain.sessions import Session

OFFERED: Final = 5


async def _live(desk: Desk) -> list[Session]:
    now = desk.clock.now()
    return [row for row in await desk.sessions.list(None) if views.is_live(row, now)]


async def sessions(message: Message, desk: Desk) -> None:
    await reply(message, views.sessions(await _live(desk), desk.clock.now(), desk.networks))


async def revoke(message: Message, desk: Desk) -> None:
    live = await _live(desk)
    if not live:
        await reply(message, texts.REVOKE_NONE)
    for row in live[:OFFERED]:
        buttons = await desk.console.offer_revoke(message.chat.id, row.id)
        lines = views.session_lines(row, desk.clock.now(), desk.networks)
        shown = wording.joined([Bold(texts.REVOKE_OFFER), "", *lines])
        sent = await reply(message, shown, keyboards.keyboard([[button] for button in buttons]))
        await desk.console.bind(buttons, sent.message_id, sent.text or "")
    if len(live) > OFFERED:
        await reply(message, texts.REVOKE_MORE.format(more=len(live) - OFFERED))


def router() -> Router:
    made = Router(name="sessions")
    made.message.register(sessions, Command("sessions"))
    made.message.register(revoke, Command("revoke"))
    return made
