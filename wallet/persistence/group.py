"""Group commit: units that wait for the disk together share one transaction, each in a savepoint of its own.

Syncing the log takes longer than most units. While one commit is under way the next units queue; they then run
one after the other in one transaction, and each is answered after its commit, never before. A unit that fails
takes back its own changes alone; a commit that fails is heard by every unit in it.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from wallet.persistence.sqlite_engine import ImmediateClient, ImmediateTransaction
from wallet.persistence.unit import Sources, SqlUnit
from wallet.ports.store import Unit

# A commit is waited for by everybody in it, so a group is no longer than what one sync is worth.
LARGEST_GROUP = 16

Body = Callable[[Unit], Awaitable[Any]]


class _Turn:
    """The connection for one unit; afterwards every call fails."""

    def __init__(self, db: ImmediateTransaction) -> None:
        self._db: ImmediateTransaction | None = db

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._open().rows(sql, parameters)

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        return self._open().run(sql, parameters)

    def end(self) -> None:
        self._db = None

    def _open(self) -> ImmediateTransaction:
        if self._db is None:
            raise RuntimeError("this unit is over")
        return self._db


@dataclass(slots=True)
class _Entry:
    """A unit on its way. Its caller may be gone: it is carried out all the same."""

    body: Body
    answer: asyncio.Future[Any]
    result: Any = None
    error: Exception | None = None
    wants_delivery: bool = False

    def settle(self, failure: BaseException | None) -> None:
        if self.answer.done():
            return
        error = self.error or failure
        if error is None:
            self.answer.set_result(self.result)
        elif isinstance(error, asyncio.CancelledError):
            self.answer.cancel()
        else:
            self.answer.set_exception(error)


class GroupWriter:
    """Runs units in the order they were submitted. ``told`` is called after a commit the owner should see."""

    def __init__(
        self, client: ImmediateClient, sources: Sources, told: Callable[[], None]
    ) -> None:
        self._client = client
        self._sources = sources
        self._told = told
        self._queue: deque[_Entry] = deque()
        self._task: asyncio.Task[None] | None = None
        self._inside = False

    def submit(self, body: Body) -> asyncio.Future[Any]:
        """The unit's answer. Cancelling it cancels the waiting, not the unit."""
        if self._inside and self._task is asyncio.current_task():
            raise RuntimeError("a unit of work inside a unit of work would wait for itself")
        entry = _Entry(body, asyncio.get_running_loop().create_future())
        self._queue.append(entry)
        if self._task is None or self._task.done():
            self._start()
        return entry.answer

    def _start(self) -> None:
        # Not in the App's group: the group would cancel it. `drained` waits for it.
        self._task = asyncio.create_task(self._drain())  # noqa: TID251
        self._task.add_done_callback(self._ended)

    async def drained(self) -> None:
        """Wait until nothing runs and nothing is queued."""
        while self._task is not None and not self._task.done():
            await asyncio.wait([self._task])

    async def _drain(self) -> None:
        while self._queue:
            group = [self._queue.popleft()]
            failure: BaseException | None = None
            try:
                await self._commit_together(group)
            except BaseException as error:
                failure = error
                if not isinstance(error, Exception):
                    raise
            finally:
                for entry in group:
                    entry.settle(failure)
            if failure is None and any(entry.wants_delivery for entry in group):
                self._told()

    async def _commit_together(self, group: list[_Entry]) -> None:
        async with self._client.transaction() as db:
            await self._run(db, group[0])
            while self._queue and len(group) < LARGEST_GROUP:
                await asyncio.sleep(0)  # a group must not hold up the event loop
                if not self._queue:
                    break
                group.append(self._queue.popleft())
                await self._run(db, group[-1])

    async def _run(self, db: ImmediateTransaction, entry: _Entry) -> None:
        turn = _Turn(db)
        unit = SqlUnit(turn, self._sources)
        db.run("SAVEPOINT unit")
        self._inside = True
        try:
            entry.result = await entry.body(unit)
            entry.wants_delivery = unit.wants_delivery
        except Exception as error:
            entry.error = error
            if not self._client.raw.in_transaction:
                raise  # SQLite took everything back by itself, as it does on a full disk
            db.run("ROLLBACK TO unit")
        finally:
            self._inside = False
            turn.end()
        db.run("RELEASE unit")

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A closing loop cancels every task. Whoever queued behind a cancelled writer gets another one."""
        if not task.cancelled():
            task.exception()
        if task is self._task and any(not entry.answer.done() for entry in self._queue):
            self._start()
