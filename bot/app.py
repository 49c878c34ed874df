"""The bot, put together: routers in order, one gate, one error handler, our own poller."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from aiogram import Bot, Dispatcher
from aiogram.client.telegram import PRODUCTION, TelegramAPIServer
from aiogram.dispatcher.event.bases import UNHANDLED
from aiogram.types import ErrorEvent, Update
from aiogram.utils.token import TokenValidationError

from bot import texts
from bot.access import Gate
from bot.dated_session import DatedSession
from bot.doors import Desk
from bot.errors import sentence, whereabouts
from bot.handlers import approvals, fallback, limits, pending, safety, sessions, start, status
from bot.handlers.replies import quietly, reply, toast
from bot.notifier import TelegramChannel
from bot.poller import PASSING, BotStatus, Pace, Poller
from wallet.errors import Code, InputError, WalletError

_log = logging.getLogger("waiaas.bot")
HANDLERS = (start, status, pending, limits, sessions, safety, approvals, fallback)


@dataclass(frozen=True, slots=True)
class BotApp:
    """A bot that is ready to run. ``channel`` is where the outbox delivers."""

    bot: Bot
    channel: TelegramChannel
    poller: Poller

    @property
    def status(self) -> BotStatus:
        return self.poller.status

    async def run(self, stopping: asyncio.Event) -> None:
        """Poll and handle until ``stopping`` is set, then close the connections."""
        try:
            await self.poller.run(stopping)
        finally:
            await self.channel.close()


def build(
    token: str,
    base_url: str | None,
    desk: Desk,
    *,
    pace: Pace | None = None,
    heard: Callable[[int], None] | None = None,
) -> BotApp:
    """A bot against ``base_url`` (None: Telegram itself). Raises InputError for a malformed token.

    ``heard`` is told what Telegram says that the time is, in epoch ms, with each of its answers.
    """
    server = PRODUCTION if base_url is None else TelegramAPIServer.from_base(base_url)
    try:
        session = DatedSession(heard or _nobody, api=server, timeout=15)
        bot = Bot(token, session=session)
    except TokenValidationError:
        raise InputError(Code.CONFIG_ERROR, "The Telegram bot token is malformed.") from None
    dispatcher = Dispatcher(disable_fsm=True)
    poller = Poller(bot, dispatcher, desk, pace=pace)
    dispatcher["desk"] = desk
    dispatcher["bot_status"] = poller.status
    dispatcher.update.outer_middleware(Gate(desk))
    dispatcher.error.register(refused)
    for module in HANDLERS:
        dispatcher.include_router(module.router())
    return BotApp(bot, TelegramChannel(bot), poller)


def _nobody(_at: int) -> None:
    """Nobody asks what time it is."""


async def refused(event: ErrorEvent) -> Any:
    """Say an expected refusal; note anything else and let the poller count it."""
    error = event.exception
    if isinstance(error, WalletError):
        await _tell(event.update, sentence(error))
        return None
    if not isinstance(error, PASSING):
        _log.error("handling failed: %s", whereabouts(error))
        await _tell(event.update, texts.BROKEN)
    return UNHANDLED


async def _tell(update: Update, text: str) -> None:
    with suppress(Exception):  # the failure that is being told of matters more
        if update.callback_query is not None:
            await toast(update.callback_query, text, alert=True)
        elif update.message is not None:
            await quietly(reply(update.message, text))
