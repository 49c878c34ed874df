"""Freeze and resume: the owner holds a session or a wallet, and lets go what he or auto-stop held."""

from typing import Any

from wallet.domain.autostop import HoldEvent, next_hold
from wallet.domain.facts import Fact
from wallet.domain.safety import StopState
from wallet.domain.sessions import OWNER, Session
from wallet.domain.wallets import Wallet, WalletStatus
from wallet.errors import Code, ConflictError, NotFoundError, UnavailableError
from wallet.operations.cascade import SUSPENDED_BY
from wallet.pipeline.holds import Hold, freeze_session, suspend_wallet
from wallet.pipeline.moves import cancel_held
from wallet.ports.store import Store, Unit
from wallet.ports.world import Clock
from wallet.safety.keyring import Keyring


class Holds:
    """Holding is protective and cancels what waits. Resuming releases, and starts every count anew."""

    def __init__(self, store: Store, clock: Clock, keyring: Keyring) -> None:
        self._store = store
        self._clock = clock
        self._keyring = keyring

    async def freeze_session(self, session_id: str, *, actor: str, reason: str) -> Session:
        """INVALID_STATE_TRANSITION when it is frozen already or has ended."""
        hold = self._hold(actor, reason)

        async def body(unit: Unit) -> Session:
            session = await _live_session(unit, session_id, hold.at)
            next_hold(HoldEvent.HOLD, "session", held=session.frozen_at is not None)
            await freeze_session(unit, session, hold, cancel_held)
            return await _session(unit, session_id)

        return await self._store.run(body)

    async def suspend_wallet(self, wallet_id: str, *, actor: str, reason: str) -> Wallet:
        """INVALID_STATE_TRANSITION when it is suspended already."""
        hold = self._hold(actor, reason)

        async def body(unit: Unit) -> Wallet:
            wallet = await _wallet(unit, wallet_id)
            next_hold(HoldEvent.HOLD, "wallet", held=wallet.status is WalletStatus.SUSPENDED)
            await suspend_wallet(unit, wallet, hold, cancel_held)
            return await _wallet(unit, wallet_id)

        return await self._store.run(body)

    async def resume_session(self, session_id: str, *, actor: str) -> Session:
        """A releasing act: the door has asked for password and factor.

        SYSTEM_LOCKED while stopped, KEYSTORE_LOCKED while nothing could prove what was let go.
        """
        now = self._clock.now()

        async def body(unit: Unit) -> Session:
            await _require_normal(unit)
            self._keyring.require()
            session = await _live_session(unit, session_id, now)
            next_hold(HoldEvent.RESUME, "session", held=session.frozen_at is not None)
            await unit.sessions.hold(session_id, None, None)
            await unit.autostop.restart(session_id, now)
            about = {"sessionId": session.id, "name": session.name, "by": session.frozen_by or ""}
            await self._told(unit, Fact.SESSION_RESUMED, session_id, actor, now, about, {
                "wallet_id": session.wallet_id, "session_id": session_id,
            })  # fmt: skip
            return await _session(unit, session_id)

        return await self._store.run(body)

    async def resume_wallet(self, wallet_id: str, *, actor: str) -> Wallet:
        """The same for a wallet. What the kill switch suspended comes back by a recovery only."""
        now = self._clock.now()

        async def body(unit: Unit) -> Wallet:
            await _require_normal(unit)
            self._keyring.require()
            wallet = await _wallet(unit, wallet_id)
            next_hold(HoldEvent.RESUME, "wallet", held=wallet.status is WalletStatus.SUSPENDED)
            await unit.wallets.set_status(wallet_id, WalletStatus.ACTIVE, None)
            await unit.autostop.restart(wallet_id, now)
            about = {"wallet": wallet.name, "by": wallet.suspended_by or SUSPENDED_BY}
            await self._told(
                unit, Fact.WALLET_RESUMED, wallet_id, actor, now, about, {"wallet_id": wallet_id}
            )
            return await _wallet(unit, wallet_id)

        return await self._store.run(body)

    def _hold(self, actor: str, reason: str) -> Hold:
        return Hold(OWNER, actor, reason, self._clock.now())

    async def _told(
        self,
        unit: Unit,
        fact: Fact,
        subject: str,
        actor: str,
        now: int,
        details: dict[str, str],
        about: dict[str, Any],
    ) -> None:
        await unit.audit.append(fact, actor=actor, at=now, details=details, **about)
        await unit.console.alert(f"{fact.value}:{subject}:{now}", fact.value, details, now)


async def _require_normal(unit: Unit) -> None:
    if (await unit.authority.state()).state is not StopState.NORMAL:
        raise UnavailableError(
            Code.SYSTEM_LOCKED,
            "Stopped: nothing is resumed before a recovery.",
            hint="On the host: waiaas recover.",
        )


async def _session(unit: Unit, session_id: str) -> Session:
    session = await unit.sessions.get(session_id)
    if session is None:
        raise NotFoundError(Code.SESSION_NOT_FOUND, "There is no such session.")
    return session


async def _live_session(unit: Unit, session_id: str, now: int) -> Session:
    session = await _session(unit, session_id)
    if session.revoked_at is not None or now >= session.expires_at:
        raise ConflictError(
            Code.INVALID_STATE_TRANSITION,
            "The session has ended.",
            hint="Create a new one: waiaas session create.",
        )
    return session


async def _wallet(unit: Unit, wallet_id: str) -> Wallet:
    wallet = await unit.wallets.get(wallet_id)
    if wallet is None:
        raise NotFoundError(Code.WALLET_NOT_FOUND, "There is no such wallet.")
    return wallet
