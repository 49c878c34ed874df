"""The signer's state: a keystore directory, and while unlocked its keys. Everything that signs is here.

Knows nothing of sockets. What derives keys or writes files is called from one worker thread, the
rest from the thread that serves; whatever takes both sides' state apart or seals with it holds
``_exclusive``, because sealing with a key that a lock is just wiping would write it with zeros.
"""

import contextlib
import os
import secrets
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from wallet.domain import permits
from wallet.domain.permits import Permit
from wallet.errors import Code, ConflictError, InputError, KeystoreError
from wallet.keystore import calibration, profiles, seal, swap, totp, version1
from wallet.keystore.curves import curve_of
from wallet.keystore.files import KeystoreFiles
from wallet.keystore.format import DEFAULT_BOT_API_URL, VERSION, Header
from wallet.keystore.subkeys import Subkeys
from wallet.signer import custody
from wallet.signer.guarded import MEMORY, wipe
from wallet.signer.hardening import guards
from wallet.signer.opened import ROOT, Key, Opened, fresh_key, opened_with, wallet_facts
from wallet.signer.protocol import HeaderFacts, Json, Status, WalletFacts

TOTP = "totp"
TOTP_PENDING = "totp.pending"
# A permit is refused once expired; it is remembered longer in case the clock is set back.
_REMEMBER_MS = 3_600_000


