"""The key vault: the parent's end of the signer process. Killing it is the wipe."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from wallet.domain.permits import Permit


@dataclass(frozen=True, slots=True, repr=False)
class Subkeys:
    """Keys derived from the data key, 32 bytes each; all that the daemon ever sees of it."""

    row_mac: bytes
    audit: bytes
    jwt: bytes
    permit: bytes


@dataclass(frozen=True, slots=True)
class WalletKey:
    """The public side of a key. ``public_key`` is hex."""

    wallet_id: str
    chain: str
    network: str
    address: str
    public_key: str


class KeyVault(Protocol):
    """Raises KeystoreError: KEYSTORE_LOCKED, WRONG_PASSWORD, KEYSTORE_CORRUPTED, SIGNER_GONE, PERMIT_REFUSED."""

    @property
    def locked(self) -> bool: ...

    @property
    def alive(self) -> bool:
        """Whether there is a signer process to ask."""
        ...

    async def guards(self) -> Mapping[str, Any]:
        """What keeps secrets inside the signer, as far as it is in force.

        ``no_core_dumps`` and ``not_traceable`` are bool, ``key_memory`` is GUARDED, LOCKED or PLAIN.
        """
        ...

    async def unlock(self, password: str) -> Subkeys: ...

    async def verify_password(self, password: str) -> bool:
        """Whether the password opens the keystore; works while locked and unlocks nothing."""
        ...

    async def create_wallet(self, wallet_id: str, chain: str, network: str) -> WalletKey: ...

    async def wallets(self) -> list[WalletKey]: ...

    async def sign(self, permit: Permit, payload: bytes) -> bytes: ...

    async def totp_enrolled(self) -> bool: ...

    async def totp_check(self, code: str, now_ms: int) -> int | None:
        """The time step that the code belongs to, or None. Spending the step is the caller's duty."""
        ...

    def kill(self) -> None:
        """End the signer at once. Synchronous; safe to call twice."""
        ...

    async def restart(self) -> None:
        """A fresh, locked signer."""
        ...

    async def close(self) -> None: ...


class CustodyVault(KeyVault, Protocol):
    """The vault of a command that runs while no daemon does: keys may come in and go out."""

    async def import_key(
        self, wallet_id: str, network: str, text: bytes, password: str
    ) -> WalletKey:
        """Take over the key of a version 1 key file, durably; one that is here already keeps its id.

        Raises KEYSTORE_IMPORT_FAILED, UNSUPPORTED_KEYSTORE_VERSION, KEYSTORE_DECRYPT_FAILED.
        """
        ...

    async def export_key(self, wallet_id: str, *, network: str, name: str, password: str) -> bytes:
        """The text of a version 1 key file under ``password``."""
        ...
