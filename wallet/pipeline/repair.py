"""Repair: a payload that no node will ever take must not block its address.

Under the address lock it is replaced at the same nonce: by itself rebuilt where that is affordable and in
time, else by a zero-value transfer to the wallet itself. Siblings share a nonce, so at most one lands.
"""

from collections.abc import Mapping
from dataclasses import replace

import structlog

from wallet.domain.facts import Fact
from wallet.domain.transactions import Attempt, Purpose, Status, Transaction
from wallet.domain.wallets import Wallet
from wallet.errors import ChainError, Code, KeystoreError, UnavailableError
from wallet.pipeline.locks import AddressLocks
from wallet.pipeline.recheck import Recheck
from wallet.pipeline.signing import (
    Order,
    Signing,
    require_empty_payment,
    require_same_payment,
)
from wallet.ports.chain import BuildRequest, Built, Chain
from wallet.ports.store import Store, Unit
from wallet.ports.world import Clock

log = structlog.get_logger(__name__)

_UNAFFORDABLE = {Code.INSUFFICIENT_FUNDS, Code.SIMULATION_FAILED, Code.FEE_CEILING_EXCEEDED}


class Repair:
    """Replaces definitively rejected EVM payloads. Solana's expire by themselves."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        signing: Signing,
        chains: Mapping[str, Chain],
        locks: AddressLocks,
        recheck: Recheck,
    ) -> None:
        self._store = store
        self._clock = clock
        self._signing = signing
        self._chains = chains
        self._locks = locks
        self._recheck = recheck

    async def replace(self, transaction_id: str) -> Attempt | None:
        """The stored sibling that takes the rejected payload's place; None when nothing can be done now."""
        found = await self._store.read(lambda unit: _load(unit, transaction_id))
        if found is None or self._signing.is_locked:
            return None
        _, wallet, _ = found
        async with self._locks.of(wallet.network, wallet.address):
            found = await self._store.read(lambda unit: _load(unit, transaction_id))
            if found is None:
                return None
            row, wallet, attempts = found
            try:
                return await self._replace(row, wallet, attempts)
            except (ChainError, KeystoreError, UnavailableError) as error:
                log.warning("repair_waits", transaction=row.id, reason=error.code.value)
                return None

    async def _replace(
        self, row: Transaction, wallet: Wallet, attempts: list[Attempt]
    ) -> Attempt | None:
        chain, nonce = self._chains[row.network], attempts[0].nonce
        # What could not be started any more is not signed anew either; only its nonce is given back.
        forbidden = await self._store.read(lambda unit: self._recheck.forbids(unit, row, wallet))
        built = None if forbidden else await self._payment(chain, row, wallet, nonce)
        purpose, value = (Purpose.FILL, 0) if built is None else (Purpose.PAY, row.amount)
        if built is None:
            built = await self._empty(chain, row, wallet, nonce)
        order = Order(purpose, value, len(attempts) + 1, wallet.address)
        attempt = await self._signing.sign(chain, built, row, order)
        return attempt if await self._store_sibling(row, attempt) else None

    async def _payment(
        self, chain: Chain, row: Transaction, wallet: Wallet, nonce: int | None
    ) -> Built | None:
        try:
            built = await chain.build(replace(_request(row, wallet, nonce), memo=row.memo))
        except ChainError as error:
            if error.code in _UNAFFORDABLE:
                return None
            raise
        require_same_payment(chain.inspect(built.payload), row, wallet)
        return built

    async def _empty(
        self, chain: Chain, row: Transaction, wallet: Wallet, nonce: int | None
    ) -> Built:
        request = replace(_request(row, wallet, nonce), to=wallet.address, amount=0)
        built = await chain.build(request)
        require_empty_payment(chain.inspect(built.payload), row, wallet)
        return built

    async def _store_sibling(self, row: Transaction, attempt: Attempt) -> bool:
        async def body(unit: Unit) -> bool:
            await self._recheck.require_normal(unit)
            current = await unit.transactions.get(row.id)
            if current is None or current.status is not Status.SUBMITTED:
                return False
            if not await unit.attempts.add(attempt):
                return False
            await unit.transactions.note(row.id, hash=attempt.hash)
            await unit.audit.append(
                Fact.TX_REPLACED,
                actor="system",
                at=attempt.created_at,
                wallet_id=row.wallet_id,
                session_id=row.session_id,
                transaction_id=row.id,
                details={"hash": attempt.hash, "purpose": attempt.purpose.value},
            )
            return True

        return await self._store.run(body)


def _request(row: Transaction, wallet: Wallet, nonce: int | None) -> BuildRequest:
    return BuildRequest(
        address=wallet.address,
        to=row.to,
        amount=row.amount,
        memo=None,
        fee_ceiling=row.fee_ceiling,
        nonce=nonce,
    )


async def _load(
    unit: Unit, transaction_id: str
) -> tuple[Transaction, Wallet, list[Attempt]] | None:
    """The row with its attempts, if it is SUBMITTED and every one of them was definitively rejected."""
    row = await unit.transactions.get(transaction_id)
    if row is None or row.status is not Status.SUBMITTED:
        return None
    attempts = await unit.attempts.of(row.id)
    if not attempts or any(a.rejected is None or a.nonce is None for a in attempts):
        return None
    wallet = await unit.wallets.get(row.wallet_id)
    return None if wallet is None else (row, wallet, attempts)
