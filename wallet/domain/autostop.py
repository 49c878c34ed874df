"""Auto-stop: five rules that watch what a session or a wallet did, and stop it where it looks wrong.

A rule stops only what it measures. What one session did freezes that session; what a whole wallet spent may
suspend that wallet; so no agent can stop another one that shares its wallet. Nothing here pulls the kill switch:
that is for the owner, and for a state that carries no valid proof.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from wallet.domain.rules import TimeRestriction
from wallet.errors import Code, ConflictError

HOUR_MS = 3_600_000
DAY_MS = 86_400_000
EVERY_DAY = frozenset(range(7))


class StopRule(StrEnum):
    CONSECUTIVE_FAILURES = "CONSECUTIVE_FAILURES"
    TIME_RESTRICTION = "TIME_RESTRICTION"
    DAILY_LIMIT_THRESHOLD = "DAILY_LIMIT_THRESHOLD"
    HOURLY_RATE = "HOURLY_RATE"
    ANOMALY_PATTERN = "ANOMALY_PATTERN"


class StopAction(StrEnum):
    """From the mildest to the hardest."""

    WARN = "WARN"
    FREEZE_SESSION = "FREEZE_SESSION"
    SUSPEND_WALLET = "SUSPEND_WALLET"


class HoldEvent(StrEnum):
    """What happens to a session or a wallet that can be held."""

    HOLD = "HOLD"
    RESUME = "RESUME"


# (held before, event) -> held afterwards. What is not here changes nothing.
HOLDS: Mapping[tuple[bool, HoldEvent], bool] = MappingProxyType(
    {(False, HoldEvent.HOLD): True, (True, HoldEvent.RESUME): False}
)


def next_hold(event: HoldEvent, what: str, *, held: bool) -> bool:
    """Whether ``what`` is held after ``event``; ConflictError(INVALID_STATE_TRANSITION) where it was already."""
    found = HOLDS.get((held, event))
    if found is None:
        how = "held already" if held else "not held"
        raise ConflictError(Code.INVALID_STATE_TRANSITION, f"The {what} is {how}.")
    return found


@dataclass(frozen=True, slots=True)
class Trip:
    """A rule found what it looks for. ``text`` says what happened, in words of the product."""

    rule: StopRule
    action: StopAction
    text: str


@dataclass(frozen=True, slots=True)
class ConsecutiveFailures:
    """Payments of one session that failed by their own fault, in a row, since one was confirmed."""

    enabled: bool = True
    threshold: int = 3
    action: StopAction = StopAction.FREEZE_SESSION

    def trip(self, failures: int) -> Trip | None:
        if not self.enabled or failures < self.threshold:
            return None
        text = f"{failures} payments in a row failed"
        return Trip(StopRule.CONSECUTIVE_FAILURES, self.action, text)

    def covers(self, other: "Rule") -> bool:
        """Whether it stops whatever ``other`` stops, both being enabled."""
        return (
            isinstance(other, ConsecutiveFailures)
            and self.threshold <= other.threshold
            and _no_milder(other.action, self.action)
        )


@dataclass(frozen=True, slots=True)
class AllowedHours:
    """Requests of one session outside the hours of a time zone. ``end_hour`` is exclusive; it may wrap."""

    enabled: bool = False
    start_hour: int = 9
    end_hour: int = 18
    timezone: str = "UTC"
    action: StopAction = StopAction.WARN

    def trip(self, at: int) -> Trip | None:
        hours = TimeRestriction(self.start_hour, self.end_hour, EVERY_DAY, self.timezone)
        if not self.enabled or hours.allows(at):
            return None
        text = f"a request outside {self.start_hour}:00 to {self.end_hour}:00 {self.timezone}"
        return Trip(StopRule.TIME_RESTRICTION, self.action, text)

    @property
    def hours(self) -> frozenset[int]:
        """The allowed hours of a day."""
        if self.start_hour == self.end_hour % 24:
            return frozenset(range(24))
        span = (self.end_hour - self.start_hour) % 24
        return frozenset((self.start_hour + hour) % 24 for hour in range(span))

    def covers(self, other: "Rule") -> bool:
        """Whether it stops whatever ``other`` stops, both being enabled."""
        return (
            isinstance(other, AllowedHours)
            and self.timezone == other.timezone
            and self.hours <= other.hours
            and _no_milder(other.action, self.action)
        )


@dataclass(frozen=True, slots=True)
class DailyLimit:
    """What one wallet spent and set aside in a day, without what the owner approved himself.

    ``daily_max`` per asset key in base units; an asset that is not named is measured against the wallet's
    CUMULATIVE_LIMIT, over that rule's window. No ``stop_percent``: it only warns.
    """

    enabled: bool = True
    warn_percent: int = 80
    stop_percent: int | None = None
    daily_max: Mapping[str, int] = field(default_factory=dict)

    def trip(self, used: int, most: int) -> Trip | None:
        if not self.enabled:
            return None
        if self.stop_percent is not None and _reaches(used, most, self.stop_percent):
            return self._tripped(StopAction.SUSPEND_WALLET, self.stop_percent)
        if _reaches(used, most, self.warn_percent):
            return self._tripped(StopAction.WARN, self.warn_percent)
        return None

    def _tripped(self, action: StopAction, percent: int) -> Trip:
        text = f"{percent} % of what the wallet may spend in its window is used"
        return Trip(StopRule.DAILY_LIMIT_THRESHOLD, action, text)

    def covers(self, other: "Rule") -> bool:
        """Whether it stops whatever ``other`` stops, both being enabled."""
        return (
            isinstance(other, DailyLimit)
            and self.warn_percent <= other.warn_percent
            and _no_later(other.stop_percent, self.stop_percent)
            and self.daily_max.keys() == other.daily_max.keys()
            and all(self.daily_max[key] <= most for key, most in other.daily_max.items())
        )


@dataclass(frozen=True, slots=True)
class HourlyRate:
    """Requests of one session in an hour that were admitted and not cancelled."""

    enabled: bool = True
    max_per_hour: int = 50
    action: StopAction = StopAction.FREEZE_SESSION

    def trip(self, count: int) -> Trip | None:
        if not self.enabled or count <= self.max_per_hour:
            return None
        text = f"more than {self.max_per_hour} payments were asked for in an hour"
        return Trip(StopRule.HOURLY_RATE, self.action, text)

    def covers(self, other: "Rule") -> bool:
        """Whether it stops whatever ``other`` stops, both being enabled."""
        return (
            isinstance(other, HourlyRate)
            and self.max_per_hour <= other.max_per_hour
            and _no_milder(other.action, self.action)
        )


@dataclass(frozen=True, slots=True)
class AnomalyPattern:
    """Payments of one session to one address in an hour. No ``same_address_stop``: it only warns."""

    enabled: bool = False
    same_address_warn: int = 10
    same_address_stop: int | None = 20

    def trip(self, count: int) -> Trip | None:
        stop = self.same_address_stop
        if not self.enabled:
            return None
        if stop is not None and count >= stop:
            return self._tripped(StopAction.FREEZE_SESSION, stop)
        if count >= self.same_address_warn:
            return self._tripped(StopAction.WARN, self.same_address_warn)
        return None

    def _tripped(self, action: StopAction, bound: int) -> Trip:
        text = f"{bound} payments to one address were asked for in an hour"
        return Trip(StopRule.ANOMALY_PATTERN, action, text)

    def covers(self, other: "Rule") -> bool:
        """Whether it stops whatever ``other`` stops, both being enabled."""
        return (
            isinstance(other, AnomalyPattern)
            and self.same_address_warn <= other.same_address_warn
            and _no_later(other.same_address_stop, self.same_address_stop)
        )


Rule = ConsecutiveFailures | AllowedHours | DailyLimit | HourlyRate | AnomalyPattern
KINDS: Mapping[StopRule, type[Rule]] = MappingProxyType(
    {
        StopRule.CONSECUTIVE_FAILURES: ConsecutiveFailures,
        StopRule.TIME_RESTRICTION: AllowedHours,
        StopRule.DAILY_LIMIT_THRESHOLD: DailyLimit,
        StopRule.HOURLY_RATE: HourlyRate,
        StopRule.ANOMALY_PATTERN: AnomalyPattern,
    }
)


@dataclass(frozen=True, slots=True)
class AutoStop:
    """All five rules as they count for one wallet. The defaults are what counts until the owner says more."""

    failures: ConsecutiveFailures = field(default_factory=ConsecutiveFailures)
    hours: AllowedHours = field(default_factory=AllowedHours)
    daily: DailyLimit = field(default_factory=DailyLimit)
    rate: HourlyRate = field(default_factory=HourlyRate)
    pattern: AnomalyPattern = field(default_factory=AnomalyPattern)

    def but(self, rule: Rule) -> "AutoStop":
        """The same with one rule replaced."""
        match rule:
            case ConsecutiveFailures():
                return replace(self, failures=rule)
            case AllowedHours():
                return replace(self, hours=rule)
            case DailyLimit():
                return replace(self, daily=rule)
            case HourlyRate():
                return replace(self, rate=rule)
            case AnomalyPattern():
                return replace(self, pattern=rule)

    def rule(self, kind: StopRule) -> Rule:
        return self.all[kind]

    @property
    def all(self) -> Mapping[StopRule, Rule]:
        found = (self.failures, self.hours, self.daily, self.rate, self.pattern)
        return dict(zip(StopRule, found, strict=True))


def kind_of(rule: Rule) -> StopRule:
    return next(kind for kind, of in KINDS.items() if type(rule) is of)


def encode(rule: Rule) -> str:
    """Canonical JSON, as stored."""
    return json.dumps(asdict(rule), sort_keys=True, separators=(",", ":"))


def decode(kind: StopRule, text: str) -> Rule:
    """The rule that ``encode`` wrote; a text it did not write is a bug and raises."""
    columns: dict[str, Any] = json.loads(text)
    if "action" in columns:
        columns["action"] = StopAction(columns["action"])
    return KINDS[kind](**columns)


def tightens(before: Rule, after: Rule) -> bool:
    """Whether ``after`` provably stops at least whatever ``before`` stops. Everything else loosens."""
    if before == after:
        return True
    if not before.enabled:  # what sleeps may be woken, and is not bent while it sleeps
        return after.enabled and type(before) is type(after)
    return after.enabled and after.covers(before)


def _reaches(used: int, most: int, percent: int) -> bool:
    return used * 100 >= most * percent


def _no_milder(before: StopAction, after: StopAction) -> bool:
    order = list(StopAction)
    return order.index(after) >= order.index(before)


def _no_later(before: int | None, after: int | None) -> bool:
    return before is None or (after is not None and after <= before)
