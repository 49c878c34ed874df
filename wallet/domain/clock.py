"""Whether the host's clock can be believed: two states, and the one table of moves between them."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

TOLERANCE_MS = 60_000  # what wall clock, monotonic clock and the world may differ by


class ClockTrust(StrEnum):
    TRUSTED = "TRUSTED"
    DOUBTED = "DOUBTED"  # nothing that goes by the time of day happens


class ClockEvent(StrEnum):
    DOUBT = "DOUBT"
    AGREE = "AGREE"


CLOCK_TRANSITIONS: Mapping[tuple[ClockTrust, ClockEvent], ClockTrust] = MappingProxyType(
    {
        (ClockTrust.TRUSTED, ClockEvent.DOUBT): ClockTrust.DOUBTED,
        (ClockTrust.DOUBTED, ClockEvent.AGREE): ClockTrust.TRUSTED,
    }
)


def next_trust(trust: ClockTrust, event: ClockEvent) -> ClockTrust:
    """The state after ``event``; the same where it says nothing new."""
    return CLOCK_TRANSITIONS.get((trust, event), trust)


def agree(one: int, other: int) -> bool:
    """Whether two readings in epoch ms are the same moment, as far as we can tell."""
    return abs(one - other) <= TOLERANCE_MS


def difference(one: int, other: int) -> str:
    """How far two readings are apart, for a person."""
    seconds = abs(one - other) // 1000
    return f"{seconds // 60} min" if seconds >= 120 else f"{seconds} s"  # noqa: PLR2004 - two minutes
