"""Approvals: the owner's yes, bound to what was shown, proved by the factor its amount needs."""

import asyncio
from collections.abc import Mapping

from wallet.domain.authority import CODE_COUNTER, CODE_FROZEN_AFTER, require_proof
from wallet.domain.facts import Fact
from wallet.domain.owner import Factor, Owner, factor_needed
from wallet.domain.rules import DAY_MS
from wallet.domain.safety import StopState
from wallet.domain.tiers import Tier
from wallet.domain.transactions import Status, Transaction
from wallet.errors import (
    AuthError,
    Code,
    ConflictError,
    LimitedError,
    NotFoundError,
    RefusedError,
    UnavailableError,
)
from wallet.operations.factor_reset import reset_is_over
from wallet.operations.factors import require_strength, spend_step
from wallet.operations.transactions import already_processed
from wallet.pipeline.executor import Executor
from wallet.pipeline.moves import redraw
from wallet.ports.store import Store, Unit
from wallet.ports.vault import KeyVault
from wallet.ports.world import TAPPED, Checkpoints, Clock
from wallet.safety.gate import Gate
from wallet.safety.keyring import Keyring

CODE_TRIES = 5
CODE_FIRST_WAIT_MS = 30_000
FROZEN_MS = 10 * 365 * DAY_MS


