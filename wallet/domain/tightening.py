"""Whether a change of a rule can only tighten: every field provably at least as strict. All else loosens.

A rule is compared with what it replaces, and where that decides nothing with the rules beside it: what grants
(SPENDING_LIMIT), and what must be there before anything of its kind is allowed at all, loosens by being added.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from wallet.domain.decisions import RuleType
from wallet.domain.policy import NEEDED, AppliedRule
from wallet.domain.rules import (
    AllowedNetworks,
    AllowedTokens,
    ApproveAmountLimit,
    ApprovedSpenders,
    BalanceShare,
    ContractWhitelist,
    CumulativeLimit,
    FeeBounds,
    FeeLimit,
    MethodWhitelist,
    RateLimit,
    Rule,
    SpendingLimit,
    TierBounds,
    TimeRestriction,
    Unproved,
    Whitelist,
    WindowBounds,
)

_NEEDED_TYPES = frozenset(rule for rule, _, _ in NEEDED.values())


@dataclass(frozen=True, slots=True)
class Beside:
    """The rules beside a changed one: those that count wherever it does, and all that may count with it."""

    always: Sequence[Rule] = ()
    somewhere: Sequence[Rule] = ()

    @classmethod
    def of(cls, applied: Iterable[AppliedRule], rule_id: str, wallet_id: str | None) -> "Beside":
        """From every rule there is; ``wallet_id`` None: the changed rule counts for every wallet."""
        others = [one for one in applied if one.id != rule_id]
        everywhere = [one.rule for one in others if one.wallet_id is None]
        own = [one.rule for one in others if one.wallet_id is not None]
        if wallet_id is None:
            return cls(everywhere, everywhere + own)
        own = [one.rule for one in others if one.wallet_id == wallet_id]
        return cls(everywhere + own, everywhere + own)

    def grants(self, assets: Collection[str]) -> bool:
        """Whether each of them has a tier already, wherever the changed rule counts."""
        return set(assets) <= _granted(self.always)

    def may_grant(self, assets: Collection[str]) -> bool:
        """Whether any of them may have a tier without the changed rule."""
        return self._is_unproved or not _granted(self.somewhere).isdisjoint(assets)

    def has(self, kind: RuleType) -> bool:
        return any(rule.type is kind for rule in self.always)

    def may_have(self, kind: RuleType) -> bool:
        return self._is_unproved or any(rule.type is kind for rule in self.somewhere)

    @property
    def _is_unproved(self) -> bool:
        """Rules that carry no proof now allow nothing, and nobody knows what they will say."""
        return any(isinstance(rule, Unproved) for rule in self.somewhere)


def tightens(before: Rule | None, after: Rule | None, beside: Beside) -> bool:
    """Whether no payment at all can be judged more loosely. None: the rule is added, or taken away."""
    if before == after:
        return True
    if before is None:
        return after is not None and _adding_tightens(after, beside)
    if after is None:
        return _removing_tightens(before, beside)
    return _at_least_as_strict(before, after, beside)


def _adding_tightens(rule: Rule, beside: Beside) -> bool:
    if isinstance(rule, SpendingLimit):
        return beside.grants(rule.assets)
    if rule.type in _NEEDED_TYPES:
        return beside.has(rule.type)
    return True


def _removing_tightens(rule: Rule, beside: Beside) -> bool:
    """What objected is heard no more; only what nothing else allows is denied from then on."""
    match rule:
        case SpendingLimit(assets=assets):
            return not beside.may_grant(assets)
        case ContractWhitelist() | ApprovedSpenders():
            return not beside.may_have(rule.type)
        case _:  # ALLOWED_TOKENS too: without one allowances of any token are heard by nobody
            return False


def _granted(rules: Iterable[Rule]) -> frozenset[str]:
    named = [rule.assets.keys() for rule in rules if isinstance(rule, SpendingLimit)]
    return frozenset().union(*named)


def _at_least_as_strict(before: Rule, after: Rule, beside: Beside) -> bool:
    match before, after:
        case SpendingLimit(), SpendingLimit():
            return _spending(before, after, beside)
        case CumulativeLimit(), CumulativeLimit():
            return _cumulative(before, after)
        case RateLimit(), RateLimit():
            return (
                after.max_per_hour <= before.max_per_hour
                and after.max_per_day <= before.max_per_day
                and _no_narrower(before.all_wallets, after.all_wallets)
            )
        case TimeRestriction(), TimeRestriction():
            return (
                after.timezone == before.timezone
                and after.days <= before.days
                and after.hours <= before.hours
            )
        case BalanceShare(), BalanceShare():
            return _share(before, after)
        case FeeLimit(), FeeLimit():
            return (
                after.assets.keys() <= before.assets.keys()
                and all(_fee(before.assets[key], fee) for key, fee in after.assets.items())
                and after.approval_seconds <= before.approval_seconds
            )
        case _:
            return _lists(before, after)


def _lists(before: Rule, after: Rule) -> bool:
    match before, after:
        case AllowedNetworks(), AllowedNetworks():
            return after.networks <= before.networks
        case AllowedTokens(), AllowedTokens():
            return after.tokens <= before.tokens
        case Whitelist(), Whitelist():
            return after.addresses <= before.addresses and _otherwise(before, after)
        case ContractWhitelist(), ContractWhitelist():
            return after.contracts <= before.contracts and _otherwise(before, after)
        case ApprovedSpenders(), ApprovedSpenders():
            return after.spenders <= before.spenders and _otherwise(before, after)
        case MethodWhitelist(), MethodWhitelist():
            listed = all(
                methods <= before.methods.get(contract, frozenset())
                for contract, methods in after.methods.items()
            )
            return listed and _otherwise(before, after)
        case ApproveAmountLimit(), ApproveAmountLimit():
            bounded = all(
                limit <= before.assets.get(key, 0) for key, limit in after.assets.items()
            )
            return bounded and _otherwise(before, after)
        case _:
            return False


_Listing = Whitelist | ContractWhitelist | ApprovedSpenders | MethodWhitelist | ApproveAmountLimit


def _otherwise(before: _Listing, after: _Listing) -> bool:
    """What is not listed is denied, or asked about as before, for no longer."""
    if not after.otherwise_ask:
        return True
    return before.otherwise_ask and after.approval_seconds <= before.approval_seconds


def _spending(before: SpendingLimit, after: SpendingLimit, beside: Beside) -> bool:
    named, dropped = after.assets.keys() & before.assets, before.assets.keys() - after.assets
    added = after.assets.keys() - before.assets
    return (
        all(_tiers(before.assets[key], after.assets[key]) for key in named)
        and not beside.may_grant(dropped)  # a milder rule would have the word
        and beside.grants(added)
        and _optional_tiers(before.usd, after.usd)
        and after.delay_seconds >= before.delay_seconds
        and after.approval_seconds <= before.approval_seconds
    )


def _optional_tiers(before: TierBounds | None, after: TierBounds | None) -> bool:
    return before is None or (after is not None and _tiers(before, after))


def _tiers(before: TierBounds, after: TierBounds) -> bool:
    return (
        after.instant_max <= before.instant_max
        and after.notify_max <= before.notify_max
        and after.delay_max <= before.delay_max
    )


def _cumulative(before: CumulativeLimit, after: CumulativeLimit) -> bool:
    return (
        _windows(before, after)
        and _dollars(before, after)
        and after.window_seconds >= before.window_seconds
        and _no_narrower(before.all_wallets, after.all_wallets)
        and (before.otherwise_ask or not after.otherwise_ask)
        and after.delay_seconds >= before.delay_seconds
        and after.approval_seconds <= before.approval_seconds
    )


def _windows(before: CumulativeLimit, after: CumulativeLimit) -> bool:
    """An asset that is not named any more is refused or asked about; a rule in dollars alone counts none."""
    if not before.assets and before.usd is not None:
        return True
    return (
        bool(after.assets) is bool(before.assets)
        and after.assets.keys() <= before.assets.keys()
        and all(_window(before.assets[key], bounds) for key, bounds in after.assets.items())
    )


def _dollars(before: CumulativeLimit, after: CumulativeLimit) -> bool:
    if before.usd is None:  # a rule that counts nothing refuses everything
        return bool(before.assets) or after.usd is None
    return (
        after.usd is not None
        and _window(before.usd.bounds, after.usd.bounds)
        and _no_narrower(before.usd.all_wallets, after.usd.all_wallets)
    )


def _window(before: WindowBounds, after: WindowBounds) -> bool:
    return (
        after.limit <= before.limit
        and _no_higher(before.notify_above, after.notify_above)
        and _no_higher(before.delay_above, after.delay_above)
        and _no_higher(before.approval_above, after.approval_above)
    )


def _fee(before: FeeBounds, after: FeeBounds) -> bool:
    return after.max_fee <= before.max_fee and _no_higher(
        before.max_share_bps, after.max_share_bps
    )


def _share(before: BalanceShare, after: BalanceShare) -> bool:
    """A longer window holds more of what left, and only a share of that is added to its limit."""
    longer = before.max_window_bps is None or after.window_seconds >= before.window_seconds
    return (
        longer
        and after.max_payment_bps <= before.max_payment_bps
        and _no_higher(before.max_window_bps, after.max_window_bps)
        and (before.otherwise_ask or not after.otherwise_ask)
        and after.approval_seconds <= before.approval_seconds
    )


def _no_higher(before: int | None, after: int | None) -> bool:
    return before is None or (after is not None and after <= before)


def _no_narrower(before: bool, after: bool) -> bool:  # noqa: FBT001 - over all wallets, or each
    return after or not before
