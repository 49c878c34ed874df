"""A storm at Telegram: whatever fails in whatever order, each message arrives once and shows how things ended."""

import asyncio
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.console_world import ConsoleWorld, console_world
from tests.unit.notifications.test_outbox import PaperChannel, alarm
from wallet.domain.console import Card
from wallet.domain.tiers import Tier
from wallet.domain.transactions import Event
from wallet.pipeline.moves import Cause, move
from wallet.ports.owner_channel import CardView, ChannelError
from wallet.ports.store import Unit

TOO_MANY = st.integers(1, 600).map(lambda seconds: ChannelError("429", retry_after=seconds))
WEATHER = st.lists(st.one_of(TOO_MANY, st.just(ChannelError("502"))), max_size=6)
STEPS = st.lists(
    st.tuples(st.sampled_from(["pay", "move", "alarm", "drain", "pass"]), WEATHER),
    min_size=3,
    max_size=14,
)
LIFE = {"QUEUED": Event.START, "EXECUTING": Event.SIGN, "SUBMITTED": Event.CONFIRM}
STATUSES = [*LIFE, "CONFIRMED"]


@dataclass
class Diary(PaperChannel):
    """Remembers in which order each payment's states were shown."""

    shown: list[tuple[str, str]] = field(default_factory=list)

    async def show(self, card: Card, view: CardView) -> int:
        number = await super().show(card, view)
        self.shown.append((view.transaction.id, view.transaction.status))
        return number


async def weathered(steps: list[tuple[str, list[ChannelError]]], folder: Path) -> None:
    channel = Diary()
    async with console_world(folder, channel=channel) as world:
        rows: list[str] = []
        alarms = 0
        for what, failures in steps:
            channel.failures = list(failures)
            if what == "pay":
                rows.append((await world.payment(Tier.APPROVAL)).id)
            elif what == "move" and rows:
                await moved_on(world, rows[-1])
            elif what == "alarm":
                alarms += 1
                world.clock.passes(1)
                await alarm(world, f"PAIRED:{alarms}")
            elif what == "pass":
                world.clock.passes(400)
            await world.outbox.drain()
        channel.failures = []
        while (due := await world.outbox.next_due()) is not None:
            world.clock.at = max(world.clock.at, due)
            await world.outbox.drain()
        await require_all_arrived(world, channel, rows)
        assert Counter(channel.said) == {f"PAIRED:{n + 1}": 1 for n in range(alarms)}


async def moved_on(world: ConsoleWorld, row_id: str) -> None:
    """One step further in the life of a payment."""

    async def body(unit: Unit) -> None:
        row = await unit.transactions.get(row_id)
        assert row is not None
        event = LIFE.get(row.status)
        if event is not None:
            await move(unit, row, event, Cause("system", world.clock.now()))

    await world.database.run(body)


async def require_all_arrived(world: ConsoleWorld, channel: Diary, rows: list[str]) -> None:
    assert len(channel.cards) == len(rows)
    for row_id in rows:
        row, card = await world.row(row_id), await world.card(row_id)
        assert card.shown == card.wanted
        assert card.message_id is not None
        assert channel.cards[card.message_id].text.startswith(f"{row_id} {row.status} ")
        seen = [STATUSES.index(status) for shown, status in channel.shown if shown == row_id]
        assert seen == sorted(seen)


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(STEPS)
def test_whatever_fails_every_message_arrives_once_and_shows_the_end(
    steps: list[tuple[str, list[ChannelError]]],
) -> None:
    with tempfile.TemporaryDirectory() as home:
        asyncio.run(weathered(steps, Path(home)))
