"""Auto-stop at work: judged in the transaction that writes what it is about, so no restart forgets anything.

Denied requests, payments that the owner rejected, payments that lacked money (another agent may have spent it)
and what happened before a resume are nobody's failure and count for nothing here.
"""

from dataclasses import dataclass, replace

from wallet.domain.autostop import (
    DAY_MS,
    HOUR_MS,
    AutoStop,
    DailyLimit,
    StopAction,
    StopRule,
    Trip,
)
from wallet.domain.facts import Fact
from wallet.domain.money import Asset
from wallet.domain.policy import Policy
from wallet.domain.rules import Context, CumulativeLimit
from wallet.domain.tiers import Tier
from wallet.domain.transactions import Status, Transaction
from wallet.errors import Code, RefusedError
from wallet.pipeline.holds import Cancel, Hold, freeze_session, suspend_wallet
from wallet.ports.store import Unit

ACTOR = "auto_stop"
# Failures that no payment brings on by itself: a shared wallet may have been emptied by somebody else.
_NOT_ITS_FAULT = {Code.INSUFFICIENT_FUNDS}


@dataclass(frozen=True, slots=True)
class Request:
    """A decided request that is about to be stored. ``cost``: amount, and the fee ceiling in the native coin."""

    wallet_id: str
    session_id: str
    to: str
    asset: Asset
    cost: int
    tier: Tier | None
    at: int


async def watch_outcome(
    unit: Unit, row: Transaction, error: Code | None, at: int, cancel: Cancel
) -> None:
    """A payment ended: count failures in a row of its session, and freeze it at the rule's bound."""
    if row.status is Status.CONFIRMED:
        await unit.autostop.succeeded(row.session_id)
    if row.status is not Status.FAILED or error in _NOT_ITS_FAULT:
        return
    if row.created_at <= await unit.autostop.resumed_at(row.session_id):
        return
    failures = await unit.autostop.failed(row.session_id)
    trip = (await unit.autostop.rules(row.wallet_id)).failures.trip(failures)
    if trip is not None:
        await _act(unit, trip, row.wallet_id, row.session_id, at, cancel)


async def judge_request(
    unit: Unit, request: Request, policy: Policy, context: Context, cancel: Cancel
) -> RefusedError | None:
    """Warn of what looks odd; hold and refuse what a rule stops. The request itself counts."""
    rules = await unit.autostop.rules(request.wallet_id)
    trips = await _session_trips(unit, rules, request)
    if (daily := await _daily_trip(unit, rules.daily, request, policy, context)) is not None:
        trips.append(daily)
    for trip in trips:
        await _act(unit, trip, request.wallet_id, request.session_id, request.at, cancel)
    stopped = [trip for trip in trips if trip.action is not StopAction.WARN]
    if not stopped:
        return None
    worst = max(stopped, key=lambda trip: list(StopAction).index(trip.action))
    whole_wallet = worst.action is StopAction.SUSPEND_WALLET
    return RefusedError(
        Code.WALLET_SUSPENDED if whole_wallet else Code.SESSION_FROZEN,
        f"Auto-stop: {worst.text}. Nothing was paid.",
        details={"rule": worst.rule.value, "ownerCanHelp": True},
        hint="Only the owner can resume it. Do not send the payment again before.",
    )


async def _session_trips(unit: Unit, rules: AutoStop, request: Request) -> list[Trip]:
    found = [rules.hours.trip(request.at)]
    if rules.rate.enabled or rules.pattern.enabled:
        resumed_at = await unit.autostop.resumed_at(request.session_id)
        since = max(request.at - HOUR_MS, resumed_at)
        if rules.rate.enabled:
            most = rules.rate.max_per_hour
            asked = await unit.autostop.asked(request.session_id, since, at_most=most)
            found.append(rules.rate.trip(asked + 1))
        if rules.pattern.enabled:
            most = rules.pattern.same_address_stop or rules.pattern.same_address_warn
            same = await unit.autostop.asked_for(
                request.session_id, request.to, since, at_most=most
            )
            found.append(rules.pattern.trip(same + 1))
    return [trip for trip in found if trip is not None]


