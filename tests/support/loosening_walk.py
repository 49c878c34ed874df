"""Lets a queued loosening count again and again, each time killed one SQL statement later.

    python -m tests.support.loosening_walk OUT

Prints a JSON list: for each death, and for the one that came to its end, what a restarted daemon finds and what it
has after its next sweep: the rule's bound, how many loosenings wait, the facts about them, the owner's alerts.
"""

import asyncio
import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.support.chain import ETHER, EVM
from tests.support.deaths import forked, walk
from tests.support.house import tiers
from tests.support.world import World, built

BEFORE, AFTER = ETHER // 10, ETHER
WAIT = 3600
SEEN = "seen.json"


async def waiting_world(folder: Path, kept: Path) -> World:
    """A loosening that is due the next moment; its directory is copied to ``kept``."""
    async with built(folder, loosening_wait=WAIT) as world:
        rule = await world.rule_of("SPENDING_LIMIT")
        for instant in (BEFORE, AFTER):
            await world.set_rule("SPENDING_LIMIT", tiers(instant, ETHER, 5 * ETHER), rule)
        world.clock.advance(WAIT)
        shutil.copytree(folder, kept)
    return world


async def restarted(world: World, folder: Path) -> None:
    """The daemon starts on that directory."""
    database = replace(world.settings.database, path=folder / world.settings.database.path.name)
    world.settings = replace(world.settings, data_dir=folder, database=database)
    world.folder = folder
    await world.vault.restart()
    await world.open()
    await world.start()


async def counts(world: World, folder: Path, step: Callable[[], None]) -> None:
    await restarted(world, folder)
    world.database._client.raw.set_trace_callback(lambda _: step())
    await world.app.upkeep.apply_loosenings()


async def looks(world: World, folder: Path) -> None:
    await restarted(world, folder)
    found = [await state(world)]
    await world.tick()
    found.append(await state(world))
    await world.close()
    (folder / SEEN).write_text(json.dumps(found))


async def state(world: World) -> list[Any]:
    known = await world.app.operations.policies.list(world.wallet.id)
    rule = next(rule for rule in known if rule["type"] == "SPENDING_LIMIT")
    facts = [fact.value for fact in await world.facts() if "POLICY_LOOSENING" in fact]
    alerts = [kind for kind in await world.alerts() if "POLICY_LOOSENING" in kind]
    bound = int(rule["rules"]["assets"][EVM.native.key]["instant_max"])
    return [bound, len(await world.app.operations.loosenings.list(None)), facts, alerts]


def main() -> None:
    out = Path(sys.argv[1])
    template = out / "template"
    world = asyncio.run(waiting_world(out / "born", template))

    def act(place: Path, step: Callable[[], None]) -> None:
        shutil.copytree(template, place / "data")
        asyncio.run(counts(world, place / "data", step))

    deaths = walk(out, act)
    seen = []
    for number in range(1, deaths + 2):
        folder = out / f"{number:04}" / "data"
        forked(lambda: asyncio.run(looks(world, folder)))  # noqa: B023 - at once
        seen.append(json.loads((folder / SEEN).read_text()))
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