class Vault:
    """Keys behind permits. ``now_ms`` tells the time in epoch milliseconds."""

    def __init__(self, root: Path, now_ms: Callable[[], int]) -> None:
        swap.settle(root)
        self._files = KeystoreFiles(root)
        self._now_ms = now_ms
        self._open: Opened | None = None
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
            kdf=kdf_of(profile, _kind(kind)),
        )
        self._files.require_absent()  # before the expensive part
        data_key = fresh_key()
        opened = Opened(seal.new_header(draft, password, data_key), MEMORY.hold(data_key))
        self._files.require_absent()
        self._files.make_directories()
        root = opened.sealed_secret(ROOT, bytes(fresh_key()), draft.created_at)
        self._files.write_secret(root)
        self._files.write_header(opened.header)  # last: a keystore is there when its header is
        opened.wipe()
        return _header_facts(opened.header)

    def header(self) -> HeaderFacts:
        """Unlocked, the header that opened the keys; locked, what the file says."""
        opened = self._open
        return _header_facts(self._files.read_header() if opened is None else opened.header)

    def status(self) -> Status:
        opened = self._open
        if opened is not None:
            wallets = tuple(key.facts for key in opened.keys.values())
            return Status(locked=False, kind=opened.header.kind, wallets=wallets)
        if not self._files.exists():
            return Status(locked=True, kind=None, wallets=())
        kind = self.header().kind
        wallets = tuple(wallet_facts(wallet) for _, wallet in self._files.read_wallets())
        return Status(locked=True, kind=kind, wallets=wallets)

    # custody: what only an offline signer is asked for (wallet.signer.main)

    def change_password(self, password: str, profile: str | None, *, rewrap: bool) -> Json:
        """Swap in a keystore under ``password``; without ``profile`` its parameters stay."""
        with self._exclusive:
            opened = self._unlocked()
            kind = opened.header.kind
            kdf = opened.header.kdf if profile is None else kdf_of(profile, kind)
            change = custody.Change(password, kdf, rewrap=rewrap)
            self._open, removed = custody.change_password(self._files, opened, change)
        return {"header": _header_facts(self._open.header).to_json(), "old_removed": removed}

    def import_key(self, wallet_id: str, network: str, text: bytes, password: str) -> WalletFacts:
        """Take over the key of a version 1 file; a key of that network that is here already stays."""
        with self._exclusive:
            opened = self._unlocked()
            key = custody.import_key(opened, wallet_id, network, text, password)
            if key.facts.wallet_id not in opened.keys:
                sealed = opened.sealed_wallet(key.facts, key.secret, self._now_ms())
                self._files.write_wallet(sealed)
                opened.keys[wallet_id] = key
        return key.facts

    def export_key(self, wallet_id: str, network: str, name: str, password: str) -> bytes:
        """The text of a version 1 file around the wallet's key; ``network`` as that format says it."""
        with self._exclusive:
            key = self._unlocked().key_of(wallet_id)
            made = self._files.read_wallet(wallet_id)
            about = version1.Described(
                chain=key.facts.chain, network=network, name=name, created_at=made.created_at
            )
            return custody.export_key(key, about, password)

    def guards(self) -> Json:
        """What keeps secrets inside this process, as far as it is in force."""
        return {**guards().to_json(), "key_memory": MEMORY.kind}

    def verify_password(self, password: str) -> None:
        """Raise WRONG_PASSWORD unless it is the master password. Changes nothing.

        The header in the file is only what somebody wrote there. Unlocked, the password is that of the header
        which opened the keys; locked, it is one that opens them.
        """
        opened = self._open
        if opened is not None:
            seal.check_password(opened.header, password)
            return
        header = self._files.read_header()
        data_key = seal.open_header(header, password, str(self._files.header_path))
        opened_with(self._files, header, data_key).wipe()

    @property
    def locks_seen(self) -> int:
        """How often ``lock`` was called; an unlock asked for before the last one has no effect."""
        return self._locks

    def unlock(self, password: str, locks_seen: int = 0) -> Subkeys:
        """Open the header and every wallet, all or nothing. Unlocked already, prove the password.

        What a change of password left beside a keystore that opened whole is removed: its old
        password would still open it.
        """
        header = self._files.read_header()
        data_key = seal.open_header(header, password, str(self._files.header_path))
        opened = self._open
        if opened is not None:
            wipe(memoryview(data_key))
        else:
            opened = opened_with(self._files, header, data_key)
            with contextlib.suppress(OSError):
                swap.discard_leftovers(self._files.root)
        with self._exclusive:
            if self._locks != locks_seen:
                opened.wipe()
                raise _locked()
            self._open = opened
            return opened.subkeys()

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
        secret = MEMORY.hold(curve.generate())
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
            self._files.write_wallet(opened.sealed_wallet(facts, secret, self._now_ms()))
            opened.keys[wallet_id] = Key(facts, secret)
        return facts

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

    def _write_secret(self, opened: Opened, name: str, text: str) -> None:
        self._files.write_secret(opened.sealed_secret(name, text.encode(), self._now_ms()))

    def _read_secret(self, opened: Opened, name: str) -> str | None:
        secret = self._files.read_secret(name)
        if secret is None:
            return None
        return opened.opened_secret(self._files.secret_path(name), secret).decode()

    def _unlocked(self) -> Opened:
        if self._open is None:
            raise _locked()
        return self._open


def _sign_checked(key: Key, payload: bytes) -> bytes:
    curve = curve_of(key.facts.chain)
    signature = curve.sign(bytes(key.secret), payload)
    # A key damaged in memory, or wiped by a lock meanwhile, must not leave a signature behind.
    if not curve.verify(key.facts.public_key, payload, signature):
        raise KeystoreError(
            Code.INTERNAL_ERROR, "The signature did not verify and was thrown away."
        )
    return signature


def kdf_of(name: str, kind: profiles.Kind) -> profiles.Argon2:
    """The parameters of a named profile; CALIBRATED measures this machine now."""
    if name != profiles.CALIBRATED:
        return profiles.profile(name, kind)
    seconds_of = calibration.measured(time.process_time, os.cpu_count() or 1)
    return calibration.calibrate(seconds_of, calibration.machine_memory_kib()).params


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


def _locked() -> KeystoreError:
    return KeystoreError(
        Code.KEYSTORE_LOCKED, "The keystore is locked.", hint="Unlock it with: waiaas unlock"
    )