async def _daily_trip(
    unit: Unit, rule: DailyLimit, request: Request, policy: Policy, context: Context
) -> Trip | None:
    """Measured without what the owner approves himself, or is still asked about."""
    if not rule.enabled or request.tier is Tier.APPROVAL:
        return None
    measures = _measures(rule, request, policy)
    if rule.daily_max.get(request.asset.key) is not None and policy.window_ms < DAY_MS:
        buckets = await unit.ledger.buckets(request.at - DAY_MS)
        context = replace(context, buckets=buckets)
    if not any(rule.trip(_used(context, request, window), most) for window, most in measures):
        return None
    context = await _counted(unit, context, request)
    trips = [rule.trip(_used(context, request, window), most) for window, most in measures]
    found = [trip for trip in trips if trip is not None]
    return max(found, key=lambda trip: list(StopAction).index(trip.action), default=None)


def _measures(rule: DailyLimit, request: Request, policy: Policy) -> list[tuple[int, int]]:
    """(window in ms, the most it may hold): the owner's own mark, else the wallet's CUMULATIVE_LIMITs."""
    key = request.asset.key
    if key in rule.daily_max:
        return [(DAY_MS, rule.daily_max[key])]
    limits = [applied.rule for applied in policy.rules]
    return [
        (limit.window_ms, limit.assets[key].limit)
        for limit in limits
        if isinstance(limit, CumulativeLimit) and not limit.all_wallets and key in limit.assets
    ]


def _used(context: Context, request: Request, window_ms: int) -> int:
    window = context.used(request.asset.key, window_ms=window_ms, all_wallets=False)
    return window.escalating + request.cost


async def _counted(unit: Unit, context: Context, request: Request) -> Context:
    """Without what waits for the owner's answer, and without what happened before the wallet was resumed."""
    resumed_at = await unit.autostop.resumed_at(request.wallet_id)
    queued = await unit.transactions.in_status(Status.QUEUED)
    asked = {row.id for row in queued if row.tier is Tier.APPROVAL}
    return replace(
        context,
        buckets=[b for b in context.buckets if b.started_at >= resumed_at],
        reservations=[
            r
            for r in context.reservations
            if r.transaction_id not in asked and r.created_at > resumed_at
        ],
    )


async def _act(
    unit: Unit, trip: Trip, wallet_id: str, session_id: str, at: int, cancel: Cancel
) -> None:
    hold = Hold(trip.rule.value, ACTOR, f"Auto-stop: {trip.text}", at)
    session = await unit.sessions.get(session_id)
    wallet = await unit.wallets.get(wallet_id)
    assert session is not None  # foreign keys
    assert wallet is not None
    match trip.action:
        case StopAction.FREEZE_SESSION:
            await freeze_session(unit, session, hold, cancel)
        case StopAction.SUSPEND_WALLET:
            await suspend_wallet(unit, wallet, hold, cancel)
        case StopAction.WARN:
            of_wallet = trip.rule is StopRule.DAILY_LIMIT_THRESHOLD
            subject = wallet.id if of_wallet else session.id
            about = {
                "rule": trip.rule.value,
                "reason": trip.text,
                "wallet": wallet.name,
                "name": "" if of_wallet else session.name,
                "sessionId": "" if of_wallet else session.id,
            }
            key = f"AUTO_STOP_WARNED:{trip.rule}:{subject}:{at // DAY_MS}"
            if await unit.console.alert(key, "AUTO_STOP_WARNED", about, at):
                await unit.audit.append(
                    Fact.AUTO_STOP_WARNED,
                    actor=ACTOR,
                    at=at,
                    wallet_id=wallet.id,
                    session_id=None if of_wallet else session.id,
                    details=about,
                )
