"""Room on the disk: under 200 MiB free nothing new is admitted, so that a stop can always be written."""

import shutil
from pathlib import Path

import structlog

from wallet.domain.rules import DAY_MS
from wallet.errors import Code, UnavailableError
from wallet.ports.store import Store
from wallet.ports.world import Clock

LEAST_FREE_BYTES = 200 * 1024 * 1024
LOOK_EVERY_SECONDS = 5.0
log = structlog.get_logger(__name__)


class Room:
    """Looks at the free space at most every five seconds, and tells the owner once a day that it is gone."""

    def __init__(self, directory: Path, store: Store, clock: Clock) -> None:
        self._directory = directory
        self._store = store
        self._clock = clock
        self._looked_at = float("-inf")
        self._enough = True
        self._told_on: int | None = None  # day

    async def require(self) -> None:
        """Raise STORAGE_FULL when there is too little room to admit anything."""
        now = self._clock.monotonic()
        if now - self._looked_at >= LOOK_EVERY_SECONDS:
            self._looked_at = now
            self._enough = shutil.disk_usage(self._directory).free >= LEAST_FREE_BYTES
        if self._enough:
            return
        await self._tell()
        raise UnavailableError(
            Code.STORAGE_FULL,
            "The wallet's disk is almost full; nothing new is admitted.",
            hint="The owner frees space on the host.",
        )

    async def _tell(self) -> None:
        now = self._clock.now()
        day = now // DAY_MS
        if day == self._told_on:
            return
        key, kind = f"DISK_ALMOST_FULL:{day}", "DISK_ALMOST_FULL"
        try:
            await self._store.run(lambda unit: unit.console.alert(key, kind, {}, now))
        except (
            UnavailableError
        ) as error:  # not even that could be written; the next refusal tries again
            log.warning("room_not_told", code=error.code.value)
            return
        self._told_on = day
