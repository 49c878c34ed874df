"""`make bench`: measure, and print one JSON line per figure. `ARGS="read memory"` takes those alone.

Nothing here fails on a figure. The rate limits of the sandboxes measured are raised; everything else is as shipped.
"""

import sys
from collections.abc import Callable

from tests.bench import doors, history, owner, payments, process
from tests.bench.report import figure
from tests.bench.world import Bench, bench

HISTORY = 100_000


def _stored(found: Bench) -> None:
    agents = found.agents("ethereum", 1)
    doors.reads(found, agents[0], "_before_history")
    payments.sends(found, "ethereum", "_before_history")
    seconds = history.fill(found, agents, HISTORY)
    figure(
        "history_filled", "seconds", "to store them, and a restart", value=seconds, rows=HISTORY
    )
    doors.reads(found, agents[0], "_after_history")
    payments.sends(found, "ethereum", "_after_history")


def _crash(found: Bench) -> None:
    for chain in ("ethereum", "solana"):
        payments.crash(found, chain)


ON_A_SANDBOX: dict[str, Callable[[Bench], None]] = {
    "start": process.cold_start,
    "memory": process.memory,
    "read": lambda found: doors.reads(found, found.agents("ethereum", 1)[0]),
    "denial": lambda found: doors.denials(found, doors.forbidden(found)),
    "ethereum": lambda found: payments.sends(found, "ethereum"),
    "solana": lambda found: payments.sends(found, "solana"),
    "crash": _crash,
    "owner": owner.cards_and_taps,
    "history": _stored,
}
ALONE: dict[str, Callable[[], None]] = {"stop": owner.stops, "install": process.install}


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in ON_A_SANDBOX | ALONE]
    if unknown:
        known = " ".join([*ON_A_SANDBOX, *ALONE])
        print(f"There is no figure {' '.join(unknown)}. There are: {known}", file=sys.stderr)
        return 2
    for name, take in ON_A_SANDBOX.items():
        if not names or name in names:
            with bench() as found:
                take(found)
    for name, alone in ALONE.items():
        if not names or name in names:
            alone()
    return 0


sys.exit(main(sys.argv[1:]))
