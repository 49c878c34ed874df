"""What makes a stored row believed: a MAC over all of it, under a key that only an unlocked keystore gives.

A row that allows something (a session, a rule, the owner, an approval, a wallet's address) is worth nothing
without its proof. A row that only forbids is believed as it stands.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from wallet.errors import Code, RefusedError

_DOMAIN = b"waiaas/authority/1\0"
_PROVISIONAL = "p:"
FOREVER = 2**53  # a time that never comes, epoch ms; SQLite and JSON hold it exactly

CODE_COUNTER = "totp"
FROZEN = "telegram_frozen"
RESET_COUNTER = "factor_reset"
RESET_CHAT_CANCELS = "factor_reset_chat_cancels"
CODE_FROZEN_AFTER = 20

# What a counter without a proof reads as, (count, locked_until): the answer that allows nothing.
DENYING: Mapping[str, tuple[int, int]] = MappingProxyType(
    {
        CODE_COUNTER: (CODE_FROZEN_AFTER, FOREVER),
        FROZEN: (1, 0),
        RESET_COUNTER: (0, 0),
        RESET_CHAT_CANCELS: (0, 0),
    }
)


class Proof(StrEnum):
    """What is known of a row's proof."""

    PROVED = "PROVED"  # an unlocked daemon wrote exactly this
    PROVISIONAL = "PROVISIONAL"  # this very process wrote it while locked
    UNKNOWN = "UNKNOWN"  # there is no key to ask with; nothing is signed then either
    BROKEN = "BROKEN"  # nobody entitled wrote this

    @property
    def is_broken(self) -> bool:
        return self is Proof.BROKEN


def row_mac(
    key: bytes, table: str, columns: Mapping[str, Any], *, provisional: bool = False
) -> str:
    """HMAC-SHA256 over the table's name and every covered column as it is stored; hex, marked if provisional.

    Columns are text, integers or None, so there is one spelling: JSON with sorted keys, compact, ASCII.
    """
    text = json.dumps(dict(columns), sort_keys=True, separators=(",", ":"), allow_nan=False)
    mac = hmac.new(key, _DOMAIN + table.encode() + b"\0" + text.encode(), hashlib.sha256)
    return f"{_PROVISIONAL}{mac.hexdigest()}" if provisional else mac.hexdigest()


def is_provisional(mac: str) -> bool:
    return mac.startswith(_PROVISIONAL)


def same_mac(stored: str, computed: str) -> bool:
    return hmac.compare_digest(stored.encode(), computed.encode())


def unproved(what: str) -> RefusedError:
    """AUTHORITY_UNPROVED. ``what`` names the row for a person."""
    return RefusedError(
        Code.AUTHORITY_UNPROVED,
        f"The stored {what} carries no valid proof, so it allows nothing.",
        hint="Somebody changed the database, or it was restored in part. The owner looks on the host: "
        "waiaas status, and docs/operations.md.",
    )


def require_proof(proof: Proof, what: str) -> None:
    """Raise AUTHORITY_UNPROVED for a row that nobody entitled wrote."""
    if proof.is_broken:
        raise unproved(what)
