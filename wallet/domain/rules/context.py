"""What a rule is, and what it may look at besides the intent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from wallet.domain.decisions import Decision, Explanation, RuleType, deny
from wallet.domain.intents import Intent
from wallet.domain.prices import PriceGap, Worth
from wallet.domain.spending import (
    BUCKET_MS,
    Bucket,
    DollarUsage,
    Reservation,
    Usage,
    dollar_usage,
    usage,
)
from wallet.errors import Code

HOUR_MS = 3_600_000
DAY_MS = 86_400_000
BALANCE_FRESH_MS = 60_000


@dataclass(frozen=True, slots=True)
class Holding:
    """A balance in base units, read from the chain ``at`` (epoch ms)."""

    amount: int
    at: int

    def is_fresh(self, now: int) -> bool:
        return abs(now - self.at) <= BALANCE_FRESH_MS


@dataclass(frozen=True, slots=True)
class Context:
    """What rules may look at besides the intent. The row's own reservation is left out by the caller."""

    now: int  # epoch ms
    wallet_id: str
    owner_paired: bool
    buckets: Sequence[Bucket]  # of all wallets, as far back as any rule looks
    reservations: Sequence[Reservation]  # of all wallets
    worth: Worth | PriceGap = PriceGap.UNKNOWN  # of the intent and its fee, at its decision
    balances: Mapping[str, Holding] = field(default_factory=dict)  # of this wallet, by asset key
    behind_at: int | None = None  # when the database was found to be behind the world

    def full_until(self, window_ms: int) -> int | None:
        """Until when a window counts as full, because it may have held what the database forgot."""
        if self.behind_at is None or self.now >= self.behind_at + window_ms:
            return None
        return self.behind_at + window_ms

    def used(self, asset: str, *, window_ms: int, all_wallets: bool) -> Usage:
        buckets = [b for b in self.buckets if all_wallets or b.wallet_id == self.wallet_id]
        held = [r for r in self.reservations if all_wallets or r.wallet_id == self.wallet_id]
        return usage(asset, buckets, held, window_ms=window_ms, now=self.now)

    def spent(self, asset: str, *, window_ms: int) -> int:
        """What left this wallet within the window; what is only reserved is left out."""
        buckets = [b for b in self.buckets if b.wallet_id == self.wallet_id]
        return usage(asset, buckets, (), window_ms=window_ms, now=self.now).amount

    def dollars(self, *, window_ms: int, all_wallets: bool) -> DollarUsage:
        buckets = [b for b in self.buckets if all_wallets or b.wallet_id == self.wallet_id]
        held = [r for r in self.reservations if all_wallets or r.wallet_id == self.wallet_id]
        return dollar_usage(buckets, held, window_ms=window_ms, now=self.now)

    def holding(self, asset: str) -> Holding | None:
        """What the wallet holds of an asset; None where that is unknown or was read too long ago."""
        found = self.balances.get(asset)
        return found if found is not None and found.is_fresh(self.now) else None

    def payments(self, *, window_ms: int, all_wallets: bool) -> tuple[int, int | None]:
        """How many payments of any asset the window holds, and when the oldest leaves it."""
        recent = [
            b
            for b in self.buckets
            if (all_wallets or b.wallet_id == self.wallet_id)
            and b.count
            and b.started_at + BUCKET_MS > self.now - window_ms
        ]
        held = [r for r in self.reservations if all_wallets or r.wallet_id == self.wallet_id]
        oldest = min((b.started_at for b in recent), default=None)
        resets_at = None if oldest is None else oldest + BUCKET_MS + window_ms
        return sum(b.count for b in recent) + len(held), resets_at


class Rule(Protocol):
    """One rule. ``window_ms`` is how far back it looks (0: not at all)."""

    @property
    def type(self) -> RuleType: ...

    @property
    def window_ms(self) -> int: ...

    def judge(self, intent: Intent, fee: int, context: Context) -> Decision | None: ...


FULL = "the window counts as full, because the database was behind the world"


def explain_full(limit: int, until: int) -> Explanation:
    """What a denial says of a window that counts as full."""
    return Explanation(
        limit=limit,
        used=limit,
        resets_at=until,
        smallest_passing="Ask again when the window has passed; what it held is not known.",
    )


@dataclass(frozen=True, slots=True)
class Unproved:
    """Stands for rules that carry no valid proof: whatever they said, nothing is allowed."""

    type = RuleType.SPENDING_LIMIT
    window_ms = 0

    def judge(self, intent: Intent, fee: int, context: Context) -> Decision | None:  # noqa: ARG002
        return deny(
            "the stored rules carry no valid proof",
            None,
            Code.AUTHORITY_UNPROVED,
            Explanation(
                smallest_passing="The owner sets this wallet's rules anew.", owner_can_help=False
            ),
        )
