"""The rule types: one frozen class each, with one verb, ``judge``.

A rule that has nothing to say about an intent abstains (None). Only SPENDING_LIMIT grants a tier; the others
object, raise the tier, or find nothing to object to.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from wallet.domain.decisions import Decision, Explanation, RuleType, allow, deny
from wallet.domain.intents import Transfer
from wallet.domain.spending import BUCKET_MS, Bucket, Reservation, Usage, usage
from wallet.domain.tiers import Tier
from wallet.errors import Code

HOUR_MS = 3_600_000
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Context:
    """What rules may look at besides the intent. The row's own reservation is left out by the caller."""

    now: int  # epoch ms
    wallet_id: str
    owner_paired: bool
    buckets: Sequence[Bucket]  # of all wallets, as far back as any rule looks
    reservations: Sequence[Reservation]  # of all wallets
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

    def judge(self, intent: Transfer, fee: int, context: Context) -> Decision | None: ...


@dataclass(frozen=True, slots=True)
class TierBounds:
    """Inclusive upper bounds in base units; above ``delay_max`` the owner is asked."""

    instant_max: int
    notify_max: int
    delay_max: int


@dataclass(frozen=True, slots=True)
class SpendingLimit:
    """Sorts one payment by its amount. The only rule that grants."""

    assets: Mapping[str, TierBounds]
    delay_seconds: int
    approval_seconds: int

    type = RuleType.SPENDING_LIMIT
    window_ms = 0

    def judge(self, intent: Transfer, fee: int, context: Context) -> Decision | None:  # noqa: ARG002
        bounds = self.assets.get(intent.asset.key)
        if bounds is None:
            return None
        if intent.amount <= bounds.instant_max:
            return allow(Tier.INSTANT, "within the INSTANT bound", self.type)
        if intent.amount <= bounds.notify_max:
            return allow(Tier.NOTIFY, "within the NOTIFY bound", self.type)
        if intent.amount <= bounds.delay_max:
            return Decision(
                Tier.DELAY,
                "within the DELAY bound",
                self.type,
                delay_seconds=self.delay_seconds,
            )
        return _ask("above the DELAY bound", self.type, self.approval_seconds)


@dataclass(frozen=True, slots=True)
class WindowBounds:
    """``limit`` is what a window may hold; the others raise the tier below it. Base units."""

    limit: int
    notify_above: int | None = None
    delay_above: int | None = None
    approval_above: int | None = None


@dataclass(frozen=True, slots=True)
class CumulativeLimit:
    """Bounds what leaves in a rolling window: spent + reserved + this one, fees included."""

    assets: Mapping[str, WindowBounds]
    window_seconds: int
    all_wallets: bool
    otherwise_ask: bool
    delay_seconds: int
    approval_seconds: int

    type = RuleType.CUMULATIVE_LIMIT

    @property
    def window_ms(self) -> int:
        return self.window_seconds * 1000

    def judge(self, intent: Transfer, fee: int, context: Context) -> Decision | None:
        key = intent.asset.key
        bounds = self.assets.get(key)
        if bounds is None:
            return self._otherwise("this asset has no limit in the rule", Explanation())
        full_until = context.full_until(self.window_ms)
        if full_until is not None:
            return self._otherwise(_FULL, _explain_full(bounds.limit, full_until))
        cost = intent.amount + (fee if intent.asset.address is None else 0)
        window = context.used(key, window_ms=self.window_ms, all_wallets=self.all_wallets)
        if window.amount + cost > bounds.limit:
            return self._otherwise("over the limit of its window", _explain(bounds, window, fee))
        return self._escalate(bounds, window.escalating + cost)

    def _escalate(self, bounds: WindowBounds, total: int) -> Decision:
        if bounds.approval_above is not None and total > bounds.approval_above:
            return _ask("the window's total needs approval", self.type, self.approval_seconds)
        if bounds.delay_above is not None and total > bounds.delay_above:
            return Decision(
                Tier.DELAY,
                "the window's total is delayed",
                self.type,
                delay_seconds=self.delay_seconds,
            )
        if bounds.notify_above is not None and total > bounds.notify_above:
            return allow(Tier.NOTIFY, "the window's total is announced", self.type)
        return allow(Tier.INSTANT, "within the limit of its window", self.type)

    def _otherwise(self, reason: str, explanation: Explanation) -> Decision:
        if self.otherwise_ask:
            return _ask(reason, self.type, self.approval_seconds)
        return deny(reason, self.type, Code.CUMULATIVE_LIMIT_EXCEEDED, explanation)


