"""The kill switch: stop at once through any door, recover slowly through one."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

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
)
from wallet.errors import Code, ConflictError, RefusedError, UnavailableError
from wallet.operations.cascade import (
    StopReport,
    end_everything,
    note,
    take_up_again,
    tell_behind,
    tell_of_living_signer,
)
from wallet.operations.factors import spend_step
from wallet.operations.keys import Keys
from wallet.operations.stop_state import NO_DETAILS, Owed, Telling, not_stored, write_state
from wallet.ports.store import Store, Unit
from wallet.ports.world import Clock
from wallet.safety.gate import Gate
from wallet.safety.halt_file import HaltFile

log = structlog.get_logger(__name__)

KEYS_WITHIN_SECONDS = (
    0.25  # a stop that waits for the database wipes the keys before it is through
)
RETRY_SECONDS = 1.0
FOUND = "a HALT file was found"


@dataclass(frozen=True, slots=True)
class Waits:
    """How long a recovery waits, by what proved the owner. Seconds."""

    code_seconds: int
    tap_seconds: int


@dataclass(frozen=True, slots=True)
class Told:
    """Who is told at once, before anything is stored (``stopped``), or once everything works (``resumed``)."""

    stopped: Callable[[], None]
    resumed: Callable[[], None]


class Safety:
    """Order of a stop: flag in memory, HALT file, one transaction, signer killed, alerts.

    A stop is in force from its first step on. Storing it is tried again until it works, so that a locked or
    full database delays the record of a stop and never the stop.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        gate: Gate,
        keys: Keys,
        halt_file: HaltFile,
        waits: Waits,
        check_code: Callable[[str], Awaitable[int]],
        told: Told,
    ) -> None:
        self._store = store
        self._clock = clock
        self._gate = gate
        self._keys = keys
        self._halt_file = halt_file
        self._waits = waits
        self._check_code = check_code
        self._told = told
        self._halting = 0  # stops under way
        self._completing = False  # NORMAL is being committed while the HALT file is still there
        self._owed: Owed | None = None
        self._retry_at = float("-inf")

    @property
    def is_normal(self) -> bool:
        return self._gate.is_normal

    async def state(self) -> SystemState:
        """As it counts: a stop in force reads ACTIVATED, stored or not."""
        return self.as_it_counts(await self._stored())

    def as_it_counts(self, stored: SystemState) -> SystemState:
        """The stored state, or the stop that could not be stored yet."""
        owed = self._owed
        if owed is None or stored.state is not StopState.NORMAL:
            return stored
        return owed.over(stored)

    async def load(self) -> SystemState:
        """At start: take over the stored state. A HALT file always wins."""
        stored = await self._stored()
        if stored.state is StopState.NORMAL and self._halt_file.is_there():
            await self.halt(self._found(), "file")
            return await self.state()
        self._gate.set(stored.state)
        return stored

    async def halt(self, reason: str, actor: str) -> StopReport:
        """Stop everything. KILL_SWITCH_ACTIVE when it is stopped already; the first reason stays.

        A report that is not ``stored`` says that the stop is in force while the database cannot be written.
        """
        now, was_normal = self._clock.now(), self._gate.is_normal
        if was_normal:
            self._gate.set(StopState.ACTIVATED)
        self._told.stopped()
        self._halt_file.write(now, reason)
        owed = self._owed = self._owed or Owed(reason[:500], actor, now)
        try:
            report = await self._store_stop(owed, wipes=was_normal or self._completing)
        except ConflictError:
            if was_normal or self._completing:
                self._keys.lock()
            if (
                not self._completing
            ):  # else a recovery is just ending: it finds what is owed and stays stopped
                self._owed = None
            raise
        if report.stored:
            self._owed = None
            self._gate.set(StopState.ACTIVATED)  # also where a recovery had just completed
        if not self._keys.lock():
            await self._tell_of_living_signer(now)
        log.warning("kill_switch_activated", actor=actor, stored=report.stored)
        return report

    async def stop_behind(self, why: str) -> StopReport:
        """At start: stop, because the database has forgotten what happened. From any state, and again."""
        now, reason = self._clock.now(), f"The database is behind the world: {why}."
        self._halt_file.write(now, reason)
        owed = Owed(reason[:500], "system", now)
        report = await self._store.run(lambda unit: self._cascade(unit, owed, behind=True))
        self._gate.set(StopState.ACTIVATED)
        self._keys.lock()
        return report

    async def _store_stop(self, owed: Owed, *, wipes: bool) -> StopReport:
        """The stop's transaction; a report that is not stored where the database refuses it.

        ``wipes``: the keys go after a moment even if it is still waiting. Otherwise they may be those of a
        recovery that waits, which a refused stop leaves alone.
        """
        keys = asyncio.get_running_loop().call_later(KEYS_WITHIN_SECONDS, self._keys.kill_signer)
        if not wipes:
            keys.cancel()
        self._halting += 1
        try:
            return await self._store.run(lambda unit: self._cascade(unit, owed))
        except ConflictError:
            raise
        except Exception:
            log.exception("stop_not_stored", actor=owed.actor)
            self._retry_at = self._clock.monotonic() + RETRY_SECONDS
            return StopReport(0, 0, 0, (), stored=False)
        except BaseException:
            self._keys.lock()
            raise
        finally:
            keys.cancel()
            self._halting -= 1

    async def finish_halt(self) -> None:
        """On a short tick: a HALT file that appeared, or a stop whose transaction has to be tried again.

        Raises STORAGE_BUSY while the database cannot be written, so that /health tells.
        """
        if self._completing or self._halting:
            return
        if self._owed is None:
            if not self._halt_file.is_there():
                return
            if self._gate.is_normal:
                self._gate.set(StopState.ACTIVATED)  # before anything that may wait
            elif (await self._stored()).state is not StopState.NORMAL:
                return
            self._owed = Owed(self._found(), "file", self._clock.now())
        if self._clock.monotonic() < self._retry_at:
            return
        with suppress(ConflictError):
            report = await self.halt(self._owed.reason, self._owed.actor)
            if not report.stored:
                raise not_stored()

    async def begin_recovery(
        self, password: str, actor: str, code: str | None = None
    ) -> SystemState:
        """Start the wait, or take it up again after a restart. The password must really open the keystore.

        With a code of the authenticator app the wait is the short one. A wrong password or code, or a wallet
        whose key is not the stored one, leaves everything as it was.
        """
        if self._owed is not None:
            raise not_stored()
        self._gate.require_time()  # the wait goes by it
        now = self._clock.now()
        before = await self._stored()
        if before.state is StopState.RECOVERING and not self._keys.are_open:
            await self._keys.unlock(password)
            self._require_ours(before)
            return before
        next_stop_state(before.state, StopEvent.BEGIN_RECOVERY)
        await self._keys.unlock(password)
        try:
            totp_step = None if code is None else await self._check_code(code)
            after = await self._store_recovery(now, actor, totp_step)
        except BaseException:
            self._keys.lock()
            raise
        self._gate.set(after.state)
        return after

    async def _store_recovery(self, now: int, actor: str, totp_step: int | None) -> SystemState:
        factor = Factor.HOST if totp_step is None else Factor.CODE
        waits = self._waits
        seconds = waits.tap_seconds if totp_step is None else waits.code_seconds

        async def body(unit: Unit) -> SystemState:
            state = await unit.authority.state()
            if totp_step is not None:
                await spend_step(unit, totp_step)
            after = replace(
                state,
                state=next_stop_state(state.state, StopEvent.BEGIN_RECOVERY),
                recovery_at=now + seconds * 1000,
                recovery_factor=factor.value,
            )
            await note(unit, Fact.KEYSTORE_UNLOCKED, actor, now)
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
            await self._note_lock(unit, actor)
            return await self._store_state(
                unit, state, after, Fact.KILL_SWITCH_RECOVERY_CANCELLED, actor
            )

        after = await self._store.run(body)
        self._gate.set(after.state)
        self._keys.lock()
        return after

    async def tick(self) -> bool:
        """Complete a recovery whose wait is over; True when it did. Needs the keys since its command."""
        now = self._clock.now()
        state = await self._stored()
        over = state.recovery_at is not None and now >= state.recovery_at
        if not self._gate.has_time:
            return False
        if state.state is not StopState.RECOVERING or not over or not self._keys.are_open:
            return False
        self._require_ours(state)
        self._completing = True
        try:
            await self._store.run(self._complete)
            if self._halting or self._owed is not None:
                return False  # a stop came meanwhile: it finds NORMAL and ends it
            if self._halt_file.remove():
                self._gate.set(StopState.NORMAL)
        finally:
            self._completing = False
        if not self._gate.is_normal:
            await self.halt("the HALT file could not be removed", "system")
            return False
        self._told.resumed()
        return True

    async def require_trusted_normal(self, row_mac: bytes) -> None:
        """At an unlock: a NORMAL whose MAC is not ours reads as ACTIVATED. Raises SYSTEM_LOCKED, keys killed."""
        state = await self._stored()
        if self._gate.is_normal and is_trusted_normal(row_mac, state):
            return
        if state.state is StopState.NORMAL:
            now = self._clock.now()
            await self._store.run(
                lambda unit: unit.audit.append(Fact.STATE_UNTRUSTED, actor="system", at=now)
            )
            await self.halt("the stored state carries no valid proof", "system")
        self._keys.lock()
        raise UnavailableError(
            Code.SYSTEM_LOCKED,
            "The stored state carries no valid proof that it is NORMAL, so everything is stopped.",
            hint="On the host: waiaas recover.",
        )

    async def _stored(self) -> SystemState:
        return await self._store.read(lambda unit: unit.authority.state())

    def _found(self) -> str:
        words = self._halt_file.words()
        return f"{FOUND}: {words}" if words and FOUND not in words else words or FOUND

    def _require_ours(self, state: SystemState) -> None:
        """Raise SYSTEM_LOCKED, locked, unless the row that says how long to wait is one we wrote."""
        if is_ours(self._keys.row_mac, state):
            return
        self._keys.lock()
        raise UnavailableError(
            Code.SYSTEM_LOCKED,
            "The stored recovery carries no valid proof.",
            hint="On the host: waiaas recover --cancel, then start the recovery again.",
        )

    async def _tell_of_living_signer(self, now: int) -> None:
        with suppress(UnavailableError):
            await self._store.run(lambda unit: tell_of_living_signer(unit, now))

    async def _note_lock(self, unit: Unit, actor: str) -> None:
        """The keys go once this unit is committed."""
        if self._keys.are_open:
            await note(unit, Fact.KEYSTORE_LOCKED, actor, self._clock.now())

    async def _cascade(self, unit: Unit, owed: Owed, *, behind: bool = False) -> StopReport:
        """``behind``: the database is; then it is stopped from any state."""
        now, state = self._clock.now(), await unit.authority.state()
        if behind:
            await tell_behind(unit, owed.reason, state.version + 1, now)
        after = replace(
            state,
            state=StopState.ACTIVATED
            if behind
            else next_stop_state(state.state, StopEvent.ACTIVATE),
            reason=owed.reason,
            actor=owed.actor,
            activated_at=owed.at,
            recovery_at=None,
            recovery_factor=None,
            recovery_cancelled_by_chat=False,
            behind_at=now if behind else state.behind_at,
        )
        report = await end_everything(unit, owed.at, owed.actor)
        await self._note_lock(unit, owed.actor)
        await self._store_state(
            unit, state, after, Fact.KILL_SWITCH_ACTIVATED, owed.actor, report.counts
        )
        return report

    async def _complete(self, unit: Unit) -> None:
        state = await unit.authority.state()
        following = next_stop_state(state.state, StopEvent.COMPLETE_RECOVERY)
        await take_up_again(unit, self._clock.now())
        normal = SystemState(following, state.version, behind_at=state.behind_at)
        stopped = {} if state.activated_at is None else {"stoppedAt": str(state.activated_at)}
        await self._store_state(unit, state, normal, Fact.KILL_SWITCH_RECOVERED, "system", stopped)

    async def _store_state(
        self,
        unit: Unit,
        before: SystemState,
        after: SystemState,
        fact: Fact,
        actor: str,
        details: Mapping[str, str] = NO_DETAILS,
    ) -> SystemState:
        mac_key = self._keys.row_mac if self._keys.are_open else None
        told = Telling(fact, actor, self._clock.now(), details)
        return await write_state(unit, before, after, told, mac_key)
