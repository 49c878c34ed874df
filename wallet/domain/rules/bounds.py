"""How much of something else: APPROVE_AMOUNT_LIMIT, FEE_LIMIT and BALANCE_SHARE."""

from collections.abc import Mapping
from dataclasses import dataclass

from wallet.domain.decisions import Decision, Explanation, RuleType, allow, ask, deny
from wallet.domain.intents import Approve, Intent, TokenTransfer, Transfer
from wallet.domain.prices import BPS, PriceGap
from wallet.domain.rules.context import FULL, Context, explain_full
from wallet.domain.tiers import Tier
from wallet.errors import Code


@dataclass(frozen=True, slots=True)
class ApproveAmountLimit:
    """The largest allowance per token. An unlimited one is denied whatever the rule says."""

    assets: Mapping[str, int]
    otherwise_ask: bool
    approval_seconds: int

    type = RuleType.APPROVE_AMOUNT_LIMIT
    window_ms = 0

    def judge(self, intent: Intent, fee: int, context: Context) -> Decision | None:  # noqa: ARG002
        if not isinstance(intent, Approve):
            return None
        limit = self.assets.get(intent.asset.key, 0)
        if intent.amount <= limit and not intent.is_unlimited:
            return allow(Tier.INSTANT, "the allowance is small enough", self.type)
        reason = "over the largest allowance of this token"
        if intent.is_unlimited:
            return self._deny("an unlimited allowance", limit)
        if self.otherwise_ask:
            return ask(reason, self.type, self.approval_seconds)
        return self._deny(reason, limit)

    def _deny(self, reason: str, limit: int) -> Decision:
        passing = f"Allow at most {limit} base units." if limit else "Use a token the rule names."
        explanation = Explanation(limit=limit, used=0, smallest_passing=passing)
        return deny(reason, self.type, Code.APPROVE_AMOUNT_EXCEEDED, explanation)


@dataclass(frozen=True, slots=True)
class FeeBounds:
    """The dearest fee in base units of the network's native coin, and as a share of a payment."""

    max_fee: int
    max_share_bps: int | None = None


@dataclass(frozen=True, slots=True)
class FeeLimit:
    """Lowers the fee ceiling of a payment per network; what the rule does not name is denied.

    A dearer moment makes the payment wait until its time is over. The ceiling is fixed at admission, so a
    rule that was tightened since denies what waits with a higher one.
    """

    assets: Mapping[str, FeeBounds]  # by the key of a network's native coin
    approval_seconds: int

    type = RuleType.FEE_LIMIT
    window_ms = 0

    def ceiling(self, intent: Intent) -> int:
        """The most this rule lets the payment cost in fees."""
        bounds = self.assets.get(intent.asset.native_key)
        if bounds is None:
            return 0
        if bounds.max_share_bps is None or not isinstance(intent, Transfer):
            return bounds.max_fee
        return min(bounds.max_fee, intent.amount * bounds.max_share_bps // BPS)

    def judge(self, intent: Intent, fee: int, context: Context) -> Decision | None:
        bounds = self.assets.get(intent.asset.native_key)
        if bounds is None:
            passing = "Use a network the rule names."
            return self._deny("this network has no fee limit in the rule", intent, 0, passing)
        limit = self.ceiling(intent)
        if limit == 0 or fee > limit:
            return self._deny("the fee may not be that high", intent, limit, _pays(bounds, fee))
        if bounds.max_share_bps is None or not isinstance(intent, TokenTransfer):
            return allow(Tier.INSTANT, "the fee is bounded", self.type)
        return self._share_of_token(bounds.max_share_bps, intent, limit, context)

    def _share_of_token(self, bps: int, intent: Intent, limit: int, context: Context) -> Decision:
        """A fee is paid in another coin than the token, so only dollars compare them."""
        worth = context.worth
        if isinstance(worth, PriceGap):
            return ask(worth.words, self.type, self.approval_seconds)
        if worth.fee * BPS > bps * worth.amount:
            passing = "Ask for a larger amount."
            return self._deny("the fee is too large a share of it", intent, limit, passing)
        return allow(Tier.INSTANT, "the fee is a small share", self.type)

    def _deny(self, reason: str, intent: Intent, limit: int, passing: str) -> Decision:
        explanation = Explanation(
            limit=limit, used=0, smallest_passing=passing, unit=intent.asset.native_key
        )
        return deny(reason, self.type, Code.FEE_LIMIT_EXCEEDED, explanation)


@dataclass(frozen=True, slots=True)
class BalanceShare:
    """Bounds one payment, and optionally what leaves in a window, by a share of what the wallet holds.

    The balance is read before the decision; where it is unknown or old the owner is asked. The window's share
    is of what the wallet would hold had nothing left within it: the balance now and what was spent.
    """

    max_payment_bps: int
    max_window_bps: int | None
    window_seconds: int
    otherwise_ask: bool
    approval_seconds: int

    type = RuleType.BALANCE_SHARE

    @property
    def window_ms(self) -> int:
        return 0 if self.max_window_bps is None else self.window_seconds * 1000

    def judge(self, intent: Intent, fee: int, context: Context) -> Decision | None:
        key = intent.asset.key
        holding = context.holding(key)
        if holding is None:
            return ask("the wallet's balance is not known", self.type, self.approval_seconds)
        cost = intent.amount + (fee if intent.asset.address is None else 0)
        limit = holding.amount * self.max_payment_bps // BPS
        if cost > limit:
            room = limit - (cost - intent.amount)
            return self._otherwise("too large a share of the balance", limit, 0, room)
        if self.max_window_bps is None:
            return allow(Tier.INSTANT, "a small share of the balance", self.type)
        full_until = context.full_until(self.window_ms)
        if full_until is not None:
            most = holding.amount * self.max_window_bps // BPS
            return self._denied(FULL, explain_full(most, full_until))
        base = holding.amount + context.spent(key, window_ms=self.window_ms)
        limit = base * self.max_window_bps // BPS
        window = context.used(key, window_ms=self.window_ms, all_wallets=False)
        if window.amount + cost <= limit:
            return allow(Tier.INSTANT, "a small share of the balance", self.type)
        room = limit - window.amount - (cost - intent.amount)
        reason = "too large a share of the balance in its window"
        return self._otherwise(reason, limit, window.amount, room, window.resets_at)

    def _otherwise(
        self, reason: str, limit: int, used: int, room: int, resets_at: int | None = None
    ) -> Decision:
        explanation = Explanation(
            limit=limit,
            used=used,
            resets_at=resets_at,
            smallest_passing=f"Ask for at most {room} base units."
            if room > 0
            else "Ask again when the wallet holds more or the window has room.",
        )
        return self._denied(reason, explanation)

    def _denied(self, reason: str, explanation: Explanation) -> Decision:
        if self.otherwise_ask:
            return ask(reason, self.type, self.approval_seconds)
        return deny(reason, self.type, Code.BALANCE_SHARE_EXCEEDED, explanation)


def _pays(bounds: FeeBounds, fee: int) -> str:
    if bounds.max_share_bps is None:
        return f"The owner allows a fee of {fee} base units."
    least = -(-max(fee, 1) * BPS // bounds.max_share_bps)
    return f"Ask for at least {least} base units, so that the fee is a small share."
