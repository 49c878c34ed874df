"""What is done about a signed payment that no node has in a block: send, repair, offer, fill.

Nothing here decides what a payment is worth; it keeps what is signed on its way, and tells the owner when that
takes too long.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import structlog

from wallet.domain.chains import Network
from wallet.domain.facts import Fact
from wallet.domain.transactions import (
    UNSENT,
    Attempt,
    Status,
    Transaction,
    gap_fills,
    siblings,
)
from wallet.errors import ChainError
from wallet.pipeline.execution import Execution
from wallet.pipeline.moves import redraw
from wallet.pipeline.repair import Gap, Repair, needed
from wallet.ports.store import Store, Unit
from wallet.ports.world import SENT, Checkpoints, Clock

log = structlog.get_logger(__name__)

RESEND_SECONDS = 5.0
UNACCEPTED_RESEND_SECONDS = 1.0
GAP_SECONDS = 10.0  # a nonce counts as a gap when it is free at two looks so far apart


@dataclass(slots=True)
class Watched:
    """A row on its way, as it was last read, and what was done about it since this process watches it."""

    row: Transaction
    attempts: list[Attempt]
    is_stale: bool = False
    is_reorged: bool = False
    nonce_alarm: bool = False
    last_sent: dict[str, float] = field(default_factory=dict)
    repaired_at: float | None = None
    gap: Gap | None = None
    gap_at: float | None = None

    @property
    def is_confirmed(self) -> bool:
        return self.row.status is Status.CONFIRMED


class Stuck:
    """One per daemon; what it knows between two looks may be lost without harm."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        execution: Execution,
        repair: Repair,
        checkpoints: Checkpoints,
        networks: Mapping[str, Network],
        stuck_ms: int,
    ) -> None:
        self._store = store
        self._clock = clock
        self._execution = execution
        self._repair = repair
        self._checkpoints = checkpoints
        self._networks = networks
        self._stuck_ms = stuck_ms

    async def mend(self, watched: Watched, lost: Sequence[Attempt]) -> None:
        """Do what helps a row none of whose own payloads is in a block. ``lost`` are those not seen."""
        for attempt in gap_fills(lost):
            await self._send_again(watched, attempt)
        if watched.is_confirmed:
            await self._send_again(watched, _landed_once(watched))
            return
        await self._send_own_again(watched)
        await self._replace(watched)
        await self._offer(watched)
        await self._close_gap(watched)

    async def send_new(self, watched: Watched, attempt: Attempt) -> None:
        """Send a payload that was just stored."""
        watched.last_sent[attempt.hash] = self._clock.monotonic()
        await self._execution.resend(attempt)
        self._checkpoints.reached(SENT)

    async def _send_own_again(self, watched: Watched) -> None:
        if not self._is_due(watched, to_send(watched.row, watched.attempts)):
            return
        # Read afresh: a stop may have ruled meanwhile that these bytes must never leave.
        await self._read(watched)
        attempt = to_send(watched.row, watched.attempts)
        if attempt is not None:
            await self._send_again(watched, attempt)

    async def _send_again(self, watched: Watched, attempt: Attempt) -> None:
        if not self._is_due(watched, attempt):
            return
        watched.last_sent[attempt.hash] = self._clock.monotonic()
        await self._execution.resend(attempt)
        watched.is_stale = True

    def _is_due(self, watched: Watched, attempt: Attempt | None) -> bool:
        if attempt is None:
            return False
        wait = RESEND_SECONDS if attempt.accepted_at is not None else UNACCEPTED_RESEND_SECONDS
        last = watched.last_sent.get(attempt.hash)
        return last is None or self._clock.monotonic() - last >= wait

    async def _replace(self, watched: Watched) -> None:
        """Carry out the owner's order, or replace what no node takes; once a second at most."""
        if needed(watched.row, watched.attempts) is None:
            return
        now = self._clock.monotonic()
        last = watched.repaired_at
        if last is not None and now - last < UNACCEPTED_RESEND_SECONDS:
            return
        watched.repaired_at = now
        watched.is_stale = (
            True  # first: what is stored must be watched, whatever happens on the way
        )
        sibling = await self._repair.replace(watched.row.id)
        if sibling is not None:
            await self.send_new(watched, sibling)

    async def _offer(self, watched: Watched) -> None:
        """Offer Speed up and Cancel once the newest payload is out for the configured time.

        While locked nothing can be ordered, so the owner is only told; what it may cost is stated afterwards.
        """
        now, row = self._clock.now(), watched.row
        newest = max(one.created_at for one in siblings(watched.attempts))
        is_unstated = row.offered_ceiling is None and not self._repair.is_locked
        is_news = row.stuck_at is None or is_unstated
        is_ordered = row.wanted is not None or row.cancelling_at is not None
        if not (row.is_replaceable and is_news) or is_ordered or now - newest < self._stuck_ms:
            return
        ceiling = self._networks[row.network].most_for_replacement
        await self._store.run(lambda unit: _note_stuck(unit, row.id, ceiling, now))
        watched.is_stale = True

    async def _close_gap(self, watched: Watched) -> None:
        now = self._clock.monotonic()
        sent = to_send(watched.row, watched.attempts)
        if sent is None or sent.accepted_at is None or sent.nonce is None:
            return
        if watched.gap_at is None:
            watched.gap_at = now
        if now - watched.gap_at < GAP_SECONDS:
            return
        watched.gap_at = now
        before, watched.gap = watched.gap, None
        try:
            watched.gap = await self._repair.find_gap(watched.row.id)
            if watched.gap is None or watched.gap != before:
                return
            watched.is_stale = True
            attempt = await self._repair.close_gap(watched.row.id, watched.gap)
        except ChainError as error:
            log.info("gap_unknown", transaction=watched.row.id, reason=error.code.value)
            return
        if attempt is not None:
            await self.send_new(watched, attempt)

    async def _read(self, watched: Watched) -> None:
        async def body(unit: Unit) -> tuple[Transaction | None, list[Attempt]]:
            row = await unit.transactions.get(watched.row.id)
            return row, await unit.attempts.of(watched.row.id)

        row, attempts = await self._store.read(body)
        if row is not None:
            watched.row = row
            watched.attempts = [one for one in attempts if one.finalized_at is None]


