"""Whether the database may be behind the world, and what a start does then.

A database that was restored, put back or rolled back has forgotten payments that were made. It would pay them
again: so everything is stopped, what waits is cancelled, and every window counts as full until it has passed.
"""

import asyncio

import structlog

from wallet.operations.safety import Safety
from wallet.ports.anchor import Anchor, Mark
from wallet.ports.store import Store, Unit

log = structlog.get_logger(__name__)
HEAD_DIGITS = 8


class Freshness:
    """Compares the audit log with the node's anchor at start, and moves the anchor along."""

    def __init__(self, store: Store, anchor: Anchor, safety: Safety) -> None:
        self._store = store
        self._anchor = anchor
        self._safety = safety
        self._written: Mark | None = None

    async def look(self) -> str | None:
        """At start, before anything else: why the database is behind the world, where it is.

        It is then stopped, durably. Until the anchor has been moved to this database the next start does the
        same again.
        """
        why = await self._why_behind()
        if why is None:
            return None
        log.error("database_behind", why=why)
        await self._safety.stop_behind(why)
        await self.note()
        self._anchor.cleared()
        return why

    async def note(self) -> None:
        """Move the anchor to the newest committed audit row."""
        number, head = await self._store.read(lambda unit: unit.audit.head())
        mark = Mark(number, head[:HEAD_DIGITS])
        if mark != self._written:
            await asyncio.to_thread(self._anchor.write, mark)
            self._written = mark

    async def _why_behind(self) -> str | None:
        suspicion = self._anchor.suspicion()
        if suspicion is not None:
            return suspicion
        mark = self._anchor.read()
        if mark is None:
            return "there is no anchor file, so nobody knows how old it is"

        async def body(unit: Unit) -> tuple[int, str | None]:
            return (await unit.audit.head())[0], await unit.audit.hash_at(mark.number)

        number, stored = await self._store.read(body)
        if number < mark.number:
            return f"its log ends at row {number}, and this node has seen row {mark.number}"
        if stored is None or stored[:HEAD_DIGITS] != mark.head:
            return f"row {mark.number} of its log is not the one that this node has seen"
        return None
