"""Delivers cards and alerts: stored before they are sent, drawn as things are now, retried until they arrive."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from wallet.domain.audit_chain import short
from wallet.domain.chains import Network
from wallet.domain.console import Card, Handle
from wallet.domain.owner import Factor
from wallet.domain.tiers import Tier
from wallet.domain.transactions import Transaction
from wallet.domain.wallets import Wallet
from wallet.errors import WalletError
from wallet.notifications.alerts import Alerts, Recovered
from wallet.notifications.buttons import (
    actions_of,
    given_here,
    is_offered,
    is_waiting_for_owner,
    new_handle,
    stage_of,
)
from wallet.notifications.messages import severity_of
from wallet.notifications.pauses import FIRST_RETRY_MS, pause_ms
from wallet.notifications.templates import Severity
from wallet.ports.owner_channel import Button, CardView, ChannelError, OwnerChannel
from wallet.ports.store import Store, Unit
from wallet.ports.world import Clock, Ids

BATCH: Final = 50
KEPT_RENDERINGS: Final = 3
ANSWER_DAY_MS: Final = 86_400_000
LONGEST_WAIT_SECONDS: Final = 1.0  # the safety net under wake()
UNPAIRED_SECONDS: Final = 2.0
_TIER_ORDER: Final = {Tier.APPROVAL: 0, Tier.DELAY: 1, Tier.NOTIFY: 2, Tier.INSTANT: 3}
_log = logging.getLogger("waiaas.outbox")


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A card as it is about to be shown, with the row it was drawn from."""

    card: Card
    view: CardView
    text: str
    copies: frozenset[tuple[int, int]]  # (chat, message) of other messages that still show buttons

    @property
    def handles(self) -> list[str]:
        return [button.handle for row in self.view.buttons for button in row]


