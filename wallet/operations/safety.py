"""The kill switch: stop at once through any door, recover slowly through one."""

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from wallet.domain.facts import Fact
from wallet.domain.owner import Factor
from wallet.domain.safety import (
    StopEvent,
    StopState,
    SystemState,
    is_ours,
    is_trusted_normal,
    next_stop_state,
    state_mac,
)
from wallet.domain.transactions import UNSENT, Status, Transaction
from wallet.domain.wallets import WalletStatus
from wallet.errors import Code, ConflictError, RefusedError, UnavailableError
from wallet.operations.transactions import UNSIGNED, cancel_rows
from wallet.pipeline.moves import Cause
from wallet.ports.store import Store, Unit
from wallet.ports.vault import KeyVault
from wallet.ports.world import Clock
from wallet.safety.gate import Gate
from wallet.safety.keyring import Keyring

log = structlog.get_logger(__name__)

SUSPENDED_BY = "KILL_SWITCH"


@dataclass(frozen=True, slots=True)
class StopReport:
    """What a stop did. ``exposure``: signed payments that may still land."""

    sessions_revoked: int
    transactions_cancelled: int
    wallets_suspended: int
    exposure: tuple[Transaction, ...]


@dataclass(frozen=True, slots=True)
class Waits:
    """How long a recovery waits, by what proved the owner. Seconds."""

    code_seconds: int
    tap_seconds: int


