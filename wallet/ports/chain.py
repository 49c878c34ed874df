"""The chain port: one configured network behind one or more endpoints that proved their identity."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from wallet.domain.chains import Network
from wallet.domain.transactions import Attempt


@dataclass(frozen=True, slots=True)
class Balance:
    """Native base units at ``height`` (block number or slot), at the latest state an endpoint has."""

    amount: int
    height: int


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """What to build. ``fee_ceiling`` is the most this payload may cost in fees, native base units."""

    address: str
    to: str
    amount: int
    memo: str | None
    fee_ceiling: int
    taken_nonces: frozenset[int] = frozenset()  # EVM: nonces of our attempts that are not final
    nonce_floor: int = 0  # EVM: one above our highest final nonce
    nonce: int | None = None  # EVM: build at exactly this nonce (a replacement)
    outbid: tuple[bytes, ...] = ()  # EVM: signed bytes at that nonce which a node may hold
    salt: int = 0  # Solana: 0..999, makes equal payments differ in their signed bytes


@dataclass(frozen=True, slots=True)
class Built:
    """An unsigned payload and what it can cost. ``balance`` was read while building."""

    payload: bytes
    nonce: int | None
    last_valid_height: int | None
    signing_height: int | None
    max_fee: int
    balance: int


@dataclass(frozen=True, slots=True)
class Payment:
    """What a payload would do, decoded from its bytes."""

    address: str | None  # who pays, where the payload says so (Solana)
    to: str
    amount: int
    memo: str | None
    max_fee: int
    nonce: int | None


@dataclass(frozen=True, slots=True)
class Signed:
    """Bytes ready to send and the hash (EVM) or signature (Solana) they are known by."""

    raw: bytes
    hash: str


class SendOutcome(StrEnum):
    ACCEPTED = "ACCEPTED"  # at least one endpoint has it, or had it already
    REJECTED = "REJECTED"  # every endpoint refused it for a reason that will not pass by itself
    UNKNOWN = "UNKNOWN"  # anything else; the bytes may or may not be out there


@dataclass(frozen=True, slots=True)
class SendResult:
    outcome: SendOutcome
    reason: str | None = None


class Sighting(StrEnum):
    UNSEEN = "UNSEEN"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    DEAD = "DEAD"  # final: these bytes can never land (Solana: height passed and no trace)
    NONCE_TAKEN = "NONCE_TAKEN"  # EVM, final: another transaction holds the nonce


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one endpoint says of one attempt. ``final`` only from a reading at or past finality."""

    hash: str
    sighting: Sighting
    deep_enough: bool = False  # reached the network's configured depth
    final: bool = False
    height: int | None = None
    fee: int | None = None  # what it actually cost, native base units


class Chain(Protocol):
    """One network. Raises ChainError(CHAIN_UNAVAILABLE) when no endpoint answers."""

    @property
    def network(self) -> Network: ...

    async def connect(self) -> None:
        """Prove every endpoint's identity; a mismatch raises CHAIN_IDENTITY_MISMATCH."""
        ...

    async def close(self) -> None: ...

    def validate_address(self, text: str) -> str:
        """The normalised address; InputError(INVALID_ADDRESS) otherwise. No I/O."""
        ...

    async def balance(self, address: str) -> Balance: ...

    async def build(self, request: BuildRequest) -> Built:
        """Fresh nonce or blockhash and fees, simulated.

        Fees beat those of ``outbid`` by more than nodes ask of a replacement.

        Raises ChainError: SIMULATION_FAILED (it would fail), FEE_CEILING_EXCEEDED (dearer than allowed
        now), INSUFFICIENT_FUNDS (the balance alone cannot pay), CHAIN_UNAVAILABLE.
        """
        ...

    def inspect(self, payload: bytes) -> Payment:
        """Decode a payload we built; ChainError(PAYLOAD_MISMATCH) for anything but a plain payment."""
        ...

    def attach(self, payload: bytes, signature: bytes) -> Signed:
        """Signature as the signer answers it: 65 bytes r, s, y-parity (EVM) or 64 bytes (Solana)."""
        ...

    def detach(self, raw: bytes) -> tuple[bytes, str]:
        """The payload that signed bytes carry, and the hash they are known by: ``attach`` undone.

        ChainError(PAYLOAD_MISMATCH) for anything but a signed plain payment. Checks no signature.
        """
        ...

    async def send(self, raw: bytes) -> SendResult:
        """Send the same bytes to the endpoints. Never raises for what an endpoint says."""
        ...

    async def evidence(self, attempts: Sequence[Attempt]) -> Sequence[Evidence]:
        """One answer per attempt, in order. Raises CHAIN_UNAVAILABLE when nobody answers."""
        ...

    async def latest_time(self) -> int:
        """When the newest block was made, by its own word, epoch ms. Raises CHAIN_UNAVAILABLE."""
        ...

    async def free_nonce(self, address: str) -> int | None:
        """EVM: the first nonce that neither the chain nor the endpoint's pool has; None on other chains."""
        ...

    async def is_healthy(self) -> bool: ...
