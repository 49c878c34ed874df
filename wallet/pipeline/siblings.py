"""Siblings: another payload for a payment that is signed already. The one place where one is built and stored.

Siblings share a nonce, so the chain takes at most one of them. Like every payload they are stored before they
are sent, in a unit that asks again whether the row is still as it was when they were decided.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wallet.domain.authority import unproved
from wallet.domain.facts import Fact
from wallet.domain.transactions import (
    Attempt,
    Purpose,
    Status,
    Transaction,
    gap_fills,
    siblings,
)
from wallet.domain.wallets import Wallet
from wallet.errors import ChainError
from wallet.pipeline.moves import redraw
from wallet.pipeline.recheck import Recheck
from wallet.pipeline.signing import (
    Order,
    Signing,
    require_empty_payment,
    require_same_payment,
)
from wallet.ports.chain import BuildRequest, Built, Chain
from wallet.ports.store import Store, Unit
from wallet.ports.world import STORED, Checkpoints


@dataclass(frozen=True, slots=True)
class Site:
    """A SUBMITTED row, its signed payloads, and what is set aside for the fee of its nonce (native units)."""

    row: Transaction
    wallet: Wallet
    attempts: list[Attempt]
    ceiling: int

    @property
    def siblings(self) -> list[Attempt]:
        return siblings(self.attempts)

    @property
    def nonce(self) -> int | None:
        return self.attempts[0].nonce

    @property
    def ceiling_to_pay(self) -> int:
        """What a payload that pays may cost in fees: above what was decided at first an eighth less than stated.

        So a cancellation can still outbid it, which nodes ask a tenth more for.
        """
        return min(self.ceiling, max(self.row.fee_ceiling, self.ceiling - self.ceiling // 8))

    @property
    def in_pools(self) -> tuple[bytes, ...]:
        """What a node may hold at this nonce: a successor must offer more than each."""
        return tuple(
            one.raw for one in self.siblings if one.rejected is None or one.accepted_at is not None
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """What a new payload is signed for and what is noted with it. ``changes`` are columns of the row."""

    purpose: Purpose
    fact: Fact
    changes: Mapping[str, Any]
    reserved_fee: int | None = None  # where more must be set aside, in the same transaction
    ends_others: bool = False  # the payloads before it are proved dead


async def load_site(unit: Unit, transaction_id: str) -> Site | None:
    """The row as it is now; None unless it is SUBMITTED."""
    row = await unit.transactions.get(transaction_id)
    if row is None or row.status is not Status.SUBMITTED:
        return None
    attempts = await unit.attempts.of(row.id)
    wallet = await unit.wallets.get(row.wallet_id)
    held = await unit.ledger.reservation(row.id)
    if not attempts or wallet is None or held is None:
        return None
    set_aside = held.fee - sum(one.max_cost for one in gap_fills(attempts))
    return Site(row, wallet, attempts, min(set_aside, _most_stated(row)))


def _most_stated(row: Transaction) -> int:
    """The most in fees that the row itself tells of: it carries a proof, what is set aside does not."""
    return max(row.fee_ceiling, row.offered_ceiling or 0)


class Siblings:
    """Builds, signs and stores. The caller holds the address lock and sends what comes back."""

    def __init__(
        self,
        store: Store,
        *,
        signing: Signing,
        chains: Mapping[str, Chain],
        recheck: Recheck,
        checkpoints: Checkpoints,
    ) -> None:
        self._store = store
        self._signing = signing
        self._chains = chains
        self._recheck = recheck
        self._checkpoints = checkpoints

    def are_sound(self, site: Site) -> bool:
        """Whether the stored payloads are the signed ones, up to the last.

        Else somebody with the file could have a second payment signed beside one that landed or may land.
        """
        chain = self._chains[site.row.network]
        try:
            for attempt in site.siblings:
                payload, known_by = chain.detach(attempt.raw)
                if (known_by, chain.inspect(payload).nonce) != (attempt.hash, attempt.nonce):
                    return False
        except ChainError:  # bytes that are no payment at all
            return False
        return site.siblings[-1].hash == site.row.hash

    def _require_sound(self, site: Site) -> None:
        if not self.are_sound(site):
            raise unproved("payload")

    async def payment(self, site: Site, salt: int = 0) -> Built:
        """The row's own payment, unsigned, within what paying may cost.

        Raises ChainError as a build does, and AUTHORITY_UNPROVED where the stored payloads were changed.
        """
        row, chain = site.row, self._chains[site.row.network]
        self._require_sound(site)
        built = await chain.build(
            BuildRequest(
                address=site.wallet.address,
                to=row.to,
                amount=row.amount,
                memo=row.memo,
                fee_ceiling=site.ceiling_to_pay,
                nonce=site.nonce,
                outbid=() if site.nonce is None else site.in_pools,
                salt=salt,
            )
        )
        require_same_payment(chain.inspect(built.payload), row, site.wallet, site.ceiling_to_pay)
        return built

    async def empty(self, site: Site, ceiling: int, nonce: int | None = None) -> Built:
        """A zero-value transfer of the wallet to itself: at the site's nonce, or at a free one below it.

        Raises as ``payment`` does.
        """
        chain, address = self._chains[site.row.network], site.wallet.address
        self._require_sound(site)
        if site.row.proof.is_broken:  # what it says of fees is nobody's word
            ceiling = min(ceiling, chain.network.fee_ceiling)
        built = await chain.build(
            BuildRequest(
                address=address,
                to=address,
                amount=0,
                memo=None,
                fee_ceiling=ceiling,
                nonce=site.nonce if nonce is None else nonce,
                outbid=site.in_pools if nonce is None else (),
            )
        )
        require_empty_payment(chain.inspect(built.payload), site.wallet, ceiling)
        return built

    async def sign_and_store(self, site: Site, built: Built, plan: Plan) -> Attempt | None:
        """The stored attempt; None where the row changed meanwhile, and nothing was stored."""
        row = site.row
        order = Order(
            plan.purpose,
            row.amount if plan.purpose.pays else 0,
            max(one.number for one in site.attempts) + 1,
            site.wallet.address,
        )
        attempt = await self._signing.sign(self._chains[row.network], built, row, order)
        stored = await self._store.run(lambda unit: self._add(unit, site, attempt, plan))
        if not stored:
            return None
        self._checkpoints.reached(STORED)
        return attempt

    async def _refused(self, unit: Unit, site: Site) -> bool:
        """Whether session, wallet or rules changed while it was built, so that it may not be paid any more."""
        return (await self._recheck.refusal(unit, site.row, site.wallet, site.ceiling)) is not None

    async def _add(self, unit: Unit, site: Site, attempt: Attempt, plan: Plan) -> bool:
        await self._recheck.require_normal(unit)
        current = await load_site(unit, site.row.id)
        if current is None or not _is_as_decided(current, site) or self._signing.is_locked:
            return False  # locked, nobody could prove which payload is the last
        if plan.purpose.pays and await self._refused(unit, current):
            return False
        if await unit.attempts.has_hash(attempt.hash):
            return False  # nor are the payloads before it ended
        if plan.ends_others:
            await unit.attempts.finalized(site.row.id, attempt.created_at)
        await unit.attempts.add(attempt)
        if plan.reserved_fee is not None:
            await unit.ledger.set_fee(site.row.id, plan.reserved_fee)
        is_own = attempt.nonce == site.nonce
        changes = {**plan.changes, "hash": attempt.hash if is_own else current.row.hash}
        await unit.transactions.note(site.row.id, **changes)
        await unit.audit.append(
            plan.fact,
            actor="system",
            at=attempt.created_at,
            wallet_id=site.row.wallet_id,
            session_id=site.row.session_id,
            transaction_id=site.row.id,
            details={
                "hash": attempt.hash,
                "purpose": attempt.purpose.value,
                "number": str(attempt.number),
                "maxCost": str(attempt.max_cost),
            },
        )
        await redraw(unit, current.row)
        return True


def _is_as_decided(current: Site, site: Site) -> bool:
    """Nobody signed, ordered or reserved anything for the row since it was looked at."""
    orders = [(s.row.wanted, s.row.cancelling_at, s.ceiling) for s in (current, site)]
    hashes = [[one.hash for one in s.attempts] for s in (current, site)]
    return orders[0] == orders[1] and hashes[0] == hashes[1]
