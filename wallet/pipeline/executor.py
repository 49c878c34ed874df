"""The executor: takes transaction ids, owns the tasks that move money, and carries rows on until they end.

Callers hand over an id and may wait for the outcome; they never own the work. Waiting rows are tried again
with back-off; one whose handling fails three times is parked and shown, never retried for ever.
"""

from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import structlog

from wallet.domain.tiers import Tier
from wallet.domain.transactions import Status, Transaction
from wallet.domain.wallets import Wallet
from wallet.errors import Code, NotFoundError, UnavailableError
from wallet.pipeline.execution import Execution, Finished, Waiting
from wallet.pipeline.outcomes import Outcomes
from wallet.pipeline.settlement import Settlement
from wallet.ports.store import Store, Unit
from wallet.ports.world import Clock

log = structlog.get_logger(__name__)

FIRST_BACKOFF_SECONDS = 0.2
LONGEST_BACKOFF_SECONDS = 15.0
FAILURES_BEFORE_PARKING = 3

Spawn = Callable[[Coroutine[Any, Any, None]], object]


class Executor:
    """One task per transaction at a time; the address lock orders tasks of one address."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        execution: Execution,
        settlement: Settlement,
        outcomes: Outcomes,
        spawn: Spawn,
    ) -> None:
        self._store = store
        self._clock = clock
        self._execution = execution
        self._settlement = settlement
        self._outcomes = outcomes
        self._spawn = spawn
        self._running: set[str] = set()
        self._backoff: dict[str, tuple[float, float]] = {}  # id -> (not before, next back-off)
        self._for_money: set[str] = set()
        self._waits: dict[str, str] = {}  # id -> why it waits
        self._failures: dict[str, int] = {}

    @property
    def running(self) -> int:
        return len(self._running)

    def submit(self, transaction_id: str, *, overdue: bool = False) -> None:
        """Start to carry the row on, unless that is happening, it was tried a moment ago, or it is parked.

        A parked row that is ``overdue`` is taken once more, to be expired and its money freed.
        """
        not_before, _ = self._backoff.get(transaction_id, (0.0, 0.0))
        if transaction_id in self._running or self._clock.monotonic() < not_before:
            return
        parked = self._failures.get(transaction_id, 0) >= FAILURES_BEFORE_PARKING
        if parked and not overdue:
            return
        self._running.add(transaction_id)
        self._spawn(self._carry(transaction_id))

    def retry_all(self) -> None:
        """Keys or a recovery arrived: whatever waited may try at once."""
        self._retry(list(self._backoff))

    def retry_for_money(self) -> None:
        """A payment settled: rows that only waited for that may try at once."""
        self._retry(list(self._for_money))

    def _retry(self, ids: list[str]) -> None:
        for transaction_id in ids:
            self._backoff.pop(transaction_id, None)
            self.submit(transaction_id)

    async def outcome(self, transaction_id: str, seconds: float) -> Transaction:
        """The row once it is terminal or waits (QUEUED), or as it is after ``seconds``."""
        deadline = self._clock.monotonic() + seconds
        event = self._outcomes.listen(transaction_id)
        try:
            while True:
                row = await self._row(transaction_id)
                left = deadline - self._clock.monotonic()
                if row.status.is_terminal or row.status is Status.QUEUED or left <= 0:
                    return row
                if not await self._outcomes.news(event, left):
                    return await self._row(transaction_id)
        finally:
            self._outcomes.leave(transaction_id, event)

    async def carry_on(self) -> None:
        """Submit every row that nothing but an executor is missing for; watch every signed one.

        At start this is the recovery; on a tick it is the safety net. It judges nothing itself: the executor
        takes a row only under its address lock.
        """

        async def body(unit: Unit) -> tuple[list[Transaction], list[Transaction]]:
            unsigned = await unit.transactions.in_status(Status.PENDING, Status.EXECUTING)
            queued = await unit.transactions.in_status(Status.QUEUED)
            consented = [t for t in queued if t.tier is Tier.APPROVAL and t.is_cleared]
            signed = await unit.transactions.in_status(Status.SUBMITTED)
            return [*unsigned, *consented], [*signed, *await unit.transactions.unfinalized()]

        unsigned, signed = await self._store.read(body)
        for row in unsigned:
            self.submit(row.id)
        for row in signed:
            await self._settlement.watch(row)

    async def _carry(self, transaction_id: str) -> None:
        try:
            row, wallet = await self._load(transaction_id)
            outcome = await self._execution.execute(
                row, wallet, waited_for=self._waits.pop(transaction_id, None)
            )
            await self._note(row, outcome)
            self._failures.pop(transaction_id, None)
        except UnavailableError as error:  # a busy or full disk is no fault of the row
            self._wait(transaction_id, error.code.value)
        except Exception:
            log.exception("execution_failed", transaction=transaction_id)
            await self._failed(transaction_id)
        finally:
            self._running.discard(transaction_id)
            self._outcomes.notify(transaction_id)

    async def _note(self, row: Transaction, outcome: Waiting | Finished) -> None:
        self._for_money.discard(row.id)
        if isinstance(outcome, Waiting):
            if outcome.for_money:
                self._for_money.add(row.id)
            self._wait(row.id, outcome.reason)
            return
        self._backoff.pop(row.id, None)
        after = outcome.transaction
        if after is not None and after.status is Status.SUBMITTED:
            await self._settlement.watch(after)

    def _wait(self, transaction_id: str, reason: str) -> None:
        self._waits[transaction_id] = reason
        _, backoff = self._backoff.get(transaction_id, (0.0, FIRST_BACKOFF_SECONDS))
        until = self._clock.monotonic() + backoff
        self._backoff[transaction_id] = (until, min(backoff * 2, LONGEST_BACKOFF_SECONDS))
        log.info("execution_waits", transaction=transaction_id, reason=reason)

    async def _failed(self, transaction_id: str) -> None:
        count = self._failures[transaction_id] = self._failures.get(transaction_id, 0) + 1
        self._backoff[transaction_id] = (
            self._clock.monotonic() + LONGEST_BACKOFF_SECONDS,
            LONGEST_BACKOFF_SECONDS,
        )
        if count < FAILURES_BEFORE_PARKING:
            return
        now = self._clock.now()
        with suppress(UnavailableError):  # the log has it; a full disk must not end the process
            await self._store.run(
                lambda unit: unit.console.alert(
                    f"TX_PARKED:{transaction_id}",
                    "TX_PARKED",
                    {"transactionId": transaction_id},
                    now,
                )
            )

    async def _load(self, transaction_id: str) -> tuple[Transaction, Wallet]:
        async def body(unit: Unit) -> tuple[Transaction, Wallet]:
            row = await unit.transactions.get(transaction_id)
            if row is None:
                raise _unknown()
            wallet = await unit.wallets.get(row.wallet_id)
            assert wallet is not None  # a foreign key
            return row, wallet

        return await self._store.read(body)

    async def _row(self, transaction_id: str) -> Transaction:
        row = await self._store.read(lambda unit: unit.transactions.get(transaction_id))
        if row is None:
            raise _unknown()
        return row


def _unknown() -> NotFoundError:
    return NotFoundError(Code.TX_NOT_FOUND, "There is no such transaction.")
