"""`make torture N=100`: so many kills of one sandbox; a line per round, and what was found at the end."""

import json
import random
import sys

from tests.support.sandbox import sandbox
from tests.torture.driver import Torture


def main(kills: int, seed: int) -> int:
    with sandbox("--delay-seconds", "1") as running:
        torture = Torture(running, random.Random(seed))
        for number in range(kills):
            torture.round(number)
            print(json.dumps({"round": number, "violations": torture.violations}), flush=True)
    ends = [wish.row["status"] if wish.row else "REFUSED" for wish in torture.wishes]
    told = {
        "seed": seed,
        "kills": torture.kills,
        "stops": torture.stops,
        "payments": {end: ends.count(end) for end in sorted(set(ends))},
        "violations": torture.violations,
    }
    print(json.dumps(told))
    return 1 if torture.violations else 0


given = [int(word) for word in sys.argv[1:]]
sys.exit(main(given[0] if given else 20, given[1] if len(given) > 1 else 1))
