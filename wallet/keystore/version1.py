"""Key files of the WAIaaS keystore, version 1: one wallet, one file, one password.

Written exactly as the description says: UTF-8 JSON, two-space indent, fields in its order, nothing
behind the last brace. Read strictly: a field too many, too few, twice or of another type is refused, and so are
key derivation parameters out of bounds. The format authenticates nothing but the ciphertext, so what
the file says of its key is believed only after the key has led to the same public key.

GCM cannot tell a wrong password from damage; that is one error here.
"""

import json
import re
import secrets
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, NoReturn

from Crypto.Cipher import AES

from wallet.errors import Code, InputError, KeystoreError
from wallet.keystore.curves import SECRET_BYTES, curve_of
from wallet.keystore.kdf import derive
from wallet.keystore.profiles import CEILING, CHEAPEST, Argon2

VERSION: Final = 1
CIPHER: Final = "aes-256-gcm"
KDF: Final = "argon2id"
KDF_PARAMS: Final = Argon2(memory_kib=65_536, time_cost=3, parallelism=4)
IV_BYTES: Final = 12
TAG_BYTES: Final = 16
SALT_BYTES: Final = 16
HASH_BYTES: Final = 32
# Solana: the seed and behind it the public key; EVM: the scalar.
PLAIN_BYTES: Final[Mapping[str, int]] = {"solana": 64, "ethereum": 32}
MAX_FILE_BYTES: Final = 64 * 1024
MAX_PASSWORD_BYTES: Final = 128

