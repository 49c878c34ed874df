"""The life of a transaction: eight statuses and the one table of moves between them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from wallet.domain.authority import Proof
from wallet.domain.chains import ChainName
from wallet.domain.facts import Fact
from wallet.domain.tiers import Tier
from wallet.errors import Code, ConflictError


class Status(StrEnum):
    PENDING = "PENDING"
    QUEUED = "QUEUED"
    EXECUTING = "EXECUTING"
    SUBMITTED = "SUBMITTED"
    CONFIRMED = "CONFIRMED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"

    @property
    def is_terminal(self) -> bool:
        return self in TERMINAL


TERMINAL = frozenset({Status.CONFIRMED, Status.FAILED, Status.CANCELLED, Status.EXPIRED})
OPEN = frozenset(Status) - TERMINAL
UNSIGNED = (Status.PENDING, Status.QUEUED, Status.EXECUTING)


class Event(StrEnum):
    """What can happen to a stored transaction."""

    START = "START"  # an executor took it, holding the address lock
    SIGN = "SIGN"  # its signed bytes were stored
    CONFIRM = "CONFIRM"  # the payment is included deep enough
    FAIL = "FAIL"  # it can never be paid, and nothing was signed
    REVERT = "REVERT"  # final: it failed on chain, or a sibling took its place; the fee is spent
    CANCEL = "CANCEL"  # somebody entitled stopped it before anything was signed
    EXPIRE = "EXPIRE"  # its time ran out before anything was signed
    LAPSE = "LAPSE"  # final: its signed bytes can never land, and nothing was spent
    SUPERSEDE = "SUPERSEDE"  # final: the owner's cancelling attempt landed instead


class Settlement(StrEnum):
    """What a move does to the money that was set aside."""

    KEEP = "KEEP"
    SPEND = "SPEND"  # amount and actual fee were spent
    SPEND_FEE = "SPEND_FEE"  # only a fee was spent; the rest is free again
    RELEASE = "RELEASE"  # nothing was spent


@dataclass(frozen=True, slots=True)
class Move:
    to: Status
    settlement: Settlement
    fact: Fact


def _unsigned(status: Status) -> dict[tuple[Status, Event], Move]:
    return {
        (status, Event.START): Move(Status.EXECUTING, Settlement.KEEP, Fact.TX_EXECUTING),
        (status, Event.CANCEL): Move(Status.CANCELLED, Settlement.RELEASE, Fact.TX_CANCELLED),
        (status, Event.EXPIRE): Move(Status.EXPIRED, Settlement.RELEASE, Fact.TX_EXPIRED),
    }


# Everything absent is refused. Terminal statuses have no row: they never change.
TRANSITIONS: Mapping[tuple[Status, Event], Move] = MappingProxyType(
    {
        **_unsigned(Status.PENDING),
        **_unsigned(Status.QUEUED),
        # START again: a fresh attempt number, after the executor before it gave up or died unsigned.
        **_unsigned(Status.EXECUTING),
        (Status.EXECUTING, Event.FAIL): Move(Status.FAILED, Settlement.RELEASE, Fact.TX_FAILED),
        (Status.EXECUTING, Event.SIGN): Move(Status.SUBMITTED, Settlement.KEEP, Fact.TX_SUBMITTED),
        (Status.SUBMITTED, Event.CONFIRM): Move(
            Status.CONFIRMED, Settlement.SPEND, Fact.TX_CONFIRMED
        ),
        (Status.SUBMITTED, Event.REVERT): Move(
            Status.FAILED, Settlement.SPEND_FEE, Fact.TX_FAILED
        ),
        (Status.SUBMITTED, Event.LAPSE): Move(Status.EXPIRED, Settlement.RELEASE, Fact.TX_EXPIRED),
        (Status.SUBMITTED, Event.SUPERSEDE): Move(
            Status.CANCELLED, Settlement.SPEND_FEE, Fact.TX_CANCELLED
        ),
    }
)


def advance(status: Status, event: Event) -> Move:
    """The move that ``event`` makes from ``status``; ConflictError when the table has none."""
    move = TRANSITIONS.get((status, event))
    if move is None:
        raise ConflictError(
            Code.INVALID_STATE_TRANSITION,
            f"A transaction that is {status} cannot {event.lower()}.",
            details={"currentStatus": status.value, "event": event.value},
        )
    return move


class Purpose(StrEnum):
    """Why a payload was signed."""

    PAY = "PAY"
    SPEED_UP = (
        "SPEED_UP"  # the same payment at the same nonce, at higher fees; the owner asked for it
    )
    CANCEL = "CANCEL"  # a zero-value transfer at the same nonce; the owner asked for it
    FILL = (
        "FILL"  # a zero-value transfer: at a nonce nothing else can use, so that later ones go on
    )

    @property
    def pays(self) -> bool:
        """Whether it moves the payment's amount; the others move nothing but their fee."""
        return self in (Purpose.PAY, Purpose.SPEED_UP)


