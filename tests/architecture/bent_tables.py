"""Rules that the two transition tables must obey, as functions of a table, and tables bent on purpose.

``faults`` and ``stop_faults`` say in words what is wrong with a table; the real ones have no faults. A table
with one row bent, deleted or added must have one: otherwise the rules would notice nothing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from wallet.domain.facts import Fact
from wallet.domain.safety import STOP_TRANSITIONS, StopEvent, StopState
from wallet.domain.transactions import TRANSITIONS, Event, Move, Settlement, Status

Table = Mapping[tuple[Status, Event], Move]
StopTable = Mapping[tuple[StopState, StopEvent], StopState]

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


def stop_faults(table: StopTable) -> list[str]:
    """What is wrong with a table of the kill switch; empty for a right one."""
    found = []
    into_normal = {pair for pair, to in table.items() if to is StopState.NORMAL}
    if into_normal != {(StopState.RECOVERING, StopEvent.COMPLETE_RECOVERY)}:
        found.append("something other than a completed recovery leads to NORMAL, or nothing does")
    if table.get((StopState.NORMAL, StopEvent.ACTIVATE)) is not StopState.ACTIVATED:
        found.append("a running system cannot be stopped")
    begun = table.get((StopState.ACTIVATED, StopEvent.BEGIN_RECOVERY))
    if begun is not StopState.RECOVERING:
        found.append("a recovery does not begin with a wait")
    cancelled = table.get((StopState.RECOVERING, StopEvent.CANCEL_RECOVERY))
    if cancelled is not StopState.ACTIVATED:
        found.append("a recovery cannot be cancelled")
    if len(table) != len(StopState) + 1:
        found.append("there are more or fewer moves than four")
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


def bent_stops() -> Iterator[tuple[str, StopTable]]:
    """Every table of the kill switch that is one row away from the real one."""
    for pair, to in STOP_TRANSITIONS.items():
        yield f"without {pair}", {p: s for p, s in STOP_TRANSITIONS.items() if p != pair}
        for other in sorted(set(StopState) - {to}):
            yield f"{pair} to {other}", {**STOP_TRANSITIONS, pair: other}
    for state in StopState:
        for event in StopEvent:
            if (state, event) not in STOP_TRANSITIONS:
                for to in StopState:
                    yield f"also {state} {event}", {**STOP_TRANSITIONS, (state, event): to}
