"""Repair: what a signed payment needs so that it ends, and so that it blocks nothing behind it.

Under the address lock. A payload that no node will ever take is replaced at its nonce: by itself rebuilt where
that is allowed, affordable and in time, else by a zero-value transfer to the wallet itself. What the owner
ordered is carried out there too. A nonce that nothing holds below a waiting payment is filled. On Solana a
payment is built anew once its bytes are proved dead.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import structlog

from wallet.domain.facts import Fact
from wallet.domain.safety import StopState
from wallet.domain.transactions import Attempt, Purpose, Transaction, gap_fills, siblings
from wallet.errors import (
    ChainError,
    Code,
    KeystoreError,
    RefusedError,
    UnavailableError,
    WalletError,
)
from wallet.pipeline.locks import AddressLocks
from wallet.pipeline.moves import Cause, redraw
from wallet.pipeline.recheck import Recheck
from wallet.pipeline.siblings import Plan, Siblings, Site, load_site
from wallet.pipeline.signing import Signing
from wallet.ports.chain import Built, Chain
from wallet.ports.store import Store, Unit
from wallet.ports.world import Clock, Ids

log = structlog.get_logger(__name__)

_UNAFFORDABLE = {Code.INSUFFICIENT_FUNDS, Code.SIMULATION_FAILED, Code.FEE_CEILING_EXCEEDED}
_SALTS = 1000
# Why nothing can be signed now, and may be later.
_OBSTACLES = (ChainError, KeystoreError, RefusedError, UnavailableError)


class Renewal(StrEnum):
    """What becomes of a payment whose bytes are dead and that was not built anew."""

    WAIT = "WAIT"  # it may still be, a little later
    LAPSE = "LAPSE"


@dataclass(frozen=True, slots=True)
class Gap:
    """A nonce below a waiting payment's that was free when the chain was asked."""

    nonce: int


