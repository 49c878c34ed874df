"""An unlocked keystore in memory, and what it seals and opens. No process, no permits."""

import secrets
from dataclasses import dataclass, field, replace
from pathlib import Path

from wallet.errors import Code, KeystoreError
from wallet.keystore import seal
from wallet.keystore.curves import curve_of
from wallet.keystore.files import KeystoreFiles
from wallet.keystore.format import Header, Sealed, SecretFile, WalletFile, corrupted
from wallet.keystore.subkeys import KEY_BYTES, SECRET_SEAL, WALLET_SEAL, Subkeys, subkey
from wallet.signer.guarded import MEMORY, wipe
from wallet.signer.protocol import WalletFacts

ROOT = "root"  # the secret from which the lasting subkeys come: wallet.keystore.subkeys


@dataclass(slots=True)
class Key:
    facts: WalletFacts
    secret: memoryview = field(repr=False)


@dataclass(slots=True)
class Opened:
    """Header and keys. ``root`` None: a keystore from before there was one, rooted in its data key."""

    header: Header
    data_key: memoryview = field(repr=False)
    root: memoryview | None = field(repr=False, default=None)
    keys: dict[str, Key] = field(repr=False, default_factory=dict)
    permit_key: bytes = field(repr=False, default=b"")

    @property
    def keystore_id(self) -> str:
        return self.header.keystore_id

    @property
    def lasting(self) -> memoryview:
        """What the lasting subkeys come from."""
        return self.data_key if self.root is None else self.root

    def subkeys(self) -> Subkeys:
        return Subkeys.derive(self.data_key, self.root)

    def key_of(self, wallet_id: str) -> Key:
        try:
            return self.keys[wallet_id]
        except KeyError:
            raise KeystoreError(
                Code.WALLET_KEY_MISSING,
                f"The keystore holds no key for the wallet {wallet_id}.",
                details={"walletId": wallet_id},
            ) from None

    def wipe(self) -> None:
        for key in self.keys.values():
            wipe(key.secret)
        for secret in (self.data_key, self.root):
            if secret is not None:
                wipe(secret)

    # sealing

    def sealed_wallet(self, facts: WalletFacts, secret: memoryview, created_at: int) -> WalletFile:
        wallet = WalletFile(
            keystore_id=self.keystore_id, created_at=created_at, sealed=_EMPTY, **facts.to_json()
        )
        key = subkey(self.data_key, WALLET_SEAL)
        return replace(wallet, sealed=seal.seal(key, bytes(secret), wallet.associated_data()))

    def sealed_secret(self, name: str, secret: bytes, created_at: int) -> SecretFile:
        file = SecretFile(
            keystore_id=self.keystore_id, name=name, created_at=created_at, sealed=_EMPTY
        )
        key = subkey(self.data_key, SECRET_SEAL)
        return replace(file, sealed=seal.seal(key, secret, file.associated_data()))

    # opening

    def opened_secret(self, path: Path, secret: SecretFile) -> bytes:
        """Raise KEYSTORE_CORRUPTED for what was not sealed here."""
        if secret.keystore_id != self.keystore_id:
            raise corrupted(str(path), "it belongs to another keystore")
        key = subkey(self.data_key, SECRET_SEAL)
        return seal.open_sealed(key, secret.sealed, secret.associated_data(), str(path))

    def opened_wallet(self, path: Path, wallet: WalletFile) -> Key:
        """Raise KEYSTORE_CORRUPTED unless the key leads to the file's public key and address."""
        if wallet.keystore_id != self.keystore_id:
            raise corrupted(str(path), "it belongs to another keystore")
        key = subkey(self.data_key, WALLET_SEAL)
        secret = MEMORY.hold(
            bytearray(seal.open_sealed(key, wallet.sealed, wallet.associated_data(), str(path)))
        )
        public = curve_of(wallet.chain).public_side(bytes(secret))
        if (public.address, public.public_key) != (wallet.address, wallet.public_key):
            raise corrupted(str(path), "its key does not lead to its address")
        return Key(wallet_facts(wallet), secret)


def opened_with(files: KeystoreFiles, header: Header, data_key: bytearray) -> Opened:
    """Open the root and every wallet, all or nothing; ``data_key`` is wiped."""
    opened = Opened(header, MEMORY.hold(data_key))
    stored = files.read_secret(ROOT)
    if stored is not None:
        path = files.secret_path(ROOT)
        root = opened.opened_secret(path, stored)
        if len(root) != KEY_BYTES:
            raise corrupted(str(path), "it is no key")
        opened.root = MEMORY.hold(root)
    for path, wallet in files.read_wallets():
        opened.keys[wallet.wallet_id] = opened.opened_wallet(path, wallet)
    opened.permit_key = opened.subkeys().permit
    return opened


def fresh_key() -> bytearray:
    return bytearray(secrets.token_bytes(KEY_BYTES))


def wallet_facts(wallet: WalletFile) -> WalletFacts:
    return WalletFacts(
        wallet_id=wallet.wallet_id,
        chain=wallet.chain,
        network=wallet.network,
        address=wallet.address,
        public_key=wallet.public_key,
    )


_EMPTY = Sealed(b"", b"")