@dataclass(frozen=True, slots=True)
class Transaction:
    """Our record of an intent. Amounts in base units, times in epoch milliseconds."""

    id: str
    wallet_id: str
    session_id: str
    network: str
    chain: str
    type: str
    to: str
    amount: int
    asset: str
    memo: str | None
    request: str  # canonical JSON of the intent
    request_hash: str
    digest: str  # what an approval and a permit name
    fee_ceiling: int
    tier: Tier
    status: Status
    rule_id: str | None
    policy_version: int
    created_at: int
    execute_by: int | None = None  # unsigned after this: EXPIRED. None while an approval waits.
    due_at: int | None = None  # DELAY: when it is released
    expires_at: int | None = None  # APPROVAL: when the question lapses
    approval_seconds: int | None = None
    consent_at: int | None = None  # when the owner said yes
    consent_factor: str | None = None
    attempt: int = 0
    hash: str | None = None  # of the attempt that was last stored, or that landed
    fee: int | None = None
    error: str | None = None
    error_message: str | None = None
    submitted_at: int | None = None
    executed_at: int | None = None  # when we saw it included
    finalized_at: int | None = None
    idempotency_key: str | None = None
    stuck_at: int | None = None  # SUBMITTED: since when the owner is offered to speed up or cancel
    wanted: Purpose | None = None  # SPEED_UP or CANCEL: ordered by the owner, not signed yet
    cancelling_at: int | None = None  # since when the owner wants it not to land
    offered_ceiling: int | None = None  # the most in fees, as stated with the offer
    proof: Proof = field(default=Proof.UNKNOWN, compare=False, repr=False)

    @property
    def is_replaceable(self) -> bool:
        """Whether another payload can still take the place of the signed one: EVM only."""
        return self.status is Status.SUBMITTED and self.chain == ChainName.ETHEREUM

    @property
    def is_cleared(self) -> bool:
        """Whether nothing but the executor stands between it and its payment."""
        match self.tier:
            case Tier.INSTANT | Tier.NOTIFY:
                return True
            case Tier.DELAY:
                return False  # the release job decides by ``due_at``
            case Tier.APPROVAL:
                return self.consent_at is not None


# Why an attempt counts as rejected that a stop caught before any node took it: it is never sent again.
UNSENT = "stopped before it was sent"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One signed payload. Rows are only ever added; ``accepted_at`` and ``finalized_at`` are filled in once."""

    transaction_id: str
    number: int
    purpose: Purpose
    network: str
    address: str
    hash: str
    raw: bytes
    nonce: int | None  # EVM
    last_valid_height: int | None  # Solana
    signing_height: int | None
    max_cost: int  # native units it can take from the address: value + fee ceiling
    created_at: int
    accepted_at: int | None = None
    rejected: str | None = None  # why every endpoint definitively refused these bytes
    finalized_at: int | None = None


def siblings(attempts: Sequence[Attempt]) -> list[Attempt]:
    """The payloads of a transaction of which the chain takes one: those at its own nonce, oldest first.

    ``attempts`` are all of one transaction, in order; the first is its payment. On Solana all are siblings.
    """
    return [one for one in attempts if one.nonce == attempts[0].nonce]


def gap_fills(attempts: Sequence[Attempt]) -> list[Attempt]:
    """The empty payloads below the transaction's own nonce, without which it could not be included."""
    return [one for one in attempts if one.nonce != attempts[0].nonce]
