"""What was written of one transaction, and whether its facts tell a legal life that ends where the row stands."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from wallet.domain.facts import Fact
from wallet.domain.tiers import Tier
from wallet.domain.transactions import (
    TERMINAL,
    TRANSITIONS,
    Attempt,
    Move,
    Status,
    Transaction,
    gap_fills,
)


@dataclass(frozen=True, slots=True)
class RecordedFact:
    """An audit row about a transaction. ``at`` in epoch ms."""

    number: int
    at: int
    fact: str
    details: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """The owner's stored answer: APPROVED or REJECTED, with its factor and what it released (base units)."""

    answer: str
    factor: str
    asset: str
    amount: int
    at: int


@dataclass(frozen=True, slots=True)
class Story:
    """Everything that was written of one transaction. ``row`` is None where only traces are left.

    ``unreadable`` says what could not be read, because a column holds what no version writes.
    """

    id: str
    row: Transaction | None
    attempts: Sequence[Attempt] = ()
    facts: Sequence[RecordedFact] = ()
    answers: Sequence[Answer] = ()
    unreadable: Sequence[str] = ()


# Which move a fact tells of, from each status. The table of moves has one at most.
MOVES: Mapping[tuple[Status, Fact], Move] = MappingProxyType(
    {(status, move.fact): move for (status, _), move in TRANSITIONS.items()}
)
_SIGNED = frozenset({Status.SUBMITTED})
# Facts that move nothing, and the statuses they may be told in.
NOTES: Mapping[Fact, frozenset[Status]] = MappingProxyType(
    {
        Fact.TX_APPROVED: frozenset({Status.QUEUED}),
        Fact.TX_RELEASED: frozenset({Status.QUEUED}),
        Fact.TX_STUCK: _SIGNED,
        Fact.TX_SPEED_UP_ORDERED: _SIGNED,
        Fact.TX_SPEED_UP_DROPPED: _SIGNED,
        Fact.TX_CANCEL_ORDERED: _SIGNED,
        Fact.TX_REPLACED: _SIGNED,
        Fact.TX_RENEWED: _SIGNED,
        Fact.TX_GAP_FILLED: _SIGNED,
        Fact.TX_NONCE_TAKEN: frozenset({Status.SUBMITTED, Status.CONFIRMED}),
        Fact.TX_REORGED: frozenset({Status.CONFIRMED}),
        Fact.TX_FINALIZED: TERMINAL,
    }
)
# The owner's orders about a payment that is on its way.
ORDERS = (Fact.TX_SPEED_UP_ORDERED, Fact.TX_CANCEL_ORDERED)
# What must have been told before a waiting row may leave.
CLEARED_BY: Mapping[Tier, Fact] = MappingProxyType(
    {Tier.DELAY: Fact.TX_RELEASED, Tier.APPROVAL: Fact.TX_APPROVED}
)


@dataclass(slots=True)
class Told:
    """What the facts say: where they end, the last move with its fact, and what does not fit."""

    status: Status
    counted: dict[Fact, int] = field(default_factory=dict)
    last_move: Move | None = None
    last_fact: RecordedFact | None = None
    problems: list[str] = field(default_factory=list)
    requested: RecordedFact | None = None
    finalized: RecordedFact | None = None

    def dollars(self, name: str) -> int | None:
        """Millionths of a dollar that the decision named so; None where it had no price."""
        text = None if self.requested is None else self.requested.details.get(name)
        return int(text) if isinstance(text, str) and text.isdecimal() else None

    def has(self, fact: Fact) -> bool:
        return fact in self.counted


def most_in_fees(row: Transaction, facts: Sequence[RecordedFact]) -> int:
    """What the payload at the row's own nonce may cost, native base units: as decided, or as ordered since."""
    stated = [str(one.details.get("ceiling")) for one in facts if one.fact in ORDERS]
    return max([row.fee_ceiling, *(int(text) for text in stated if text.isdecimal())])


def most_with_fills(row: Transaction, story: Story) -> int:
    """The same, and what fills of the nonces below it may cost."""
    fills = sum(one.max_cost for one in gap_fills(story.attempts))
    return most_in_fees(row, story.facts) + fills


def fee_told(tale: Told) -> int:
    """The fee that the last move's fact names, base units of the native coin."""
    return _fee_of(tale.last_fact, otherwise=0)


def fee_in_the_end(tale: Told) -> int:
    """The same, or what it cost in the block where it stayed, as its last fact then says."""
    return _fee_of(tale.finalized, otherwise=fee_told(tale))


def _fee_of(recorded: RecordedFact | None, *, otherwise: int) -> int:
    text = "" if recorded is None else str(recorded.details.get("fee", ""))
    return int(text) if text.isdecimal() else otherwise


def told(row: Transaction, facts: Sequence[RecordedFact]) -> Told:
    """Follow the facts of a row through the table of moves."""
    found = Told(Status.QUEUED if row.tier.waits else Status.PENDING)
    if not facts or facts[0].fact != Fact.TX_REQUESTED:
        found.problems.append("its first fact is not TX_REQUESTED")
    else:
        found.requested = facts[0]
    for recorded in facts:
        found.problems += _follow(found, row, recorded)
    return found


def _follow(found: Told, row: Transaction, recorded: RecordedFact) -> Iterator[str]:
    if recorded.fact not in Fact.__members__:
        yield f"fact {recorded.number} is {recorded.fact}, which no version wrote"
        return
    fact = Fact(recorded.fact)
    move = MOVES.get((found.status, fact))
    if move is None and not _may_note(found, fact):
        yield f"fact {recorded.number}, {fact}, cannot follow {found.status}"
    if fact is Fact.TX_EXECUTING and found.status is Status.QUEUED:
        needed = CLEARED_BY.get(row.tier)
        if needed is not None and not found.has(needed):
            yield f"fact {recorded.number}: it left without {needed}"
    found.counted[fact] = found.counted.get(fact, 0) + 1
    if fact is Fact.TX_FINALIZED:
        found.finalized = recorded
    if move is not None:
        found.status, found.last_move, found.last_fact = move.to, move, recorded


def _may_note(found: Told, fact: Fact) -> bool:
    if fact is Fact.TX_REQUESTED:
        return not found.counted
    if fact in (Fact.TX_APPROVED, Fact.TX_RELEASED, Fact.TX_FINALIZED) and found.has(fact):
        return False
    allowed = NOTES.get(fact)
    # What is no fact of a payment's life, such as a tap that did not match, may be told at any time.
    return found.status in allowed if allowed is not None else not fact.startswith("TX_")
