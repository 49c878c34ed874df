"""An update that crashes whatever handles it: the real bot, a local Telegram and a real database."""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.attacks.catalogue import scenario
from tests.support.console_chat import Chat, chatting
from tests.support.telegram_sandbox import telegram_sandbox

BROKEN = "CREATE TRIGGER broken BEFORE INSERT ON handles BEGIN SELECT RAISE(ABORT, 'no'); END"
PARKED = "could not be handled"


@pytest.fixture
async def chat(tmp_path: Path) -> AsyncIterator[Chat]:
    with telegram_sandbox() as telegram:
        async with chatting(tmp_path, telegram) as made:
            yield made


def behind_its_back(folder: Path, statement: str) -> None:
    with sqlite3.connect(folder / "wallet.db", timeout=10) as connection:
        connection.execute(statement)
    connection.close()


@scenario("R-31")
async def test_an_update_that_crashes_its_handler_is_parked_and_the_rest_goes_on(
    chat: Chat, tmp_path: Path
) -> None:
    """A command that needs a button while no button can be stored."""
    await chat.reply("/pending", "Nothing is waiting")
    behind_its_back(tmp_path, BROKEN)

    await chat.owner.says("/killswitch")
    status = await chat.reply("/status", "🟢 Running")  # which came later and does not wait
    parked = await chat.card(PARKED)
    behind_its_back(tmp_path, "DROP TRIGGER broken")
    offer = await chat.reply("/killswitch", "Stop everything?")

    assert status["message_id"] < parked["message_id"] < offer["message_id"]
    assert await chat.world.inbox.waiting_updates() == []
    said = [m["text"] for m in await chat.owner.messages() if m["from"] == "bot"]
    assert len([text for text in said if PARKED in text]) == 1
    assert len([text for text in said if "Stop everything?" in text]) == 1
    assert (await chat.world.facts()).count("UPDATE_PARKED") == 1
