"""The outside of a backup file: a preamble, then one sealed stream. docs/backup-format.md says it byte by byte.

The key comes from the master password by Argon2id under a salt of the file's own. The stream is libsodium's
secretstream (XChaCha20-Poly1305): chunks can be neither changed, moved, left out nor cut off, and the preamble
is the associated data of each. As in the keystore, the second half of Argon2id's output proves the password, so
that a wrong password and a damaged file are different errors.
"""

import hashlib
import hmac
import secrets
import struct
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from nacl.bindings import (
    crypto_secretstream_xchacha20poly1305_ABYTES,
    crypto_secretstream_xchacha20poly1305_init_pull,
    crypto_secretstream_xchacha20poly1305_init_push,
    crypto_secretstream_xchacha20poly1305_pull,
    crypto_secretstream_xchacha20poly1305_push,
    crypto_secretstream_xchacha20poly1305_state,
    crypto_secretstream_xchacha20poly1305_TAG_FINAL,
    crypto_secretstream_xchacha20poly1305_TAG_MESSAGE,
)
from nacl.exceptions import CryptoError

from wallet.errors import Code, KeystoreError
from wallet.keystore.format import KEY_BYTES, SALT_BYTES
from wallet.keystore.kdf import derive
from wallet.keystore.manifest import damaged
from wallet.keystore.profiles import Argon2, Kind, check_bounds
from wallet.keystore.seal import password_bytes

MAGIC: Final = b"waiaas-backup\n"
VERSION: Final = 1
CHUNK_BYTES: Final = 65_536
PREAMBLE_BYTES: Final = 136

_HEAD = struct.Struct(">14sH")
_FIELDS = struct.Struct(">14sHB3xIII16s24s")
_CHECK_BYTES: Final = 32
_SUM_BYTES: Final = 32
_CHECK: Final = b"waiaas/backup/1/password\0"
_KINDS: Final = {Kind.PRODUCTION: 1, Kind.SANDBOX: 2}
_OVERHEAD: Final = crypto_secretstream_xchacha20poly1305_ABYTES
_MESSAGE: Final = crypto_secretstream_xchacha20poly1305_TAG_MESSAGE
_FINAL: Final = crypto_secretstream_xchacha20poly1305_TAG_FINAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Preamble:
    """What stands in the clear. ``stream_header`` is the secretstream's own."""

    kind: Kind
    kdf: Argon2
    salt: bytes
    stream_header: bytes
    password_check: bytes = field(repr=False)

    def fields(self) -> bytes:
        kdf = self.kdf
        return _FIELDS.pack(
            MAGIC,
            VERSION,
            _KINDS[self.kind],
            kdf.memory_kib,
            kdf.time_cost,
            kdf.parallelism,
            self.salt,
            self.stream_header,
        )

    def to_bytes(self) -> bytes:
        checked = self.fields() + self.password_check
        return checked + hashlib.sha256(checked).digest()


def parse_preamble(raw: bytes) -> Preamble:
    """Raise BACKUP_DAMAGED, or BACKUP_UNSUPPORTED for a version that this code does not know."""
    if len(raw) < _HEAD.size or not raw.startswith(MAGIC):
        raise damaged("it is no backup of this program")
    version = _HEAD.unpack_from(raw)[1]
    if version != VERSION:
        raise KeystoreError(
            Code.BACKUP_UNSUPPORTED,
            f"The backup file says that it is of version {version}; this program reads {VERSION}.",
            hint="Restore it with the version of the program that wrote it.",
        )
    if len(raw) != PREAMBLE_BYTES:
        raise damaged("it ends too early")
    checked = raw[:-_SUM_BYTES]
    if not hmac.compare_digest(hashlib.sha256(checked).digest(), raw[-_SUM_BYTES:]):
        raise damaged("its first bytes do not fit their checksum")
    _, _, kind, memory, passes, lanes, salt, stream_header = _FIELDS.unpack_from(raw)
    kinds = {number: one for one, number in _KINDS.items()}
    if kind not in kinds:
        raise damaged("its kind is unknown")
    preamble = Preamble(
        kind=kinds[kind],
        kdf=Argon2(memory, passes, lanes),
        salt=salt,
        stream_header=stream_header,
        password_check=checked[-_CHECK_BYTES:],
    )
    if preamble.to_bytes() != raw:
        raise damaged("its first bytes are not as written")
    try:
        check_bounds(preamble.kdf, preamble.kind)
    except KeystoreError as error:
        raise damaged(f"its key derivation is refused ({error.message})") from None
    return preamble


