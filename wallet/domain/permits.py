"""Permits: leave to sign exactly one payload, minted by the pipeline after a decision, spent once.

A permit binds a decision (transaction, attempt, wallet, approved digest) to the SHA-256 of the
bytes to be signed. Its MAC key is derived from the data key, so nobody can mint one without an
unlocked keystore. Pure.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

from wallet.errors import Code, KeystoreError

LIFETIME_MS = 30_000
# Both processes read the same clock; only a clock that was set back makes a permit look early.
EARLY_TOLERANCE_MS = 5_000
_DOMAIN = b"waiaas/permit/1\0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What was decided. ``digest`` is the approved transaction digest in hex."""

    permit_id: str
    transaction_id: str
    attempt: int
    wallet_id: str
    chain: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """A grant bound to one payload and a time. Times in epoch ms, hashes and MAC in hex."""

    permit_id: str
    transaction_id: str
    attempt: int
    wallet_id: str
    chain: str
    digest: str
    payload_sha256: str
    issued_at_ms: int
    expires_at_ms: int
    mac: str = field(repr=False)

    def to_dict(self) -> dict[str, str | int]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Raise KeystoreError(PERMIT_REFUSED) unless exactly the fields are there, well typed."""
        wanted = {f.name: f.type for f in fields(cls)}
        if set(data) != set(wanted):
            raise refused("malformed", "It has missing or unknown fields.")
        for name, kind in wanted.items():
            if type(data[name]) is not kind:
                raise refused("malformed", f"Its field {name} has the wrong type.")
        return cls(**data)


def mint(key: bytes, grant: Grant, *, payload: bytes, now_ms: int) -> Permit:
    """Bind ``grant`` to ``payload`` for the next 30 seconds; ``key`` is the permit subkey."""
    body: dict[str, Any] = asdict(grant) | {
        "payload_sha256": hashlib.sha256(payload).hexdigest(),
        "issued_at_ms": now_ms,
        "expires_at_ms": now_ms + LIFETIME_MS,
    }
    return Permit(**body, mac=_mac(key, body))


def check(permit: Permit, key: bytes, *, payload: bytes, wallet_id: str, now_ms: int) -> None:
    """Raise PERMIT_REFUSED with ``details.reason`` unless the permit covers this signature now."""
    body = permit.to_dict()
    body.pop("mac")
    if not hmac.compare_digest(_mac(key, body).encode(), permit.mac.encode()):
        raise refused("mac", "Its MAC is not ours.")
    if permit.wallet_id != wallet_id:
        raise refused("wallet", "It is for another wallet.")
    if not hmac.compare_digest(hashlib.sha256(payload).hexdigest(), permit.payload_sha256):
        raise refused("payload", "It is for another payload.")
    _check_time(permit, now_ms)


def refused(reason: str, sentence: str) -> KeystoreError:
    """Build the one error of this module; ``reason`` is a stable word for programs."""
    return KeystoreError(
        Code.PERMIT_REFUSED, f"The permit was refused. {sentence}", details={"reason": reason}
    )


def _check_time(permit: Permit, now_ms: int) -> None:
    if permit.expires_at_ms - permit.issued_at_ms != LIFETIME_MS:
        raise refused("lifetime", "It does not live 30 seconds.")
    if now_ms >= permit.expires_at_ms:
        raise refused("expired", "It has expired.")
    if now_ms < permit.issued_at_ms - EARLY_TOLERANCE_MS:
        raise refused("early", "It was issued in the future.")


def _mac(key: bytes, body: Mapping[str, Any]) -> str:
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hmac.new(key, _DOMAIN + canonical.encode(), hashlib.sha256).hexdigest()
