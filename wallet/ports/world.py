"""Time, identifiers, and the named steps where a crash is worth rehearsing."""

from typing import Protocol


class Clock(Protocol):
    """Wall clock for stored times, monotonic clock for waits."""

    def now(self) -> int:
        """Epoch milliseconds, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back."""
        ...


class Ids(Protocol):
    """Sources of identifiers and randomness."""

    def new(self) -> str:
        """A UUIDv7 as text; strictly increasing within the process."""
        ...

    def secret(self, size: int) -> bytes:
        """``size`` unpredictable bytes."""
        ...

    def below(self, bound: int) -> int:
        """An unpredictable integer in [0, bound)."""
        ...


class Checkpoints(Protocol):
    """Instrumented steps. A no-op in production; a sandbox may be told to die at one."""

    def reached(self, name: str) -> None: ...


ADMITTED = "ADMITTED"
EXECUTING = "EXECUTING"
STORED = "STORED"
SENT = "SENT"
TAPPED = "TAPPED"
RELEASED = "RELEASED"
SETTLED = "SETTLED"
ORDERED = "ORDERED"
CHECKPOINTS = (ADMITTED, EXECUTING, STORED, SENT, TAPPED, RELEASED, SETTLED, ORDERED)
