"""A world for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.world import World, built


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    async with built(folder) as found:
        yield found
