"""A change that loosens a rule, waiting until it counts."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from wallet.domain.authority import Proof


class Effect(StrEnum):
    """When a change of a rule counts."""

    AT_ONCE = "AT_ONCE"
    QUEUED = "QUEUED"


class Change(StrEnum):
    """What becomes of the rule."""

    SET = "SET"
    REMOVE = "REMOVE"


class Drop(StrEnum):
    """Why a queued loosening never counted, where nobody cancelled it."""

    RULE_CHANGED = "RULE_CHANGED"  # the rule is not the one it was compared with any more
    REPLACED = "REPLACED"  # another loosening of the same rule was queued after it
    KILL_SWITCH = "KILL_SWITCH"
    UNPROVED = "UNPROVED"  # it, or the rules beside it, carry no valid proof
    INVALID = "INVALID"  # what it says is no rule any more, because the settings changed


@dataclass(frozen=True, slots=True)
class Loosening:
    """A queued change of ``rule_id``; times in epoch ms.

    ``base_version`` is the rule's version it was compared with, 0 where there is no such rule yet. It counts
    only while that is still so. ``rules`` is the rule's body as canonical JSON; None takes the rule away.
    """

    id: str
    rule_id: str
    wallet_id: str | None
    type: str
    rules: str | None
    base_version: int
    queued_at: int
    counts_at: int
    actor: str
    proof: Proof = field(default=Proof.UNKNOWN, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Raise TypeError or ValueError for what no version writes, so that a bent row is no loosening."""
        if not all(type(n) is int for n in (self.base_version, self.queued_at, self.counts_at)):
            raise TypeError("versions and times are whole numbers")
        if self.rules is not None and not isinstance(json.loads(self.rules), dict):
            raise ValueError("a rule is a JSON object")

    @property
    def body(self) -> Mapping[str, Any] | None:
        """The rule as it will be; None where it is taken away."""
        found: Mapping[str, Any] | None = None if self.rules is None else json.loads(self.rules)
        return found

    @property
    def change(self) -> Change:
        return Change.REMOVE if self.rules is None else Change.SET
