"""Each answer of the Bot API tells what time it is there."""

import asyncio

import pytest

from bot import lean

lean.load()

from aiogram import Bot  # noqa: E402
from aiogram.client.telegram import TelegramAPIServer  # noqa: E402

from bot.dated_session import DatedSession, date_of  # noqa: E402
from tests.support.telegram_sandbox import TelegramSandbox  # noqa: E402
from wallet.bootstrap.world import SystemClock  # noqa: E402
from wallet.safety.clock_guard import ClockGuard  # noqa: E402


async def test_the_date_of_an_answer_settles_a_doubt(sandbox: TelegramSandbox) -> None:
    heard: list[int] = []
    session = DatedSession(heard.append, api=TelegramAPIServer.from_base(sandbox.api), timeout=15)
    bot = Bot(sandbox.token, session=session)
    clock = SystemClock()
    try:
        async with asyncio.timeout(10):
            await bot.get_me()
            await bot.get_me()
    finally:
        await session.close()
    assert len(heard) == 2
    guard = ClockGuard(clock)
    guard.doubt("a test")
    guard.hear(heard[-1], "Telegram")
    assert guard.is_trusted


@pytest.mark.parametrize(
    ("header", "at"),
    [
        ("Fri, 27 Nov 2026 02:00:00 GMT", 1_795_744_800_000),
        ("yesterday", None),
        ("", None),
        (None, None),
        ("Fri, 99 Nov 2026 02:00:00 GMT", None),
    ],
)
def test_only_a_date_is_a_date(header: str | None, at: int | None) -> None:
    assert date_of(header) == at
