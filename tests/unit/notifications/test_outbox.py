"""Cards and alerts reach the owner, in the right order, however often the channel fails."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.console_world import ConsoleWorld, console_world, eventually, running
from wallet.domain.console import Action, Alert, Card
from wallet.domain.tiers import Tier
from wallet.domain.transactions import Status
from wallet.notifications.outbox import explorer_link
from wallet.operations.taps import Press
from wallet.ports.owner_channel import Button, CardView, ChannelError


@dataclass
class Shown:
    message_id: int
    text: str
    actions: list[Action]


@dataclass
class PaperChannel:
    """Keeps what it was told; fails as often as asked."""

    failures: list[ChannelError] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    cards: dict[int, Shown] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    offers: list[Button] = field(default_factory=list)

    def render(self, view: CardView) -> str:
        return f"{view.transaction.id} {view.transaction.status} {view.stage} {view.factor}"

    def render_alert(self, kind: str, facts: Mapping[str, str]) -> str:
        return f"{kind} {sorted(facts.items())}"

    async def show(self, card: Card, view: CardView) -> int:
        self._fail()
        self.order.append(view.transaction.tier)
        number = card.message_id or len(self.order)
        actions = [button.action for row in view.buttons for button in row]
        self.cards[number] = Shown(number, self.render(view), actions)
        return number

    async def say(self, chat_id: int, alert: Alert) -> int:
        self._fail()
        self.said.append(alert.kind)
        self.order.append(alert.kind)
        return len(self.order)

    async def offer(
        self, chat_id: int, kind: str, facts: Mapping[str, str], buttons: Sequence[Button]
    ) -> int:
        self.offers.extend(buttons)
        self.order.append(kind)
        return len(self.order)

    async def retire(self, chat_id: int, message_id: int, view: CardView) -> None:
        self.cards[message_id] = Shown(message_id, "retired", [])

    def _fail(self) -> None:
        if self.failures:
            raise self.failures.pop()


@pytest.fixture
def channel() -> PaperChannel:
    return PaperChannel()


@pytest.fixture
async def world(tmp_path: Path, channel: PaperChannel) -> AsyncIterator[ConsoleWorld]:
    async with console_world(tmp_path, channel=channel) as made:
        yield made


async def alarm(world: ConsoleWorld, kind: str) -> None:
    now = world.clock.now()
    await world.database.run(lambda unit: unit.console.alert(kind, kind, {}, now))


async def test_the_gravest_comes_first(world: ConsoleWorld, channel: PaperChannel) -> None:
    for tier in (Tier.NOTIFY, Tier.DELAY, Tier.APPROVAL):
        await world.payment(tier)
    await alarm(world, "WALLET_CREATED")
    await alarm(world, "KILL_SWITCH_RECOVERED")

    assert await world.outbox.drain() == 5

    assert channel.order == [
        "KILL_SWITCH_RECOVERED",
        "APPROVAL",
        "DELAY",
        "NOTIFY",
        "WALLET_CREATED",
    ]


async def test_nothing_is_sent_twice(world: ConsoleWorld, channel: PaperChannel) -> None:
    await world.payment(Tier.APPROVAL)
    await alarm(world, "PAIRED")

    await world.outbox.drain()

    assert await world.outbox.drain() == 0
    assert await world.outbox.next_due() is None


async def test_the_time_to_answer_begins_with_the_first_delivery(world: ConsoleWorld) -> None:
    row = await world.payment(Tier.APPROVAL)
    world.clock.passes(3600)

    await world.outbox.drain()

    assert (await world.row(row.id)).expires_at == world.clock.now() + 43_200_000


async def test_an_approval_never_waits_longer_than_a_day_from_admission(
    world: ConsoleWorld,
) -> None:
    row = await world.payment(Tier.APPROVAL)
    world.clock.passes(23 * 3600)

    await world.outbox.drain()

    assert (await world.row(row.id)).expires_at == row.created_at + 86_400_000


@pytest.mark.parametrize(
    ("tier", "status", "actions"),
    [
        (Tier.APPROVAL, Status.QUEUED, [Action.APPROVE, Action.REJECT]),
        (Tier.DELAY, Status.QUEUED, [Action.CANCEL]),
        (Tier.NOTIFY, Status.PENDING, []),
        *((Tier.APPROVAL, status, []) for status in Status if status is not Status.QUEUED),
        *((Tier.DELAY, status, []) for status in Status if status is not Status.QUEUED),
    ],
)
async def test_buttons_are_there_only_while_they_can_do_something(
    world: ConsoleWorld, channel: PaperChannel, tier: Tier, status: Status, actions: list[Action]
) -> None:
    await world.payment(tier, status)

    await world.outbox.drain()

    assert [card.actions for card in channel.cards.values()] == [actions]


async def test_the_text_is_stored_before_it_is_sent(
    world: ConsoleWorld, channel: PaperChannel
) -> None:
    row = await world.payment(Tier.APPROVAL)
    channel.failures = [ChannelError("the process dies here")]

    await world.outbox.drain()

    card = await world.card(row.id)
    assert (card.message_id, len(card.renderings)) == (None, 1)


async def test_a_failed_card_is_tried_again_ever_more_slowly(
    world: ConsoleWorld, channel: PaperChannel
) -> None:
    row = await world.payment(Tier.APPROVAL)
    waits = []
    for _ in range(10):
        channel.failures = [ChannelError("down")]
        await world.outbox.drain()
        due = (await world.card(row.id)).retry_at
        waits.append((due - world.clock.now()) // 1000)
        world.clock.at = due

    await world.outbox.drain()

    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]
    assert len(channel.cards) == 1


async def test_a_channel_that_asks_for_patience_gets_it(
    world: ConsoleWorld, channel: PaperChannel
) -> None:
    row = await world.payment(Tier.APPROVAL)
    channel.failures = [ChannelError("429", retry_after=17)]

    await world.outbox.drain()

    assert (await world.card(row.id)).retry_at == world.clock.now() + 17_000


async def test_a_deleted_card_is_sent_anew(world: ConsoleWorld, channel: PaperChannel) -> None:
    row = await world.payment(Tier.DELAY)
    await world.outbox.drain()
    await world.transactions.cancel(row.id, actor="host", reason="no")
    channel.failures = [ChannelError("gone", gone=True)]

    await world.outbox.drain()
    await world.outbox.drain()

    assert list(channel.cards) == [1, 2]
    assert (await world.card(row.id)).message_id == 2


async def test_an_alert_that_never_arrives_is_set_aside(
    world: ConsoleWorld, channel: PaperChannel
) -> None:
    await alarm(world, "PAIRED")
    for _ in range(50):
        channel.failures = [ChannelError("down")]
        await world.outbox.drain()
        world.clock.passes(300)

    assert await world.outbox.drain() == 0
    assert await world.alerts() == []


async def test_a_running_recovery_is_announced_with_a_way_to_cancel_it(
    world: ConsoleWorld, channel: PaperChannel
) -> None:
    await alarm(world, "KILL_SWITCH_RECOVERY_STARTED")

    await world.outbox.drain()

    assert [button.action for button in channel.offers] == [
        Action.CANCEL_RECOVERY,
        Action.PUT_ASIDE,
    ]


async def test_a_confirmation_that_nobody_gives_lapses(
    world: ConsoleWorld, channel: PaperChannel
) -> None:
    row = await world.payment(Tier.APPROVAL)
    await world.outbox.drain()
    card = await world.card(row.id)
    handles = await world.database.read(lambda unit: unit.console.handles_of(row.id))
    await world.console.press(press_of(card, handles[0].handle))
    await world.outbox.drain()
    assert channel.cards[1].actions == [Action.CONFIRM_APPROVE, Action.BACK]

    world.clock.passes(61)
    await world.outbox.drain()

    assert channel.cards[1].actions == [Action.APPROVE, Action.REJECT]
    assert (await world.card(row.id)).stage == "CARD"


async def test_without_a_channel_everything_is_kept(tmp_path: Path) -> None:
    async with console_world(tmp_path) as world:
        row = await world.payment(Tier.APPROVAL)

        assert await world.outbox.drain() == 0

        card = await world.card(row.id)
        assert (card.wanted, card.shown) == (1, 0)


async def test_a_commit_is_followed_by_its_card_at_once(
    world: ConsoleWorld, channel: PaperChannel
) -> None:
    async with running(world.outbox.run):
        await asyncio.sleep(0)
        await world.payment(Tier.APPROVAL)

        async def arrived() -> bool:
            return bool(channel.cards)

        await eventually(arrived, 1)


def press_of(card: Card, handle: str) -> Press:
    assert card.message_id is not None
    return Press(handle, card.chat_id, card.chat_id, card.message_id, card.renderings[-1])


def test_an_explorer_address_may_say_where_the_hash_goes() -> None:
    assert (
        explorer_link("https://x/tx/{hash}?cluster=devnet", "abc")
        == "https://x/tx/abc?cluster=devnet"
    )
    assert explorer_link("https://x/", "abc") == "https://x/tx/abc"
    assert explorer_link(None, "abc") is None
    assert explorer_link("https://x", None) is None
