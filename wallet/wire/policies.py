"""The JSON bodies of the rule types, and their way into the domain. Rule keys are snake_case, as stored.

Absence never means "all": an empty list or map, a missing limit and an unknown key are refused.
"""

import itertools
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from wallet.domain.decisions import RuleType
from wallet.domain.money import U256_MAX
from wallet.domain.rules import (
    CumulativeLimit,
    RateLimit,
    Rule,
    SpendingLimit,
    TierBounds,
    TimeRestriction,
    Whitelist,
    WindowBounds,
)
from wallet.errors import Code, InputError
from wallet.wire.shape import Query, Shape, View, issues_of

APPROVAL_SECONDS = 43_200
APPROVAL_SECONDS_MAX = 86_400
DELAY_SECONDS = 300
DELAY_SECONDS_MAX = 2_592_000
WINDOW_SECONDS_MAX = 2_592_000


def _in_range(text: str) -> str:
    if int(text) > U256_MAX:
        raise ValueError("is above any chain's range")
    return text


def known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("is no IANA time zone such as Europe/Berlin") from None
    return name


def _distinct(days: list[int]) -> list[int]:
    if len(set(days)) != len(days):
        raise ValueError("names a day twice")
    return days


Units = Annotated[
    str,
    StringConstraints(pattern=r"^(0|[1-9][0-9]{0,77})$", max_length=78),
    AfterValidator(_in_range),
    Field(description="A decimal string of base units."),
]
AssetKey = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}/[0-9A-Za-z]{1,64}$"),
    Field(description="network/native or network/token address"),
]
Address = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z]{1,128}$")]
Delay = Annotated[int, Field(ge=1, le=DELAY_SECONDS_MAX)]
ApprovalTimeout = Annotated[int, Field(ge=1, le=APPROVAL_SECONDS_MAX)]
Over = Literal["each_wallet", "all_wallets"]
Otherwise = Literal["deny", "ask"]