class SealedWriter:
    """Seals what is written into ``file``. Without ``finish`` the file is a truncated one, which nobody takes."""

    def __init__(self, file: BinaryIO, password: str, kind: Kind, kdf: Argon2) -> None:
        salt = secrets.token_bytes(SALT_BYTES)
        key, check_key = _derive(password, salt, kdf)
        self._file = file
        self._state = crypto_secretstream_xchacha20poly1305_state()
        preamble = Preamble(
            kind=kind,
            kdf=kdf,
            salt=salt,
            stream_header=crypto_secretstream_xchacha20poly1305_init_push(self._state, key),
            password_check=bytes(_CHECK_BYTES),
        )
        check = _password_check(check_key, preamble)
        self._preamble = preamble.fields() + check
        self._preamble += hashlib.sha256(self._preamble).digest()
        self._pending = bytearray()
        file.write(self._preamble)

    def write(self, data: bytes) -> None:
        self._pending += data
        while len(self._pending) > CHUNK_BYTES:  # the last chunk is kept for ``finish``
            chunk = bytes(self._pending[:CHUNK_BYTES])
            del self._pending[:CHUNK_BYTES]
            self._push(chunk, _MESSAGE)

    def finish(self) -> None:
        self._push(bytes(self._pending), _FINAL)

    def _push(self, chunk: bytes, tag: int) -> None:
        sealed = crypto_secretstream_xchacha20poly1305_push(
            self._state, chunk, self._preamble, tag
        )
        self._file.write(sealed)


class SealedReader:
    """Opens a file from its start. Everything that ``read`` hands out was authenticated, in its place."""

    def __init__(self, file: BinaryIO, password: str) -> None:
        """Raise BACKUP_DAMAGED, BACKUP_UNSUPPORTED or WRONG_PASSWORD. Costs one Argon2id."""
        self._file = file
        self._raw = file.read(PREAMBLE_BYTES)
        self.preamble = parse_preamble(self._raw)
        key, check_key = _derive(password, self.preamble.salt, self.preamble.kdf)
        if not hmac.compare_digest(
            _password_check(check_key, self.preamble), self.preamble.password_check
        ):
            raise KeystoreError(
                Code.WRONG_PASSWORD,
                "That is not the password of this backup.",
                hint="A backup opens with the master password of the day it was made.",
            )
        self._state = crypto_secretstream_xchacha20poly1305_state()
        crypto_secretstream_xchacha20poly1305_init_pull(
            self._state, self.preamble.stream_header, key
        )
        self._ready = bytearray()
        self._ended = False

    def read(self, size: int) -> bytes:
        """Exactly ``size`` bytes, or BACKUP_DAMAGED."""
        while len(self._ready) < size:
            if self._ended:
                raise damaged("it holds less than it says")
            self._pull()
        found = bytes(self._ready[:size])
        del self._ready[:size]
        return found

    def finish(self) -> None:
        """Raise BACKUP_DAMAGED unless everything was read and nothing follows."""
        while not self._ended:
            self._pull()
        if self._ready or self._file.read(1):
            raise damaged("it holds more than it says")

    def _pull(self) -> None:
        sealed = self._file.read(CHUNK_BYTES + _OVERHEAD)
        if len(sealed) < _OVERHEAD:
            raise damaged("it ends too early")
        try:
            chunk, tag = crypto_secretstream_xchacha20poly1305_pull(self._state, sealed, self._raw)
        except CryptoError:
            raise damaged("a part of it is not as written, or is missing") from None
        if tag not in (_MESSAGE, _FINAL) or (tag == _MESSAGE and len(chunk) != CHUNK_BYTES):
            raise damaged("it is not divided as written")
        self._ended = tag == _FINAL
        self._ready += chunk


def _derive(password: str, salt: bytes, kdf: Argon2) -> tuple[bytes, bytes]:
    output = derive(password_bytes(password), salt, kdf, 2 * KEY_BYTES)
    return output[:KEY_BYTES], output[KEY_BYTES:]


def _password_check(check_key: bytes, preamble: Preamble) -> bytes:
    return hmac.new(check_key, _CHECK + preamble.fields(), hashlib.sha256).digest()
