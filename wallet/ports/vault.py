"""The key vault: the parent's end of the signer process. Killing it is the wipe."""

from dataclasses import dataclass
from typing import Protocol

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

    async def unlock(self, password: str) -> Subkeys: ...

    async def verify_password(self, password: str) -> bool:
        """Whether the password opens the header; works while locked and unlocks nothing."""
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
