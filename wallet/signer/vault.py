"""The signer's state: a keystore directory, and while unlocked its keys. Everything that signs is here.

Knows nothing of sockets. What derives keys or writes files is called from one worker thread, the
rest from the thread that serves; whatever takes both sides' state apart or seals with it holds
``_exclusive``, because sealing with a key that a lock is just wiping would write it with zeros.
"""

import secrets
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from wallet.domain import permits
from wallet.domain.permits import Permit
from wallet.errors import Code, ConflictError, InputError, KeystoreError
from wallet.keystore import profiles, seal, totp
from wallet.keystore.curves import curve_of
from wallet.keystore.files import KeystoreFiles
from wallet.keystore.format import (
    DEFAULT_BOT_API_URL,
    VERSION,
    Header,
    Sealed,
    SecretFile,
    WalletFile,
    corrupted,
)
from wallet.keystore.subkeys import SECRET_SEAL, WALLET_SEAL, Subkeys, subkey
from wallet.signer.hardening import keep_out_of_swap, wipe
from wallet.signer.protocol import HeaderFacts, Status, WalletFacts

TOTP = "totp"
TOTP_PENDING = "totp.pending"
# A permit is refused once expired; it is remembered longer in case the clock is set back.
_REMEMBER_MS = 3_600_000


@dataclass(slots=True)
class _Key:
    facts: WalletFacts
    secret: bytearray = field(repr=False)


@dataclass(slots=True)
class _Open:
    """An unlocked keystore."""

    keystore_id: str
    kind: str
    data_key: bytearray = field(repr=False)
    permit_key: bytes = field(repr=False)
    keys: dict[str, _Key] = field(repr=False, default_factory=dict)

    def key_of(self, wallet_id: str) -> _Key:
        try:
            return self.keys[wallet_id]
        except KeyError:
            raise KeystoreError(
                Code.WALLET_KEY_MISSING,
                f"The keystore holds no key for the wallet {wallet_id}.",
                details={"walletId": wallet_id},
            ) from None

    def wipe(self) -> None:
        wipe(self.data_key)
        for key in self.keys.values():
            wipe(key.secret)


