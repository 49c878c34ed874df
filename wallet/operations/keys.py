"""The keys in the hands of a stop and a recovery: wiped at once, opened only where they fit the rows."""

import structlog

from wallet.operations.opening import open_keystore
from wallet.ports.store import Store
from wallet.ports.vault import KeyVault
from wallet.ports.world import Clock
from wallet.safety.keyring import Keyring

log = structlog.get_logger(__name__)


class Keys:
    """The signer and what it derived for the daemon, together."""

    def __init__(self, store: Store, clock: Clock, vault: KeyVault, keyring: Keyring) -> None:
        self._store = store
        self._clock = clock
        self._vault = vault
        self._keyring = keyring

    @property
    def are_open(self) -> bool:
        return self._keyring.is_open

    @property
    def row_mac(self) -> bytes:
        """The key of proofs on rows; KEYSTORE_LOCKED while there is none."""
        return self._keyring.require().row_mac

    def lock(self) -> bool:
        """Forget every key. False where the signer could not be killed; without a permit it signs nothing."""
        self._keyring.clear()
        return self.kill_signer()

    def kill_signer(self) -> bool:
        """End the signer, which is the wipe. False where it could not be ended."""
        try:
            self._vault.kill()
        except Exception:
            log.exception("signer_not_killed")
            return False
        return True

    async def unlock(self, password: str) -> None:
        """WRONG_PASSWORD, KEYSTORE_CORRUPTED; then everything is as locked as before."""
        self._keyring.fill(await open_keystore(self._store, self._clock, self._vault, password))
