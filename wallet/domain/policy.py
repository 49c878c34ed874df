"""A policy: the rules that apply to one wallet. The strictest decision wins, and nothing means no."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from wallet.domain.decisions import Decision, Explanation, RuleType, deny
from wallet.domain.intents import Intent, IntentType
from wallet.domain.rules import BalanceShare, Context, FeeLimit, Rule
from wallet.domain.tiers import Tier
from wallet.errors import Code

# What must be allowed by name before it may happen at all: without such a rule it is denied.
NEEDED: Mapping[IntentType, tuple[RuleType, Code, str]] = MappingProxyType(
    {
        IntentType.TOKEN_TRANSFER: (
            RuleType.ALLOWED_TOKENS,
            Code.TOKEN_DENIED,
            "no rule lists tokens that may be paid",
        ),
        IntentType.CONTRACT_CALL: (
            RuleType.CONTRACT_WHITELIST,
            Code.CONTRACT_DENIED,
            "no rule lists contracts that may be called",
        ),
        IntentType.APPROVE: (
            RuleType.APPROVED_SPENDERS,
            Code.SPENDER_DENIED,
            "no rule lists spenders that may be allowed",
        ),
    }
)


@dataclass(frozen=True, slots=True)
class AppliedRule:
    """A rule as stored. ``wallet_id`` is None for a rule over every wallet."""

    id: str
    wallet_id: str | None
    version: int
    rule: Rule


@dataclass(frozen=True, slots=True)
class Policy:
    """Global and wallet rules together; each judges alone, so merging can only tighten."""

    rules: Sequence[AppliedRule]

    @property
    def version(self) -> int:
        return max((applied.version for applied in self.rules), default=0)

    @property
    def content(self) -> frozenset[tuple[str, int]]:
        """Which rules in which versions: equal where nothing was added, changed or taken away."""
        return frozenset((applied.id, applied.version) for applied in self.rules)

    @property
    def window_ms(self) -> int:
        """How far back any rule looks."""
        return max((applied.rule.window_ms for applied in self.rules), default=0)

    @property
    def asks_for_balance(self) -> bool:
        """Whether a rule looks at what the wallet holds."""
        return any(isinstance(applied.rule, BalanceShare) for applied in self.rules)

    def fee_ceiling(self, intent: Intent, highest: int) -> int:
        """The most the payment may cost in fees: the network's ceiling, lowered by every FEE_LIMIT."""
        lower = [
            applied.rule.ceiling(intent)
            for applied in self.rules
            if isinstance(applied.rule, FeeLimit)
        ]
        return min([highest, *lower])

    def judge(self, intent: Intent, fee: int, context: Context) -> Decision:
        """The strictest decision of all rules; denied when no rule grants the asset a tier."""
        decisions = [
            decision.by(applied.id)
            for applied in self.rules
            if (decision := _judge(applied, intent, fee, context)) is not None
        ]
        if not any(d.rule is RuleType.SPENDING_LIMIT for d in decisions):
            decisions.append(_nothing_grants(intent, empty=not self.rules))
        decisions += self._lacking(intent)
        return _without_owner(merged(decisions), context)

    def _lacking(self, intent: Intent) -> list[Decision]:
        needed = NEEDED.get(intent.type)
        if needed is None or any(applied.rule.type is needed[0] for applied in self.rules):
            return []
        rule, code, reason = needed
        passing = f"The owner sets a {rule.value} rule."
        return [deny(reason, rule, code, Explanation(smallest_passing=passing))]


def merged(decisions: Sequence[Decision]) -> Decision:
    """The most restrictive of at least one decision.

    The strictest tier, the first rule that asks for it, and among those that ask for the same tier the longest
    delay and the shortest approval time.
    """
    strictest = max(decisions, key=lambda decision: decision.strictness)
    same = [d for d in decisions if d.tier is strictest.tier]
    return replace(
        strictest,
        delay_seconds=max((d.delay_seconds for d in same if d.delay_seconds), default=None),
        approval_seconds=min(
            (d.approval_seconds for d in same if d.approval_seconds), default=None
        ),
    )


def _judge(applied: AppliedRule, intent: Intent, fee: int, context: Context) -> Decision | None:
    try:
        return applied.rule.judge(intent, fee, context)
    except Exception as error:  # noqa: BLE001 - a rule that fails must not turn into a yes
        return deny(
            f"the rule failed ({type(error).__name__})", applied.rule.type, Code.POLICY_ERROR
        )


def _nothing_grants(intent: Intent, *, empty: bool) -> Decision:
    reason = (
        "no rule is set for this wallet"
        if empty
        else f"no spending limit names {intent.asset.key}"
    )
    return deny(
        reason,
        RuleType.SPENDING_LIMIT,
        Code.POLICY_DENIED,
        Explanation(smallest_passing="The owner sets a spending limit for this asset."),
    )


def _without_owner(decision: Decision, context: Context) -> Decision:
    if context.owner_paired or decision.tier in (None, Tier.INSTANT):
        return decision
    return deny(
        "no owner is paired, so nothing above INSTANT can leave",
        decision.rule,
        Code.OWNER_NOT_CONNECTED,
        Explanation(smallest_passing="Pair an owner, or ask for an INSTANT amount."),
    )
