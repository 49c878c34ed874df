"""Derive, seal, open: Argon2id for the master password, XChaCha20-Poly1305 for everything at rest.

Argon2id yields 64 bytes: the first half wraps the data key, the second half proves the password
(and commits to the key, which Poly1305 alone does not), so a wrong password and a damaged file are
different errors.
"""

import hashlib
import hmac
import secrets
import unicodedata
from dataclasses import dataclass, replace

from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
)
from nacl.exceptions import CryptoError

from wallet.errors import Code, InputError, KeystoreError
from wallet.keystore.format import KEY_BYTES, NONCE_BYTES, SALT_BYTES, Header, Sealed, corrupted
from wallet.keystore.kdf import derive
from wallet.keystore.profiles import Argon2, Kind

MAX_PASSWORD_BYTES = 1024
_CHECK = b"waiaas/keystore/2/password\0"
Key = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderDraft:
    """The public facts of a keystore that is about to be made. ``created_at`` in epoch ms."""

    kind: Kind
    keystore_id: str
    created_at: int
    bot_api_url: str
    kdf: Argon2


def new_header(draft: HeaderDraft, password: str, data_key: Key | None = None) -> Header:
    """Make a header with a fresh salt around ``data_key``; without one around 32 fresh bytes."""
    salt = secrets.token_bytes(SALT_BYTES)
    wrap_key, check_key = _derive(password, salt, draft.kdf)
    header = Header(
        kind=draft.kind,
        keystore_id=draft.keystore_id,
        created_at=draft.created_at,
        bot_api_url=draft.bot_api_url,
        kdf=draft.kdf,
        salt=salt,
        password_check=_password_check(check_key, salt),
        wrapped_key=Sealed(b"", b""),
    )
    kept = secrets.token_bytes(KEY_BYTES) if data_key is None else bytes(data_key)
    return replace(header, wrapped_key=seal(wrap_key, kept, header.associated_data()))


def check_password(header: Header, password: str) -> bytes:
    """Return the key that wraps the data key, or raise WRONG_PASSWORD. Costs one full Argon2id."""
    wrap_key, check_key = _derive(password, header.salt, header.kdf)
    if not hmac.compare_digest(_password_check(check_key, header.salt), header.password_check):
        raise KeystoreError(Code.WRONG_PASSWORD, "That is not the master password.")
    return wrap_key


def open_header(header: Header, password: str, file: str) -> bytearray:
    """Return the data key. Raise WRONG_PASSWORD, or KEYSTORE_CORRUPTED naming ``file``."""
    wrap_key = check_password(header, password)
    return bytearray(open_sealed(wrap_key, header.wrapped_key, header.associated_data(), file))


def seal(key: bytes, plaintext: bytes, associated_data: bytes) -> Sealed:
    nonce = secrets.token_bytes(NONCE_BYTES)
    return Sealed(
        nonce, crypto_aead_xchacha20poly1305_ietf_encrypt(plaintext, associated_data, nonce, key)
    )


def open_sealed(key: bytes, sealed: Sealed, associated_data: bytes, file: str) -> bytes:
    """Raise KEYSTORE_CORRUPTED naming ``file`` when text or associated data are not as sealed."""
    try:
        return crypto_aead_xchacha20poly1305_ietf_decrypt(
            sealed.ciphertext, associated_data, sealed.nonce, key
        )
    except CryptoError:
        raise corrupted(file, "its contents do not belong to this keystore or place") from None


def password_bytes(password: str) -> bytes:
    """Encode as NFC and UTF-8: every keyboard types the same password. 1 to 1,024 bytes."""
    try:
        encoded = unicodedata.normalize("NFC", password).encode()
    except UnicodeEncodeError:
        raise InputError(Code.VALIDATION_ERROR, "The password is not valid text.") from None
    if not 1 <= len(encoded) <= MAX_PASSWORD_BYTES:
        raise InputError(
            Code.VALIDATION_ERROR, f"The password must have 1 to {MAX_PASSWORD_BYTES:,} bytes."
        )
    return encoded


def _derive(password: str, salt: bytes, kdf: Argon2) -> tuple[bytes, bytes]:
    output = derive(password_bytes(password), salt, kdf, 2 * KEY_BYTES)
    return output[:KEY_BYTES], output[KEY_BYTES:]


def _password_check(check_key: bytes, salt: bytes) -> bytes:
    return hmac.new(check_key, _CHECK + salt, hashlib.sha256).digest()
