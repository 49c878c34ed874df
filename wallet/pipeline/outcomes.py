"""Waiting for a transaction without owning it: a dropped waiter cancels nothing."""

import asyncio
from collections import defaultdict


class Outcomes:
    """Wakes whoever waits for news of a transaction."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    def notify(self, transaction_id: str) -> None:
        for event in self._waiting.get(transaction_id, ()):
            event.set()

    async def news(self, event: asyncio.Event, seconds: float) -> bool:
        """True when there was news within ``seconds``. Register with ``listen`` before reading the row."""
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            return False
        event.clear()
        return True

    def listen(self, transaction_id: str) -> asyncio.Event:
        event = asyncio.Event()
        self._waiting[transaction_id].add(event)
        return event

    def leave(self, transaction_id: str, event: asyncio.Event) -> None:
        waiting = self._waiting[transaction_id]
        waiting.discard(event)
        if not waiting:
            del self._waiting[transaction_id]