class Safety:
    """Order of a stop: flag in memory, HALT file, one transaction, signer killed, alerts."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        gate: Gate,
        keyring: Keyring,
        vault: KeyVault,
        halt_file: Path,
        waits: Waits,
        check_code: Callable[[str], Awaitable[int]],
        resumed: Callable[[], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._gate = gate
        self._keyring = keyring
        self._vault = vault
        self._halt_file = halt_file
        self._waits = waits
        self._check_code = check_code
        self._resumed = resumed
        self._halting = 0  # stops under way
        self._completing = False  # NORMAL is being committed while the HALT file is still there

    @property
    def is_normal(self) -> bool:
        return self._gate.is_normal

    async def state(self) -> SystemState:
        return await self._store.read(lambda unit: unit.authority.state())

    async def load(self) -> SystemState:
        """At start: take over the stored state. A HALT file always wins."""
        state = await self.state()
        if state.state is StopState.NORMAL and self._halt_file.exists():
            await self.halt("a HALT file was found", "file")
            return await self.state()
        self._gate.set(state.state)
        return state

    async def halt(self, reason: str, actor: str) -> StopReport:
        """Stop everything. KILL_SWITCH_ACTIVE when it is stopped already; the first reason stays."""
        was = self._gate.state
        if was is StopState.NORMAL:
            self._gate.set(StopState.ACTIVATED)
        try:
            self._write_halt_file(reason)
        except OSError:  # a full disk must not keep the rest of the stop from happening
            log.exception("halt_file_not_written")
        self._halting += 1
        try:
            report = await self._store.run(lambda unit: self._cascade(unit, reason, actor))
        except BaseException:
            if was is StopState.NORMAL:
                self._lock()
            raise
        finally:
            self._halting -= 1
        self._gate.set(StopState.ACTIVATED)  # also where a recovery had just completed
        self._lock()
        log.warning("kill_switch_activated", actor=actor)
        return report

    async def finish_halt(self) -> None:
        """On a tick: carry out what a HALT file or a stop without a database still asks for."""
        asked = self._halt_file.exists() and (await self.state()).state is StopState.NORMAL
        if asked and not self._completing:
            await self.halt("a HALT file was found", "file")

    async def begin_recovery(
        self, password: str, actor: str, code: str | None = None
    ) -> SystemState:
        """Start the wait, or take it up again after a restart. The password must really open the keystore.

        With a code of the authenticator app the wait is the short one. A wrong password or code leaves
        everything as it was.
        """
        now = self._clock.now()
        before = await self.state()
        if before.state is StopState.RECOVERING and not self._keyring.is_open:
            await self._unlock(password)
            self._require_ours(before)
            return before
        next_stop_state(before.state, StopEvent.BEGIN_RECOVERY)
        await self._unlock(password)
        try:
            totp_step = None if code is None else await self._check_code(code)
            after = await self._store_recovery(now, actor, totp_step)
        except BaseException:
            self._lock()
            raise
        self._gate.set(after.state)
        return after

    async def _store_recovery(self, now: int, actor: str, totp_step: int | None) -> SystemState:
        factor = Factor.HOST if totp_step is None else Factor.CODE
        waits = self._waits
        seconds = waits.tap_seconds if totp_step is None else waits.code_seconds

        async def body(unit: Unit) -> SystemState:
            state = await unit.authority.state()
            if totp_step is not None and not await unit.authority.spend_step(totp_step):
                raise RefusedError(Code.FACTOR_INVALID, "That code was used before.")
            after = replace(
                state,
                state=next_stop_state(state.state, StopEvent.BEGIN_RECOVERY),
                recovery_at=now + seconds * 1000,
                recovery_factor=factor.value,
            )
            return await self._store_state(
                unit, state, after, Fact.KILL_SWITCH_RECOVERY_STARTED, actor
            )

        return await self._store.run(body)

    async def cancel_recovery(self, actor: str, from_chat: bool = False) -> SystemState:  # noqa: FBT001, FBT002
        """Back to ACTIVATED. From the chat once per stop, from the host at will."""

        async def body(unit: Unit) -> SystemState:
            state = await unit.authority.state()
            following = next_stop_state(state.state, StopEvent.CANCEL_RECOVERY)
            if from_chat and state.recovery_cancelled_by_chat:
                raise RefusedError(
                    Code.RECOVERY_ALREADY_STARTED,
                    "The chat cancelled a recovery of this stop before.",
                    hint="On the host: waiaas recover --cancel.",
                )
            after = replace(
                state,
                state=following,
                recovery_at=None,
                recovery_factor=None,
                recovery_cancelled_by_chat=state.recovery_cancelled_by_chat or from_chat,
            )
            return await self._store_state(
                unit, state, after, Fact.KILL_SWITCH_RECOVERY_CANCELLED, actor
            )

        after = await self._store.run(body)
        self._gate.set(after.state)
        self._lock()
        return after

    async def tick(self) -> bool:
        """Complete a recovery whose wait is over; True when it did. Needs the keys since its command."""
        now = self._clock.now()
        state = await self.state()
        over = state.recovery_at is not None and now >= state.recovery_at
        if state.state is not StopState.RECOVERING or not over or not self._keyring.is_open:
            return False
        self._require_ours(state)
        self._completing = True
        try:
            await self._store.run(self._complete)
            if self._halting:
                return False  # a stop came meanwhile: it finds NORMAL and ends it
            self._halt_file.unlink(missing_ok=True)
            self._gate.set(StopState.NORMAL)
        finally:
            self._completing = False
        self._resumed()
        return True

    async def require_trusted_normal(self, row_mac: bytes) -> None:
        """At an unlock: a NORMAL whose MAC is not ours reads as ACTIVATED. Raises SYSTEM_LOCKED, keys killed."""
        state = await self.state()
        if is_trusted_normal(row_mac, state):
            return
        if state.state is StopState.NORMAL:
            await self.halt("the stored state carries no valid proof", "system")
        self._lock()
        raise UnavailableError(
            Code.SYSTEM_LOCKED,
            "The stored state carries no valid proof that it is NORMAL, so everything is stopped.",
            hint="On the host: waiaas recover.",
        )

    def _write_halt_file(self, reason: str) -> None:
        descriptor = os.open(self._halt_file, os.O_CREAT | os.O_WRONLY, 0o600)
        try:
            if os.fstat(descriptor).st_size == 0:
                os.write(descriptor, f"{self._clock.now()} {reason}\n".encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        folder = os.open(self._halt_file.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _require_ours(self, state: SystemState) -> None:
        """Raise SYSTEM_LOCKED, locked, unless the row that says how long to wait is one we wrote."""
        if is_ours(self._keyring.require().row_mac, state):
            return
        self._lock()
        raise UnavailableError(
            Code.SYSTEM_LOCKED,
            "The stored recovery carries no valid proof.",
            hint="On the host: waiaas recover --cancel, then start the recovery again.",
        )

    def _lock(self) -> None:
        self._vault.kill()
        self._keyring.clear()

    async def _unlock(self, password: str) -> None:
        if not self._vault.alive:
            await self._vault.restart()
        self._keyring.fill(await self._vault.unlock(password))

    async def _cascade(self, unit: Unit, reason: str, actor: str) -> StopReport:
        now = self._clock.now()
        state = await unit.authority.state()
        after = replace(
            state,
            state=next_stop_state(state.state, StopEvent.ACTIVATE),
            reason=reason[:500],
            actor=actor,
            activated_at=now,
            recovery_at=None,
            recovery_factor=None,
            recovery_cancelled_by_chat=False,
        )
        sessions = [s for s in await unit.sessions.all() if s.revoked_at is None]
        for session in sessions:
            await unit.sessions.revoke(session.id, now, SUSPENDED_BY)
        await unit.sessions.end_claims(now)
        await unit.console.end_challenges(now)
        waiting = await unit.transactions.in_status(*UNSIGNED)
        cause = Cause(actor, now, Code.KILL_SWITCH_ACTIVE, "The kill switch was pulled.")
        await cancel_rows(unit, waiting, cause)
        wallets = [w for w in await unit.wallets.all() if w.status is WalletStatus.ACTIVE]
        for wallet in wallets:
            await unit.wallets.set_status(wallet.id, WalletStatus.SUSPENDED, SUSPENDED_BY)
        exposure = tuple(await unit.transactions.in_status(Status.SUBMITTED))
        report = StopReport(len(sessions), len(waiting), len(wallets), exposure)
        await self._store_state(
            unit, state, after, Fact.KILL_SWITCH_ACTIVATED, actor, _counts(report)
        )
        return report

    async def _complete(self, unit: Unit) -> None:
        state = await unit.authority.state()
        following = next_stop_state(state.state, StopEvent.COMPLETE_RECOVERY)
        for wallet in await unit.wallets.all():
            if wallet.suspended_by == SUSPENDED_BY:
                await unit.wallets.set_status(wallet.id, WalletStatus.ACTIVE, None)
        await self._end_unsent(unit)
        normal = SystemState(following, state.version)
        await self._store_state(unit, state, normal, Fact.KILL_SWITCH_RECOVERED, "system")

    async def _end_unsent(self, unit: Unit) -> None:
        """Payloads that pay and are not known to be sent are never sent after a stop.

        Where no node has any payload of the row, its nonce is refilled.
        """
        now = self._clock.now()
        for row in await unit.transactions.in_status(Status.SUBMITTED):
            paying = [one for one in await unit.attempts.of(row.id) if one.purpose.pays]
            unsent = [one for one in paying if one.accepted_at is None]
            for attempt in unsent:
                await unit.attempts.rejected(attempt.hash, UNSENT)
            if unsent == paying:
                await unit.transactions.note(row.id, execute_by=now)

    async def _store_state(
        self,
        unit: Unit,
        before: SystemState,
        after: SystemState,
        fact: Fact,
        actor: str,
        details: dict[str, str] | None = None,
    ) -> SystemState:
        now = self._clock.now()
        after = replace(after, version=before.version + 1, mac=None)
        if self._keyring.is_open:
            after = replace(after, mac=state_mac(self._keyring.require().row_mac, after))
        if not await unit.authority.save_state(after, expected_version=before.version):
            raise ConflictError(
                Code.INVALID_STATE_TRANSITION, "The stop state was changed meanwhile."
            )
        facts = {"state": after.state.value, "reason": after.reason or "", **(details or {})}
        if after.recovery_at is not None:
            facts["recoveryAt"] = str(after.recovery_at)
        await unit.audit.append(fact, actor=actor, at=now, details=facts)
        await unit.console.alert(f"{fact.value}:{after.version}", fact.value, facts, now)
        return after


def _counts(report: StopReport) -> dict[str, str]:
    return {
        "sessionsRevoked": str(report.sessions_revoked),
        "transactionsCancelled": str(report.transactions_cancelled),
        "walletsSuspended": str(report.wallets_suspended),
        "exposure": ", ".join(row.id for row in report.exposure),
    }
