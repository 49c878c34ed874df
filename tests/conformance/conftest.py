"""One store per test, over a real SQLite file, with a wallet and a session in it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.stores import World, opened, put_wallet_and_session
from wallet.persistence.database import Database


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
async def store(tmp_path: Path, world: World) -> AsyncIterator[Database]:
    async with opened(tmp_path / "wallet.db", world) as database:
        await database.run(put_wallet_and_session)
        yield database
