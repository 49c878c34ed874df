"""Settlement: every signed payload is watched until the chain's own word on it is final.

One loop per network asks for evidence in batches. Bytes that no node has seen are sent again, the very same
bytes; money is given back only on final evidence.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from wallet.domain.bookkeeping import reservation_of
from wallet.domain.facts import Fact
from wallet.domain.stories import RecordedFact, told
from wallet.domain.transactions import (
    Attempt,
    Event,
    Purpose,
    Status,
    Transaction,
    siblings,
)
from wallet.errors import ChainError, Code, ConflictError, UnavailableError
from wallet.pipeline.moves import Cause, move, redraw, spend
from wallet.pipeline.outcomes import Outcomes
from wallet.pipeline.repair import Renewal, Repair
from wallet.pipeline.stuck import Stuck, Watched
from wallet.pipeline.verdicts import Verdict, is_nonce_taken, verdict
from wallet.ports.chain import Chain, Evidence, Sighting
from wallet.ports.store import Store, Unit
from wallet.ports.world import SETTLED, Checkpoints, Clock

log = structlog.get_logger(__name__)

FIRST_POLL_SECONDS = 0.01
SLOWEST_POLL_SECONDS = 1.0
BATCH = 100


@dataclass(slots=True)
class _Desk:
    """What is watched on one network."""

    rows: dict[str, Watched] = field(default_factory=dict)
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
        repair: Repair,
        stuck: Stuck,
        settled: Callable[[], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._chains = chains
        self._checkpoints = checkpoints
        self._outcomes = outcomes
        self._repair = repair
        self._stuck = stuck
        self._settled = settled
        self._desks = {name: _Desk() for name in chains}

    async def watch(self, row: Transaction) -> None:
        """Begin to watch a SUBMITTED row, or a CONFIRMED one that is not final yet."""
        desk = self._desks.get(row.network)
        if desk is None or row.id in desk.rows:
            return
        found = await self._load(row.id)
        if found is None or row.id in desk.rows:
            return
        row, attempts = found
        watched = Watched(row, attempts)
        now = self._clock.monotonic()
        for attempt in attempts:
            is_first = attempt.number == 1 and row.submitted_at == attempt.created_at
            if attempt.accepted_at is not None or is_first:
                watched.last_sent[attempt.hash] = now
        desk.rows[row.id] = watched
        self._stir(desk)

    def look_again(self, network: str, transaction_id: str) -> None:
        """The row was changed by somebody else: what is known of it is read afresh, at once."""
        desk = self._desks.get(network)
        if desk is None:
            return
        watched = desk.rows.get(transaction_id)
        if watched is not None:
            watched.is_stale, watched.repaired_at = True, None
        self._stir(desk)

    def _stir(self, desk: _Desk) -> None:
        desk.delay = FIRST_POLL_SECONDS
        desk.wake.set()

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

    async def _poll_batch(self, network: str, batch: Mapping[str, Watched]) -> bool:
        for watched in batch.values():
            if watched.is_stale:
                await self._refresh(watched)
        flat = [attempt for watched in batch.values() for attempt in watched.attempts]
        answers = await self._chains[network].evidence(flat)
        by_hash = {evidence.hash: evidence for evidence in answers}
        verdicts: dict[str, Verdict] = {}
        for transaction_id, watched in batch.items():
            found = verdict(watched.attempts, [by_hash[one.hash] for one in watched.attempts])
            if found is not None and await self._is_renewed(watched, found):
                continue
            if found is not None and not (watched.is_confirmed and not found.final):
                verdicts[transaction_id] = found
            elif found is not None:
                watched.is_reorged = False  # it is in the chain (again), and not final yet
            else:
                await self._unsettled(transaction_id, watched, by_hash)
        return await self._settle(network, verdicts)

    async def _refresh(self, watched: Watched) -> None:
        found = await self._load(watched.row.id)
        if found is not None:
            watched.row, watched.attempts = found
        watched.is_stale = False

    async def _load(self, transaction_id: str) -> tuple[Transaction, list[Attempt]] | None:
        """The row and the attempts that may still land; of a Solana payment built anew, the newest."""

        async def body(unit: Unit) -> tuple[Transaction, list[Attempt]] | None:
            row = await unit.transactions.get(transaction_id)
            attempts = await unit.attempts.of(transaction_id)
            open_ones = [one for one in attempts if one.finalized_at is None]
            return None if row is None or not open_ones else (row, open_ones)

        return await self._store.read(body)

    async def _is_renewed(self, watched: Watched, found: Verdict) -> bool:
        """Whether a payment whose bytes are dead goes on: built anew now, or soon."""
        if found.event is not Event.LAPSE or watched.is_confirmed:
            return False
        watched.is_stale = True
        dead = frozenset(one.hash for one in watched.attempts)
        renewed = await self._repair.renew(watched.row.id, dead)
        if isinstance(renewed, Attempt):
            await self._stuck.send_new(watched, renewed)
        return renewed is not Renewal.LAPSE

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
                rows[transaction_id].is_stale = True
            self._outcomes.notify(transaction_id)
        self._settled()
        return True

    async def _unsettled(
        self, transaction_id: str, watched: Watched, by_hash: Mapping[str, Evidence]
    ) -> None:
        """Nothing decided: send again what nobody has seen, repair what nobody takes, alarm on a thief."""
        seen = [by_hash[one.hash] for one in siblings(watched.attempts)]
        if is_nonce_taken(seen):
            if not watched.nonce_alarm:
                watched.nonce_alarm = True
                await self._alarm(transaction_id, Fact.TX_NONCE_TAKEN, "NONCE_TAKEN")
            return
        if any(evidence.sighting is not Sighting.UNSEEN for evidence in seen):
            watched.is_reorged = False
            return
        if watched.is_confirmed and not watched.is_reorged:
            watched.is_reorged = True
            await self._alarm(transaction_id, Fact.TX_REORGED, "TX_REORGED")
        lost = [one for one in watched.attempts if by_hash[one.hash].sighting is Sighting.UNSEEN]
        await self._stuck.mend(watched, lost)

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
    # Nothing lands before it was signed: a clock that leapt back since must not let it leave its window early.
    now = max(now, found.attempt.created_at)
    if row.status is Status.SUBMITTED:
        try:
            row = await move(unit, row, found.event, _cause(row, found, now), **_end(found, now))
        except ConflictError:
            return
    elif row.status is Status.CONFIRMED and found.event is not Event.CONFIRM:
        # It stays CONFIRMED, as terminal rows do, and the owner hears that it is not so.
        await _alarm_in(unit, row.id, Fact.TX_REORGED, "TX_UNPAID", now)
    if found.final and row.finalized_at is None:
        # After a reorganisation a sibling may hold the place, or another block; nothing is given back.
        hashed = found.attempt.hash if found.event is Event.CONFIRM else row.hash
        await unit.transactions.note(row.id, finalized_at=now, hash=hashed)
        await unit.attempts.finalized(row.id, now)
        details = {"status": row.status.value, "hash": found.attempt.hash}
        if found.event is Event.CONFIRM and found.fee and found.fee != row.fee:
            await _cost_otherwise(unit, row, found.fee, now)
            details["fee"] = str(found.fee)
        await unit.audit.append(
            Fact.TX_FINALIZED,
            actor="system",
            at=now,
            wallet_id=row.wallet_id,
            session_id=row.session_id,
            transaction_id=row.id,
            details=details,
        )
        if found.event is Event.CONFIRM:
            await redraw(unit, row)


async def _cost_otherwise(unit: Unit, row: Transaction, fee: int, now: int) -> None:
    """It stayed in another block than the one it was counted for: what it cost more is counted as well."""
    await unit.transactions.note(row.id, fee=fee)
    more = fee - (row.fee or 0)
    if more <= 0:
        return
    names = ("number", "at", "fact", "details")
    asked = await unit.audit.rows(transaction_id=row.id, limit=1)
    facts = [RecordedFact(*(one[name] for name in names)) for one in asked]
    held = reservation_of(row, told(row, facts))
    await spend(unit, held, 0, Cause("system", now, fee=more))


def _end(found: Verdict, now: int) -> dict[str, Any]:
    """What a settled row holds beside its status: an order that nobody signed is void."""
    changes: dict[str, Any] = {"hash": found.attempt.hash, "fee": found.fee, "wanted": None}
    if found.event is not Event.LAPSE:
        changes["executed_at"] = now
    if found.event is Event.CONFIRM:
        changes |= {"error": None, "error_message": None}
    return changes


def _cause(row: Transaction, found: Verdict, now: int) -> Cause:
    """A fill ends the payment for the reason that was noted when it was signed."""
    if found.attempt.purpose is Purpose.FILL and row.error is not None:
        return Cause("system", now, Code(row.error), row.error_message, fee=found.fee)
    return Cause("system", now, found.error, found.message, fee=found.fee)
