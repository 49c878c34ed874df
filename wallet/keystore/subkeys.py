"""Keys for one purpose each; none leads back to what it was derived from, or to another.

The seals and the permit key come from the data key, which a change of password replaces. The keys
that stored rows depend on (row MACs, audit, session tokens) come from the root: 32 random bytes,
sealed as a secret, which a change of password carries over. A keystore without that secret is from
before there was one: its data key is its root, until a change of password stores it as such.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Self

KEY_BYTES = 32
WALLET_SEAL = "wallet-seal"
SECRET_SEAL = "secret-seal"  # noqa: S105 - the name of a purpose
_PERSON = b"waiaas/subkey/2"
_Key = bytes | bytearray | memoryview


def subkey(key: _Key, purpose: str) -> bytes:
    """32 bytes of BLAKE2b keyed with ``key`` over ``purpose``."""
    digest = hashlib.blake2b(
        purpose.encode("ascii"), key=key, person=_PERSON, digest_size=KEY_BYTES
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
    def derive(cls, data_key: _Key, root: _Key | None = None) -> Self:
        """``root`` None: a keystore without a root of its own."""
        lasting = data_key if root is None else root
        return cls(
            row_mac=subkey(lasting, "row-mac"),
            audit=subkey(lasting, "audit"),
            jwt=subkey(lasting, "jwt"),
            permit=subkey(data_key, "permit"),
        )

    def to_hex(self) -> dict[str, str]:
        return {
            "row_mac": self.row_mac.hex(),
            "audit": self.audit.hex(),
            "jwt": self.jwt.hex(),
            "permit": self.permit.hex(),
        }
