"""How a cleared payment leaves: at once, at once with a note, after a delay, or after the owner's yes."""

from enum import StrEnum


class Tier(StrEnum):
    """In order of strictness."""

    INSTANT = "INSTANT"
    NOTIFY = "NOTIFY"
    DELAY = "DELAY"
    APPROVAL = "APPROVAL"

    @property
    def strictness(self) -> int:
        return _ORDER[self]

    @property
    def waits(self) -> bool:
        """Whether the transaction is held (QUEUED) before it may execute."""
        return self in (Tier.DELAY, Tier.APPROVAL)


_ORDER = {tier: index for index, tier in enumerate(Tier)}


def strictest(first: Tier, *others: Tier) -> Tier:
    return max((first, *others), key=lambda tier: tier.strictness)