class Repair:
    """Signs successors of signed payloads, and tells what to send."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        ids: Ids,
        *,
        signing: Signing,
        siblings: Siblings,
        chains: Mapping[str, Chain],
        locks: AddressLocks,
        recheck: Recheck,
    ) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._signing = signing
        self._siblings = siblings
        self._chains = chains
        self._locks = locks
        self._recheck = recheck

    @property
    def is_locked(self) -> bool:
        """Whether nothing can be signed, nor noted with a proof."""
        return self._signing.is_locked

    @property
    def _can_sign(self) -> bool:
        return not self._signing.is_locked and self._signing.has_time

    async def replace(self, transaction_id: str) -> Attempt | None:
        """The stored sibling that the row needs now; None when it needs none or nothing can be done now."""
        site = await self._store.read(lambda unit: load_site(unit, transaction_id))
        if site is None or needed(site.row, site.attempts) is None or not self._can_sign:
            return None
        async with self._locks.of(site.row.network, site.wallet.address):
            site = await self._store.read(lambda unit: load_site(unit, transaction_id))
            purpose = None if site is None else needed(site.row, site.attempts)
            if site is None or purpose is None:
                return None
            try:
                return await self._replace(site, purpose)
            except _OBSTACLES as error:
                await self._waits("repair_waits", site, error)
                return None

    async def renew(self, transaction_id: str, dead: frozenset[str]) -> Attempt | Renewal:
        """A fresh payload for a payment all of whose payloads are proved dead, finally (Solana).

        ``dead`` are the hashes that were proved so; while there is another, nothing may be concluded. While
        everything is stopped, and once its time is over, the payment lapses.
        """
        state = await self._store.read(lambda unit: unit.authority.state())
        site = await self._store.read(lambda unit: load_site(unit, transaction_id))
        if site is not None and not _is_dead(site, dead):
            return Renewal.WAIT
        if site is None or state.state is not StopState.NORMAL:
            return Renewal.LAPSE
        if not self._signing.has_time:
            return Renewal.WAIT  # nobody can say whether its time is over
        if self._is_late(site.row):
            return Renewal.LAPSE
        if self._signing.is_locked:
            return Renewal.WAIT
        async with self._locks.of(site.row.network, site.wallet.address):
            site = await self._store.read(lambda unit: load_site(unit, transaction_id))
            if site is None:
                return Renewal.LAPSE
            return await self._renew(site) if _is_dead(site, dead) else Renewal.WAIT

    async def find_gap(self, transaction_id: str) -> Gap | None:
        """The nonce below the row's own that neither the chain nor a pool has. Raises CHAIN_UNAVAILABLE."""
        site = await self._store.read(lambda unit: load_site(unit, transaction_id))
        if site is None or site.nonce is None:
            return None
        free = await self._chains[site.row.network].free_nonce(site.wallet.address)
        return None if free is None or free >= site.nonce else Gap(free)

    async def close_gap(self, transaction_id: str, gap: Gap) -> Attempt | None:
        """What to send for a gap that is still there: our own bytes where we have any, else a stored fill.

        A nonce that we ever signed for is never filled: the bytes that we have are its only successor.
        """
        site = await self._store.read(lambda unit: load_site(unit, transaction_id))
        if site is None or not self._can_sign or site.row.proof.is_broken:
            return None
        async with self._locks.of(site.row.network, site.wallet.address):
            if await self.find_gap(transaction_id) != gap:
                return None
            site = await self._store.read(lambda unit: load_site(unit, transaction_id))
            if site is None:
                return None
            known = await self._store.read(lambda unit: _ours_at(unit, site, gap.nonce))
            if known:
                return next((one for one in known if one.finalized_at is not None), None)
            try:
                return await self._fill(site, gap)
            except _OBSTACLES as error:
                await self._waits("gap_stays", site, error)
                if error.code in _UNAFFORDABLE:
                    await self._tell_once("GAP_STAYS", site.row, error)
                return None

    async def _replace(self, site: Site, purpose: Purpose) -> Attempt | None:
        match purpose:
            case Purpose.SPEED_UP:
                return await self._speed_up(site)
            case Purpose.CANCEL:
                return await self._cancel(site)
            case _:
                return await self._rebuild(site)

    async def _rebuild(self, site: Site) -> Attempt | None:
        # What could not be started any more is not signed anew either; only its nonce is given back.
        built = await self._payment(site)
        if isinstance(built, Built):
            return await self._sign(site, built, Purpose.PAY)
        empty = await self._siblings.empty(site, site.ceiling)
        return await self._sign(site, empty, Purpose.FILL, built)

    async def _speed_up(self, site: Site) -> Attempt | None:
        """What the rules refuse, or what the stated ceiling or the balance cannot carry, is dropped and said."""
        built = await self._payment(site)
        if isinstance(built, Built):
            refusal = await self._without_room(site, built)
            if refusal is None:
                return await self._sign(site, built, Purpose.SPEED_UP)
        else:
            refusal = built
        await self._store.run(lambda unit: _drop_order(unit, site.row, refusal))
        return None

    async def _payment(self, site: Site, salt: int = 0) -> Built | Cause:
        """The row's own payment, unsigned; or why it may not be paid now, also at the balance that was read."""
        refusal = await self._refusal(site)
        if refusal is not None:
            return refusal
        try:
            built = await self._siblings.payment(site, salt)
        except ChainError as error:
            if error.code not in _UNAFFORDABLE:
                raise
            return Cause("system", self._clock.now(), error.code, error.message)
        return await self._recheck.denied_now(site.row, built.balance, site.ceiling) or built

    async def _cancel(self, site: Site) -> Attempt | None:
        """Always allowed. What the ceiling or the balance cannot carry now is tried again, and said once."""
        try:
            built = await self._siblings.empty(site, site.ceiling)
        except ChainError as error:
            if error.code in _UNAFFORDABLE:
                await self._tell_once("CANCEL_WAITS", site.row, error)
            raise
        return await self._sign(site, built, Purpose.CANCEL)

    async def _without_room(self, site: Site, built: Built) -> Cause | None:
        """Why it waits, where other unfinished payments leave too little for the higher fee."""
        assert site.nonce is not None  # only EVM payments are sped up
        nonce, address = site.nonce, site.wallet.address
        beside = await self._store.read(
            lambda unit: self._recheck.outstanding_beside(unit, site.row, nonce, address)
        )
        if built.balance - beside >= site.row.amount + built.max_fee:
            return None
        return Cause(
            "system",
            self._clock.now(),
            Code.INSUFFICIENT_FUNDS,
            "The balance cannot pay the higher fee beside other payments under way.",
        )

    async def _renew(self, site: Site) -> Attempt | Renewal:
        try:
            built = await self._payment(site, self._ids.below(_SALTS))
            if isinstance(built, Cause):
                return Renewal.LAPSE
            plan = Plan(Purpose.PAY, Fact.TX_RENEWED, {}, ends_others=True)
            return await self._store_payload(site, built, plan) or Renewal.WAIT
        except _OBSTACLES as error:
            await self._waits("renewal_waits", site, error)
            return Renewal.LAPSE if error.code is Code.SYSTEM_LOCKED else Renewal.WAIT

    async def _fill(self, site: Site, gap: Gap) -> Attempt | None:
        """Fills cost together what the payment's own fee may: a node that miscounts cannot make it more."""
        filled = sum(one.max_cost for one in gap_fills(site.attempts))
        built = await self._siblings.empty(site, site.row.fee_ceiling - filled, gap.nonce)
        reserved = site.ceiling + filled + built.max_fee
        plan = Plan(Purpose.FILL, Fact.TX_GAP_FILLED, {}, reserved_fee=reserved)
        attempt = await self._store_payload(site, built, plan)
        if attempt is not None:
            about, key = {"transactionId": site.row.id}, f"GAP_FILLED:{attempt.hash}"
            await self._store.run(
                lambda unit: unit.console.alert(key, "GAP_FILLED", about, attempt.created_at)
            )
        return attempt

    async def _waits(self, event: str, site: Site, error: WalletError) -> None:
        """Nothing is signed now. Where stored payloads were changed that is evidence: audited and told, once."""
        log.warning(event, transaction=site.row.id, reason=error.code.value)
        if error.code is Code.AUTHORITY_UNPROVED and not self._siblings.are_sound(site):
            now = self._clock.now()
            await self._store.run(lambda unit: _tell_of_bent_payloads(unit, site.row, now))

    async def _tell_once(self, kind: str, row: Transaction, error: WalletError) -> None:
        about, now = {"transactionId": row.id, "reason": error.message}, self._clock.now()
        await self._store.run(
            lambda unit: unit.console.alert(f"{kind}:{row.id}", kind, about, now)
        )

    async def _sign(
        self, site: Site, built: Built, purpose: Purpose, because: Cause | None = None
    ) -> Attempt | None:
        changes: dict[str, object] = {"wanted": None, "stuck_at": None}
        if because is not None and because.error is not None:
            changes |= {"error": because.error.value, "error_message": because.message}
        return await self._store_payload(site, built, Plan(purpose, Fact.TX_REPLACED, changes))

    async def _store_payload(self, site: Site, built: Built, plan: Plan) -> Attempt | None:
        return await self._siblings.sign_and_store(site, built, plan)

    async def _refusal(self, site: Site) -> Cause | None:
        return await self._store.read(
            lambda unit: self._recheck.refusal(unit, site.row, site.wallet, site.ceiling)
        )

    def _is_late(self, row: Transaction) -> bool:
        return row.execute_by is not None and self._clock.now() >= row.execute_by


