"""The owner at a local Telegram, with the real bot in between."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot import lean

lean.load()

from bot.app import BotApp, build  # noqa: E402
from bot.doors import Desk  # noqa: E402
from bot.poller import Pace  # noqa: E402
from tests.support.console_world import (  # noqa: E402
    ConsoleWorld,
    console_world,
    eventually,
    running,
)
from tests.support.telegram_sandbox import TelegramSandbox, Visitor  # noqa: E402
from wallet.domain.console import Card  # noqa: E402
from wallet.domain.safety import StopState, SystemState  # noqa: E402
from wallet.domain.transactions import Transaction  # noqa: E402
from wallet.ports.store import Unit  # noqa: E402

PACE = Pace(poll=2, first_pause=0.05, longest_pause=0.5, conflict=0.3)


@dataclass
class Chat:
    world: ConsoleWorld
    app: BotApp
    sandbox: TelegramSandbox
    owner: Visitor
    stranger: Visitor

    async def card(self, words: str = "Approve this payment?") -> dict[str, Any]:
        return await self.owner.sees(lambda m: m["from"] == "bot" and words in m["text"])

    async def taps(self, label: str, words: str) -> dict[str, Any]:
        """Press the button of the first message that shows both."""
        message = await self.owner.sees(lambda m: words in m["text"] and button(m, label))
        return await self.owner.presses(message["message_id"], button(message, label) or "")

    async def reply(self, said: str, words: str) -> dict[str, Any]:
        await self.owner.says(said)
        return await self.card(words)

    async def settled(self, row: Transaction) -> Card:
        async def shown() -> Card | None:
            card = await self.world.card(row.id)
            return card if card.shown == card.wanted else None

        found: Card = await eventually(shown)
        return found


def button(message: dict[str, Any], label: str) -> str | None:
    for row in message["buttons"]:
        for shown in row:
            if shown["text"].startswith(label):
                return str(shown["data"])
    return None


def app_for(world: ConsoleWorld, sandbox: TelegramSandbox, pace: Pace = PACE) -> BotApp:
    desk = Desk(
        world.console, world.inbox, world.queries, world.sessions, world.owner_desk, world.clock,
        {"evm-local": ("ETH", 18)},
    )  # fmt: skip
    app = build(sandbox.token, sandbox.api, desk, pace=pace)
    world.outbox.attach(app.channel)
    return app


@asynccontextmanager
async def visitors(sandbox: TelegramSandbox) -> AsyncIterator[tuple[Visitor, Visitor]]:
    owner, stranger = Visitor(sandbox), Visitor(sandbox, "stranger")
    try:
        await owner.says("/start")
        yield owner, stranger
    finally:
        await owner.close()
        await stranger.close()


@asynccontextmanager
async def chatting(folder: Path, sandbox: TelegramSandbox) -> AsyncIterator[Chat]:
    """The bot polls, cards are drawn, and the owner was greeted."""
    async with (
        visitors(sandbox) as (owner, stranger),
        console_world(folder, owner_id=sandbox.owner_id, runs=True) as world,
    ):
        app = app_for(world, sandbox)
        async with running(app.run, world.outbox.run):
            made = Chat(world, app, sandbox, owner, stranger)
            await made.card("belongs to the wallet's owner")
            yield made


async def recovering(world: ConsoleWorld) -> None:
    """A recovery began on the host."""
    before = await world.safety.state()
    at = world.clock.now()
    state = SystemState(StopState.RECOVERING, before.version + 1, recovery_at=at + 1_800_000)

    async def body(unit: Unit) -> None:
        assert await unit.authority.save_state(state, expected_version=before.version)
        facts = {"recoveryAt": str(state.recovery_at)}
        await unit.console.alert(f"R{at}", "KILL_SWITCH_RECOVERY_STARTED", facts, at)

    await world.database.run(body)
    world.outbox.wake()
