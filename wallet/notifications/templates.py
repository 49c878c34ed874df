"""What an alert is made of."""

from dataclasses import dataclass
from enum import IntEnum


class Severity(IntEnum):
    """Delivered in this order."""

    STOP = 0
    ALARM = 1
    NEWS = 2


@dataclass(frozen=True, slots=True)
class Template:
    severity: Severity
    headline: str
    sentences: tuple[str, ...]