def needed(row: Transaction, attempts: Sequence[Attempt]) -> Purpose | None:
    """What the row needs a new payload for: the owner's order, or a successor of what no node takes.

    Only EVM payloads are replaced: on Solana two of one payment could both land. An order that nobody proved
    is none.
    """
    if not row.is_replaceable:
        return None
    is_proved = not row.proof.is_broken
    if row.wanted is not None and is_proved:
        return row.wanted
    cancelling = row.cancelling_at is not None and is_proved
    counting = [one for one in siblings(attempts) if not (cancelling and one.purpose.pays)]
    if any(one.rejected is None for one in counting):
        return None
    return Purpose.CANCEL if cancelling else Purpose.PAY


def _is_dead(site: Site, dead: frozenset[str]) -> bool:
    """Whether every payload that could still land was proved dead."""
    return {one.hash for one in site.attempts if one.finalized_at is None} <= dead


async def _ours_at(unit: Unit, site: Site, nonce: int) -> list[Attempt]:
    """Our attempts at the nonce; of final ones only the one that its transaction ended with."""
    found = await unit.attempts.at_nonce(site.row.network, site.wallet.address, nonce)
    ended = {t.hash for one in found if (t := await unit.transactions.get(one.transaction_id))}
    return [one for one in found if one.finalized_at is None or one.hash in ended]


async def _tell_of_bent_payloads(unit: Unit, row: Transaction, now: int) -> None:
    about, kind = {"table": "attempts", "row": f"of {row.id}"}, Fact.AUTHORITY_UNPROVED
    if await unit.console.alert(f"{kind.value}:attempts:{row.id}", kind.value, about, now):
        await unit.audit.append(kind, actor="system", at=now, details=about)


async def _drop_order(unit: Unit, row: Transaction, because: Cause) -> None:
    current = await unit.transactions.get(row.id)
    if current is None or current.wanted is not Purpose.SPEED_UP:
        return
    await unit.transactions.note(row.id, wanted=None)
    reason = because.message or ""
    await unit.audit.append(
        Fact.TX_SPEED_UP_DROPPED,
        actor="system",
        at=because.at,
        wallet_id=row.wallet_id,
        session_id=row.session_id,
        transaction_id=row.id,
        details={"error": "" if because.error is None else because.error.value, "reason": reason},
    )
    about = {"transactionId": row.id, "reason": reason}
    key = f"SPEED_UP_DROPPED:{row.id}:{because.at}"
    await unit.console.alert(key, "SPEED_UP_DROPPED", about, because.at)
    await redraw(unit, current)
