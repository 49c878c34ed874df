"""What a rule answers: allow with a tier, or deny; always with rule and reason."""

from dataclasses import dataclass, replace
from enum import StrEnum

from wallet.domain.tiers import Tier
from wallet.errors import Code


class RuleType(StrEnum):
    SPENDING_LIMIT = "SPENDING_LIMIT"
    CUMULATIVE_LIMIT = "CUMULATIVE_LIMIT"
    WHITELIST = "WHITELIST"
    TIME_RESTRICTION = "TIME_RESTRICTION"
    RATE_LIMIT = "RATE_LIMIT"
    ALLOWED_NETWORKS = "ALLOWED_NETWORKS"
    ALLOWED_TOKENS = "ALLOWED_TOKENS"
    CONTRACT_WHITELIST = "CONTRACT_WHITELIST"
    METHOD_WHITELIST = "METHOD_WHITELIST"
    APPROVED_SPENDERS = "APPROVED_SPENDERS"
    APPROVE_AMOUNT_LIMIT = "APPROVE_AMOUNT_LIMIT"
    FEE_LIMIT = "FEE_LIMIT"
    BALANCE_SHARE = "BALANCE_SHARE"


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a denied agent needs to know to ask for something that passes.

    Amounts are base units of ``unit``, an asset key (None: the asset asked for), or millionths of a dollar
    where it is USD.
    """

    limit: int | None = None
    used: int | None = None
    resets_at: int | None = None  # epoch ms
    smallest_passing: str | None = None  # one sentence: the smallest change that would pass
    owner_can_help: bool = True
    unit: str | None = None

    @property
    def remaining(self) -> int | None:
        if self.limit is None or self.used is None:
            return None
        return max(0, self.limit - self.used)


@dataclass(frozen=True, slots=True)
class Decision:
    """``tier`` is None for a denial. Seconds are set where the tier waits."""

    tier: Tier | None
    reason: str
    rule: RuleType | None = None
    rule_id: str | None = None
    code: Code = Code.POLICY_DENIED
    delay_seconds: int | None = None
    approval_seconds: int | None = None
    explanation: Explanation = Explanation()

    @property
    def is_denied(self) -> bool:
        return self.tier is None

    @property
    def strictness(self) -> int:
        return 99 if self.tier is None else self.tier.strictness

    def by(self, rule_id: str) -> "Decision":
        return replace(self, rule_id=rule_id)


def allow(tier: Tier, reason: str, rule: RuleType) -> Decision:
    return Decision(tier, reason, rule)


def deny(
    reason: str, rule: RuleType | None, code: Code, explanation: Explanation | None = None
) -> Decision:
    return Decision(None, reason, rule, code=code, explanation=explanation or Explanation())


def ask(reason: str, rule: RuleType, approval_seconds: int) -> Decision:
    return Decision(Tier.APPROVAL, reason, rule, approval_seconds=approval_seconds)


def stricter(first: Decision, second: Decision) -> Decision:
    """The stricter of two answers of one rule; the first where they are equally strict."""
    return second if second.strictness > first.strictness else first
