"""Unlocking: the signer opens the keystore and hands over derived keys; the stored state must prove itself."""

from collections.abc import Callable, Mapping

from wallet.domain.facts import Fact
from wallet.domain.safety import StopState
from wallet.errors import Code, UnavailableError
from wallet.operations.audit import AuditGuard
from wallet.operations.opening import open_keystore
from wallet.operations.safety import Safety
from wallet.ports.store import Store
from wallet.ports.vault import KeyVault
from wallet.ports.world import Clock
from wallet.safety.keyring import Keyring


class Unlocking:
    """From a running but locked daemon to one that can sign."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        vault: KeyVault,
        keyring: Keyring,
        safety: Safety,
        guard: AuditGuard,
        unlocked: Callable[[], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._vault = vault
        self._keyring = keyring
        self._safety = safety
        self._guard = guard
        self._unlocked = unlocked

    @property
    def is_locked(self) -> bool:
        return not self._keyring.is_open or self._vault.locked

    async def unlock(self, password: str) -> None:
        """Open the keystore. Raises WRONG_PASSWORD, KEYSTORE_CORRUPTED, SYSTEM_LOCKED while stopped."""
        state = await self._safety.state()
        if state.state is not StopState.NORMAL or not self._safety.is_normal:
            raise UnavailableError(
                Code.SYSTEM_LOCKED,
                "The kill switch is active, so the keystore stays locked.",
                hint="On the host: waiaas recover.",
            )
        subkeys = await open_keystore(self._store, self._clock, self._vault, password)
        # Before the daemon has the keys: until the state proved itself nothing may be signed.
        await self._safety.require_trusted_normal(subkeys.row_mac)
        sealed = await self._sound_tail(subkeys.audit)
        self._keyring.fill(subkeys)
        now = self._clock.now()
        await self._store.run(
            lambda unit: unit.audit.append(
                Fact.KEYSTORE_UNLOCKED, actor="host", at=now, details=sealed
            )
        )
        self._unlocked()

    async def _sound_tail(self, audit_key: bytes) -> Mapping[str, str]:
        """Which plain rows the unlock seals. Raises SYSTEM_LOCKED, keys killed, where the log does not fit."""
        try:
            return await self._guard.require_sound_tail(audit_key)
        except UnavailableError:
            self._vault.kill()
            raise