@dataclass(frozen=True, slots=True)
class Whitelist:
    """Only listed recipients. Addresses are normalised per chain before they get here."""

    addresses: frozenset[str]
    otherwise_ask: bool
    approval_seconds: int

    type = RuleType.WHITELIST
    window_ms = 0

    def judge(self, intent: Transfer, fee: int, context: Context) -> Decision | None:  # noqa: ARG002
        if intent.to in self.addresses:
            return allow(Tier.INSTANT, "the recipient is listed", self.type)
        if self.otherwise_ask:
            return _ask("the recipient is not listed", self.type, self.approval_seconds)
        return deny(
            "the recipient is not listed",
            self.type,
            Code.WHITELIST_DENIED,
            Explanation(smallest_passing="Use a listed recipient."),
        )


@dataclass(frozen=True, slots=True)
class TimeRestriction:
    """Only within hours and days of a time zone. ``start == end`` means the whole day; days 0 = Sunday."""

    start_hour: int
    end_hour: int  # 1..24, exclusive
    days: frozenset[int]
    timezone: str

    type = RuleType.TIME_RESTRICTION
    window_ms = 0

    def judge(self, intent: Transfer, fee: int, context: Context) -> Decision | None:  # noqa: ARG002
        if self.allows(context.now):
            return allow(Tier.INSTANT, "within the allowed hours", self.type)
        return deny(
            f"outside the allowed hours ({self.timezone})",
            self.type,
            Code.TIME_RESTRICTED,
            Explanation(
                resets_at=self._opens_at(context.now),
                smallest_passing="Ask again within the allowed hours.",
                owner_can_help=False,
            ),
        )

    def allows(self, at: int) -> bool:
        local = self._local(at)
        if local.isoweekday() % 7 not in self.days:
            return False
        if self.start_hour == self.end_hour % 24:
            return True
        if self.start_hour < self.end_hour:
            return self.start_hour <= local.hour < self.end_hour
        return local.hour >= self.start_hour or local.hour < self.end_hour

    def _local(self, at: int) -> datetime:
        return datetime.fromtimestamp(at // 1000, UTC).astimezone(ZoneInfo(self.timezone))

    def _opens_at(self, now: int) -> int | None:
        local = self._local(now)  # whose full hours may lie half an hour off those of UTC
        first = now - now % 1000 - (local.minute * 60 + local.second) * 1000 + HOUR_MS
        return next(
            (at for at in range(first, first + 8 * DAY_MS, HOUR_MS) if self.allows(at)), None
        )


@dataclass(frozen=True, slots=True)
class RateLimit:
    """Bounds how many payments a window holds, open ones included."""

    max_per_hour: int
    max_per_day: int
    all_wallets: bool

    type = RuleType.RATE_LIMIT
    window_ms = DAY_MS

    def judge(self, intent: Transfer, fee: int, context: Context) -> Decision | None:  # noqa: ARG002
        for limit, window_ms, word in (
            (self.max_per_hour, HOUR_MS, "hour"),
            (self.max_per_day, DAY_MS, "day"),
        ):
            full_until = context.full_until(window_ms)
            if full_until is not None:
                return deny(
                    _FULL, self.type, Code.TX_RATE_EXCEEDED, _explain_full(limit, full_until)
                )
            count, resets_at = context.payments(window_ms=window_ms, all_wallets=self.all_wallets)
            if count >= limit:
                return deny(
                    f"{limit} payments an {word}" if word == "hour" else f"{limit} payments a day",
                    self.type,
                    Code.TX_RATE_EXCEEDED,
                    Explanation(
                        limit=limit,
                        used=count,
                        resets_at=resets_at,
                        smallest_passing="Ask again when the window has room.",
                    ),
                )
        return allow(Tier.INSTANT, "within the rate", self.type)


@dataclass(frozen=True, slots=True)
class Unproved:
    """Stands for rules that carry no valid proof: whatever they said, nothing is allowed."""

    type = RuleType.SPENDING_LIMIT
    window_ms = 0

    def judge(self, intent: Transfer, fee: int, context: Context) -> Decision | None:  # noqa: ARG002
        return deny(
            "the stored rules carry no valid proof",
            None,
            Code.AUTHORITY_UNPROVED,
            Explanation(
                smallest_passing="The owner sets this wallet's rules anew.", owner_can_help=False
            ),
        )


def _ask(reason: str, rule: RuleType, approval_seconds: int) -> Decision:
    return Decision(Tier.APPROVAL, reason, rule, approval_seconds=approval_seconds)


_FULL = "the window counts as full, because the database was behind the world"


def _explain_full(limit: int, until: int) -> Explanation:
    return Explanation(
        limit=limit,
        used=limit,
        resets_at=until,
        smallest_passing="Ask again when the window has passed; what it held is not known.",
    )


def _explain(bounds: WindowBounds, window: Usage, fee: int) -> Explanation:
    room = bounds.limit - window.amount - fee
    return Explanation(
        limit=bounds.limit,
        used=window.amount,
        resets_at=window.resets_at,
        smallest_passing=f"Ask for at most {room} base units."
        if room > 0
        else "Ask again when the window has room.",
    )
