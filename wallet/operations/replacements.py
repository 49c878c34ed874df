"""Speed up and Cancel: the owner's orders about a payment that is signed and on its way (EVM).

Both are releasing acts, because both sign something new. An order is stored first, with what it may cost set
aside in the same transaction; settlement carries it out. Nothing is cancelled until the chain says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from wallet.domain.authority import require_proof
from wallet.domain.chains import ChainName, Network
from wallet.domain.facts import Fact
from wallet.domain.owner import Factor, factor_needed
from wallet.domain.rules import DAY_MS
from wallet.domain.safety import StopState
from wallet.domain.sessions import SessionCharge, require_within_limits
from wallet.domain.transactions import Purpose, Status, Transaction
from wallet.errors import Code, ConflictError, NotFoundError, RefusedError, UnavailableError
from wallet.operations.factors import require_more_than_password, require_strength, spend_step
from wallet.operations.transactions import already_processed
from wallet.pipeline.moves import redraw
from wallet.pipeline.recheck import Recheck
from wallet.pipeline.settlement import Settlement
from wallet.pipeline.siblings import Site, load_site
from wallet.ports.store import Store, Unit
from wallet.ports.vault import KeyVault
from wallet.ports.world import ORDERED, Checkpoints, Clock
from wallet.safety.gate import Gate
from wallet.safety.keyring import Keyring

COMMANDS = {Purpose.SPEED_UP: "speed-up", Purpose.CANCEL: "cancel"}
_FACTS = {Purpose.SPEED_UP: Fact.TX_SPEED_UP_ORDERED, Purpose.CANCEL: Fact.TX_CANCEL_ORDERED}


@dataclass(frozen=True, slots=True)
class Order:
    """What the owner was shown and how he proved himself. ``ceiling`` in native base units."""

    purpose: Purpose  # SPEED_UP or CANCEL
    digest: str
    ceiling: int
    factor: Factor
    actor: str
    totp_step: int | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """A payment that can be replaced, the most that may cost in fees, and the weakest proof that will do."""

    transaction: Transaction
    ceiling: int
    factor: Factor


@dataclass(frozen=True, slots=True)
class Replacements:
    """Offers and takes orders. ``networks`` are those of the settlement."""

    store: Store
    clock: Clock
    vault: KeyVault
    keyring: Keyring
    gate: Gate
    recheck: Recheck
    settlement: Settlement
    checkpoints: Checkpoints
    networks: Mapping[str, Network]
    execute_within_ms: int

    async def offer(self, transaction_id: str) -> Offer:
        """What can be ordered now. TX_NOT_FOUND, TX_ALREADY_PROCESSED, TX_NOT_REPLACEABLE, SYSTEM_LOCKED."""
        enrolled = await self._code_enrolled()

        async def body(unit: Unit) -> Offer:
            site = await self._site(unit, transaction_id)
            factor = await self._needed(unit, site.row, enrolled=enrolled)
            return Offer(site.row, self.ceiling_of(site.row), factor)

        return await self.store.read(body)

    async def factor_needed(self, transaction_id: str) -> Factor:
        return (await self.offer(transaction_id)).factor

    def ceiling_of(self, row: Transaction) -> int:
        """The most in fees that this payment may cost after an order: as it was first stated."""
        if row.offered_ceiling is not None:
            return row.offered_ceiling
        return max(self.networks[row.network].most_for_replacement, row.fee_ceiling)

    async def order(self, transaction_id: str, order: Order) -> Transaction:
        """Store the order and set aside what it may cost; signing and sending follow by themselves.

        Raises FACTOR_REQUIRED, FACTOR_INVALID, CARD_MISMATCH (something else was shown), KEYSTORE_LOCKED while
        nobody can prove who the owner is, AUTHORITY_UNPROVED for a row that was bent, and what ``offer`` raises.
        A SPEED_UP also: the denial of the rules or of the session's limits at the higher fee.
        """
        await self._require_normal()
        self.keyring.require()
        self.gate.require_time()
        enrolled = await self._code_enrolled()
        now = self.clock.now()

        async def body(unit: Unit) -> Transaction:
            site = await self._site(unit, transaction_id)
            self._require_shown(site.row, order)
            require_proof(site.row.proof, "payment")
            needed = await self._needed(unit, site.row, enrolled=enrolled)
            require_strength(order.factor, needed, COMMANDS[order.purpose])
            require_more_than_password(order.factor, order.totp_step, needed, enrolled=enrolled)
            if order.factor is Factor.CODE or order.totp_step is not None:
                await spend_step(unit, order.totp_step)
            if order.purpose is Purpose.SPEED_UP:
                await self._require_allowed(unit, site, order.ceiling, now)
            return await self._store(unit, site, order, now)

        row = await self.store.run(body)
        self.checkpoints.reached(ORDERED)
        self.settlement.look_again(row.network, row.id)
        return row

    async def _site(self, unit: Unit, transaction_id: str) -> Site:
        site = await _site(unit, transaction_id)
        if site.row.network not in self.networks:
            raise ConflictError(
                Code.TX_NOT_REPLACEABLE,
                f"{site.row.network} is not configured any more.",
                hint="Configure the network again and restart.",
            )
        return site

    def _require_shown(self, row: Transaction, order: Order) -> None:
        if order.digest != row.digest or order.ceiling != self.ceiling_of(row):
            raise ConflictError(
                Code.CARD_MISMATCH, "What was confirmed is not this payment; nothing was changed."
            )
        if order.purpose is Purpose.SPEED_UP and row.cancelling_at is not None:
            raise ConflictError(
                Code.TX_NOT_REPLACEABLE,
                "It is being cancelled, so it cannot be sped up.",
                hint="Cancel it once more to raise the fee of the cancellation.",
            )

    async def _require_allowed(self, unit: Unit, site: Site, ceiling: int, now: int) -> None:
        """Paying at a higher fee is a payment: the rules and the session's limits must allow it."""
        fresh = replace(
            site.row, execute_by=now + self.execute_within_ms
        )  # as the order renews it
        refusal = await self.recheck.refusal(unit, fresh, site.wallet, ceiling)
        if refusal is not None:
            code = refusal.error or Code.POLICY_DENIED
            raise RefusedError(code, refusal.message or "The rules do not allow it.")
        session = await unit.sessions.get(site.row.session_id)
        native = self.networks[site.row.network].native.key
        held = await unit.ledger.reservations()
        own = [
            r
            for r in held
            if r.session_id == site.row.session_id and r.transaction_id != site.row.id
        ]
        if session is not None:
            charge = SessionCharge(site.row.asset, site.row.amount, native, ceiling)
            reserved = {key: sum(r.of(key) for r in own) for key in (site.row.asset, native)}
            require_within_limits(
                replace(session, transactions=session.transactions - 1), charge, reserved
            )

    async def _store(self, unit: Unit, site: Site, order: Order, now: int) -> Transaction:
        row, is_cancel = site.row, order.purpose is Purpose.CANCEL
        held = await unit.ledger.reservation(row.id)
        assert held is not None  # a SUBMITTED row has one
        more = max(0, order.ceiling - site.ceiling)
        changes: dict[str, object] = {"wanted": order.purpose, "offered_ceiling": order.ceiling}
        if is_cancel:
            changes["cancelling_at"] = row.cancelling_at or now
        else:
            changes["execute_by"] = now + self.execute_within_ms
        await unit.transactions.note(row.id, **changes)
        await unit.ledger.set_fee(row.id, held.fee + more)
        if more:
            await unit.authority.add_approval(
                row.id, "APPROVED", order.factor.value, held.native_asset, more, now
            )
        await unit.audit.append(
            _FACTS[order.purpose],
            actor=order.actor,
            at=now,
            wallet_id=row.wallet_id,
            session_id=row.session_id,
            transaction_id=row.id,
            details={
                "factor": order.factor.value,
                "ceiling": str(order.ceiling),
                "digest": row.digest,
            },
        )
        after = await unit.transactions.get(row.id)
        assert after is not None  # it was there a statement ago
        await redraw(unit, after)
        return after

    async def _needed(self, unit: Unit, row: Transaction, *, enrolled: bool) -> Factor:
        """By the payment's amount; what this very payment released before does not count against it."""
        owner = await unit.authority.owner()
        if owner is None or owner.proof.is_broken:
            return Factor.HOST
        since = self.clock.now() - DAY_MS
        behind_at = (await unit.authority.state()).behind_at
        if behind_at is not None and since < behind_at:
            return Factor.HOST  # what the factors released in the last day is not known
        used = dict(await unit.authority.released_by(row.asset, since))
        if (
            row.consent_at is not None
            and row.consent_factor is not None
            and row.consent_at >= since
        ):
            factor = Factor(row.consent_factor)
            used[factor] = max(0, used.get(factor, 0) - row.amount)
        return factor_needed(owner, row.asset, row.amount, used, code_enrolled=enrolled)

    async def _require_normal(self) -> None:
        state = await self.store.read(lambda unit: unit.authority.state())
        if state.state is not StopState.NORMAL:
            raise _stopped()

    async def _code_enrolled(self) -> bool:
        return not self.vault.locked and await self.vault.totp_enrolled()


def _stopped() -> UnavailableError:
    return UnavailableError(Code.SYSTEM_LOCKED, "Stopped: nothing can be signed.")


async def _site(unit: Unit, transaction_id: str) -> Site:
    """The row, if another payload can take its place and nobody stopped everything."""
    row = await unit.transactions.get(transaction_id)
    if row is None:
        raise NotFoundError(Code.TX_NOT_FOUND, "There is no such transaction.")
    if (await unit.authority.state()).state is not StopState.NORMAL:
        raise _stopped()
    if row.status is not Status.SUBMITTED:
        raise already_processed(row)
    site = await load_site(unit, transaction_id)
    if site is None or row.chain != ChainName.ETHEREUM:
        raise ConflictError(
            Code.TX_NOT_REPLACEABLE,
            "A payment of this chain cannot be replaced; it lands or expires by itself.",
        )
    return site
