"""The merge of rules is never looser than its parts, whatever the rules, the request and the moment."""

from collections.abc import Sequence

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.rules import FEE, GRANTING, RULES, contexts, intents, policy, rules
from wallet.domain.decisions import Decision, RuleType
from wallet.domain.intents import Intent
from wallet.domain.policy import AppliedRule, Policy, merged
from wallet.domain.rules import Context, Rule
from wallet.domain.tiers import Tier

some_rules = st.lists(rules, min_size=1, max_size=5)
thorough = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def is_as_strict(merge: Decision, part: Decision) -> bool:
    """Whether nothing that ``part`` demands is given up in ``merge``."""
    if merge.strictness != part.strictness:
        return merge.strictness > part.strictness
    if part.tier is Tier.DELAY:
        return (merge.delay_seconds or 0) >= (part.delay_seconds or 0)
    if part.tier is Tier.APPROVAL:
        return (merge.approval_seconds or 0) <= (part.approval_seconds or 10**9)
    return True


def test_every_rule_type_is_drawn() -> None:
    assert sorted(kind.type for kind in RULES) == sorted(RuleType)


@thorough
@given(some_rules, intents, contexts())
def test_a_policy_is_never_looser_than_any_of_its_rules(
    parts: Sequence[Rule], intent: Intent, context: Context
) -> None:
    decision = policy(*parts).judge(intent, FEE, context)

    for part in parts:
        alone = part.judge(intent, FEE, context)
        assert alone is None or is_as_strict(decision, alone)


@thorough
@given(some_rules, some_rules, intents, contexts())
def test_a_rule_more_never_loosens_what_is_allowed_already(
    parts: Sequence[Rule], more: Sequence[Rule], intent: Intent, context: Context
) -> None:
    before = policy(*GRANTING, *parts).judge(intent, FEE, context)
    after = policy(*GRANTING, *parts, *more).judge(intent, FEE, context)

    assert is_as_strict(after, before)


@thorough
@given(intents, contexts())
def test_what_grants_grants(intent: Intent, context: Context) -> None:
    """So the property above is not about denials alone."""
    assert policy(*GRANTING).judge(intent, FEE, context).tier is Tier.INSTANT


@thorough
@given(some_rules, some_rules, intents, contexts())
def test_global_and_wallet_rules_merge_alike_in_any_order(
    everywhere: Sequence[Rule], own: Sequence[Rule], intent: Intent, context: Context
) -> None:
    def applied(wallet_id: str | None, parts: Sequence[Rule]) -> list[AppliedRule]:
        return [AppliedRule(f"{wallet_id}{n}", wallet_id, 1, r) for n, r in enumerate(parts)]

    both = [*applied(None, everywhere), *applied("w1", own)]
    one = Policy(both).judge(intent, FEE, context)
    other = Policy(both[::-1]).judge(intent, FEE, context)

    assert (one.tier, one.delay_seconds, one.approval_seconds) == (
        other.tier, other.delay_seconds, other.approval_seconds,
    )  # fmt: skip


@thorough
@given(some_rules, intents, contexts())
def test_every_denial_explains_itself(
    parts: Sequence[Rule], intent: Intent, context: Context
) -> None:
    decision = policy(*parts).judge(intent, FEE, context)

    if decision.is_denied:
        assert decision.reason
        assert decision.rule is not None
        assert decision.explanation.smallest_passing
        if decision.explanation.limit is not None:
            assert decision.explanation.remaining is not None


@thorough
@given(some_rules, intents, st.integers(0, 50))
def test_the_fee_ceiling_only_ever_goes_down(
    parts: Sequence[Rule], intent: Intent, ceiling: int
) -> None:
    found = policy(*parts).fee_ceiling(intent, ceiling)

    assert found <= ceiling
    assert found <= policy(*parts[1:]).fee_ceiling(intent, ceiling)


@thorough
@given(st.lists(st.sampled_from([Tier.DELAY, Tier.APPROVAL]), min_size=1, max_size=4), st.data())
def test_the_longest_delay_and_the_shortest_question_win(
    kinds: Sequence[Tier], data: st.DataObject
) -> None:
    seconds = [data.draw(st.integers(1, 99)) for _ in kinds]
    decisions = [
        Decision(tier, "", delay_seconds=n)
        if tier is Tier.DELAY
        else Decision(tier, "", approval_seconds=n)
        for tier, n in zip(kinds, seconds, strict=True)
    ]

    found = merged(decisions)

    asked = [n for tier, n in zip(kinds, seconds, strict=True) if tier is Tier.APPROVAL]
    if asked:
        assert (found.tier, found.approval_seconds) == (Tier.APPROVAL, min(asked))
    else:
        assert (found.tier, found.delay_seconds) == (Tier.DELAY, max(seconds))
