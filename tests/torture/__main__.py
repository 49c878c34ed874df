"""`make torture N=100`: so many kills of one sandbox; a line per round, and what was found at the end."""

import json
import random
import sys
import time

from tests.support.sandbox import sandbox
from tests.torture.driver import Torture, plan


def main(kills: int, seed: int) -> int:
    chance = random.Random(seed)
    points = plan(kills, chance)
    started = time.monotonic()
    with sandbox("--delay-seconds", "1", kill_at=",".join(points)) as running:
        torture = Torture(running, chance, points)
        for number in range(kills):
            try:
                torture.round(number)
            except AssertionError as error:  # the summary is said all the same
                torture.violations.append(f"round {number} could not go on: {error}")
                break
            told = {"round": number, "died_at": torture.died_at, "violations": torture.violations}
            print(json.dumps(told), flush=True)
    ends = [wish.row["status"] if wish.row else "REFUSED" for wish in torture.wishes]
    summary = {
        "seed": seed,
        "kills": torture.kills,
        "died_at": torture.died_at,
        "stops": torture.stops,
        "payments": {end: ends.count(end) for end in sorted(set(ends))},
        "seconds": round(time.monotonic() - started),
        "violations": torture.violations,
    }
    print(json.dumps(summary))
    return 1 if torture.violations else 0


given = [int(word) for word in sys.argv[1:]]
sys.exit(main(given[0] if given else 20, given[1] if len(given) > 1 else 1))
