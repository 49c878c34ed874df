"""Room on the disk: under 200 MiB free nothing new is admitted, so that a stop can always be written."""

import shutil
from pathlib import Path

from wallet.errors import Code, UnavailableError
from wallet.ports.world import Clock

LEAST_FREE_BYTES = 200 * 1024 * 1024
LOOK_EVERY_SECONDS = 5.0


class Room:
    """Looks at the free space at most every five seconds."""

    def __init__(self, directory: Path, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock
        self._looked_at = float("-inf")
        self._enough = True

    def require(self) -> None:
        """Raise STORAGE_FULL when there is too little room to admit anything."""
        now = self._clock.monotonic()
        if now - self._looked_at >= LOOK_EVERY_SECONDS:
            self._looked_at = now
            self._enough = shutil.disk_usage(self._directory).free >= LEAST_FREE_BYTES
        if not self._enough:
            raise UnavailableError(
                Code.STORAGE_FULL,
                "The wallet's disk is almost full; nothing new is admitted.",
                hint="The owner frees space on the host.",
            )
