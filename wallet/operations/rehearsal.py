"""What other rules would have said of what agents asked for. Looks only; nothing is stored."""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from wallet.domain.facts import Fact
from wallet.domain.intents import Transfer
from wallet.domain.money import Asset
from wallet.domain.policy import AppliedRule
from wallet.domain.prices import PriceGap, Worth
from wallet.domain.replay import DENIED, PastRequest, Replay
from wallet.domain.rules import DAY_MS, Rule
from wallet.domain.tightening import Beside, tightens
from wallet.domain.transactions import UNSIGNED, Status
from wallet.errors import Code, NotFoundError
from wallet.operations.rule_checks import RuleChecks, invalid
from wallet.ports.history import History, RecordedRequest
from wallet.ports.store import Store, Unit
from wallet.ports.world import Clock
from wallet.wire.policies import parse_rule

MOST_REQUESTS: Final = 5_000  # the newest; what is older is left out and said
# Denials that only the rules decide.
_BY_RULES: Final = frozenset(
    {Code.POLICY_DENIED, Code.TOKEN_DENIED, Code.CONTRACT_DENIED, Code.SPENDER_DENIED,
     Code.OWNER_NOT_CONNECTED}
)  # fmt: skip
_MAY_LEAVE: Final = frozenset({*UNSIGNED, Status.SUBMITTED, Status.CONFIRMED})


@dataclass(frozen=True, slots=True)
class Proposal:
    """A rule to add, or with ``rule_id`` to replace; without ``rules`` to take away."""

    type: str
    rules: Mapping[str, Any] | None
    wallet_id: str | None = None
    rule_id: str | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """A request that would be decided otherwise. ``was`` is what was decided then, under the rules of then."""

    request: PastRequest
    now: str
    then: str
    rule: str | None
    reason: str


@dataclass(slots=True)
class RehearsalReport:
    """``counted_only`` requests were denied from memory and are not kept; ``unreadable`` cannot be judged."""

    since: int
    loosens: bool
    requests: int = 0
    changed: Counter[tuple[str, str]] = field(default_factory=Counter)
    examples: list[Difference] = field(default_factory=list)
    counted_only: int = 0
    unreadable: int = 0
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class _Rules:
    now: Sequence[AppliedRule]
    then: Sequence[AppliedRule]
    loosens: bool


class Rehearsal:
    """One replay at a time, in a thread of its own, over one snapshot."""

    def __init__(self, store: Store, clock: Clock, checks: RuleChecks) -> None:
        self._store = store
        self._clock = clock
        self._checks = checks
        self._one_at_a_time = asyncio.Lock()

    async def run(
        self, proposals: Sequence[Proposal], *, days: int, examples: int
    ) -> RehearsalReport:
        """Replay the requests of the last ``days`` under the rules as they are and as proposed.

        Raises POLICY_INVALID, POLICY_NOT_FOUND and WALLET_NOT_FOUND as setting the rules would.
        """
        rules = await self._store.read(lambda unit: self._proposed(unit, proposals))
        since = self._clock.now() - days * DAY_MS
        ceilings = {network.name: network.fee_ceiling for network in self._checks.networks}
        replays = Replay(rules.now, ceilings), Replay(rules.then, ceilings)
        report = RehearsalReport(since, rules.loosens)
        assets = {one.native.key: one.native for one in self._checks.networks}
        async with self._one_at_a_time:
            await self._store.survey(
                partial(_replay, replays=replays, report=report, assets=assets, examples=examples)
            )
        return report

    async def _proposed(self, unit: Unit, proposals: Sequence[Proposal]) -> _Rules:
        now = await unit.policies.applied(None)
        then, loosens = list(now), False
        for number, proposal in enumerate(proposals):
            rule = await self._rule(unit, proposal)
            rule_id = proposal.rule_id or f"proposed-{number + 1}"
            before = next((one for one in then if one.id == rule_id), None)
            if proposal.rule_id is not None:
                _require_same(before, proposal)
            wallet_id = proposal.wallet_id if before is None else before.wallet_id
            beside = Beside.of(then, rule_id, wallet_id)
            old = None if before is None else before.rule
            loosens = loosens or not tightens(old, rule, beside)
            then = [one for one in then if one.id != rule_id]
            if rule is not None:
                then.append(AppliedRule(rule_id, wallet_id, 0, rule))
        return _Rules(now, then, loosens)

    async def _rule(self, unit: Unit, proposal: Proposal) -> Rule | None:
        if proposal.rules is None:
            return None
        wallet = None
        if proposal.wallet_id is not None:
            wallet = await unit.wallets.get(proposal.wallet_id)
            if wallet is None:
                raise NotFoundError(Code.WALLET_NOT_FOUND, "There is no such wallet.")
        checked = self._checks.check(proposal.type, proposal.rules, wallet)
        return parse_rule(proposal.type, checked)


