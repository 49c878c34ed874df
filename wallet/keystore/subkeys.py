"""Keys for one purpose each, derived from the data key; none leads back to it or to another."""

import hashlib
from dataclasses import dataclass, field
from typing import Self

KEY_BYTES = 32
WALLET_SEAL = "wallet-seal"
SECRET_SEAL = "secret-seal"  # noqa: S105 - the name of a purpose
_PERSON = b"waiaas/subkey/2"


def subkey(data_key: bytes | bytearray, purpose: str) -> bytes:
    """32 bytes of BLAKE2b keyed with the data key over ``purpose``."""
    digest = hashlib.blake2b(
        purpose.encode("ascii"), key=data_key, person=_PERSON, digest_size=KEY_BYTES
    )
    return digest.digest()


@dataclass(frozen=True, slots=True)
class Subkeys:
    """What the daemon gets on unlock: row MACs, audit HMAC, JWT and permit keys, 32 bytes each."""

    row_mac: bytes = field(repr=False)
    audit: bytes = field(repr=False)
    jwt: bytes = field(repr=False)
    permit: bytes = field(repr=False)

    @classmethod
    def derive(cls, data_key: bytes | bytearray) -> Self:
        return cls(
            row_mac=subkey(data_key, "row-mac"),
            audit=subkey(data_key, "audit"),
            jwt=subkey(data_key, "jwt"),
            permit=subkey(data_key, "permit"),
        )

    def to_hex(self) -> dict[str, str]:
        return {
            "row_mac": self.row_mac.hex(),
            "audit": self.audit.hex(),
            "jwt": self.jwt.hex(),
            "permit": self.permit.hex(),
        }