class Vault:
    """Keys behind permits. ``now_ms`` tells the time in epoch milliseconds."""

    def __init__(self, root: Path, now_ms: Callable[[], int]) -> None:
        self._files = KeystoreFiles(root)
        self._now_ms = now_ms
        self._open: _Open | None = None
        self._exclusive = threading.Lock()
        self._locks = 0
        self._spent: dict[str, int] = {}

    # keystore

    def create_keystore(
        self, password: str, kind: str, profile: str, bot_api_url: str | None
    ) -> HeaderFacts:
        """Make a new, locked keystore. Raise ALREADY_INITIALISED when there is one."""
        draft = seal.HeaderDraft(
            kind=_kind(kind),
            keystore_id=str(uuid.UUID(bytes=secrets.token_bytes(16), version=4)),
            created_at=self._now_ms(),
            bot_api_url=_bot_api_url(bot_api_url or DEFAULT_BOT_API_URL),
            kdf=profiles.profile(profile, _kind(kind)),
        )
        self._files.require_absent()  # before the expensive part; create() looks again
        header = seal.new_header(draft, password)
        self._files.create(header)
        return _header_facts(header)

    def header(self) -> HeaderFacts:
        return _header_facts(self._files.read_header())

    def status(self) -> Status:
        opened = self._open
        if opened is not None:
            wallets = tuple(key.facts for key in opened.keys.values())
            return Status(locked=False, kind=opened.kind, wallets=wallets)
        if not self._files.exists():
            return Status(locked=True, kind=None, wallets=())
        kind = self.header().kind
        wallets = tuple(_wallet_facts(wallet) for _, wallet in self._files.read_wallets())
        return Status(locked=True, kind=kind, wallets=wallets)

    def verify_password(self, password: str) -> None:
        """Raise WRONG_PASSWORD unless it is the master password. Changes nothing."""
        seal.check_password(self._files.read_header(), password)

    @property
    def locks_seen(self) -> int:
        """How often ``lock`` was called; an unlock asked for before the last one has no effect."""
        return self._locks

    def unlock(self, password: str, locks_seen: int = 0) -> Subkeys:
        """Open the header and every wallet, all or nothing. Unlocked already, prove the password."""
        header = self._files.read_header()
        data_key = seal.open_header(header, password, str(self._files.header_path))
        keep_out_of_swap(data_key)
        subkeys = Subkeys.derive(data_key)
        opened = self._open
        if opened is None:
            opened = _Open(header.keystore_id, header.kind, data_key, subkeys.permit)
            self._open_all(opened)
        else:
            wipe(data_key)
        with self._exclusive:
            if self._locks != locks_seen:
                opened.wipe()
                raise _locked()
            self._open = opened
        return subkeys

    def _open_all(self, opened: _Open) -> None:
        for path, wallet in self._files.read_wallets():
            opened.keys[wallet.wallet_id] = _open_wallet(opened, path, wallet)

    def lock(self) -> None:
        with self._exclusive:
            self._locks += 1
            opened, self._open = self._open, None
            if opened is not None:
                opened.wipe()

    # wallets

    def create_wallet(self, wallet_id: str, chain: str, network: str) -> WalletFacts:
        """Make a key pair, store it durably, keep it ready. Raise ConflictError for a known id."""
        curve = curve_of(chain)
        if self._files.wallet_path(wallet_id).exists():
            raise ConflictError(
                Code.ALREADY_INITIALISED, f"There is already a key for the wallet {wallet_id}."
            )
        secret = curve.generate()
        keep_out_of_swap(secret)
        public = curve.public_side(bytes(secret))
        facts = WalletFacts(
            wallet_id=wallet_id,
            chain=chain,
            network=network,
            address=public.address,
            public_key=public.public_key,
        )
        with self._exclusive:
            opened = self._unlocked()
            self._write_wallet(opened, facts, secret)
            opened.keys[wallet_id] = _Key(facts, secret)
        return facts

    def _write_wallet(self, opened: _Open, facts: WalletFacts, secret: bytearray) -> None:
        wallet = WalletFile(
            keystore_id=opened.keystore_id,
            created_at=self._now_ms(),
            sealed=_EMPTY,
            **facts.to_json(),
        )
        key = subkey(opened.data_key, WALLET_SEAL)
        sealed = seal.seal(key, bytes(secret), wallet.associated_data())
        self._files.write_wallet(replace(wallet, sealed=sealed))

    def sign(self, permit: Permit, payload: bytes) -> bytes:
        """Spend ``permit`` on ``payload``. Raise PERMIT_REFUSED or WALLET_KEY_MISSING."""
        opened = self._unlocked()
        now = self._now_ms()
        key = opened.key_of(permit.wallet_id)
        permits.check(
            permit,
            opened.permit_key,
            payload=payload,
            wallet_id=key.facts.wallet_id,
            now_ms=now,
        )
        if permit.chain != key.facts.chain:
            raise permits.refused("chain", "It is for another chain.")
        self._spend(permit, now)
        return _sign_checked(key, payload)

    def _spend(self, permit: Permit, now_ms: int) -> None:
        for permit_id in [old for old, until in self._spent.items() if until < now_ms]:
            del self._spent[permit_id]
        if permit.permit_id in self._spent:
            raise permits.refused("spent", "It was used before.")
        self._spent[permit.permit_id] = permit.expires_at_ms + _REMEMBER_MS

    # codes

    def totp_enrol(self) -> totp.Enrolment:
        """Make a new secret that counts only once confirmed; the present one stays valid until then."""
        with self._exclusive:
            opened = self._unlocked()
            enrolment = totp.new_enrolment(f"owner {opened.keystore_id[:8]}")
            self._write_secret(opened, TOTP_PENDING, enrolment.secret)
        return enrolment

    def totp_confirm(self, code: str, now_ms: int) -> int | None:
        """Put the pending secret in force when ``code`` is its code; return the step it used."""
        with self._exclusive:
            opened = self._unlocked()
            secret = self._read_secret(opened, TOTP_PENDING)
            step = None if secret is None else totp.matched_step(secret, code, now_ms)
            if secret is not None and step is not None:
                self._write_secret(opened, TOTP, secret)
                self._files.remove_secret(TOTP_PENDING)
        return step

    def totp_check(self, code: str, now_ms: int) -> int | None:
        """Return the time step whose code this is, or None. Raise NOT_FACTOR_ENROLLED without one."""
        secret = self._read_secret(self._unlocked(), TOTP)
        if secret is None:
            raise KeystoreError(Code.NOT_FACTOR_ENROLLED, "No authenticator is enrolled.")
        return totp.matched_step(secret, code, now_ms)

    def totp_enrolled(self) -> bool:
        return self._files.secret_path(TOTP).exists()

    def _write_secret(self, opened: _Open, name: str, text: str) -> None:
        secret = SecretFile(
            keystore_id=opened.keystore_id, name=name, created_at=self._now_ms(), sealed=_EMPTY
        )
        key = subkey(opened.data_key, SECRET_SEAL)
        sealed = seal.seal(key, text.encode(), secret.associated_data())
        self._files.write_secret(replace(secret, sealed=sealed))

    def _read_secret(self, opened: _Open, name: str) -> str | None:
        secret = self._files.read_secret(name)
        if secret is None:
            return None
        file = str(self._files.secret_path(name))
        key = subkey(opened.data_key, SECRET_SEAL)
        return seal.open_sealed(key, secret.sealed, secret.associated_data(), file).decode()

    def _unlocked(self) -> _Open:
        if self._open is None:
            raise _locked()
        return self._open


