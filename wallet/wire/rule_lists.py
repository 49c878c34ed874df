"""The bodies of the rules that hold a list, and of those that bound allowances, fees and shares.

An empty list is accepted and means what it says: nothing is allowed.
"""

from typing import Annotated, Self

from pydantic import Field, model_validator

from wallet.domain.rules import (
    AllowedNetworks,
    AllowedTokens,
    ApproveAmountLimit,
    ApprovedSpenders,
    BalanceShare,
    ContractWhitelist,
    FeeBounds,
    FeeLimit,
    MethodWhitelist,
    Rule,
    Whitelist,
)
from wallet.wire.rule_fields import (
    APPROVAL_SECONDS,
    LONGEST_LIST,
    Address,
    ApprovalTimeout,
    AssetKey,
    NetworkNames,
    Otherwise,
    Place,
    Places,
    RuleShape,
    Selectors,
    ShareBps,
    Units,
    WindowSeconds,
)


class WhitelistBody(RuleShape):
    """Only listed recipients."""

    allowed_addresses: Annotated[list[Address], Field(min_length=1, max_length=LONGEST_LIST)]
    otherwise: Otherwise
    approval_timeout: ApprovalTimeout = APPROVAL_SECONDS

    def rule(self) -> Rule:
        return Whitelist(
            frozenset(self.allowed_addresses), self.otherwise == "ask", self.approval_timeout
        )


class AllowedNetworksBody(RuleShape):
    """Only on listed networks."""

    networks: NetworkNames

    def rule(self) -> Rule:
        return AllowedNetworks(frozenset(self.networks))


class AllowedTokensBody(RuleShape):
    """Only listed tokens, written network/address."""

    tokens: Places

    def rule(self) -> Rule:
        return AllowedTokens(frozenset(self.tokens))


class ContractWhitelistBody(RuleShape):
    """Only listed contracts and programs, written network/address."""

    contracts: Places
    otherwise: Otherwise
    approval_timeout: ApprovalTimeout = APPROVAL_SECONDS

    def rule(self) -> Rule:
        return ContractWhitelist(
            frozenset(self.contracts), self.otherwise == "ask", self.approval_timeout
        )


class MethodWhitelistBody(RuleShape):
    """Only listed methods per contract; a contract that is not named has none."""

    methods: Annotated[dict[Place, Selectors], Field(max_length=LONGEST_LIST)]
    otherwise: Otherwise
    approval_timeout: ApprovalTimeout = APPROVAL_SECONDS

    def rule(self) -> Rule:
        methods = {contract: frozenset(listed) for contract, listed in self.methods.items()}
        return MethodWhitelist(methods, self.otherwise == "ask", self.approval_timeout)


class ApprovedSpendersBody(RuleShape):
    """Only listed spenders may be allowed to take tokens."""

    spenders: Places
    otherwise: Otherwise
    approval_timeout: ApprovalTimeout = APPROVAL_SECONDS

    def rule(self) -> Rule:
        return ApprovedSpenders(
            frozenset(self.spenders), self.otherwise == "ask", self.approval_timeout
        )


class ApproveAmountLimitBody(RuleShape):
    """The largest allowance per token, base units. An unlimited one is always denied."""

    tokens: Annotated[dict[Place, Units], Field(max_length=LONGEST_LIST)]
    otherwise: Otherwise
    approval_timeout: ApprovalTimeout = APPROVAL_SECONDS

    def rule(self) -> Rule:
        limits = {token: int(units) for token, units in self.tokens.items()}
        return ApproveAmountLimit(limits, self.otherwise == "ask", self.approval_timeout)


class FeeBoundsBody(RuleShape):
    """The dearest fee of one payment in base units, and as a share of the payment."""

    max_fee: Units
    max_share_bps: ShareBps | None = None


class FeeLimitBody(RuleShape):
    """Lowers the fee ceiling, by the native coin of each network. Other networks are denied."""

    assets: Annotated[dict[AssetKey, FeeBoundsBody], Field(min_length=1)]
    approval_timeout: ApprovalTimeout = APPROVAL_SECONDS

    @model_validator(mode="after")
    def _native(self) -> Self:
        for key in self.assets:
            if not key.endswith("/native"):
                raise ValueError(f"{key} pays no fees; name network/native")
        return self

    def rule(self) -> Rule:
        bounds = {k: FeeBounds(int(b.max_fee), b.max_share_bps) for k, b in self.assets.items()}
        return FeeLimit(bounds, self.approval_timeout)


class BalanceShareBody(RuleShape):
    """Bounds one payment, and optionally a window, by a share of the balance."""

    max_payment_bps: ShareBps
    max_window_bps: ShareBps | None = None
    window_seconds: WindowSeconds | None = None
    otherwise: Otherwise
    approval_timeout: ApprovalTimeout = APPROVAL_SECONDS

    @model_validator(mode="after")
    def _whole_window(self) -> Self:
        if (self.max_window_bps is None) is not (self.window_seconds is None):
            raise ValueError("max_window_bps and window_seconds belong together")
        return self

    def rule(self) -> Rule:
        return BalanceShare(
            max_payment_bps=self.max_payment_bps,
            max_window_bps=self.max_window_bps,
            window_seconds=self.window_seconds or 0,
            otherwise_ask=self.otherwise == "ask",
            approval_seconds=self.approval_timeout,
        )
