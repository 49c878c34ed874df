"""What the tables about the life of a payment must obey: its moves, its ends, and what may be told of it between."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from tests.architecture.bending import Sets, bent_rows, bent_sets
from wallet.domain.facts import Fact
from wallet.domain.stories import CLEARED_BY, NOTES
from wallet.domain.tiers import Tier
from wallet.domain.transactions import TERMINAL, TRANSITIONS, Event, Move, Settlement, Status
from wallet.domain.transactions import UNSIGNED as UNSIGNED_OF_THE_PRODUCT

Table = Mapping[tuple[Status, Event], Move]
Notes = Mapping[Fact, frozenset[Status]]

UNSIGNED = (Status.PENDING, Status.QUEUED, Status.EXECUTING)

# What each event means, whatever status it finds: where it leads, what becomes of the money, what is written.
MEANING = {
    Event.START: (Status.EXECUTING, Settlement.KEEP, Fact.TX_EXECUTING),
    Event.SIGN: (Status.SUBMITTED, Settlement.KEEP, Fact.TX_SUBMITTED),
    Event.CONFIRM: (Status.CONFIRMED, Settlement.SPEND, Fact.TX_CONFIRMED),
    Event.FAIL: (Status.FAILED, Settlement.RELEASE, Fact.TX_FAILED),
    Event.REVERT: (Status.FAILED, Settlement.SPEND_FEE, Fact.TX_FAILED),
    Event.CANCEL: (Status.CANCELLED, Settlement.RELEASE, Fact.TX_CANCELLED),
    Event.EXPIRE: (Status.EXPIRED, Settlement.RELEASE, Fact.TX_EXPIRED),
    Event.LAPSE: (Status.EXPIRED, Settlement.RELEASE, Fact.TX_EXPIRED),
    Event.SUPERSEDE: (Status.CANCELLED, Settlement.SPEND_FEE, Fact.TX_CANCELLED),
}
# Where each event may happen.
FROM = {
    Event.START: set(UNSIGNED),
    Event.CANCEL: set(UNSIGNED),
    Event.EXPIRE: set(UNSIGNED),
    Event.FAIL: {Status.EXECUTING},
    Event.SIGN: {Status.EXECUTING},
    Event.CONFIRM: {Status.SUBMITTED},
    Event.REVERT: {Status.SUBMITTED},
    Event.LAPSE: {Status.SUBMITTED},
    Event.SUPERSEDE: {Status.SUBMITTED},
}


def faults(table: Table) -> list[str]:
    """What is wrong with a table of transactions; empty for a right one."""
    found = []
    for (status, event), move in table.items():
        if status not in FROM[event]:
            found.append(f"{event} happens to a {status}")
        if (move.to, move.settlement, move.fact) != MEANING[event]:
            found.append(f"{event} from {status} does not do what it means")
    for event, statuses in FROM.items():
        found += [f"{event} cannot happen to a {s}" for s in statuses if (s, event) not in table]
    return found


# Where a payment is, in the words of its moves.
WAITING = {Status.QUEUED}  # for its time or for the owner's yes, and nobody has begun
ON_ITS_WAY = FROM[Event.CONFIRM]  # signed, so the chain may take it at any moment, and has not
PAID = {MEANING[Event.CONFIRM][0]}
ENDED = set(Status) - set[Status]().union(*FROM.values())
# What each note says, and where it may therefore be told.
PLACES: tuple[tuple[str, set[Fact], set[Status]], ...] = (
    (
        "lets go what waits, so it is told of that and never again later",
        {Fact.TX_APPROVED, Fact.TX_RELEASED},
        WAITING,
    ),
    (
        "speaks of signed bytes that are still to land: they lie there, or others join or follow them",
        {
            Fact.TX_STUCK,
            Fact.TX_SPEED_UP_ORDERED,
            Fact.TX_SPEED_UP_DROPPED,
            Fact.TX_CANCEL_ORDERED,
            Fact.TX_REPLACED,
            Fact.TX_RENEWED,
            Fact.TX_GAP_FILLED,
        },
        ON_ITS_WAY,
    ),
    (
        "says that the chain took something else at its nonce: before it landed, or after its block went",
        {Fact.TX_NONCE_TAKEN},
        ON_ITS_WAY | PAID,
    ),
    ("says that the block of a payment that was paid is gone", {Fact.TX_REORGED}, PAID),
    ("says that an end stays, whichever it was", {Fact.TX_FINALIZED}, ENDED),
)
# A payment begins with the first of these; the others are told of requests that never became one.
NO_NOTES = {Fact.TX_REQUESTED, Fact.TX_DENIED, Fact.TX_DENIALS_SUMMED}
OF_A_LIFE = [fact for fact in Fact if fact.startswith("TX_")]


def note_faults(table: Notes) -> list[str]:
    """What is wrong with a table of the facts that move nothing, and where each may be told."""
    moving = {fact for _, _, fact in MEANING.values()}
    expected = set(OF_A_LIFE) - moving - NO_NOTES
    found = [
        f"{fact} is told of a payment and may be told nowhere" for fact in expected - set(table)
    ]
    found += [f"{fact} moves a payment, or is not about one" for fact in set(table) - expected]
    for what, facts, statuses in PLACES:
        for fact in facts & set(table):
            found += [f"{fact} {what}: not of a {s}" for s in table[fact] - statuses]
            found += [f"{fact} {what}: also of a {s}" for s in statuses - table[fact]]
    return found


def clearing_faults(table: Mapping[Tier, Fact]) -> list[str]:
    """What is wrong with a table of what must be told before a waiting payment may leave."""
    found = []
    if table.get(Tier.DELAY) is not Fact.TX_RELEASED:
        found.append("a delayed payment may leave before its time came")
    if table.get(Tier.APPROVAL) is not Fact.TX_APPROVED:
        found.append("a payment that needs the owner may leave without his yes")
    if len(table) != len((Tier.DELAY, Tier.APPROVAL)):
        found.append("a payment that waits for nothing has to wait")
    return found


def place_faults(table: Sets) -> list[str]:
    """What is wrong with the sets of statuses that the product names."""
    found = []
    if table["TERMINAL"] != ENDED:
        found.append("what some event moves has ended, or what nothing moves has not")
    if table["UNSIGNED"] != FROM[Event.CANCEL]:
        found.append("what can be cancelled by a word alone is not what nothing was signed for")
    return found


def bent() -> Iterator[tuple[str, Table]]:
    """Every table of transactions that is one row away from the real one."""
    for pair, move in TRANSITIONS.items():
        yield f"without {pair}", {p: m for p, m in TRANSITIONS.items() if p != pair}
        for to in sorted(set(Status) - {move.to}):
            yield f"{pair} to {to}", {**TRANSITIONS, pair: replace(move, to=to)}
        for settlement in sorted(set(Settlement) - {move.settlement}):
            changed = replace(move, settlement=settlement)
            yield f"{pair} with {settlement}", {**TRANSITIONS, pair: changed}
        yield f"{pair} untold", {**TRANSITIONS, pair: replace(move, fact=Fact.TX_REQUESTED)}
    some = next(iter(TRANSITIONS.values()))
    for status in Status:
        for event in Event:
            if (status, event) not in TRANSITIONS:
                yield f"also {status} {event}", {**TRANSITIONS, (status, event): some}


def bent_notes() -> Iterator[tuple[str, Notes]]:
    """Every table of notes that is one row, or one status of a row, away from the real one."""
    for fact in Fact:
        if fact in NOTES:
            yield f"without {fact}", {f: s for f, s in NOTES.items() if f is not fact}
            yield f"{fact} anywhere", {**NOTES, fact: frozenset(Status)}
        else:
            yield f"also {fact}", {**NOTES, fact: frozenset(Status)}
    yield from bent_sets(NOTES, Status)


def bent_clearings() -> Iterator[tuple[str, Mapping[Tier, Fact]]]:
    """Every table of what clears a payment that is one row away from the real one."""
    return bent_rows(CLEARED_BY, Tier, OF_A_LIFE)


SETS: Sets = {"TERMINAL": TERMINAL, "UNSIGNED": frozenset(UNSIGNED_OF_THE_PRODUCT)}
