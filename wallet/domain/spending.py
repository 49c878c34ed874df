"""Rolling windows over facts and reservations, never over wishes.

Facts are summed in buckets of five minutes, so the cost of a question does not grow with history. A bucket
counts until it lies wholly outside the window: a limit is never looser than its text.
"""

from collections.abc import Iterable
from dataclasses import dataclass

BUCKET_MS = 300_000


@dataclass(frozen=True, slots=True)
class Bucket:
    """What left one wallet of one asset in the five minutes from ``started_at`` (epoch ms)."""

    wallet_id: str
    asset: str
    started_at: int
    amount: int  # payments and fees, base units
    owner_amount: int  # the part of ``amount`` that the owner approved himself
    count: int  # payments


@dataclass(frozen=True, slots=True)
class Reservation:
    """Money set aside by a decision, until its transaction settles."""

    transaction_id: str
    wallet_id: str
    session_id: str
    asset: str
    amount: int
    native_asset: str
    fee: int  # the fee ceiling, native base units
    owner_approved: bool
    created_at: int

    def of(self, asset: str) -> int:
        """What it holds of ``asset``: the amount, and the fee ceiling where that is the native coin."""
        held = self.amount if self.asset == asset else 0
        return held + self.fee if self.native_asset == asset else held


@dataclass(frozen=True, slots=True)
class Usage:
    """What a window already holds."""

    amount: int  # spent + reserved
    escalating: int  # the same without what the owner approved himself
    count: int
    resets_at: int | None  # when the oldest spend leaves the window, epoch ms


def bucket_start(at: int) -> int:
    return at - at % BUCKET_MS


def usage(
    asset: str,
    buckets: Iterable[Bucket],
    reservations: Iterable[Reservation],
    *,
    window_ms: int,
    now: int,
) -> Usage:
    """Sum what counts for ``asset`` in the window ending at ``now``. Callers choose the wallets."""
    amount = owner_amount = count = 0
    oldest: int | None = None
    for bucket in buckets:
        if bucket.asset != asset or bucket.started_at + BUCKET_MS <= now - window_ms:
            continue
        amount += bucket.amount
        owner_amount += bucket.owner_amount
        count += bucket.count
        oldest = bucket.started_at if oldest is None else min(oldest, bucket.started_at)
    for reservation in reservations:
        held = reservation.of(asset)
        amount += held
        owner_amount += held if reservation.owner_approved else 0
        count += 1 if reservation.asset == asset else 0
    resets_at = None if oldest is None else oldest + BUCKET_MS + window_ms
    return Usage(amount, amount - owner_amount, count, resets_at)
