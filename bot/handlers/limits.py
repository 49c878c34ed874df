"""/limits: the rules in force, read-only."""

from collections.abc import Sequence
from typing import Any

from aiogram import Router
from aiogram.filters import Command
from aiogram.types import Message

from bot import views
from bot.doors import Desk
from bot.handlers.replies import reply


def shown(line: Any) -> tuple[str, Sequence[str]]:
    """A rule as a headline and its sentences."""
    wallet = getattr(line.wallet, "name", line.wallet) or "every wallet"
    return f"{line.rule_type} · {wallet}", line.lines


async def limits(message: Message, desk: Desk) -> None:
    await reply(message, views.limits([shown(line) for line in await desk.queries.limits()]))


def router() -> Router:
    made = Router(name="limits")
    made.message.register(limits, Command("limits"))
    return made
