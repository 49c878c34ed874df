"""A local Telegram for each test, and the owner in his chat with the bot."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.console_chat import Chat, chatting
from tests.support.telegram_sandbox import TelegramSandbox, telegram_sandbox


@pytest.fixture
def sandbox() -> Iterator[TelegramSandbox]:
    with telegram_sandbox() as made:
        yield made


@pytest.fixture
async def chat(tmp_path: Path, sandbox: TelegramSandbox) -> AsyncIterator[Chat]:
    async with chatting(tmp_path, sandbox) as made:
        yield made
