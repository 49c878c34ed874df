"""A wallet: one key pair on one chain and network."""

from dataclasses import dataclass, field
from enum import StrEnum

from wallet.domain.authority import Proof


class WalletStatus(StrEnum):
    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"


@dataclass(frozen=True, slots=True)
class Wallet:
    """A wallet row. ``suspended_by`` remembers who may lift the suspension."""

    id: str
    name: str
    chain: str
    network: str
    address: str
    public_key: str
    created_at: int
    status: WalletStatus = WalletStatus.ACTIVE
    suspended_by: str | None = None
    proof: Proof = field(default=Proof.UNKNOWN, compare=False, repr=False)