class Outbox:
    """One deliverer over one channel. Everything it knows is in the store; losing it loses nothing."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        ids: Ids,
        channel: OwnerChannel | None,
        *,
        networks: Mapping[str, Network],
        factor_of: Callable[[str], Awaitable[Factor | None]],
        recovered: Recovered | None = None,
    ) -> None:
        self._store, self._clock, self._ids = store, clock, ids
        self._channel = channel
        self._networks = networks
        self._factor_of = factor_of
        self._alerts = Alerts(store, clock, ids, recovered)
        self._stir = asyncio.Event()

    def attach(self, channel: OwnerChannel | None) -> None:
        """Deliver through this channel from now on; None keeps everything."""
        self._channel = channel
        self.wake()

    def wake(self) -> None:
        """Something was committed that wants to be shown."""
        self._stir.set()

    async def run(self, stopping: asyncio.Event) -> None:
        """Deliver until ``stopping`` is set. A failing store or channel ends nothing."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._stir_at(stopping))
            while not stopping.is_set():
                self._stir.clear()
                seconds = await self._drain_and_plan()
                with suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        await self._stir.wait()

    async def _stir_at(self, stopping: asyncio.Event) -> None:
        await stopping.wait()
        self._stir.set()

    async def _drain_and_plan(self) -> float:
        """Drain once; returns the seconds until something is due again."""
        try:
            if self._channel is None or await self._chat() is None:
                return UNPAIRED_SECONDS
            await self.drain()
            due = await self.next_due()
        except Exception:  # noqa: BLE001 - whatever fails, delivery goes on
            _log.exception("delivering to the owner failed")
            return FIRST_RETRY_MS * 5 / 1000
        if due is None:
            return LONGEST_WAIT_SECONDS
        return max(0.0, min((due - self._clock.now()) / 1000, LONGEST_WAIT_SECONDS))

    async def next_due(self) -> int | None:
        """When something waits to be delivered (epoch ms, maybe past); None when nothing does."""
        return await self._store.read(lambda unit: unit.console.next_retry())

    async def drain(self) -> int:
        """Deliver what is due now, the gravest first; returns how many arrived."""
        channel = self._channel
        chat = None if channel is None else await self._chat()
        if channel is None or chat is None:
            return 0
        now = self._clock.now()
        cards = await self._store.read(lambda unit: unit.console.cards_due(now, BATCH))
        alerts = await self._store.read(lambda unit: unit.console.alerts_due(now, BATCH))
        alerts.sort(key=lambda alert: (severity_of(alert.kind), alert.id))
        urgent = [alert for alert in alerts if severity_of(alert.kind) is Severity.STOP]
        arrived = await _count(self._alerts.deliver(channel, chat, alert) for alert in urgent)
        arrived += await _count(
            self._deliver_card(channel, _for_chat(card, chat))
            for card in await self._sorted(cards)
        )
        rest = (alert for alert in alerts if alert not in urgent)
        return arrived + await _count(self._alerts.deliver(channel, chat, alert) for alert in rest)

    async def _chat(self) -> int | None:
        owner = await self._store.read(lambda unit: unit.authority.owner())
        return None if owner is None else owner.chat_id

    async def _sorted(self, cards: list[Card]) -> list[Card]:
        async def tiers(unit: Unit) -> dict[str, int]:
            rows = [await unit.transactions.get(card.transaction_id) for card in cards]
            return {row.id: _TIER_ORDER[row.tier] for row in rows if row is not None}

        order = await self._store.read(tiers) if len(cards) > 1 else {}
        return sorted(
            cards, key=lambda card: (order.get(card.transaction_id, 9), card.transaction_id)
        )

    # ---- cards

    async def _deliver_card(self, channel: OwnerChannel, card: Card) -> bool:
        factor = await self._factor(card)
        drawn = await self._store.run(lambda unit: self._draw(unit, channel, card, factor))
        if drawn is None:
            return False
        try:
            message_id = await channel.show(drawn.card, drawn.view)
        except ChannelError as error:
            await self._store.run(partial(self._card_failed, drawn=drawn, error=error))
            return False
        await self._store.run(lambda unit: self._card_shown(unit, drawn, message_id))
        for chat_id, copy in sorted(drawn.copies):
            await self._retire(channel, drawn, chat_id, copy)
        return True

    async def _retire(
        self, channel: OwnerChannel, drawn: _Drawn, chat_id: int, message_id: int
    ) -> None:
        """Take the buttons off another message of this payment; a failure is made up for at the next change."""
        try:
            await channel.retire(chat_id, message_id, drawn.view)
        except ChannelError as error:
            if not error.gone:
                _log.info("a copy of a card keeps its buttons for now: %s", error)
                return
        subject, now = drawn.card.transaction_id, self._clock.now()

        async def body(unit: Unit) -> None:
            for handle in await unit.console.handles_of(subject):
                if (handle.chat_id, handle.message_id) == (chat_id, message_id):
                    await unit.console.use_handle(handle.handle, now)

        await self._store.run(body)

    async def _factor(self, card: Card) -> Factor | None:
        row = await self._store.read(lambda unit: unit.transactions.get(card.transaction_id))
        if row is None or not is_offered(row, self._clock.now()):
            return None
        try:
            return await self._factor_of(card.transaction_id)
        except WalletError:  # answered or stopped meanwhile: the card says so without it
            return None

    async def _draw(
        self, unit: Unit, channel: OwnerChannel, due: Card, factor: Factor | None
    ) -> _Drawn | None:
        """Draw the row as it is now and store the text before anything is sent."""
        now = self._clock.now()
        card = await unit.console.card(due.transaction_id)
        row = await unit.transactions.get(due.transaction_id)
        wallet = None if row is None else await unit.wallets.get(row.wallet_id)
        if card is None or row is None or wallet is None:
            await unit.console.save_card(replace(due, shown=due.wanted))
            return None
        lapsed = card.stage_until is not None and card.stage_until <= now
        card = _for_chat(card, due.chat_id)
        if lapsed or stage_of(row, card.stage, now) != card.stage:
            card = replace(card, stage="CARD", stage_until=None)
        known = await unit.console.handles_of(row.id)
        handles = self._handles(card, row, factor, known)
        view = await self._view(unit, card, row, wallet, factor, handles)
        text = channel.render(view)
        for handle in handles:
            if handle not in known:
                await unit.console.add_handle(replace(handle, rendering=text))
        kept = tuple(shown for shown in card.renderings if shown != text)
        renderings = (*kept, text)[-KEPT_RENDERINGS:]
        card = replace(card, renderings=renderings, attempts=card.attempts + 1)
        await unit.console.save_card(card)
        return _Drawn(card, view, text, _copies(card, known))

    async def _view(
        self,
        unit: Unit,
        card: Card,
        row: Transaction,
        wallet: Wallet,
        factor: Factor | None,
        handles: Sequence[Handle],
    ) -> CardView:
        network = self._networks.get(row.network)
        # Of a network that is not configured any more only base units are known.
        symbol, decimals = ("base units", 0) if network is None else _coin(network)
        buttons = [Button(handle.action, handle.handle) for handle in handles]
        return CardView(
            transaction=row,
            wallet=wallet,
            symbol=symbol,
            decimals=decimals,
            fee_symbol=symbol,
            fee_decimals=decimals,
            explorer=explorer_link(None if network is None else network.explorer, row.hash),
            stage=card.stage,
            factor=factor,
            buttons=[buttons] if buttons else [],
            audit_head=short(await unit.audit.head()),
        )

    def _handles(
        self, card: Card, row: Transaction, factor: Factor | None, known: Sequence[Handle]
    ) -> list[Handle]:
        """A handle per button: the live one that the message already carries, else a new one.

        A message that is sent anew never takes over handles: it may stand beside one whose answer was lost.
        """
        chosen = []
        for action in given_here(actions_of(row, card.stage, self._clock.now()), factor):
            wanted = (action, row.digest, card.chat_id, card.message_id)
            carried = (
                one
                for one in known
                if one.used_at is None
                and one.message_id is not None
                and (one.action, one.digest, one.chat_id, one.message_id) == wanted
            )
            fresh = replace(
                new_handle(self._ids, action, row.id, card.chat_id),
                digest=row.digest,
                policy_version=row.policy_version,
            )
            chosen.append(next(carried, fresh))
        return chosen

    async def _card_shown(self, unit: Unit, drawn: _Drawn, message_id: int) -> None:
        now = self._clock.now()
        card = await unit.console.card(drawn.card.transaction_id)
        if card is None:
            return
        delivered_at = card.delivered_at or now
        # A passing stage is redrawn when it lapses: one short of wanted, due again then.
        until = drawn.card.stage_until
        shown = drawn.card.wanted if until is None else drawn.card.wanted - 1
        arrived = replace(
            card, message_id=message_id, delivered_at=delivered_at, attempts=0, shown=shown
        )
        retry_at = until or 0 if card.wanted == drawn.card.wanted else 0
        await unit.console.save_card(replace(arrived, retry_at=retry_at))
        if drawn.handles:
            await unit.console.bind_handles(drawn.handles, message_id, drawn.text)
        if card.delivered_at is None:
            await self._start_answer_time(unit, card.transaction_id, delivered_at)

    async def _start_answer_time(self, unit: Unit, transaction_id: str, now: int) -> None:
        """The time to answer an approval begins when the question reached the owner."""
        row = await unit.transactions.get(transaction_id)
        if row is None or row.approval_seconds is None or not is_waiting_for_owner(row, now):
            return
        latest = row.created_at + ANSWER_DAY_MS
        expires_at = min(now + row.approval_seconds * 1000, latest)
        await unit.transactions.note(transaction_id, expires_at=expires_at)

    async def _card_failed(self, unit: Unit, *, drawn: _Drawn, error: ChannelError) -> None:
        card = await unit.console.card(drawn.card.transaction_id)
        if card is None:
            return
        if error.gone:  # its message no longer exists: send anew, at once
            await unit.console.save_card(replace(card, message_id=None, retry_at=0))
            return
        retry_at = self._clock.now() + pause_ms(card.attempts, error)
        await unit.console.save_card(replace(card, retry_at=retry_at))
        _log.warning("a card was not delivered (attempt %d): %s", card.attempts, error)


def _coin(network: Network) -> tuple[str, int]:
    return network.symbol, network.decimals


def explorer_link(explorer: str | None, tx_hash: str | None) -> str | None:
    """The page of a transaction: ``{hash}`` in the configured address is filled in, else /tx/ is added."""
    if not explorer or not tx_hash:
        return None
    if "{hash}" in explorer:
        return explorer.replace("{hash}", tx_hash)
    return f"{explorer.rstrip('/')}/tx/{tx_hash}"


def _for_chat(card: Card, chat_id: int) -> Card:
    """A card follows its owner into a newly paired chat, as a new message."""
    return card if card.chat_id == chat_id else replace(card, chat_id=chat_id, message_id=None)


def _copies(card: Card, handles: Sequence[Handle]) -> frozenset[tuple[int, int]]:
    """Messages besides the card that still carry live buttons of it: doubled, or left behind."""
    return frozenset(
        (handle.chat_id, handle.message_id)
        for handle in handles
        if handle.used_at is None
        and handle.message_id is not None
        and (handle.chat_id, handle.message_id) != (card.chat_id, card.message_id)
    )


async def _count(deliveries: Iterable[Awaitable[bool]]) -> int:
    return sum([await delivery for delivery in deliveries])