_MAX_BRACKETS: Final = 64
_UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_FIELDS: Final = ("version", "id", "chain", "network", "publicKey", "crypto", "metadata")
_CRYPTO: Final = ("cipher", "cipherparams", "ciphertext", "authTag", "kdf", "kdfparams")
_PARAMS: Final = ("salt", "memoryCost", "timeCost", "parallelism", "hashLength")
_METADATA: Final = ("name", "createdAt", "lastUnlockedAt")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFile:
    """A parsed file. ``address`` is its publicKey: base58 on Solana, EIP-55 on EVM chains."""

    file_id: str
    chain: str
    network: str
    address: str
    iv: bytes
    ciphertext: bytes = field(repr=False)
    tag: bytes
    salt: bytes
    kdf: Argon2
    name: str
    created_at: str
    last_unlocked_at: str | None = None

    def to_text(self) -> bytes:
        body = {
            "version": VERSION,
            "id": self.file_id,
            "chain": self.chain,
            "network": self.network,
            "publicKey": self.address,
            "crypto": {
                "cipher": CIPHER,
                "cipherparams": {"iv": self.iv.hex()},
                "ciphertext": self.ciphertext.hex(),
                "authTag": self.tag.hex(),
                "kdf": KDF,
                "kdfparams": {
                    "salt": self.salt.hex(),
                    "memoryCost": self.kdf.memory_kib,
                    "timeCost": self.kdf.time_cost,
                    "parallelism": self.kdf.parallelism,
                    "hashLength": HASH_BYTES,
                },
            },
            "metadata": {
                "name": self.name,
                "createdAt": self.created_at,
                "lastUnlockedAt": self.last_unlocked_at,
            },
        }
        return json.dumps(body, indent=2, ensure_ascii=False).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What a new file says of its key. ``created_at`` in epoch milliseconds."""

    chain: str
    network: str
    name: str
    created_at: int


def seal_key(about: Described, secret: bytes, password: str, kdf: Argon2 = KDF_PARAMS) -> KeyFile:
    """A new file around a 32-byte seed or scalar, with a fresh salt and nonce."""
    public = curve_of(about.chain).public_side(secret)
    plain = secret + (bytes.fromhex(public.public_key) if about.chain == "solana" else b"")
    salt, iv = secrets.token_bytes(SALT_BYTES), secrets.token_bytes(IV_BYTES)
    key = derive(password_bytes(password), salt, kdf, HASH_BYTES)
    ciphertext, tag = AES.new(key, AES.MODE_GCM, nonce=iv).encrypt_and_digest(plain)
    return KeyFile(
        file_id=_new_uuid4(),
        chain=about.chain,
        network=about.network,
        address=public.address,
        iv=iv,
        ciphertext=ciphertext,
        tag=tag,
        salt=salt,
        kdf=kdf,
        name=about.name,
        created_at=_iso(about.created_at),
    )


def open_key(file: KeyFile, password: str) -> bytearray:
    """The 32-byte seed or scalar. KEYSTORE_DECRYPT_FAILED, or KEYSTORE_IMPORT_FAILED for a lie."""
    key = derive(password_bytes(password), file.salt, file.kdf, HASH_BYTES)
    try:
        plain = AES.new(key, AES.MODE_GCM, nonce=file.iv).decrypt_and_verify(
            file.ciphertext, file.tag
        )
    except ValueError:
        raise KeystoreError(
            Code.KEYSTORE_DECRYPT_FAILED,
            "The key file did not open: the password is not its password, or it is damaged.",
            hint="A key file has a password of its own, not the master password of this wallet.",
        ) from None
    secret, rest = plain[:SECRET_BYTES], plain[SECRET_BYTES:]
    try:
        public = curve_of(file.chain).public_side(secret)
    except ValueError:  # zero, or above the group order
        raise _failed("what it holds is no key of its chain") from None
    if public.address != file.address or rest not in (b"", bytes.fromhex(public.public_key)):
        raise _failed("its key does not lead to its public key")
    return bytearray(secret)


def password_bytes(password: str) -> bytes:
    """UTF-8 as typed, at most 128 bytes; an empty one is a password of this format too."""
    try:
        encoded = password.encode()
    except UnicodeEncodeError:
        raise InputError(Code.VALIDATION_ERROR, "The password is not valid text.") from None
    if len(encoded) > MAX_PASSWORD_BYTES:
        raise InputError(
            Code.VALIDATION_ERROR,
            f"The password of a key file has at most {MAX_PASSWORD_BYTES} bytes.",
        )
    return encoded


def parse(raw: bytes) -> KeyFile:
    """KEYSTORE_IMPORT_FAILED or UNSUPPORTED_KEYSTORE_VERSION for what is not a version 1 file."""
    body = _load(raw)
    whole = _Part("", body)
    if body.get("version") != VERSION or type(body.get("version")) is not int:
        raise KeystoreError(
            Code.UNSUPPORTED_KEYSTORE_VERSION, "The key file is not of keystore version 1."
        )
    whole.require_fields(_FIELDS)
    chain = whole.one_of("chain", tuple(PLAIN_BYTES))
    crypto = whole.part("crypto", _CRYPTO)
    crypto.one_of("cipher", (CIPHER,))
    crypto.one_of("kdf", (KDF,))
    params = crypto.part("kdfparams", _PARAMS)
    params.number("hashLength", HASH_BYTES, HASH_BYTES)
    metadata = whole.part("metadata", _METADATA)
    return KeyFile(
        file_id=whole.uuid("id"),
        chain=chain,
        network=whole.text("network"),
        address=whole.text("publicKey"),
        iv=crypto.part("cipherparams", ("iv",)).octets("iv", IV_BYTES),
        ciphertext=crypto.octets("ciphertext", PLAIN_BYTES[chain]),
        tag=crypto.octets("authTag", TAG_BYTES),
        salt=params.octets("salt", SALT_BYTES),
        kdf=Argon2(
            params.number("memoryCost", CHEAPEST.memory_kib, CEILING.memory_kib),
            params.number("timeCost", CHEAPEST.time_cost, CEILING.time_cost),
            params.number("parallelism", CHEAPEST.parallelism, CEILING.parallelism),
        ),
        name=metadata.text("name"),
        created_at=metadata.moment("createdAt"),
        last_unlocked_at=metadata.moment_or_null("lastUnlockedAt"),
    )


class _Part:
    """Typed reading of one JSON object; every refusal names the field, never a value."""

    def __init__(self, path: str, body: Mapping[str, Any]) -> None:
        self._path = path
        self._body = body

    def require_fields(self, names: Sequence[str]) -> None:
        if set(self._body) != set(names):
            missing = sorted(set(names) - set(self._body))
            where = self._path.rstrip(".") or "the file"
            why = (
                f"{where} lacks {', '.join(missing)}" if missing else f"{where} has unknown fields"
            )
            raise _failed(why)

    def _get(self, name: str, kind: type) -> Any:
        value = self._body.get(name)
        if type(value) is not kind:
            self._refuse(name)
        return value

    def _refuse(self, name: str) -> NoReturn:
        raise _failed(f"its field {self._path}{name} is not as the format says")

    def text(self, name: str) -> str:
        value = str(self._get(name, str))
        if not value.isprintable():  # also lone surrogates, which cannot be written again
            self._refuse(name)
        return value

    def one_of(self, name: str, known: tuple[str, ...]) -> str:
        value = self.text(name)
        if value not in known:
            raise _failed(f"its field {self._path}{name} is not {' or '.join(known)}")
        return value

    def number(self, name: str, least: int, most: int) -> int:
        value = int(self._get(name, int))
        if not least <= value <= most:
            raise _failed(f"its field {self._path}{name} is not within {least} and {most}")
        return value

    def octets(self, name: str, length: int) -> bytes:
        value = self.text(name)
        if not re.fullmatch(f"[0-9a-fA-F]{{{2 * length}}}", value, re.ASCII):
            self._refuse(name)
        return bytes.fromhex(value)

    def uuid(self, name: str) -> str:
        value = self.text(name)
        if not _UUID4.fullmatch(value):
            self._refuse(name)
        return value

    def moment(self, name: str) -> str:
        value = self.text(name)
        try:
            offset = datetime.fromisoformat(value).utcoffset()
        except ValueError:
            self._refuse(name)
        if offset is None or offset:  # without a zone, or not UTC
            self._refuse(name)
        return value

    def moment_or_null(self, name: str) -> str | None:
        return None if self._body.get(name) is None else self.moment(name)

    def part(self, name: str, fields: Sequence[str]) -> "_Part":
        part = _Part(f"{self._path}{name}.", self._get(name, dict))
        part.require_fields(fields)
        return part


def _load(raw: bytes) -> dict[str, Any]:
    if len(raw) > MAX_FILE_BYTES:
        raise _failed("it is too long")
    if raw.count(b"[") + raw.count(b"{") > _MAX_BRACKETS:
        raise _failed("it is nested too deeply")
    try:
        body = json.loads(
            raw.decode(), object_pairs_hook=_without_doubles, parse_constant=_no_constant
        )
    except ValueError:
        raise _failed("it is not JSON") from None
    if not isinstance(body, dict):
        raise _failed("it is not a JSON object")
    return body


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _failed("a field stands in it twice")
    return found


def _no_constant(_: str) -> NoReturn:
    raise _failed("it is not JSON")


def _failed(why: str) -> KeystoreError:
    return KeystoreError(
        Code.KEYSTORE_IMPORT_FAILED, f"The key file cannot be used: {why}. Nothing was changed."
    )


def _iso(at_ms: int) -> str:
    moment = datetime.fromtimestamp(at_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _new_uuid4() -> str:
    return str(uuid.UUID(bytes=secrets.token_bytes(16), version=4))
