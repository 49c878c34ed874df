"""Rules that the product's tables of states must obey, as functions of a table, and tables bent on purpose.

``stop_faults`` and its like say in words what is wrong with a table; the real ones have no faults. A table with one row
bent, deleted or added must have one: otherwise the rules would notice nothing. ``make mutants`` bends every row of each
and counts. The rules of payments, presses and refusals are in the files beside this one.
"""

import sys
from collections.abc import Iterator, Mapping

from tests.architecture import bent_payments as payments
from tests.architecture import bent_presses as presses
from tests.architecture import bent_refusals as refusals
from tests.architecture.bending import Machine, Pairs, bent_pairs, bent_sets
from wallet.domain.authority import DENYING
from wallet.domain.autostop import HOLDS, HoldEvent
from wallet.domain.clock import CLOCK_TRANSITIONS, ClockEvent, ClockTrust
from wallet.domain.console import Action
from wallet.domain.owner import Factor
from wallet.domain.policy import NEEDED
from wallet.domain.safety import STOP_TRANSITIONS, StopEvent, StopState
from wallet.domain.stories import CLEARED_BY, NOTES
from wallet.domain.tiers import Tier
from wallet.domain.transactions import TRANSITIONS, Status
from wallet.notifications.alerts import CANCELS
from wallet.notifications.buttons import WHILE_STUCK, WHILE_WAITING
from wallet.operations.asks import CHALLENGES, ORDERS
from wallet.operations.taps import STAGE_OF

StopTable = Mapping[tuple[StopState, StopEvent], StopState]


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


MACHINES = (
    Machine("transactions", TRANSITIONS, payments.faults, payments.bent),
    Machine(
        "ends and beginnings",
        payments.SETS,
        payments.place_faults,
        lambda: bent_sets(payments.SETS, Status),
    ),
    Machine("notes of a payment", NOTES, payments.note_faults, payments.bent_notes),
    Machine("what clears", CLEARED_BY, payments.clearing_faults, payments.bent_clearings),
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
    Machine(
        "buttons of a card",
        {**WHILE_WAITING, **WHILE_STUCK},
        presses.offer_faults,
        presses.bent_offers,
    ),
    Machine("presses of a card", STAGE_OF, presses.stage_faults, presses.bent_stages),
    Machine(
        "kinds of presses",
        presses.KINDS,
        presses.kind_faults,
        lambda: bent_sets(presses.KINDS, Action),
    ),
    Machine("what a press asks for", presses.ALL_ASKS, presses.ask_faults, presses.bent_asks),
    Machine("orders by code", ORDERS, presses.order_faults, presses.bent_orders),
    Machine("what a code is for", CHALLENGES, presses.challenge_faults, presses.bent_challenges),
    Machine("alerts that cancel", CANCELS, presses.cancelling_faults, presses.bent_cancelling),
    Machine("needed rules", NEEDED, refusals.needed_faults, refusals.bent_needed),
    Machine("unproved counters", DENYING, refusals.counter_faults, refusals.bent_counters),
    Machine(
        "strength of proofs",
        refusals.PROOFS,
        refusals.proof_faults,
        lambda: bent_pairs(refusals.PROOFS, Factor, Factor, (False, True)),
    ),
    Machine(
        "stricter tier",
        refusals.STRICTEST,
        refusals.tier_faults,
        lambda: bent_pairs(refusals.STRICTEST, Tier, Tier, Tier),
    ),
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