_EMPTY = Sealed(b"", b"")


def _open_wallet(opened: _Open, path: Path, wallet: WalletFile) -> _Key:
    if wallet.keystore_id != opened.keystore_id:
        raise corrupted(str(path), "it belongs to another keystore")
    key = subkey(opened.data_key, WALLET_SEAL)
    secret = bytearray(seal.open_sealed(key, wallet.sealed, wallet.associated_data(), str(path)))
    keep_out_of_swap(secret)
    public = curve_of(wallet.chain).public_side(bytes(secret))
    if (public.address, public.public_key) != (wallet.address, wallet.public_key):
        raise corrupted(str(path), "its key does not lead to its address")
    return _Key(_wallet_facts(wallet), secret)


def _sign_checked(key: _Key, payload: bytes) -> bytes:
    curve = curve_of(key.facts.chain)
    signature = curve.sign(bytes(key.secret), payload)
    # A key damaged in memory, or wiped by a lock meanwhile, must not leave a signature behind.
    if not curve.verify(key.facts.public_key, payload, signature):
        raise KeystoreError(
            Code.INTERNAL_ERROR, "The signature did not verify and was thrown away."
        )
    return signature


def _kind(kind: str) -> profiles.Kind:
    try:
        return profiles.Kind(kind)
    except ValueError:
        raise InputError(
            Code.VALIDATION_ERROR, f"A keystore is sandbox or production, not {kind!r}."
        ) from None


def _bot_api_url(url: str) -> str:
    """Refuse a plain-text Bot API that is not on this machine: approvals travel over it."""
    parts = urlsplit(url)
    plain = parts.scheme == "http" and parts.hostname in {"127.0.0.1", "::1", "localhost"}
    extras = parts.username or parts.password or parts.query or parts.fragment
    if not parts.hostname or extras or not (plain or parts.scheme == "https"):
        raise InputError(Code.VALIDATION_ERROR, "The Bot API URL must be an https:// address.")
    return url


def _header_facts(header: Header) -> HeaderFacts:
    return HeaderFacts(
        version=VERSION,
        kind=str(header.kind),
        keystore_id=header.keystore_id,
        created_at=header.created_at,
        bot_api_url=header.bot_api_url,
        memory_kib=header.kdf.memory_kib,
        time_cost=header.kdf.time_cost,
        parallelism=header.kdf.parallelism,
    )


def _wallet_facts(wallet: WalletFile) -> WalletFacts:
    return WalletFacts(
        wallet_id=wallet.wallet_id,
        chain=wallet.chain,
        network=wallet.network,
        address=wallet.address,
        public_key=wallet.public_key,
    )


def _locked() -> KeystoreError:
    return KeystoreError(
        Code.KEYSTORE_LOCKED, "The keystore is locked.", hint="Unlock it with: waiaas unlock"
    )
