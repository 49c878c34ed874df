"""Rules that the product's tables of states must obey, as functions of a table, and tables bent on purpose.

``faults`` and its like say in words what is wrong with a table; the real ones have no faults. A table with one row bent,
deleted or added must have one: otherwise the rules would notice nothing. ``make mutants`` bends every row of each and
counts.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from wallet.domain.autostop import HOLDS, HoldEvent
from wallet.domain.clock import CLOCK_TRANSITIONS, ClockEvent, ClockTrust
from wallet.domain.console import Action, Stage
from wallet.domain.facts import Fact
from wallet.domain.safety import STOP_TRANSITIONS, StopEvent, StopState
from wallet.domain.transactions import TRANSITIONS, Event, Move, Settlement, Status
from wallet.notifications.buttons import WHILE_STUCK, WHILE_WAITING
from wallet.operations.taps import RELEASING, STAGE_OF

Pairs = Mapping[tuple[Any, Any], Any]
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


def hold_faults(table: Pairs) -> list[str]:
    """What is wrong with a table of holding and resuming."""
    found = []
    if table.get((False, HoldEvent.HOLD)) is not True:
        found.append("what is not held cannot be held")
    if table.get((True, HoldEvent.RESUME)) is not False:
        found.append("what is held cannot be let go")
    if len(table) != len(HoldEvent):
        found.append("holding what is held, or letting go what is not, is said to do something")
    return found


def clock_faults(table: Pairs) -> list[str]:
    """What is wrong with a table of the trust in the clock."""
    found = []
    if table.get((ClockTrust.TRUSTED, ClockEvent.DOUBT)) is not ClockTrust.DOUBTED:
        found.append("a doubt is not heard")
    if table.get((ClockTrust.DOUBTED, ClockEvent.AGREE)) is not ClockTrust.TRUSTED:
        found.append("a doubt never ends")
    if {after for (_, event), after in table.items() if event is ClockEvent.DOUBT} - {
        ClockTrust.DOUBTED
    }:
        found.append("a doubt leads to trust")
    if len(table) != len(ClockEvent):
        found.append("something beside a doubt and its end changes the trust")
    return found


# A press that releases is a second one: it confirms what the first asked, in the stage that the first led to.
CONFIRMS = {
    Action.CONFIRM_APPROVE: Stage.CONFIRM,
    Action.CONFIRM_SPEED_UP: Stage.SPEED_UP,
    Action.CONFIRM_CANCEL_SENT: Stage.CANCEL,
}
ASKS = (Action.APPROVE, Action.SPEED_UP, Action.CANCEL_SENT)


def offer_faults(offers: Mapping[str, tuple[Action, ...]]) -> list[str]:
    """What is wrong with the buttons that a card has after its first press."""
    found = []
    if set(offers) != set(Stage) - {Stage.CARD}:
        found.append("a stage has no buttons of its own, or the card itself counts as pressed")
    for stage, actions in offers.items():
        confirms = [action for action, its in CONFIRMS.items() if its == stage]
        if list(actions) != [*confirms, Action.BACK]:
            found.append(f"{stage} offers something else than its confirmation and the way back")
    return found


def stage_faults(table: Mapping[Action, Stage]) -> list[str]:
    """What is wrong with the stages that presses belong to. An action that is not in it stands in any stage."""
    found = [f"{ask} is not a first press" for ask in ASKS if table.get(ask) is not Stage.CARD]
    found += [f"{a} confirms nothing" for a, stage in CONFIRMS.items() if table.get(a) != stage]
    found += [f"{a} is kept from stopping in some stage" for a in table if a not in RELEASING]
    return found + [f"{a} is no press of a card" for a in table if a not in (*ASKS, *CONFIRMS)]


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


def bent_pairs(
    table: Pairs, states: Any, events: Any, results: Any
) -> Iterator[tuple[str, Pairs]]:
    """Every table from (state, event) to a result that is one row away from ``table``."""
    for pair, to in table.items():
        yield f"without {pair}", {p: s for p, s in table.items() if p != pair}
        for other in results:
            if other is not to:
                yield f"{pair} to {other}", {**table, pair: other}
    for pair in product(states, events):
        if pair not in table:
            for to in results:
                yield f"also {pair} to {to}", {**table, pair: to}


def bent_offers() -> Iterator[tuple[str, Mapping[str, tuple[Action, ...]]]]:
    """Every set of buttons with a row, or a button of a row, too few or too many."""
    real = {**WHILE_WAITING, **WHILE_STUCK}
    for stage, actions in real.items():
        yield f"without {stage}", {s: a for s, a in real.items() if s != stage}
        for action in actions:
            yield f"{stage} without {action}", {**real, stage: tuple(set(actions) - {action})}
        for action in sorted(set(Action) - set(actions)):
            yield f"{stage} with {action}", {**real, stage: (*actions, action)}
    for action in Action:
        yield f"CARD with {action}", {**real, Stage.CARD: (action,)}


def bent_stages() -> Iterator[tuple[str, Mapping[Action, Stage]]]:
    """Every table of presses that is one row away from the real one."""
    for action in Action:
        if action in STAGE_OF:
            yield f"{action} anywhere", {a: s for a, s in STAGE_OF.items() if a is not action}
        for stage in Stage:
            if STAGE_OF.get(action) is not stage:
                yield f"{action} in {stage}", {**STAGE_OF, action: stage}


@dataclass(frozen=True, slots=True)
class Machine:
    """A table of the product, what may be wrong with one like it, and all that are one row away."""

    name: str
    table: Any
    faults: Callable[[Any], list[str]]
    bent: Callable[[], Iterator[tuple[str, Any]]]


MACHINES = (
    Machine("transactions", TRANSITIONS, faults, bent),
    Machine("kill switch", STOP_TRANSITIONS, stop_faults, bent_stops),
    Machine(
        "holds",
        HOLDS,
        hold_faults,
        lambda: bent_pairs(HOLDS, (False, True), HoldEvent, (False, True)),
    ),
    Machine(
        "clock",
        CLOCK_TRANSITIONS,
        clock_faults,
        lambda: bent_pairs(CLOCK_TRANSITIONS, ClockTrust, ClockEvent, ClockTrust),
    ),
    Machine("buttons of a card", {**WHILE_WAITING, **WHILE_STUCK}, offer_faults, bent_offers),
    Machine("presses of a card", STAGE_OF, stage_faults, bent_stages),
)


def main() -> int:
    """Bend everything once and say what nobody noticed; 1 when there was anything."""
    missed = 0
    for machine in MACHINES:
        tables = list(machine.bent())
        unseen = [name for name, table in tables if not machine.faults(table)]
        missed += len(unseen) + len(machine.faults(machine.table))
        print(f"{machine.name}: {len(tables)} bent, {len(tables) - len(unseen)} noticed")
        for line in (*machine.faults(machine.table), *(f"not noticed: {name}" for name in unseen)):
            print(f"  {line}")
    return min(missed, 1)


if __name__ == "__main__":
    sys.exit(main())
