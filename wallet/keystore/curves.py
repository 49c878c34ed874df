"""Key pairs of the two chains: make, derive the public side, sign and verify one's own signature.

EVM: secp256k1 over Keccak-256 of an unsigned typed transaction, 65 bytes r || s || y_parity,
s in the lower half. Solana: Ed25519 over a version 0 message, 64 bytes.
"""

import secrets
from dataclasses import dataclass
from typing import Final, Protocol

from coincurve import PrivateKey, PublicKey
from Crypto.Hash import keccak
from nacl.bindings import crypto_sign, crypto_sign_open, crypto_sign_seed_keypair
from nacl.exceptions import CryptoError

from wallet.errors import Code, InputError, KeystoreError
from wallet.keystore.base58 import b58encode

SECRET_BYTES: Final = 32
_EVM_TYPED: Final = 0x02
_RLP_LIST: Final = 0xC0
_SOLANA_V0: Final = 0x80


@dataclass(frozen=True, slots=True)
class PublicSide:
    """``public_key`` in hex, ``address`` as the chain writes it."""

    public_key: str
    address: str


class Curve(Protocol):
    """One chain's way with keys. Secrets are 32 bytes: a scalar or a seed."""

    @property
    def chain(self) -> str: ...

    def generate(self) -> bytearray: ...

    def public_side(self, secret: bytes) -> PublicSide: ...

    def sign(self, secret: bytes, payload: bytes) -> bytes:
        """Raise PAYLOAD_MISMATCH for bytes that are not an unsigned transaction of this chain."""

    def verify(self, public_key: str, payload: bytes, signature: bytes) -> bool: ...


class Secp256k1:
    chain = "ethereum"

    def generate(self) -> bytearray:
        return bytearray(PrivateKey().secret)  # a scalar below the group order

    def public_side(self, secret: bytes) -> PublicSide:
        public = PrivateKey(secret).public_key
        digest = keccak256(public.format(compressed=False)[1:])
        return PublicSide(public.format().hex(), checksum_address(digest[-20:]))

    def sign(self, secret: bytes, payload: bytes) -> bytes:
        if len(payload) < 2 or payload[0] != _EVM_TYPED or payload[1] < _RLP_LIST:  # noqa: PLR2004
            raise _not_signable("an unsigned EIP-1559 transaction")
        return PrivateKey(secret).sign_recoverable(keccak256(payload), hasher=None)

    def verify(self, public_key: str, payload: bytes, signature: bytes) -> bool:
        try:
            signer = PublicKey.from_signature_and_message(
                signature, keccak256(payload), hasher=None
            )
        except ValueError:
            return False
        # A recovery id of 2 or 3 (r above the field order) is no y_parity; it has never been seen.
        return signature[64] in {0, 1} and signer.format().hex() == public_key


class Ed25519:
    chain = "solana"

    def generate(self) -> bytearray:
        return bytearray(secrets.token_bytes(SECRET_BYTES))

    def public_side(self, secret: bytes) -> PublicSide:
        public, _ = crypto_sign_seed_keypair(secret)
        return PublicSide(public.hex(), b58encode(public))

    def sign(self, secret: bytes, payload: bytes) -> bytes:
        if len(payload) < 2 or payload[0] != _SOLANA_V0:  # noqa: PLR2004
            raise _not_signable("a version 0 message")
        _, expanded = crypto_sign_seed_keypair(secret)
        return crypto_sign(payload, expanded)[: -len(payload)]

    def verify(self, public_key: str, payload: bytes, signature: bytes) -> bool:
        try:
            crypto_sign_open(signature + payload, bytes.fromhex(public_key))
        except CryptoError:
            return False
        return True


CURVES: Final[dict[str, Curve]] = {curve.chain: curve for curve in (Secp256k1(), Ed25519())}


def curve_of(chain: str) -> Curve:
    try:
        return CURVES[chain]
    except KeyError:
        raise InputError(
            Code.CHAIN_NOT_SUPPORTED, f"There are no keys for the chain {chain!r}."
        ) from None


def keccak256(data: bytes) -> bytes:
    return keccak.new(digest_bits=256, data=data).digest()


def checksum_address(raw: bytes) -> str:
    """EIP-55 spelling of 20 bytes."""
    digits = raw.hex()
    mask = keccak256(digits.encode()).hex()
    upper_from = 8
    return "0x" + "".join(
        digit.upper() if int(bit, 16) >= upper_from else digit
        for digit, bit in zip(digits, mask, strict=False)
    )


def _not_signable(wanted: str) -> KeystoreError:
    return KeystoreError(Code.PAYLOAD_MISMATCH, f"The payload is not {wanted}; it was not signed.")
