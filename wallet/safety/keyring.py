"""The subkeys that an unlocked signer hands to the daemon; empty while locked."""

from wallet.errors import Code, KeystoreError
from wallet.ports.vault import Subkeys


class Keyring:
    """Holds derived keys only. The data key and private keys never leave the signer."""

    def __init__(self) -> None:
        self._subkeys: Subkeys | None = None

    @property
    def is_open(self) -> bool:
        return self._subkeys is not None

    def fill(self, subkeys: Subkeys) -> None:
        self._subkeys = subkeys

    def clear(self) -> None:
        self._subkeys = None

    def require(self) -> Subkeys:
        """The subkeys; KEYSTORE_LOCKED while there are none."""
        if self._subkeys is None:
            raise KeystoreError(
                Code.KEYSTORE_LOCKED,
                "The keystore is locked.",
                hint="The owner unlocks it on the host: waiaas unlock.",
            )
        return self._subkeys

    def audit_key(self) -> bytes | None:
        """The key of the audit chain, or None while locked (rows are then chained plainly)."""
        return None if self._subkeys is None else self._subkeys.audit

    def row_key(self) -> bytes | None:
        """The key of proofs on authority rows, or None while locked (nothing can be sealed or judged)."""
        return None if self._subkeys is None else self._subkeys.row_mac
