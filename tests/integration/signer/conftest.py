"""A real signer process over a cheap sandbox keystore with one wallet of each chain."""

import itertools
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from wallet.domain import permits
from wallet.domain.permits import Grant, Permit
from wallet.ports.vault import Subkeys, WalletKey
from wallet.signer.client import KeyVault

PASSWORD = "correct horse battery staple"
EVM_ID = "0190b5a0-0000-7000-8000-000000000001"
SOLANA_ID = "0190b5a0-0000-7000-8000-000000000002"


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def report(line: str) -> None:
    """Show a measurement under ``pytest -s``."""
    sys.stdout.write(f"{line}\n")


@dataclass(slots=True)
class World:
    """An unlocked signer and what a daemon would know of it."""

    vault: KeyVault
    root: Path
    subkeys: Subkeys
    evm: WalletKey
    solana: WalletKey
    new_id: Callable[[], int]

    def grant(self, wallet: WalletKey) -> Grant:
        return Grant(
            permit_id=f"permit-{self.new_id()}",
            transaction_id="transaction",
            attempt=1,
            wallet_id=wallet.wallet_id,
            chain=wallet.chain,
            digest="ab" * 32,
        )

    def permit(self, wallet: WalletKey, payload: bytes, *, age_ms: int = 0) -> Permit:
        return permits.mint(
            self.subkeys.permit, self.grant(wallet), payload=payload, now_ms=now_ms() - age_ms
        )

    def permit_for_chain(self, wallet: WalletKey, payload: bytes, chain: str) -> Permit:
        grant = replace(self.grant(wallet), chain=chain)
        return permits.mint(self.subkeys.permit, grant, payload=payload, now_ms=now_ms())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    tmp_path.chmod(0o700)
    return tmp_path / "keystore"


@pytest.fixture
async def signer(root: Path) -> AsyncIterator[KeyVault]:
    """A signer over a directory without a keystore."""
    vault = await KeyVault.start(root)
    yield vault
    await vault.close()


@pytest.fixture
async def world(signer: KeyVault, root: Path) -> World:
    await signer.create_keystore(PASSWORD, kind="sandbox", profile="CHEAPEST")
    subkeys = await signer.unlock(PASSWORD)
    evm = await signer.create_wallet(EVM_ID, "ethereum", "ethereum-local")
    solana = await signer.create_wallet(SOLANA_ID, "solana", "solana-local")
    return World(signer, root, subkeys, evm, solana, itertools.count().__next__)
