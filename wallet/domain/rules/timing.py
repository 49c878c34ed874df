"""When and how often: TIME_RESTRICTION and RATE_LIMIT."""

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from wallet.domain.decisions import Decision, Explanation, RuleType, allow, deny
from wallet.domain.intents import Intent
from wallet.domain.rules.context import DAY_MS, FULL, HOUR_MS, Context, explain_full
from wallet.domain.tiers import Tier
from wallet.errors import Code


@dataclass(frozen=True, slots=True)
class TimeRestriction:
    """Only within hours and days of a time zone. ``start == end`` means the whole day; days 0 = Sunday."""

    start_hour: int
    end_hour: int  # 1..24, exclusive
    days: frozenset[int]
    timezone: str

    type = RuleType.TIME_RESTRICTION
    window_ms = 0

    def judge(self, intent: Intent, fee: int, context: Context) -> Decision | None:  # noqa: ARG002
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
        return local.isoweekday() % 7 in self.days and local.hour in self.hours

    @property
    def hours(self) -> frozenset[int]:
        """The allowed hours of a day."""
        span = (self.end_hour - self.start_hour) % 24 or 24
        return frozenset((self.start_hour + hour) % 24 for hour in range(span))

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

    def judge(self, intent: Intent, fee: int, context: Context) -> Decision | None:  # noqa: ARG002
        for limit, window_ms, word in (
            (self.max_per_hour, HOUR_MS, "hour"),
            (self.max_per_day, DAY_MS, "day"),
        ):
            full_until = context.full_until(window_ms)
            if full_until is not None:
                return deny(
                    FULL, self.type, Code.TX_RATE_EXCEEDED, explain_full(limit, full_until)
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