def to_send(row: Transaction, attempts: Sequence[Attempt]) -> Attempt | None:
    """Which bytes of the row should be in the nodes' pools: the newest that they may take.

    Once the owner wants it cancelled, nothing that pays is sent again. What every node refused is offered once
    more before it is replaced, but never what a stop caught before it was sent.
    """
    own = siblings(attempts)
    if row.cancelling_at is not None:
        own = [one for one in own if not one.purpose.pays]
    takeable = [one for one in own if one.rejected is None]
    if takeable:
        return takeable[-1]
    return next((one for one in reversed(own) if one.rejected != UNSENT), None)


def _landed_once(watched: Watched) -> Attempt:
    """The payload that a reorganisation took out of the chain."""
    own = siblings(watched.attempts)
    return next((one for one in own if one.hash == watched.row.hash), own[-1])


async def _note_stuck(unit: Unit, transaction_id: str, ceiling: int, now: int) -> None:
    row = await unit.transactions.get(transaction_id)
    if row is None or not row.is_replaceable:
        return
    if row.stuck_at is not None and row.offered_ceiling is not None:
        return
    ceiling = max(ceiling, row.fee_ceiling)  # a setting that was lowered since lowers no decision
    offered = replace(row, stuck_at=row.stuck_at or now, offered_ceiling=ceiling)
    await unit.transactions.note(row.id, stuck_at=offered.stuck_at, offered_ceiling=ceiling)
    if row.stuck_at is None:
        await unit.audit.append(
            Fact.TX_STUCK,
            actor="system",
            at=now,
            wallet_id=row.wallet_id,
            session_id=row.session_id,
            transaction_id=row.id,
            details={"hash": row.hash or "", "ceiling": str(ceiling)},
        )
    await redraw(unit, offered)