def _require_same(before: AppliedRule | None, proposal: Proposal) -> None:
    if before is None:
        raise NotFoundError(Code.POLICY_NOT_FOUND, "There is no such rule.")
    same = (before.wallet_id, before.rule.type.value) == (proposal.wallet_id, proposal.type)
    if proposal.rules is not None and not same:
        raise invalid("id", "names a rule of another wallet or type")


def _replay(
    history: History,
    *,
    replays: tuple[Replay, Replay],
    report: RehearsalReport,
    assets: Mapping[str, Asset],
    examples: int,
) -> None:
    now, then = replays
    first = report.since - max(now.window_ms, then.window_ms)
    recorded = list(history.requests(first, MOST_REQUESTS + 1))
    report.is_cut = len(recorded) > MOST_REQUESTS
    for one in reversed(recorded[:MOST_REQUESTS]):
        if one.fact == Fact.TX_DENIALS_SUMMED:
            report.counted_only += _count(one) if one.at >= report.since else 0
            continue
        past = _past(one, assets)
        if past is None:
            report.unreadable += 1
        elif past.at < report.since:
            now.remember(past)
            then.remember(past)
        else:
            _compare(past, replays, report, examples)


def _compare(
    past: PastRequest, replays: tuple[Replay, Replay], report: RehearsalReport, examples: int
) -> None:
    now, then = (replay.judge(past) for replay in replays)
    words = tuple(DENIED if one.tier is None else one.tier.value for one in (now, then))
    report.requests += 1
    if words[0] == words[1]:
        return
    report.changed[words[0], words[1]] += 1
    if len(report.examples) < examples:
        rule = None if then.rule is None else then.rule.value
        report.examples.append(Difference(past, words[0], words[1], rule, then.reason))


def _past(one: RecordedRequest, assets: Mapping[str, Asset]) -> PastRequest | None:
    """A request as it was asked for; None where the log does not hold it as this version writes it."""
    try:
        asked = json.loads(one.details["request"])
        key, network = str(asked["asset"]), str(asked["network"])
        asset = assets.get(key, Asset(network, key, 0))
        intent = Transfer(str(asked["walletId"]), asset, str(asked["to"]), int(asked["amount"]))
        if asset.key != key:
            return None
        return PastRequest(
            at=one.at,
            intent=intent,
            was=DENIED if one.fact == Fact.TX_DENIED else str(one.details["tier"]),
            worth=_worth(one.details),
            paid=_paid(one),
            fee=one.fee,
        )
    except (KeyError, TypeError, ValueError):
        return None


def _worth(details: Mapping[str, Any]) -> Worth | PriceGap:
    if "usd" not in details:
        return PriceGap.UNKNOWN
    return Worth(int(details["usd"]), int(details["feeUsd"]))


def _paid(one: RecordedRequest) -> bool | None:
    if one.fact == Fact.TX_DENIED:
        by_rule = one.details.get("ruleId") or one.details.get("code") in _BY_RULES
        return None if by_rule else False
    return one.status in _MAY_LEAVE


def _count(one: RecordedRequest) -> int:
    text = str(one.details.get("count", ""))
    return int(text) if text.isdecimal() else 0