class RuleShape(BaseModel):
    """A rule body; strict, no unknown keys."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)


class TierBoundsBody(RuleShape):
    """Inclusive bounds of one payment, in base units; above ``delay_max`` the owner is asked."""

    instant_max: Units
    notify_max: Units
    delay_max: Units

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        _require_ascending(self, ("instant_max", "notify_max", "delay_max"))
        return self


class SpendingLimitBody(RuleShape):
    """Sorts one payment by its amount. The only rule that grants."""

    assets: Annotated[dict[AssetKey, TierBoundsBody], Field(min_length=1)]
    delay_seconds: Delay
    approval_timeout: ApprovalTimeout = APPROVAL_SECONDS

    def rule(self) -> Rule:
        bounds = {
            key: TierBounds(int(b.instant_max), int(b.notify_max), int(b.delay_max))
            for key, b in self.assets.items()
        }
        return SpendingLimit(bounds, self.delay_seconds, self.approval_timeout)


class WindowBoundsBody(RuleShape):
    """What a window may hold, and from which total on a payment waits; base units."""

    limit: Units
    notify_above: Units | None = None
    delay_above: Units | None = None
    approval_above: Units | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        _require_ascending(self, ("notify_above", "delay_above", "approval_above", "limit"))
        return self


class CumulativeLimitBody(RuleShape):
    """Bounds what leaves in a rolling window: spent, reserved and this one, fees included."""

    assets: Annotated[dict[AssetKey, WindowBoundsBody], Field(min_length=1)]
    window_seconds: Annotated[int, Field(ge=1, le=WINDOW_SECONDS_MAX)]
    over: Over
    otherwise: Otherwise
    delay_seconds: Delay = DELAY_SECONDS
    approval_timeout: ApprovalTimeout = APPROVAL_SECONDS

    def rule(self) -> Rule:
        bounds = {
            key: WindowBounds(
                int(b.limit),
                _units(b.notify_above),
                _units(b.delay_above),
                _units(b.approval_above),
            )
            for key, b in self.assets.items()
        }
        return CumulativeLimit(
            assets=bounds,
            window_seconds=self.window_seconds,
            all_wallets=self.over == "all_wallets",
            otherwise_ask=self.otherwise == "ask",
            delay_seconds=self.delay_seconds,
            approval_seconds=self.approval_timeout,
        )


class WhitelistBody(RuleShape):
    """Only listed recipients."""

    allowed_addresses: Annotated[list[Address], Field(min_length=1, max_length=1000)]
    otherwise: Otherwise
    approval_timeout: ApprovalTimeout = APPROVAL_SECONDS

    def rule(self) -> Rule:
        return Whitelist(
            frozenset(self.allowed_addresses), self.otherwise == "ask", self.approval_timeout
        )


class HoursBody(RuleShape):
    """From ``start`` (inclusive) to ``end`` (exclusive); past midnight when end is smaller."""

    start: Annotated[int, Field(ge=0, le=23)]
    end: Annotated[int, Field(ge=1, le=24)]


class TimeRestrictionBody(RuleShape):
    """Only within hours and days (0 = Sunday) of a time zone."""

    allowed_hours: HoursBody
    timezone: Annotated[
        str, StringConstraints(min_length=1, max_length=64), AfterValidator(known_zone)
    ]
    allowed_days: Annotated[
        list[Annotated[int, Field(ge=0, le=6)]],
        Field(min_length=1, max_length=7),
        AfterValidator(_distinct),
    ]

    def rule(self) -> Rule:
        hours = self.allowed_hours
        return TimeRestriction(hours.start, hours.end, frozenset(self.allowed_days), self.timezone)


class RateLimitBody(RuleShape):
    """Bounds how many payments an hour and a day may hold."""

    max_tx_per_hour: Annotated[int, Field(ge=1, le=1_000_000)]
    max_tx_per_day: Annotated[int, Field(ge=1, le=1_000_000)]
    over: Over

    def rule(self) -> Rule:
        return RateLimit(self.max_tx_per_hour, self.max_tx_per_day, self.over == "all_wallets")


RuleBody = (
    SpendingLimitBody | CumulativeLimitBody | WhitelistBody | TimeRestrictionBody | RateLimitBody
)

RULE_BODIES: Mapping[str, type[RuleBody]] = {
    RuleType.SPENDING_LIMIT: SpendingLimitBody,
    RuleType.CUMULATIVE_LIMIT: CumulativeLimitBody,
    RuleType.WHITELIST: WhitelistBody,
    RuleType.TIME_RESTRICTION: TimeRestrictionBody,
    RuleType.RATE_LIMIT: RateLimitBody,
}


def parse_rule(rule_type: str, rules: Mapping[str, Any]) -> Rule:
    """The domain rule of a body. InputError(POLICY_INVALID) lists every mistake with its path.

    Whitelist addresses are taken as they are: the caller normalises them per chain.
    """
    body = RULE_BODIES.get(rule_type)
    if body is None:
        raise _invalid([{"path": "type", "message": f"must be one of {', '.join(RuleType)}"}])
    try:
        return body.model_validate(dict(rules)).rule()
    except ValidationError as error:
        raise _invalid(issues_of(error)) from None


def _invalid(issues: list[dict[str, str]]) -> InputError:
    first = issues[0]
    return InputError(
        Code.POLICY_INVALID,
        f"The rule is not valid: {first['path']}: {first['message']}",
        details={"issues": issues},
        hint="Every limit is named; amounts are decimal strings of base units.",
    )


def _units(text: str | None) -> int | None:
    return None if text is None else int(text)


def _require_ascending(body: BaseModel, names: tuple[str, ...]) -> None:
    given = [(name, int(text)) for name in names if (text := getattr(body, name)) is not None]
    for (low, below), (high, above) in itertools.pairwise(given):
        if below > above:
            raise ValueError(f"{low} must not be above {high}")


class PutPolicy(Shape):
    """A rule for one wallet, or for every wallet where ``walletId`` is absent; ``id`` replaces a rule."""

    id: Annotated[str | None, Field(min_length=1, max_length=64)] = None
    wallet_id: Annotated[str | None, Field(min_length=1, max_length=64)] = None
    type: Annotated[str, Field(json_schema_extra={"enum": [kind.value for kind in RuleType]})]
    rules: Annotated[dict[str, Any], Field(description="The body of the rule type.")]
    totp_code: Annotated[str | None, StringConstraints(pattern=r"^[0-9]{6}$")] = None


class PolicyView(View):
    """A rule as stored. Times in epoch seconds."""

    id: str
    wallet_id: str | None
    type: str
    rules: dict[str, Any]
    version: int
    created_at: int | None
    updated_at: int | None


class PolicyList(View):
    items: list[PolicyView]


class PoliciesQuery(Query):
    wallet_id: Annotated[str | None, Field(max_length=64)] = None
