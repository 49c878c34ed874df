"""What an agent may ask for, and the one canonical spelling of it that is hashed, stored and approved."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from wallet.domain.money import U64_MAX, U256_MAX, Asset

REQUEST_VERSION = 1
MEMO_MAX_BYTES = 256
_SELECTOR_BYTES = 4


class IntentType(StrEnum):
    """The blueprint's spellings. The rules judge all of them; agents may ask for those in ASKABLE."""

    TRANSFER = "TRANSFER"
    TOKEN_TRANSFER = "TOKEN_TRANSFER"  # noqa: S105 - a type, not a token
    CONTRACT_CALL = "CONTRACT_CALL"
    APPROVE = "APPROVE"


# A type is added here by whoever builds its whole way to the chain.
ASKABLE = (IntentType.TRANSFER,)


@dataclass(frozen=True, slots=True)
class Transfer:
    """Pay ``amount`` base units of ``asset`` to ``to`` (already validated and normalised)."""

    wallet_id: str
    asset: Asset
    to: str
    amount: int
    memo: str | None = None

    type = IntentType.TRANSFER

    def canonical(self) -> str:
        """The request as canonical JSON: sorted keys, compact, ASCII, only strings, ints and null."""
        return canonical_json(
            {
                "v": REQUEST_VERSION,
                "walletId": self.wallet_id,
                "network": self.asset.network,
                "type": self.type.value,
                "to": self.to,
                "amount": str(self.amount),
                "asset": self.asset.key,
                "memo": self.memo,
            }
        )


@dataclass(frozen=True, slots=True)
class TokenTransfer:
    """Pay ``amount`` base units of the token ``asset`` to ``to``."""

    wallet_id: str
    asset: Asset  # with an address
    to: str
    amount: int
    memo: str | None = None

    type = IntentType.TOKEN_TRANSFER


@dataclass(frozen=True, slots=True)
class ContractCall:
    """Call the contract or program ``to`` with ``data``; ``amount`` is the native value sent along."""

    wallet_id: str
    asset: Asset  # the network's native coin
    to: str
    amount: int
    data: bytes = b""

    type = IntentType.CONTRACT_CALL

    @property
    def method(self) -> str | None:
        """The four-byte selector as ``0x…`` in lower case; None where the data is too short for one."""
        return "0x" + self.data[:4].hex() if len(self.data) >= _SELECTOR_BYTES else None


@dataclass(frozen=True, slots=True)
class Approve:
    """Allow the spender ``to`` to take ``amount`` base units of the token ``asset``."""

    wallet_id: str
    asset: Asset  # with an address
    to: str
    amount: int

    type = IntentType.APPROVE

    @property
    def is_unlimited(self) -> bool:
        """Whether it names no real amount: wallets and contracts write the largest number they can."""
        return self.amount > U256_MAX // 2 or self.amount == U64_MAX


# Closed: a rule that forgets one of them does not type-check.
Intent = Transfer | TokenTransfer | ContractCall | Approve


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the approved digest covers besides the request. ``loss_bound`` is None for transfers."""

    wallet_address: str
    chain_identity: str
    asset_address: str | None
    decimals: int
    fee_ceiling: int
    loss_bound: int | None = None

    def canonical(self) -> str:
        return canonical_json(
            {
                "walletAddress": self.wallet_address,
                "chainIdentity": self.chain_identity,
                "assetAddress": self.asset_address,
                "decimals": self.decimals,
                "feeCeiling": str(self.fee_ceiling),
                "lossBound": None if self.loss_bound is None else str(self.loss_bound),
            }
        )


def canonical_json(value: Mapping[str, str | int | None]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def request_hash(canonical: str) -> str:
    """The key of idempotency: equal for equal requests, hex SHA-256."""
    return hashlib.sha256(b"waiaas/request/1\0" + canonical.encode("ascii")).hexdigest()


def approval_digest(transaction_id: str, hashed_request: str, bounds: Bounds) -> str:
    """What a card shows, a button carries and a permit names: hex SHA-256 over exactly what will be paid."""
    text = f"{transaction_id}\0{hashed_request}\0{bounds.canonical()}"
    return hashlib.sha256(b"waiaas/transaction/1\0" + text.encode("ascii")).hexdigest()


def fingerprint(digest: str) -> str:
    """The first eight hex digits in two groups, for a person to compare."""
    return f"{digest[:4]} {digest[4:8]}"
