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
    usd: int = 0  # ``amount`` at the prices of its decisions, millionths of a dollar
    owner_usd: int = 0  # the part of ``usd`` that the owner approved himself
    unpriced: int = 0  # payments and fees whose price was not known


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
    usd: int | None = None  # ``amount`` at the price of the decision; None: it was not known
    fee_usd: int | None = None  # ``fee`` likewise

    @property
    def worth(self) -> int | None:
        """What it holds in millionths of a dollar."""
        if self.usd is None or self.fee_usd is None:
            return None
        return self.usd + self.fee_usd

    def of(self, asset: str) -> int:
        """What it holds of ``asset``: the amount, and the fee ceiling where that is the native coin."""
        held = self.amount if self.asset == asset else 0
        return held + self.fee if self.native_asset == asset else held

    def fee_worth(self, fee: int) -> int | None:
        """What a fee of ``fee`` base units is in millionths of a dollar, at the price of the decision, rounded up."""
        if self.fee_usd is None or not self.fee:
            return self.fee_usd
        return -(-self.fee_usd * fee // self.fee)


def spent(held: Reservation, amount: int, fee: int, at: int) -> list[Bucket]:
    """What leaves when ``held`` is settled at ``at``: ``amount`` of its asset (all of it or nothing), and a fee.

    Dollars keep the prices of the decision; a fee below its ceiling costs its share, rounded up.
    """
    parts = [(held.asset, amount, held.usd), (held.native_asset, fee, held.fee_worth(fee))]
    buckets = []
    for asset in dict.fromkeys((held.asset, held.native_asset)):
        own = [(cost, usd) for of, cost, usd in parts if of == asset and cost]
        cost = sum(cost for cost, _ in own)
        usd = sum(usd for _, usd in own if usd is not None)
        buckets.append(
            Bucket(
                wallet_id=held.wallet_id,
                asset=asset,
                started_at=bucket_start(at),
                amount=cost,
                owner_amount=cost if held.owner_approved else 0,
                count=1 if amount and asset == held.asset else 0,
                usd=usd,
                owner_usd=usd if held.owner_approved else 0,
                unpriced=sum(1 for _, usd in own if usd is None),
            )
        )
    return buckets


@dataclass(frozen=True, slots=True)
class Usage:
    """What a window already holds."""

    amount: int  # spent + reserved
    escalating: int  # the same without what the owner approved himself
    count: int
    resets_at: int | None  # when the oldest spend leaves the window, epoch ms


@dataclass(frozen=True, slots=True)
class DollarUsage:
    """What a window already holds of all assets, millionths of a dollar. ``unpriced`` comes on top."""

    amount: int
    escalating: int
    unpriced: int  # payments whose value is not known
    resets_at: int | None


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


def dollar_usage(
    buckets: Iterable[Bucket], reservations: Iterable[Reservation], *, window_ms: int, now: int
) -> DollarUsage:
    """Sum what all assets hold in the window ending at ``now``. Callers choose the wallets."""
    amount = owner_amount = unpriced = 0
    oldest: int | None = None
    for bucket in buckets:
        if bucket.started_at + BUCKET_MS <= now - window_ms:
            continue
        amount += bucket.usd
        owner_amount += bucket.owner_usd
        unpriced += bucket.unpriced
        oldest = bucket.started_at if oldest is None else min(oldest, bucket.started_at)
    for reservation in reservations:
        held = reservation.worth
        if held is None:
            unpriced += 1
            continue
        amount += held
        owner_amount += held if reservation.owner_approved else 0
    resets_at = None if oldest is None else oldest + BUCKET_MS + window_ms
    return DollarUsage(amount, amount - owner_amount, unpriced, resets_at)
