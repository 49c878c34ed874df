"""A house of its own for each test that moves time or reaches behind the doors."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.chat import Chat, chat_of
from tests.support.house import House, house


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[House]:
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    async with house(folder) as made:
        yield made


@pytest.fixture
async def chat(home: House) -> AsyncIterator[Chat]:
    """The owner's chat with that house."""
    async with chat_of(home) as made:
        yield made
