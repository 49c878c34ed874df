"""The JSON bodies of the rule types, and their way into the domain. Rule keys are snake_case, as stored.

Absence never means "all": a missing limit and an unknown key are refused, an empty list allows nothing.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from wallet.domain.decisions import RuleType
from wallet.domain.loosenings import Change, Effect
from wallet.domain.rules import (
    CumulativeLimit,
    DollarWindow,
    RateLimit,
    Rule,
    SpendingLimit,
    TierBounds,
    TimeRestriction,
    WindowBounds,
)
from wallet.errors import Code, InputError
from wallet.wire.rule_fields import (
    APPROVAL_SECONDS,
    DELAY_SECONDS,
    ApprovalTimeout,
    AssetKey,
    Delay,
    Dollars,
    Otherwise,
    Over,
    RuleShape,
    Tiers,
    Units,
    Window,
    WindowSeconds,
    micros,
    optional_micros,
    optional_units,
)
from wallet.wire.rule_lists import (
    AllowedNetworksBody,
    AllowedTokensBody,
    ApproveAmountLimitBody,
    ApprovedSpendersBody,
    BalanceShareBody,
    ContractWhitelistBody,
    FeeLimitBody,
    MethodWhitelistBody,
    WhitelistBody,
)
from wallet.wire.shape import Describes, Query, Shape, View, issues_of


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


class TierBoundsBody(Tiers):
    """Inclusive bounds of one payment, in base units; above ``delay_max`` the owner is asked."""

    instant_max: Units
    notify_max: Units
    delay_max: Units


class DollarTiersBody(Tiers):
    """The same in dollars, for every asset the rule names; the stricter answer wins."""

    instant_max: Dollars
    notify_max: Dollars
    delay_max: Dollars

    def bounds(self) -> TierBounds:
        return TierBounds(
            micros(self.instant_max), micros(self.notify_max), micros(self.delay_max)
        )


class SpendingLimitBody(RuleShape):
    """Sorts one payment by its amount. The only rule that grants."""

    assets: Annotated[dict[AssetKey, TierBoundsBody], Field(min_length=1)]
    usd: DollarTiersBody | None = None
    delay_seconds: Delay
    approval_timeout: ApprovalTimeout = APPROVAL_SECONDS

    def rule(self) -> Rule:
        bounds = {
            key: TierBounds(int(b.instant_max), int(b.notify_max), int(b.delay_max))
            for key, b in self.assets.items()
        }
        usd = None if self.usd is None else self.usd.bounds()
        return SpendingLimit(bounds, self.delay_seconds, self.approval_timeout, usd)


class WindowBoundsBody(Window):
    """What a window may hold, and from which total on a payment waits; base units."""

    limit: Units
    notify_above: Units | None = None
    delay_above: Units | None = None
    approval_above: Units | None = None


class DollarWindowBody(Window):
    """The same in dollars over all assets, and over all wallets unless it says otherwise."""

    limit: Dollars
    notify_above: Dollars | None = None
    delay_above: Dollars | None = None
    approval_above: Dollars | None = None
    over: Over = "all_wallets"

    def window(self) -> DollarWindow:
        bounds = WindowBounds(
            micros(self.limit),
            optional_micros(self.notify_above),
            optional_micros(self.delay_above),
            optional_micros(self.approval_above),
        )
        return DollarWindow(bounds, self.over == "all_wallets")


class CumulativeLimitBody(RuleShape):
    """Bounds what leaves in a rolling window: spent, reserved and this one, fees included.

    ``assets`` may be left out where ``usd`` counts all of them.
    """

    assets: Annotated[dict[AssetKey, WindowBoundsBody] | None, Field(min_length=1)] = None
    usd: DollarWindowBody | None = None
    window_seconds: WindowSeconds
    over: Over
    otherwise: Otherwise
    delay_seconds: Delay = DELAY_SECONDS
    approval_timeout: ApprovalTimeout = APPROVAL_SECONDS

    @model_validator(mode="after")
    def _limits_something(self) -> Self:
        if self.assets is None and self.usd is None:
            raise ValueError("names neither assets nor usd")
        return self

    def rule(self) -> Rule:
        bounds = {
            key: WindowBounds(
                int(b.limit),
                optional_units(b.notify_above),
                optional_units(b.delay_above),
                optional_units(b.approval_above),
            )
            for key, b in (self.assets or {}).items()
        }
        return CumulativeLimit(
            assets=bounds,
            window_seconds=self.window_seconds,
            all_wallets=self.over == "all_wallets",
            otherwise_ask=self.otherwise == "ask",
            delay_seconds=self.delay_seconds,
            approval_seconds=self.approval_timeout,
            usd=None if self.usd is None else self.usd.window(),
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
    SpendingLimitBody
    | CumulativeLimitBody
    | WhitelistBody
    | TimeRestrictionBody
    | RateLimitBody
    | AllowedNetworksBody
    | AllowedTokensBody
    | ContractWhitelistBody
    | MethodWhitelistBody
    | ApprovedSpendersBody
    | ApproveAmountLimitBody
    | FeeLimitBody
    | BalanceShareBody
)

RULE_BODIES: Mapping[str, type[RuleBody]] = {
    RuleType.SPENDING_LIMIT: SpendingLimitBody,
    RuleType.CUMULATIVE_LIMIT: CumulativeLimitBody,
    RuleType.WHITELIST: WhitelistBody,
    RuleType.TIME_RESTRICTION: TimeRestrictionBody,
    RuleType.RATE_LIMIT: RateLimitBody,
    RuleType.ALLOWED_NETWORKS: AllowedNetworksBody,
    RuleType.ALLOWED_TOKENS: AllowedTokensBody,
    RuleType.CONTRACT_WHITELIST: ContractWhitelistBody,
    RuleType.METHOD_WHITELIST: MethodWhitelistBody,
    RuleType.APPROVED_SPENDERS: ApprovedSpendersBody,
    RuleType.APPROVE_AMOUNT_LIMIT: ApproveAmountLimitBody,
    RuleType.FEE_LIMIT: FeeLimitBody,
    RuleType.BALANCE_SHARE: BalanceShareBody,
}


def parse_rule(rule_type: str, rules: Mapping[str, Any]) -> Rule:
    """The domain rule of a body. InputError(POLICY_INVALID) lists every mistake with its path.

    Addresses are taken as they are: the caller normalises them per chain.
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


