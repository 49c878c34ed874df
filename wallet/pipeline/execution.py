"""Execution: one function for direct, released and approved transactions.

Under the address lock: take the row, re-check everything, build, sign with a permit for exactly these bytes,
store the signed bytes, and only then send them. A send error changes no status.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import structlog

from wallet.domain.transactions import Attempt, Event, Purpose, Status, Transaction
from wallet.domain.wallets import Wallet
from wallet.errors import ChainError, Code, ConflictError, KeystoreError, UnavailableError
from wallet.pipeline.locks import AddressLocks
from wallet.pipeline.moves import Cause, move
from wallet.pipeline.recheck import Recheck, Taken
from wallet.pipeline.signing import Order, Signing, require_same_payment
from wallet.ports.chain import BuildRequest, Chain, SendOutcome
from wallet.ports.store import Store, Unit
from wallet.ports.world import EXECUTING, SENT, STORED, Checkpoints, Clock, Ids
from wallet.safety.gate import Gate

log = structlog.get_logger(__name__)

# Failures of building that end a row at once: nothing was signed, and waiting would not help.
_FATAL = {Code.SIMULATION_FAILED, Code.INSUFFICIENT_FUNDS}
SIGNATURE_TRIES = 5  # a Solana payment equal to a stored one is built again with another salt


@dataclass(frozen=True, slots=True)
class Waiting:
    """The row could not go on now; it keeps its status and is tried again.

    ``for_money``: only unsettled payments of the same address stand in its way.
    """

    reason: str
    for_money: bool = False


@dataclass(frozen=True, slots=True)
class Finished:
    """The executor is done with the row: it is signed, or it reached a terminal status."""

    transaction: Transaction | None


Outcome = Waiting | Finished


class Execution:
    """Carries one transaction from cleared to sent. Safe to call twice, late, or after a crash."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        ids: Ids,
        *,
        gate: Gate,
        signing: Signing,
        chains: Mapping[str, Chain],
        checkpoints: Checkpoints,
        locks: AddressLocks,
        recheck: Recheck,
    ) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._gate = gate
        self._signing = signing
        self._chains = chains
        self._checkpoints = checkpoints
        self._locks = locks
        self._recheck = recheck

    async def execute(
        self, row: Transaction, wallet: Wallet, *, waited_for: str | None = None
    ) -> Outcome:
        """Sign and send ``row`` unless something stands in the way.

        ``waited_for`` is why it could not go on before; a row whose time is over says so.
        """
        obstacle = await self._obstacle(row)
        if obstacle is not None:
            return obstacle
        async with self._locks.of(wallet.network, wallet.address):
            taken = await self._recheck.take(row.id, waited_for)
            if taken is None:
                return Finished(None)
            if taken.row.status is not Status.EXECUTING:
                return Finished(taken.row)
            self._checkpoints.reached(EXECUTING)
            signed = await self._sign_and_store(taken)
            if not isinstance(signed, Attempt):
                return signed
            self._checkpoints.reached(STORED)
            accepted = await self._send(signed)
        self._checkpoints.reached(SENT)
        if accepted:
            await self._mark_accepted(signed)
        return Finished(replace(taken.row, status=Status.SUBMITTED, hash=signed.hash))

    async def _obstacle(self, row: Transaction) -> Outcome | None:
        """What keeps everything, or this row, from being signed; its time may run out meanwhile."""
        if not self._gate.is_normal:
            return Waiting("stopped")
        if not self._gate.has_time:
            return Waiting(Code.CLOCK_UNTRUSTED.value)
        if self._signing.is_locked:
            return await self._expire_if_late(row) or Waiting("locked")
        if row.network not in self._chains:  # it may be configured again
            return await self._expire_if_late(row) or Waiting(Code.CHAIN_NOT_SUPPORTED.value)
        return None

    async def resend(self, attempt: Attempt) -> None:
        """Send stored bytes again; a definitive rejection of an EVM payload is repaired at its nonce."""
        if not self._gate.is_normal:
            return
        is_news = attempt.accepted_at is None or attempt.rejected is not None
        if await self._send(attempt) and is_news:
            await self._mark_accepted(attempt)

    async def _sign_and_store(self, taken: Taken) -> Attempt | Outcome:
        try:
            for salt_try in range(SIGNATURE_TRIES):
                salt = self._ids.below(1000) if salt_try else 0
                attempt = await self._attempt(taken, salt)
                if not isinstance(attempt, Attempt):
                    return attempt
                stored = await self._store_attempt(taken, attempt)
                if stored is not None:
                    return stored
        except ChainError as error:
            if error.code in _FATAL:
                return await self._fail(taken.row, error)
            return Waiting(error.code.value)
        except (KeystoreError, UnavailableError) as error:
            return Waiting(error.code.value)
        except ConflictError:
            # Somebody overtook us: our signature was never stored, so it is never sent.
            return Finished(None)
        return Waiting("no fresh signature")

    async def _attempt(self, taken: Taken, salt: int) -> Attempt | Outcome:
        """Build and sign the row's payment; nothing is stored yet."""
        row, chain = taken.row, self._chains[taken.row.network]
        built = await chain.build(
            BuildRequest(
                address=taken.wallet.address,
                to=row.to,
                amount=row.amount,
                memo=row.memo,
                fee_ceiling=row.fee_ceiling,
                taken_nonces=taken.taken_nonces,
                nonce_floor=taken.nonce_floor,
                salt=salt,
            )
        )
        if built.balance - taken.outstanding < row.amount + built.max_fee:
            return Waiting("other payments of this address are not settled yet", for_money=True)
        if taken.asks_for_balance:
            denied = await self._recheck.denied_now(row, built.balance)
            if denied is not None:
                return Finished(await self._moved(row, Event.CANCEL, denied))
        require_same_payment(chain.inspect(built.payload), row, taken.wallet)
        order = Order(Purpose.PAY, row.amount, 1, taken.wallet.address)
        return await self._signing.sign(chain, built, row, order)

    async def _store_attempt(self, taken: Taken, attempt: Attempt) -> Attempt | Waiting | None:
        """Store the signed bytes and move to SUBMITTED; None where the same bytes are stored.

        Where the rules changed meanwhile the signature is forgotten, and the row is judged by them from the start.
        """

        async def body(unit: Unit) -> Attempt | Waiting | None:
            self._gate.require_normal()
            await self._recheck.require_normal(unit)
            if await unit.attempts.has_hash(attempt.hash):
                return None
            if not await self._recheck.still_judged(unit, taken):
                return Waiting("the rules changed while it was built")
            cause = Cause(actor="system", at=attempt.created_at)
            changes = {"hash": attempt.hash, "submitted_at": attempt.created_at}
            await move(unit, taken.row, Event.SIGN, cause, **changes)
            await unit.attempts.add(attempt)
            return attempt

        return await self._store.run(body)

    async def _send(self, attempt: Attempt) -> bool:
        """Whether a node has the bytes now. The gate is asked once more, right before."""
        if not self._gate.is_normal:
            return False
        result = await self._chains[attempt.network].send(attempt.raw)
        if result.outcome is SendOutcome.ACCEPTED:
            return True
        log.warning(
            "send_not_accepted",
            transaction=attempt.transaction_id,
            outcome=result.outcome.value,
            reason=result.reason,
        )
        if result.outcome is SendOutcome.REJECTED:
            await self._mark_rejected(attempt, result.reason or "rejected")
        return False

    async def _mark_accepted(self, attempt: Attempt) -> None:
        now = self._clock.now()
        await self._store.run(lambda unit: unit.attempts.accepted(attempt.hash, now))

    async def _mark_rejected(self, attempt: Attempt, reason: str) -> None:
        await self._store.run(lambda unit: unit.attempts.rejected(attempt.hash, reason[:200]))

    async def _fail(self, row: Transaction, error: ChainError) -> Finished:
        cause = Cause("system", self._clock.now(), error.code, error.message)
        return Finished(await self._moved(row, Event.FAIL, cause))

    async def _expire_if_late(self, row: Transaction) -> Finished | None:
        now = self._clock.now()
        if row.execute_by is None or now < row.execute_by:
            return None
        cause = Cause(
            "system", now, Code.TX_EXPIRED, "Its time ran out while it could not be signed."
        )
        return Finished(await self._moved(row, Event.EXPIRE, cause))

    async def _moved(self, row: Transaction, event: Event, cause: Cause) -> Transaction | None:
        try:
            return await self._store.run(lambda unit: move(unit, row, event, cause))
        except ConflictError:
            return None
