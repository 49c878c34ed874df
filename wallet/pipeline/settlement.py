"""Settlement: every signed payload is watched until the chain's own word on it is final.

One loop per network asks for evidence in batches. Bytes that no node has seen are sent again, the very same
bytes; money is given back only on final evidence.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from wallet.domain.facts import Fact
from wallet.domain.transactions import UNSENT, Attempt, Event, Status, Transaction
from wallet.errors import ChainError, ConflictError, UnavailableError
from wallet.pipeline.execution import Execution
from wallet.pipeline.moves import Cause, move, redraw
from wallet.pipeline.outcomes import Outcomes
from wallet.pipeline.repair import Repair
from wallet.pipeline.verdicts import Verdict, is_nonce_taken, verdict
from wallet.ports.chain import Chain, Evidence, Sighting
from wallet.ports.store import Store, Unit
from wallet.ports.world import SETTLED, Checkpoints, Clock

log = structlog.get_logger(__name__)

FIRST_POLL_SECONDS = 0.01
SLOWEST_POLL_SECONDS = 1.0
RESEND_SECONDS = 5.0
UNACCEPTED_RESEND_SECONDS = 1.0
BATCH = 100


@dataclass(slots=True)
class _Watched:
    attempts: list[Attempt]
    confirmed: bool = False
    reorged: bool = False
    nonce_alarm: bool = False
    last_sent: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class _Desk:
    """What is watched on one network."""

    rows: dict[str, _Watched] = field(default_factory=dict)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    delay: float = FIRST_POLL_SECONDS


class Settlement:
    """Watches attempts and settles their transactions, exactly once each."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        chains: Mapping[str, Chain],
        checkpoints: Checkpoints,
        outcomes: Outcomes,
        execution: Execution,
        repair: Repair,
        settled: Callable[[], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._chains = chains
        self._checkpoints = checkpoints
        self._outcomes = outcomes
        self._execution = execution
        self._repair = repair
        self._settled = settled
        self._desks = {name: _Desk() for name in chains}

    async def watch(self, row: Transaction) -> None:
        """Begin to watch a SUBMITTED row, or a CONFIRMED one that is not final yet."""
        desk = self._desks.get(row.network)
        if desk is None or row.id in desk.rows:
            return
        attempts = await self._store.read(lambda unit: unit.attempts.of(row.id))
        watched = _Watched(attempts, confirmed=row.status is Status.CONFIRMED)
        now = self._clock.monotonic()
        for attempt in attempts:
            if attempt.accepted_at is not None or row.submitted_at == attempt.created_at:
                watched.last_sent[attempt.hash] = now
        desk.rows[row.id] = watched
        desk.delay = FIRST_POLL_SECONDS
        desk.wake.set()

    def watch_resent(self, network: str, transaction_id: str) -> None:
        """Forget what is cached of a row; the next tick reads it afresh."""
        self._desks[network].rows.pop(transaction_id, None)

    async def run(self, network: str, stopping: asyncio.Event) -> None:
        """Poll one network until ``stopping``; quick while there is news, slower when there is none."""
        desk = self._desks[network]
        while not stopping.is_set():
            try:
                async with asyncio.timeout(desk.delay if desk.rows else SLOWEST_POLL_SECONDS):
                    await desk.wake.wait()
                desk.wake.clear()
            except TimeoutError:
                pass
            if desk.rows and not stopping.is_set():
                progress = await self._poll(network, desk)
                slower = min(SLOWEST_POLL_SECONDS, desk.delay * 1.5)
                desk.delay = FIRST_POLL_SECONDS if progress else slower

    async def _poll(self, network: str, desk: _Desk) -> bool:
        progress = False
        ids = list(desk.rows)
        for start in range(0, len(ids), BATCH):
            batch = {i: desk.rows[i] for i in ids[start : start + BATCH] if i in desk.rows}
            try:
                progress |= await self._poll_batch(network, batch)
            except (ChainError, UnavailableError) as error:  # no node, or no room on the disk
                log.info("settlement_waits", network=network, reason=error.code.value)
        return progress

    async def _poll_batch(self, network: str, batch: Mapping[str, _Watched]) -> bool:
        flat = [attempt for watched in batch.values() for attempt in watched.attempts]
        answers = await self._chains[network].evidence(flat)
        by_hash = {evidence.hash: evidence for evidence in answers}
        verdicts: dict[str, Verdict] = {}
        for transaction_id, watched in batch.items():
            seen = [by_hash[attempt.hash] for attempt in watched.attempts]
            found = verdict(watched.attempts, seen)
            if found is not None and not (watched.confirmed and not found.final):
                verdicts[transaction_id] = found
            elif found is None:
                await self._unsettled(transaction_id, watched, seen)
        return await self._settle(network, verdicts)

    async def _settle(self, network: str, verdicts: Mapping[str, Verdict]) -> bool:
        if not verdicts:
            return False
        now = self._clock.now()

        async def body(unit: Unit) -> None:
            for transaction_id, found in verdicts.items():
                await _apply(unit, transaction_id, found, now)

        await self._store.run(body)
        self._checkpoints.reached(SETTLED)
        rows = self._desks[network].rows
        for transaction_id, found in verdicts.items():
            if found.final:
                rows.pop(transaction_id, None)
            elif transaction_id in rows:
                rows[transaction_id].confirmed = True
            self._outcomes.notify(transaction_id)
        self._settled()
        return True

    async def _unsettled(
        self, transaction_id: str, watched: _Watched, seen: Sequence[Evidence]
    ) -> None:
        """Nothing decided: send again what nobody has seen, repair what nobody takes, alarm on a thief."""
        if is_nonce_taken(seen):
            if not watched.nonce_alarm:
                watched.nonce_alarm = True
                await self._alarm(transaction_id, Fact.TX_NONCE_TAKEN, "NONCE_TAKEN")
            return
        if any(evidence.sighting is not Sighting.UNSEEN for evidence in seen):
            return
        if watched.confirmed and not watched.reorged:
            watched.reorged = True
            await self._alarm(transaction_id, Fact.TX_REORGED, "TX_REORGED")
        await self._send_again(transaction_id, watched)

    async def _send_again(self, transaction_id: str, watched: _Watched) -> None:
        attempt = watched.attempts[-1]
        now = self._clock.monotonic()
        wait = RESEND_SECONDS if attempt.accepted_at is not None else UNACCEPTED_RESEND_SECONDS
        last = watched.last_sent.get(attempt.hash)
        if last is not None and now - last < wait:
            return
        watched.last_sent[attempt.hash] = now
        # Read afresh: a stop may have ruled meanwhile that these bytes must never leave.
        watched.attempts = await self._store.read(lambda unit: unit.attempts.of(transaction_id))
        attempt = watched.attempts[-1]
        if attempt.rejected != UNSENT:
            await self._execution.resend(attempt)
        sibling = await self._repair.replace(transaction_id)
        if sibling is not None:
            watched.attempts = [*watched.attempts, sibling]
            watched.last_sent[sibling.hash] = now
            await self._execution.resend(sibling)

    async def _alarm(self, transaction_id: str, fact: Fact, kind: str) -> None:
        now = self._clock.now()
        await self._store.run(lambda unit: _alarm_in(unit, transaction_id, fact, kind, now))


async def _alarm_in(unit: Unit, transaction_id: str, fact: Fact, kind: str, now: int) -> None:
    await unit.audit.append(fact, actor="system", at=now, transaction_id=transaction_id)
    await unit.console.alert(
        f"{kind}:{transaction_id}", kind, {"transactionId": transaction_id}, now
    )


async def _apply(unit: Unit, transaction_id: str, found: Verdict, now: int) -> None:
    row = await unit.transactions.get(transaction_id)
    if row is None:
        return
    if row.status is Status.SUBMITTED:
        cause = Cause("system", now, found.error, found.message, fee=found.fee)
        changes = {"hash": found.attempt.hash, "fee": found.fee}
        if found.event in (Event.CONFIRM, Event.REVERT):
            changes["executed_at"] = now
        try:
            row = await move(unit, row, found.event, cause, **changes)
        except ConflictError:
            return
    elif row.status is Status.CONFIRMED and found.event is not Event.CONFIRM:
        # It stays CONFIRMED, as terminal rows do, and the owner hears that it is not so.
        await _alarm_in(unit, row.id, Fact.TX_REORGED, "TX_REORGED", now)
    if found.final and row.finalized_at is None:
        await unit.transactions.note(row.id, finalized_at=now)
        await unit.attempts.finalized(row.id, now)
        await unit.audit.append(
            Fact.TX_FINALIZED,
            actor="system",
            at=now,
            wallet_id=row.wallet_id,
            session_id=row.session_id,
            transaction_id=row.id,
            details={"status": row.status.value, "hash": found.attempt.hash},
        )
        if found.event is Event.CONFIRM:
            await redraw(unit, row)
