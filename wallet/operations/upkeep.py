"""Upkeep: what the clock makes necessary. Each claims rows and hands their ids on; rows are the only truth."""

from dataclasses import dataclass

from wallet.domain.facts import Fact
from wallet.domain.sessions import EXPIRED
from wallet.domain.transactions import Event, Status, Transaction
from wallet.errors import Code
from wallet.operations.audit import AuditGuard
from wallet.operations.clock_watch import ClockWatch
from wallet.operations.freshness import Freshness
from wallet.operations.loosenings import Loosenings
from wallet.operations.safety import Safety
from wallet.pipeline.denials import Denials
from wallet.pipeline.executor import Executor
from wallet.pipeline.moves import Cause, move
from wallet.pipeline.outcomes import Outcomes
from wallet.ports.store import Store, Unit
from wallet.ports.world import RELEASED, Checkpoints, Clock
from wallet.safety.gate import Gate


@dataclass(frozen=True, slots=True)
class Watches:
    """What looks whether the stored past and the clock can be believed."""

    guard: AuditGuard
    freshness: Freshness
    clock: ClockWatch


@dataclass(frozen=True, slots=True)
class RuleSweeps:
    """What the rules leave to the clock: sums of denials, and loosenings that wait."""

    denials: Denials
    loosenings: Loosenings


class Upkeep:
    """Idempotent sweeps; a late, doubled or crashed one changes nothing about the result."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        gate: Gate,
        safety: Safety,
        watches: Watches,
        executor: Executor,
        outcomes: Outcomes,
        rules: RuleSweeps,
        checkpoints: Checkpoints,
    ) -> None:
        self._store = store
        self._clock = clock
        self._gate = gate
        self._safety = safety
        self._guard = watches.guard
        self._executor = executor
        self._outcomes = outcomes
        self._rules = rules
        self._checkpoints = checkpoints
        self._freshness = watches.freshness
        self._clock_watch = watches.clock

    async def release_due(self) -> int:
        """Hand every DELAY row whose time has come to the executor."""
        if not self._gate.is_normal or not self._gate.has_time:
            return 0
        now = self._clock.now()
        due = await self._store.read(lambda unit: unit.transactions.due(now))
        if due:
            self._checkpoints.reached(RELEASED)
        for row in due:
            self._executor.submit(row.id)
        return len(due)

    async def apply_loosenings(self) -> int:
        """Let count what loosens a rule and waited long enough."""
        return await self._rules.loosenings.apply_due()

    async def expire_overdue(self) -> int:
        """Expire approvals nobody answered and unsigned rows whose time ran out."""
        if not self._gate.has_time:
            return 0
        now = self._clock.now()
        overdue = await self._store.read(lambda unit: unit.transactions.overdue(now))
        for row in overdue:
            if row.status is Status.EXECUTING:
                self._executor.submit(row.id, overdue=True)  # judged under its address lock
            else:
                await self._expire(row, now)
        return len(overdue)

    async def watch_clock(self) -> None:
        """Compare the host's clock with the monotonic one and with the world."""
        await self._clock_watch.tick()

    async def carry_on(self) -> None:
        """Submit what is cleared and watch what is signed."""
        await self._executor.carry_on()

    async def finish_halt(self) -> None:
        """Notice a HALT file, and store a stop that could not be stored at once."""
        await self._safety.finish_halt()

    async def recover(self) -> bool:
        """Complete a recovery whose wait is over."""
        return await self._safety.tick()

    async def clean_sessions(self) -> int:
        """Note sessions that ended by time. Rows stay: their payments and audit refer to them."""
        if not self._gate.has_time:
            return 0
        now = self._clock.now()

        async def body(unit: Unit) -> int:
            ended = [
                s
                for s in await unit.sessions.all()
                if s.revoked_at is None and now >= s.expires_at
            ]
            for session in ended:
                if not await unit.sessions.revoke(session.id, now, EXPIRED):
                    continue
                await unit.audit.append(
                    Fact.SESSION_EXPIRED,
                    actor="system",
                    at=now,
                    wallet_id=session.wallet_id,
                    session_id=session.id,
                )
            return len(ended)

        return await self._store.run(body)

    async def report_unproved(self) -> int:
        """Audit rows that were met without a valid proof and alarm the owner, once for each content."""
        found = self._store.unproved()
        if not found:
            return 0
        now = self._clock.now()

        async def body(unit: Unit) -> None:
            for row in found:
                about = {"table": row.table, "row": row.row_id[:128]}
                key = f"AUTHORITY_UNPROVED:{row.fingerprint}"
                if await unit.console.alert(key, "AUTHORITY_UNPROVED", about, now):
                    await unit.audit.append(
                        Fact.AUTHORITY_UNPROVED, actor="system", at=now, details=about
                    )

        await self._store.run(body)
        self._store.told_unproved(found)
        return len(found)

    async def write_denial_sums(self) -> None:
        await self._rules.denials.write_sums()

    async def tell_audit_head(self) -> bool:
        """Once per UTC day: number and short head of the audit log, into the owner's chat."""
        return await self._guard.tell_head()

    async def note_anchor(self) -> None:
        await self._freshness.note()

    async def checkpoint(self) -> None:
        await self._store.checkpoint()

    async def _expire(self, row: Transaction, now: int) -> None:
        cause = Cause("system", now, Code.TX_EXPIRED, _why(row))

        async def body(unit: Unit) -> bool:
            # A yes leaves the status and the attempt as they were: the move alone would not notice it.
            if await unit.transactions.get(row.id) != row:
                return False
            await move(unit, row, Event.EXPIRE, cause)
            return True

        if await self._store.run(body):  # not answered or taken in the very moment
            self._outcomes.notify(row.id)


def _why(row: Transaction) -> str:
    if row.consent_at is None and row.expires_at is not None:
        return "The owner did not answer in time."
    return "Its time ran out before it could leave."
