"""Payments: ask, look, wait, cancel. The caller never owns the work it starts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wallet.domain.intents import MEMO_MAX_BYTES, Transfer
from wallet.domain.sessions import Session
from wallet.domain.transactions import Event, Status, Transaction
from wallet.domain.wallets import Wallet
from wallet.errors import Code, ConflictError, NotFoundError, bad_field
from wallet.operations.room import Room
from wallet.pipeline.admission import Admission, Admitted, Ask
from wallet.pipeline.executor import Executor
from wallet.pipeline.moves import Cause, move
from wallet.pipeline.outcomes import Outcomes
from wallet.ports.chain import Chain
from wallet.ports.store import Store, Unit
from wallet.ports.world import Clock


@dataclass(frozen=True, slots=True)
class SendBody:
    """A parsed request: ``amount`` in base units of the native coin, ``to`` as the agent wrote it."""

    to: str
    amount: int
    memo: str | None = None
    network: str | None = None  # where named, it must be the wallet's


class Transactions:
    """What agents and the owner do with payments."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        admission: Admission,
        executor: Executor,
        outcomes: Outcomes,
        chains: Mapping[str, Chain],
        room: Room,
    ) -> None:
        self._store = store
        self._clock = clock
        self._admission = admission
        self._executor = executor
        self._outcomes = outcomes
        self._chains = chains
        self._room = room

    async def send(
        self, session: Session, wallet: Wallet, body: SendBody, key: str | None
    ) -> Admitted:
        """Store a decided payment and start what may start. Errors: see Admission.admit, INVALID_ADDRESS."""
        await self._room.require()
        chain = self._chains.get(wallet.network)
        if chain is None:
            raise bad_field(
                "network", f"{wallet.network} is not configured", Code.CHAIN_NOT_SUPPORTED
            )
        if body.network not in (None, wallet.network):
            raise bad_field(
                "network", f"this wallet is on {wallet.network}", Code.NETWORK_MISMATCH
            )
        if body.memo is not None and len(body.memo.encode()) > MEMO_MAX_BYTES:
            raise bad_field("memo", f"is over {MEMO_MAX_BYTES} bytes of UTF-8", Code.INVALID_MEMO)
        intent = Transfer(
            wallet.id,
            chain.network.native,
            chain.validate_address(body.to),
            body.amount,
            body.memo or None,
        )
        admitted = await self._admission.admit(Ask(session, wallet, intent, key))
        if admitted.transaction.status is Status.PENDING:
            self._executor.submit(admitted.transaction.id)
        return admitted

    async def get(self, wallet_id: str | None, transaction_id: str) -> Transaction:
        """One transaction; somebody else's does not exist (TX_NOT_FOUND)."""
        row = await self._store.read(lambda unit: unit.transactions.get(transaction_id))
        if row is None or wallet_id not in (None, row.wallet_id):
            raise NotFoundError(Code.TX_NOT_FOUND, "There is no such transaction.")
        return row

    async def page(
        self,
        wallet_id: str | None,
        statuses: Sequence[Status] | None,
        limit: int,
        cursor: str | None = None,
        descending: bool = True,  # noqa: FBT001, FBT002 - the store's word for the order
    ) -> tuple[list[Transaction], bool]:
        """(rows, whether there are more)."""
        rows = await self._store.read(
            lambda unit: unit.transactions.page(
                wallet_id=wallet_id,
                statuses=statuses,
                limit=limit + 1,
                cursor=cursor,
                descending=descending,
            )
        )
        return rows[:limit], len(rows) > limit

    async def outcome(self, transaction_id: str, seconds: float) -> Transaction:
        """Wait at most ``seconds`` until the transaction is terminal or waits for time or the owner."""
        return await self._executor.outcome(transaction_id, seconds)

    async def cancel(self, transaction_id: str, *, actor: str, reason: str) -> Transaction:
        """Stop what waits. TX_ALREADY_PROCESSED once an executor has it or it ended."""
        now = self._clock.now()

        async def body(unit: Unit) -> Transaction:
            row = await unit.transactions.get(transaction_id)
            if row is None:
                raise NotFoundError(Code.TX_NOT_FOUND, "There is no such transaction.")
            if row.status not in (Status.PENDING, Status.QUEUED):
                raise already_processed(row)
            cause = Cause(actor, now, Code.OWNER_REJECTED, reason)
            return await move(unit, row, Event.CANCEL, cause)

        row = await self._store.run(body)
        self._outcomes.notify(transaction_id)
        return row


async def cancel_rows(unit: Unit, rows: Sequence[Transaction], cause: Cause) -> int:
    """Cancel every row nothing was signed for; returns how many. For stops and ended sessions.

    An executor in the middle of one of them finds its compare-and-set refused, so its signature is never
    stored and never sent.
    """
    for row in rows:
        await move(unit, row, Event.CANCEL, cause)
    return len(rows)


def already_processed(row: Transaction) -> ConflictError:
    code = Code.TX_EXPIRED if row.status is Status.EXPIRED else Code.TX_ALREADY_PROCESSED
    return ConflictError(
        code,
        f"The transaction is {row.status} and cannot be changed any more.",
        details={"status": row.status.value},
    )