class Approvals:
    """Consent is stored with the tap; execution follows by itself."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        vault: KeyVault,
        keyring: Keyring,
        executor: Executor,
        checkpoints: Checkpoints,
        execute_within_ms: int,
        gate: Gate,
    ) -> None:
        self._store = store
        self._clock = clock
        self._vault = vault
        self._keyring = keyring
        self._executor = executor
        self._checkpoints = checkpoints
        self._execute_within_ms = execute_within_ms
        self._gate = gate
        self._one_at_a_time = asyncio.Lock()

    async def factor_needed(self, transaction_id: str) -> Factor:
        """The weakest factor that may approve this payment now."""
        enrolled = await self._code_enrolled()

        async def body(unit: Unit) -> Factor:
            return await self._needed(unit, await _waiting(unit, transaction_id), enrolled)

        return await self._store.read(body)

    async def approve(
        self,
        transaction_id: str,
        *,
        digest: str,
        factor: Factor,
        actor: str,
        totp_step: int | None = None,
    ) -> Transaction:
        """Store the owner's yes.

        Raises FACTOR_REQUIRED when the amount needs a stronger factor, FACTOR_INVALID when the code's time
        step was used before, CARD_MISMATCH when something else was shown, TX_ALREADY_PROCESSED, TX_EXPIRED,
        KEYSTORE_LOCKED while nobody can prove who the owner is, AUTHORITY_UNPROVED for a row that was bent.
        """
        await self._require_normal()
        self._keyring.require()
        self._gate.require_time()
        enrolled = await self._code_enrolled()
        now = self._clock.now()

        async def body(unit: Unit) -> Transaction:
            row = await _waiting(unit, transaction_id)
            _require_same(row, digest)
            require_proof(row.proof, "payment")
            needed = await self._needed(unit, row, enrolled)
            require_strength(factor, needed, "approve")
            if factor is Factor.CODE or totp_step is not None:
                await spend_step(unit, totp_step)
            return await self._consent(unit, row, factor, actor, now)

        row = await self._store.run(body)
        self._checkpoints.reached(TAPPED)
        self._executor.submit(row.id)
        return row

    async def check_code(self, code: str) -> int:
        """The time step of a right code. Wrong ones are counted: 5 free, then doubling waits, frozen at 20."""
        async with self._one_at_a_time:  # guesses at once get no more tries than one after another
            return await self._checked(code)

    async def _checked(self, code: str) -> int:
        self._gate.require_time()
        now = self._clock.now()
        count, locked_until = await self._store.read(
            lambda unit: unit.authority.counter(CODE_COUNTER)
        )
        if now < locked_until:
            raise _locked(locked_until - now, frozen=count >= CODE_FROZEN_AFTER)
        if not await self._vault.totp_enrolled():
            raise RefusedError(
                Code.NOT_FACTOR_ENROLLED,
                "No code generator is enrolled.",
                hint="On the host: waiaas factor totp.",
            )
        step = await self._vault.totp_check(code, now)
        if step is None:
            raise await self._wrong_code(now)
        await self._store.run(lambda unit: unit.authority.set_counter(CODE_COUNTER, 0, 0))
        return step

    async def require_current_code(self, code: str | None) -> None:
        """Where a code generator is enrolled, what changes the owner's proofs needs a fresh code of it.

        Raises FACTOR_REQUIRED without one, FACTOR_INVALID for a wrong or used one.
        """
        if not await self._vault.totp_enrolled():
            return
        if code is None:
            self._gate.require_time()
            now = self._clock.now()
            if await self._store.read(lambda unit: reset_is_over(unit, now)):
                return
            raise RefusedError(
                Code.FACTOR_REQUIRED,
                "This needs a code of the authenticator app as well.",
                details={"factor": Factor.CODE.value},
                hint="The app is lost? On the host: waiaas factor reset.",
            )
        step = await self.check_code(code)
        await self._store.run(lambda unit: spend_step(unit, step))

    async def wants_code(self, needed: Factor) -> bool:
        """Whether the host must add a code to the master password: above a tap, once an app is enrolled.

        Raises KEYSTORE_LOCKED while nobody can check one.
        """
        return needed is not Factor.TAP and await self._vault.totp_enrolled()

    async def require_for_session(self, limits: Mapping[str, int], code: str | None) -> None:
        """A new session releases its limits: above the tap band of an asset it needs a fresh code as well.

        ``limits`` per asset key in base units. Raises FACTOR_REQUIRED, FACTOR_INVALID, and KEYSTORE_LOCKED
        while nobody can check a code.
        """
        enrolled = await self._vault.totp_enrolled()
        owner = await self._store.read(lambda unit: unit.authority.owner())
        beyond = owner is not None and (
            owner.proof.is_broken
            or any(
                factor_needed(owner, asset, limit, {}, code_enrolled=enrolled) is not Factor.TAP
                for asset, limit in limits.items()
            )
        )
        if code is not None or (enrolled and beyond):
            await self.require_current_code(code)

    async def _wrong_code(self, now: int) -> AuthError:
        async def body(unit: Unit) -> int:
            count = (await unit.authority.counter(CODE_COUNTER))[0] + 1
            await unit.authority.set_counter(CODE_COUNTER, count, now + _wait_ms(count))
            await unit.audit.append(
                Fact.FACTOR_FAILED, actor="owner", at=now, details={"count": str(count)}
            )
            return count

        count = await self._store.run(body)
        left = max(0, CODE_TRIES - count)
        return AuthError(
            Code.FACTOR_INVALID,
            f"That code is not right. {left} tries left." if left else "That code is not right.",
            details={"triesLeft": left},
        )

    async def _consent(
        self, unit: Unit, row: Transaction, factor: Factor, actor: str, now: int
    ) -> Transaction:
        stored = await unit.transactions.consent(
            row.id, at=now, factor=factor, execute_by=now + self._execute_within_ms
        )
        after = await unit.transactions.get(row.id)
        assert after is not None  # it was there a statement ago
        if not stored:
            if row.expires_at is not None and now >= row.expires_at:
                raise ConflictError(Code.TX_EXPIRED, "The time to approve it has passed.")
            raise already_processed(after)
        await unit.authority.add_approval(
            row.id, "APPROVED", factor.value, row.asset, row.amount, now
        )
        await unit.ledger.mark_owner_approved(row.id)
        await unit.audit.append(
            Fact.TX_APPROVED,
            actor=actor,
            at=now,
            wallet_id=row.wallet_id,
            session_id=row.session_id,
            transaction_id=row.id,
            details={"factor": factor.value, "digest": row.digest},
        )
        await redraw(unit, after)
        return after

    async def _needed(self, unit: Unit, row: Transaction, enrolled: bool) -> Factor:  # noqa: FBT001
        owner = await unit.authority.owner()
        if owner is None or owner.proof.is_broken:
            return Factor.HOST
        return await _factor(unit, owner, row, enrolled=enrolled, now=self._clock.now())

    async def _require_normal(self) -> None:
        state = await self._store.read(lambda unit: unit.authority.state())
        if state.state is not StopState.NORMAL:
            raise _stopped()

    async def _code_enrolled(self) -> bool:
        return not self._vault.locked and await self._vault.totp_enrolled()


async def _factor(
    unit: Unit, owner: Owner, row: Transaction, *, enrolled: bool, now: int
) -> Factor:
    behind_at = (await unit.authority.state()).behind_at
    if behind_at is not None and now < behind_at + DAY_MS:
        return Factor.HOST  # what the factors released in the last day is not known
    used = await unit.authority.released_by(row.asset, now - DAY_MS)
    return factor_needed(owner, row.asset, row.amount, used, code_enrolled=enrolled)


async def _waiting(unit: Unit, transaction_id: str) -> Transaction:
    """The row, if it waits for an answer of the owner."""
    row = await unit.transactions.get(transaction_id)
    if row is None:
        raise NotFoundError(Code.TX_NOT_FOUND, "There is no such transaction.")
    if (await unit.authority.state()).state is not StopState.NORMAL:
        raise _stopped()
    if row.status is not Status.QUEUED or row.tier is not Tier.APPROVAL or row.is_cleared:
        raise already_processed(row)
    return row


def _stopped() -> UnavailableError:
    return UnavailableError(Code.SYSTEM_LOCKED, "Stopped: nothing can be approved.")


def _require_same(row: Transaction, digest: str) -> None:
    if digest != row.digest:
        raise ConflictError(
            Code.CARD_MISMATCH, "What was approved is not this payment; nothing was approved."
        )


def _wait_ms(count: int) -> int:
    if count >= CODE_FROZEN_AFTER:
        return FROZEN_MS
    if count < CODE_TRIES:
        return 0
    return int(CODE_FIRST_WAIT_MS * 2 ** (count - CODE_TRIES))


def _locked(left_ms: int, *, frozen: bool) -> LimitedError:
    if frozen:
        return LimitedError(
            Code.FACTOR_LOCKED,
            "Codes are frozen after too many wrong ones.",
            hint="On the host: waiaas factor reset, and after its wait waiaas factor totp.",
        )
    return LimitedError(
        Code.FACTOR_LOCKED,
        "Too many wrong codes.",
        details={"retryAfter": -(-left_ms // 1000)},
        hint="Wait, then send a fresh code.",
    )
