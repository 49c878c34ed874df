"""What the other process does in the tests with two processes. Run as a script: ``child.py FILE TASK N``."""

import asyncio
import sys
from functools import partial
from pathlib import Path

from tests.support.stores import World, a_transaction, opened
from wallet.domain.facts import Fact
from wallet.persistence.database import Database
from wallet.ports.store import Unit


async def count(store: Database, times: int) -> None:
    """Read, then write: what loses updates under a deferred BEGIN."""

    async def body(unit: Unit) -> None:
        value, _ = await unit.authority.counter("shared")
        await unit.authority.set_counter("shared", value + 1, 0)
        await unit.audit.append(Fact.DAEMON_STARTED, actor="counter")

    for _ in range(times):
        await store.run(body)


async def write(store: Database, times: int) -> None:
    """Commit rows, saying which are committed, until killed."""

    async def body(unit: Unit, number: int) -> None:
        await unit.transactions.add(a_transaction(f"t{number:08d}", memo="x" * 2000))
        await unit.audit.append(Fact.TX_REQUESTED, details={"number": number})

    for number in range(times):
        await store.run(partial(body, number=number))
        print(number, flush=True)


async def nothing(_store: Database, _times: int) -> None:
    """Open and close."""


TASKS = {task.__name__: task for task in (count, write, nothing)}


async def main(path: Path, task: str, times: int) -> None:
    if task == "die_open":
        await World().open(path)
        raise LookupError("a bug, with the store still open")
    async with opened(path) as store:
        await TASKS[task](store, times)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
