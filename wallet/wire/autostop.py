"""The JSON bodies of the auto-stop rules. Rule keys are snake_case, as those of the policy; a key may be left out."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator

from wallet.domain.autostop import (
    AllowedHours,
    AnomalyPattern,
    ConsecutiveFailures,
    DailyLimit,
    HourlyRate,
    Rule,
    StopAction,
    StopRule,
)
from wallet.errors import Code, InputError
from wallet.wire.policies import known_zone
from wallet.wire.rule_fields import AssetKey, RuleShape, Units
from wallet.wire.shape import Describes, Query, Shape, View, issues_of

Act = Literal["WARN", "FREEZE_SESSION"]
Percent = Annotated[int, Field(ge=1, le=100)]


def _some(units: str) -> str:
    if units == "0":
        raise ValueError("must be greater than zero")
    return units


class FailuresBody(RuleShape):
    """Failed payments of a session in a row."""

    enabled: bool = True
    threshold: Annotated[int, Field(ge=1, le=20)] = 3
    action: Act = "FREEZE_SESSION"

    def rule(self) -> Rule:
        return ConsecutiveFailures(self.enabled, self.threshold, StopAction(self.action))


class HoursBody(RuleShape):
    """Requests of a session outside the hours."""

    enabled: bool = True
    start_hour: Annotated[int, Field(ge=0, le=23)] = 9
    end_hour: Annotated[int, Field(ge=1, le=24)] = 18
    timezone: Annotated[str, AfterValidator(known_zone)] = "UTC"
    action: Act = "WARN"

    def rule(self) -> Rule:
        action = StopAction(self.action)
        return AllowedHours(self.enabled, self.start_hour, self.end_hour, self.timezone, action)


class DailyBody(RuleShape):
    """What a wallet spent and set aside in a day. ``stop_percent`` null: it only warns."""

    enabled: bool = True
    warn_percent: Percent = 80
    stop_percent: Percent | None = None
    daily_max: Annotated[
        dict[AssetKey, Annotated[Units, AfterValidator(_some)]], Field(max_length=50)
    ] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.stop_percent is not None and self.stop_percent < self.warn_percent:
            raise ValueError("stop_percent must not be below warn_percent")
        return self

    def rule(self) -> Rule:
        most = {asset: int(units) for asset, units in self.daily_max.items()}
        return DailyLimit(self.enabled, self.warn_percent, self.stop_percent, most)


class RateBody(RuleShape):
    """Requests of a session in an hour."""

    enabled: bool = True
    max_per_hour: Annotated[int, Field(ge=1, le=100_000)] = 50
    action: Act = "FREEZE_SESSION"

    def rule(self) -> Rule:
        return HourlyRate(self.enabled, self.max_per_hour, StopAction(self.action))


class PatternBody(RuleShape):
    """Payments of a session to one address in an hour. ``same_address_stop`` null: it only warns."""

    enabled: bool = True
    same_address_warn: Annotated[int, Field(ge=2, le=100_000)] = 10
    same_address_stop: Annotated[int, Field(ge=2, le=100_000)] | None = 20

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        stop = self.same_address_stop
        if stop is not None and stop < self.same_address_warn:
            raise ValueError("same_address_stop must not be below same_address_warn")
        return self

    def rule(self) -> Rule:
        return AnomalyPattern(self.enabled, self.same_address_warn, self.same_address_stop)


Body = FailuresBody | HoursBody | DailyBody | RateBody | PatternBody
BODIES: Mapping[StopRule, type[Body]] = {
    StopRule.CONSECUTIVE_FAILURES: FailuresBody,
    StopRule.TIME_RESTRICTION: HoursBody,
    StopRule.DAILY_LIMIT_THRESHOLD: DailyBody,
    StopRule.HOURLY_RATE: RateBody,
    StopRule.ANOMALY_PATTERN: PatternBody,
}


class PutStopRule(Shape):
    """``rules`` replaces the whole rule; what it leaves out is the default."""

    type: Literal[
        "CONSECUTIVE_FAILURES",
        "TIME_RESTRICTION",
        "DAILY_LIMIT_THRESHOLD",
        "HOURLY_RATE",
        "ANOMALY_PATTERN",
    ]
    wallet_id: str | None = None
    rules: Annotated[dict[str, Any], Describes(*BODIES.values())]


class StopRulesQuery(Query):
    wallet_id: str | None = None


class StopRuleView(View):
    """A rule as it counts: for one wallet, or (``walletId`` null) for all that have none of their own.

    ``isDefault``: the owner never set it.
    """

    type: StopRule
    wallet_id: str | None
    is_default: bool
    rules: dict[str, Any]


class StopRuleList(View):
    items: list[StopRuleView]


def parse_stop_rule(kind: StopRule, rules: Mapping[str, Any]) -> Rule:
    """The rule of a body; POLICY_INVALID with every issue."""
    try:
        return BODIES[kind].model_validate(dict(rules)).rule()
    except ValidationError as error:
        raise InputError(
            Code.POLICY_INVALID,
            f"The {kind} rule is not valid.",
            details={"issues": issues_of(error)},
        ) from None