RuleTypeName = Annotated[str, Field(json_schema_extra={"enum": [kind.value for kind in RuleType]})]


class PutPolicy(Shape):
    """A rule for one wallet, or for every wallet where ``walletId`` is absent; ``id`` replaces a rule."""

    id: Annotated[str | None, Field(min_length=1, max_length=64)] = None
    wallet_id: Annotated[str | None, Field(min_length=1, max_length=64)] = None
    type: RuleTypeName
    rules: Annotated[
        dict[str, Any],
        Field(description="The body of the rule type."),
        Describes(*RULE_BODIES.values()),
    ]
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


class ChangedPolicyView(PolicyView):
    """A rule after a change. QUEUED: as it will be from ``countsAt`` (epoch seconds) on; ``queuedId`` ends that."""

    effect: Effect
    counts_at: int | None
    queued_id: str | None


class RemovedPolicyView(View):
    """QUEUED: the rule counts until ``countsAt`` (epoch seconds), and longer if ``queuedId`` is ended."""

    ok: bool = True
    effect: Effect
    counts_at: int | None
    queued_id: str | None


class QueuedPolicyView(View):
    """A change that waits. ``baseVersion`` is the version of the rule it dies without, 0 for a new rule."""

    id: str
    rule_id: str
    wallet_id: str | None
    change: Change
    type: str
    rules: dict[str, Any] | None
    base_version: int
    queued_at: int
    counts_at: int


class PolicyList(View):
    items: list[PolicyView]
    queued: list[QueuedPolicyView]


class PoliciesQuery(Query):
    wallet_id: Annotated[str | None, Field(max_length=64)] = None
