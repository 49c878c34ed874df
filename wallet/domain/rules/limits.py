"""How much: SPENDING_LIMIT sorts one payment, CUMULATIVE_LIMIT bounds what leaves in a window.

Both count per asset, and in dollars over all assets where the rule says so; the stricter answer wins.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from wallet.domain.decisions import (
    Decision,
    Explanation,
    RuleType,
    allow,
    ask,
    deny,
    stricter,
)
from wallet.domain.intents import Intent
from wallet.domain.money import format_units
from wallet.domain.prices import USD, USD_DECIMALS, PriceGap
from wallet.domain.rules.context import FULL, Context, explain_full
from wallet.domain.spending import DollarUsage, Usage
from wallet.domain.tiers import Tier
from wallet.errors import Code


@dataclass(frozen=True, slots=True)
class TierBounds:
    """Inclusive upper bounds in base units, or millionths of a dollar; above ``delay_max`` the owner is asked."""

    instant_max: int
    notify_max: int
    delay_max: int


@dataclass(frozen=True, slots=True)
class SpendingLimit:
    """Sorts one payment by its amount. The only rule that grants, and only the assets it names."""

    assets: Mapping[str, TierBounds]
    delay_seconds: int
    approval_seconds: int
    usd: TierBounds | None = None

    type = RuleType.SPENDING_LIMIT
    window_ms = 0

    def judge(self, intent: Intent, fee: int, context: Context) -> Decision | None:  # noqa: ARG002
        bounds = self.assets.get(intent.asset.key)
        if bounds is None:
            return None
        by_asset = self._tier(intent.amount, bounds, "")
        return (
            by_asset if self.usd is None else stricter(by_asset, self._by_usd(self.usd, context))
        )

    def _by_usd(self, bounds: TierBounds, context: Context) -> Decision:
        if isinstance(context.worth, PriceGap):
            return ask(context.worth.words, self.type, self.approval_seconds)
        return self._tier(context.worth.amount, bounds, " in dollars")

    def _tier(self, amount: int, bounds: TierBounds, of: str) -> Decision:
        if amount <= bounds.instant_max:
            return allow(Tier.INSTANT, f"within the INSTANT bound{of}", self.type)
        if amount <= bounds.notify_max:
            return allow(Tier.NOTIFY, f"within the NOTIFY bound{of}", self.type)
        if amount <= bounds.delay_max:
            return Decision(
                Tier.DELAY,
                f"within the DELAY bound{of}",
                self.type,
                delay_seconds=self.delay_seconds,
            )
        return ask(f"above the DELAY bound{of}", self.type, self.approval_seconds)


@dataclass(frozen=True, slots=True)
class WindowBounds:
    """``limit`` is what a window may hold; the others raise the tier below it. Units as in TierBounds."""

    limit: int
    notify_above: int | None = None
    delay_above: int | None = None
    approval_above: int | None = None


@dataclass(frozen=True, slots=True)
class DollarWindow:
    """The same in millionths of a dollar, over every asset."""

    bounds: WindowBounds
    all_wallets: bool = True


@dataclass(frozen=True, slots=True)
class CumulativeLimit:
    """Bounds what leaves in a rolling window: spent + reserved + this one, fees included.

    A rule with ``usd`` and no assets counts in dollars alone.
    """

    assets: Mapping[str, WindowBounds]
    window_seconds: int
    all_wallets: bool
    otherwise_ask: bool
    delay_seconds: int
    approval_seconds: int
    usd: DollarWindow | None = None

    type = RuleType.CUMULATIVE_LIMIT

    @property
    def window_ms(self) -> int:
        return self.window_seconds * 1000

    def judge(self, intent: Intent, fee: int, context: Context) -> Decision | None:
        if self.usd is None:
            return self._by_asset(intent, fee, context)
        by_usd = self._by_usd(self.usd, context)
        return stricter(self._by_asset(intent, fee, context), by_usd) if self.assets else by_usd

    def _by_asset(self, intent: Intent, fee: int, context: Context) -> Decision:
        key = intent.asset.key
        bounds = self.assets.get(key)
        if bounds is None:
            return self._otherwise(
                "this asset has no limit in the rule",
                Explanation(
                    limit=0, used=0, smallest_passing="Ask for an asset that the rule names."
                ),
            )
        full_until = context.full_until(self.window_ms)
        if full_until is not None:
            return self._otherwise(FULL, explain_full(bounds.limit, full_until))
        cost = intent.amount + (fee if intent.asset.address is None else 0)
        window = context.used(key, window_ms=self.window_ms, all_wallets=self.all_wallets)
        if window.amount + cost > bounds.limit:
            return self._otherwise("over the limit of its window", _explain(bounds, window, fee))
        return self._escalate(bounds, window.escalating + cost)

    def _by_usd(self, usd: DollarWindow, context: Context) -> Decision:
        if isinstance(context.worth, PriceGap):
            return ask(context.worth.words, self.type, self.approval_seconds)
        full_until = context.full_until(self.window_ms)
        if full_until is not None:
            return self._otherwise(FULL, explain_full(usd.bounds.limit, full_until))
        window = context.dollars(window_ms=self.window_ms, all_wallets=usd.all_wallets)
        cost = context.worth.total
        if window.amount + cost > usd.bounds.limit:
            explanation = _explain_dollars(usd.bounds, window, context.worth.fee)
            return self._otherwise("over the limit of its window in dollars", explanation)
        if window.unpriced:
            reason = "the window holds payments whose value in dollars is not known"
            return ask(reason, self.type, self.approval_seconds)
        return self._escalate(usd.bounds, window.escalating + cost)

    def _escalate(self, bounds: WindowBounds, total: int) -> Decision:
        if bounds.approval_above is not None and total > bounds.approval_above:
            return ask("the window's total needs approval", self.type, self.approval_seconds)
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
            return ask(reason, self.type, self.approval_seconds)
        return deny(reason, self.type, Code.CUMULATIVE_LIMIT_EXCEEDED, explanation)


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


def _explain_dollars(bounds: WindowBounds, window: DollarUsage, fee: int) -> Explanation:
    room = bounds.limit - window.amount - fee
    return Explanation(
        limit=bounds.limit,
        used=window.amount,
        resets_at=window.resets_at,
        smallest_passing=f"Ask for at most {format_units(room, USD_DECIMALS)} dollars' worth."
        if room > 0
        else "Ask again when the window has room.",
        unit=USD,
    )
