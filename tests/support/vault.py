"""A key vault in memory that checks permits as the signer does and remembers what it signed."""

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wallet.domain.permits import Permit, check
from wallet.errors import Code, KeystoreError
from wallet.ports.vault import Subkeys, WalletKey
from wallet.ports.world import Clock

PASSWORD = "correct horse"
STEP_MS = 30_000


@dataclass(frozen=True, slots=True)
class Enrolment:
    secret: str
    uri: str


class MemoryVault:
    """``holding`` lets a test stop a signature half way; ``signed`` lists every payload signed."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open = False
        self._spent: set[str] = set()
        self._keys: dict[str, WalletKey] = {}
        self._permit_key = hashlib.sha256(b"permit").digest()
        self.alive = True
        self.enrolled = False
        self.signed: list[tuple[Permit, bytes]] = []
        self.refused: list[Permit] = []
        self.holding: asyncio.Event | None = None
        self.asked = asyncio.Event()

    @property
    def locked(self) -> bool:
        return not self._open

    async def create_keystore(
        self, password: str, *, kind: str, profile: str, bot_api_url: str | None = None
    ) -> object:
        assert password == PASSWORD
        return (kind, profile, bot_api_url)

    async def guards(self) -> Mapping[str, Any]:
        self._require_alive()
        return {"no_core_dumps": True, "not_traceable": True, "key_memory": "PLAIN"}

    async def unlock(self, password: str) -> Subkeys:
        self._require_alive()
        if password != PASSWORD:
            raise KeystoreError(Code.WRONG_PASSWORD, "The password is wrong.")
        self._open = True
        names = (b"row", b"audit", b"jwt")
        row, audit, jwt = (hashlib.sha256(name).digest() for name in names)
        return Subkeys(row, audit, jwt, self._permit_key)

    async def verify_password(self, password: str) -> bool:
        self._require_alive()
        return password == PASSWORD

    async def create_wallet(self, wallet_id: str, chain: str, network: str) -> WalletKey:
        self._require_open()
        public = hashlib.sha256(wallet_id.encode()).hexdigest()
        self._keys[wallet_id] = WalletKey(wallet_id, chain, network, f"addr{public[:12]}", public)
        return self._keys[wallet_id]

    async def wallets(self) -> list[WalletKey]:
        self._require_open()
        return list(self._keys.values())

    async def sign(self, permit: Permit, payload: bytes) -> bytes:
        self._require_open()
        self.asked.set()
        if self.holding is not None:
            await self.holding.wait()
        self._require_open()
        wallet_id = permit.wallet_id
        key = self._keys.get(wallet_id)
        if key is None or permit.permit_id in self._spent:
            self.refused.append(permit)
            raise KeystoreError(Code.PERMIT_REFUSED, "The permit was refused.")
        now = self._clock.now()
        check(permit, self._permit_key, payload=payload, wallet_id=wallet_id, now_ms=now)
        self._spent.add(permit.permit_id)
        self.signed.append((permit, payload))
        digest = hashlib.sha512(key.public_key.encode() + payload).digest()
        return digest + b"\x01" if permit.chain == "ethereum" else digest

    async def totp_enrol(self) -> Enrolment:
        return Enrolment("SECRET", "otpauth://totp/waiaas")

    async def totp_confirm(self, code: str, now_ms: int) -> int | None:
        step = now_ms // STEP_MS if code == code_at(now_ms) else None
        self.enrolled = self.enrolled or step is not None
        return step

    async def totp_enrolled(self) -> bool:
        self._require_open()
        return self.enrolled

    async def totp_check(self, code: str, now_ms: int) -> int | None:
        self._require_open()
        await asyncio.sleep(0)
        return now_ms // STEP_MS if code == code_at(now_ms) else None

    def kill(self) -> None:
        self.alive = self._open = False

    async def restart(self) -> None:
        self.alive, self._open = True, False

    async def close(self) -> None:
        self.kill()

    def _require_alive(self) -> None:
        if not self.alive:
            raise KeystoreError(Code.SIGNER_GONE, "The signer is gone.")

    def _require_open(self) -> None:
        self._require_alive()
        if not self._open:
            raise KeystoreError(Code.KEYSTORE_LOCKED, "The keystore is locked.")


def code_at(now_ms: int) -> str:
    """The one right code of a moment."""
    return f"{now_ms // STEP_MS % 1_000_000:06d}"
