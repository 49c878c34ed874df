"""Keystore files version 2, text <-> value. Pure: no files, no cryptography.

Every file is canonical JSON (sorted keys, two-space indent, ASCII, one final newline): a file that
is not byte for byte what we would write ourselves is refused, so no edit goes unnoticed. All that
is outside the ciphertext is its associated data. The header also carries a plain SHA-256 of itself:
damage is told from a wrong password before any password is tried, and tampering that renews it is
caught by the associated data.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from wallet.errors import Code, KeystoreError
from wallet.keystore.profiles import KDF_NAME, Argon2, Kind, check_bounds

VERSION: Final = 2
DEFAULT_BOT_API_URL: Final = "https://api.telegram.org"
NONCE_BYTES: Final = 24
TAG_BYTES: Final = 16
KEY_BYTES: Final = 32
SALT_BYTES: Final = 16

# Our files nest two deep; a deeply nested one would exhaust the stack of the JSON decoder.
_MAX_BRACKETS: Final = 64
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_HEX = re.compile(r"(?:[0-9a-f]{2})+")


@dataclass(frozen=True, slots=True)
class Sealed:
    """XChaCha20-Poly1305 output: 24-byte nonce, ciphertext with its 16-byte tag."""

    nonce: bytes
    ciphertext: bytes = field(repr=False)

    def to_json(self) -> dict[str, str]:
        return {"nonce": self.nonce.hex(), "ciphertext": self.ciphertext.hex()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """``header.json``: from the master password to the data key. ``created_at`` in epoch ms."""

    kind: Kind
    keystore_id: str
    created_at: int
    bot_api_url: str
    kdf: Argon2
    salt: bytes
    password_check: bytes = field(repr=False)
    wrapped_key: Sealed = field(repr=False)

    def facts(self) -> dict[str, Any]:
        """Everything but the ciphertext: the associated data of the wrapped key."""
        return {
            "version": VERSION,
            "kind": str(self.kind),
            "keystore_id": self.keystore_id,
            "created_at": self.created_at,
            "bot_api_url": self.bot_api_url,
            "kdf": {
                "name": KDF_NAME,
                "memory_kib": self.kdf.memory_kib,
                "time_cost": self.kdf.time_cost,
                "parallelism": self.kdf.parallelism,
                "salt": self.salt.hex(),
            },
            "password_check": self.password_check.hex(),
        }

    def associated_data(self) -> bytes:
        return b"waiaas/keystore/2/header\0" + _canonical(self.facts())

    def to_text(self) -> bytes:
        body = self.facts() | {"wrapped_key": self.wrapped_key.to_json()}
        return _text(body | {"checksum": hashlib.sha256(_canonical(body)).hexdigest()})


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletFile:
    """``wallets/<wallet_id>.json``. ``public_key`` in hex: 33 bytes secp256k1, 32 Ed25519."""

    keystore_id: str
    wallet_id: str
    chain: str
    network: str
    address: str
    public_key: str
    created_at: int
    sealed: Sealed = field(repr=False)

    def facts(self) -> dict[str, Any]:
        return {
            "version": VERSION,
            "keystore_id": self.keystore_id,
            "wallet_id": self.wallet_id,
            "chain": self.chain,
            "network": self.network,
            "address": self.address,
            "public_key": self.public_key,
            "created_at": self.created_at,
        }

    def associated_data(self) -> bytes:
        return b"waiaas/keystore/2/wallet\0" + _canonical(self.facts())

    def to_text(self) -> bytes:
        return _text(self.facts() | {"sealed": self.sealed.to_json()})


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretFile:
    """``secrets/<name>.json``: a TOTP secret or the like."""

    keystore_id: str
    name: str
    created_at: int
    sealed: Sealed = field(repr=False)

    def facts(self) -> dict[str, Any]:
        return {
            "version": VERSION,
            "keystore_id": self.keystore_id,
            "name": self.name,
            "created_at": self.created_at,
        }

    def associated_data(self) -> bytes:
        return b"waiaas/keystore/2/secret\0" + _canonical(self.facts())

    def to_text(self) -> bytes:
        return _text(self.facts() | {"sealed": self.sealed.to_json()})


def is_uuid(value: str) -> bool:
    """Accept a lower-case UUID and nothing else; only such a word becomes part of a path."""
    return _UUID.fullmatch(value) is not None


def corrupted(file: str, why: str) -> KeystoreError:
    return KeystoreError(
        Code.KEYSTORE_CORRUPTED,
        f"The keystore file {file} is damaged or was changed: {why}.",
        details={"file": file},
        hint="Nothing was touched. Put the file back from a backup.",
    )


def parse_header(raw: bytes, file: str) -> Header:
    """Raise KEYSTORE_CORRUPTED, or KEYSTORE_KIND for parameters too cheap for its kind."""
    body = _load(raw, file)
    body.word("checksum")
    kdf = body.part("kdf")
    header = Header(
        kind=body.kind(),
        keystore_id=body.uuid("keystore_id"),
        created_at=body.number("created_at"),
        bot_api_url=body.word("bot_api_url"),
        kdf=Argon2(kdf.number("memory_kib"), kdf.number("time_cost"), kdf.number("parallelism")),
        salt=kdf.octets("salt", SALT_BYTES),
        password_check=body.octets("password_check", KEY_BYTES),
        wrapped_key=body.sealed("wrapped_key", KEY_BYTES + TAG_BYTES),
    )
    _same_bytes(header.to_text(), raw, file)
    try:
        check_bounds(header.kdf, header.kind)
    except KeystoreError as error:
        error.details["file"] = file
        raise
    return header


def parse_wallet(raw: bytes, file: str) -> WalletFile:
    body = _load(raw, file)
    wallet = WalletFile(
        keystore_id=body.uuid("keystore_id"),
        wallet_id=body.uuid("wallet_id"),
        chain=body.word("chain"),
        network=body.word("network"),
        address=body.word("address"),
        public_key=body.word("public_key"),
        created_at=body.number("created_at"),
        sealed=body.sealed("sealed", KEY_BYTES + TAG_BYTES),
    )
    _same_bytes(wallet.to_text(), raw, file)
    return wallet


def parse_secret(raw: bytes, file: str) -> SecretFile:
    body = _load(raw, file)
    secret = SecretFile(
        keystore_id=body.uuid("keystore_id"),
        name=body.word("name"),
        created_at=body.number("created_at"),
        sealed=body.sealed("sealed", None),
    )
    _same_bytes(secret.to_text(), raw, file)
    return secret


class _Fields:
    """Typed reading of one JSON object; every disappointment names the file and the field."""

    def __init__(self, body: Mapping[str, Any], file: str) -> None:
        self._body = body
        self._file = file

    def _get(self, name: str, kind: type) -> Any:
        value = self._body.get(name)
        if type(value) is not kind:
            raise corrupted(self._file, f"its field {name} is missing or not as written")
        return value

    def word(self, name: str) -> str:
        return str(self._get(name, str))

    def number(self, name: str) -> int:
        return int(self._get(name, int))

    def part(self, name: str) -> "_Fields":
        return _Fields(self._get(name, dict), self._file)

    def uuid(self, name: str) -> str:
        value = self.word(name)
        if not is_uuid(value):
            raise corrupted(self._file, f"its field {name} is not an id")
        return value

    def kind(self) -> Kind:
        value = self.word("kind")
        if value not in set(Kind):
            raise corrupted(self._file, "its field kind is unknown")
        return Kind(value)

    def octets(self, name: str, length: int | None) -> bytes:
        value = self.word(name)
        if not _HEX.fullmatch(value) or (length is not None and len(value) != 2 * length):
            raise corrupted(self._file, f"its field {name} is not as written")
        return bytes.fromhex(value)

    def sealed(self, name: str, length: int | None) -> Sealed:
        part = self.part(name)
        return Sealed(part.octets("nonce", NONCE_BYTES), part.octets("ciphertext", length))


def _load(raw: bytes, file: str) -> _Fields:
    if raw.count(b"[") + raw.count(b"{") > _MAX_BRACKETS:
        raise corrupted(file, "it is not JSON of ours")
    try:
        body = json.loads(raw)
    except ValueError:
        raise corrupted(file, "it is not JSON") from None
    if not isinstance(body, dict):
        raise corrupted(file, "it is not a JSON object")
    if body.get("version") != VERSION:
        raise corrupted(file, f"its format version is not {VERSION}")
    return _Fields(body, file)


def _same_bytes(ours: bytes, raw: bytes, file: str) -> None:
    if ours != raw:
        raise corrupted(file, "its bytes are not as written")


def _canonical(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def _text(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, sort_keys=True, indent=2, ensure_ascii=True).encode() + b"\n"
