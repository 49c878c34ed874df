"""A store over a real file, and children that open the same file."""

import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.support.stores import World, opened, put_wallet_and_session
from wallet.persistence.database import Database

ROOT = Path(__file__).resolve().parents[3]

Child = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "wallet.db"


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
async def store(path: Path, world: World) -> AsyncIterator[Database]:
    async with opened(path, world) as database:
        await database.run(put_wallet_and_session)
        yield database


@pytest.fixture
def child(path: Path) -> Child:
    """Start ``child.py`` on the same file."""

    def start(task: str, times: int = 0) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "tests.integration.persistence.child"]
        return subprocess.Popen(
            [*command, str(path), task, str(times)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start
