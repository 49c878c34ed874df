"""Releasing acts by Telegram are frozen when something there is not ours, until the owner is paired again."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wallet.domain.authority import FROZEN
from wallet.domain.facts import Fact
from wallet.ports.store import Unit


@dataclass(frozen=True, slots=True)
class Alarm:
    """The alert that tells of a freeze. ``key`` tells one occasion from another."""

    kind: str
    key: str
    payload: Mapping[str, str]


async def freeze(unit: Unit, alarm: Alarm, now: int, **fact: Any) -> None:
    """Freeze, with the fact and the alert."""
    await unit.audit.append(Fact.CARD_MISMATCH, at=now, **fact)
    await unit.authority.set_counter(FROZEN, 1, 0)
    await unit.console.alert(f"{alarm.kind}:{alarm.key}", alarm.kind, alarm.payload, now)


async def is_frozen(unit: Unit) -> bool:
    """Whether releasing acts by Telegram are frozen."""
    count, _ = await unit.authority.counter(FROZEN)
    return count > 0
