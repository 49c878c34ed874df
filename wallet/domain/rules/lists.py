"""Who and what: the rules that hold a list. What a list does not name is denied, or asked about.

Addresses are normalised per chain before they get here. Contracts, tokens and spenders are written
``network/address``, because one address may belong to different people on different networks.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from wallet.domain.decisions import Decision, Explanation, RuleType, allow, ask, deny
from wallet.domain.intents import Approve, ContractCall, Intent, TokenTransfer, Transfer
from wallet.domain.rules.context import Context
from wallet.domain.tiers import Tier
from wallet.errors import Code


@dataclass(frozen=True, slots=True)
class Whitelist:
    """Only listed recipients: of payments, and of money that is sent along with a call."""

    addresses: frozenset[str]
    otherwise_ask: bool
    approval_seconds: int

    type = RuleType.WHITELIST
    window_ms = 0

    def judge(self, intent: Intent, fee: int, context: Context) -> Decision | None:  # noqa: ARG002
        match intent:
            case Transfer() | TokenTransfer():
                pass
            case ContractCall(amount=amount) if amount:
                pass
            case ContractCall() | Approve():
                return None  # nothing is paid; CONTRACT_WHITELIST and APPROVED_SPENDERS say who
        if intent.to in self.addresses:
            return allow(Tier.INSTANT, "the recipient is listed", self.type)
        if self.otherwise_ask:
            return ask("the recipient is not listed", self.type, self.approval_seconds)
        return deny(
            "the recipient is not listed",
            self.type,
            Code.WHITELIST_DENIED,
            Explanation(smallest_passing="Use a listed recipient."),
        )


@dataclass(frozen=True, slots=True)
class AllowedNetworks:
    """Only on listed networks."""

    networks: frozenset[str]

    type = RuleType.ALLOWED_NETWORKS
    window_ms = 0

    def judge(self, intent: Intent, fee: int, context: Context) -> Decision | None:  # noqa: ARG002
        network = intent.asset.network
        if network in self.networks:
            return allow(Tier.INSTANT, "the network is listed", self.type)
        return deny(
            f"the network {network} is not listed",
            self.type,
            Code.NETWORK_DENIED,
            Explanation(smallest_passing="Use a wallet on a listed network."),
        )


@dataclass(frozen=True, slots=True)
class AllowedTokens:
    """Only listed tokens may be paid or allowed to others. The native coin is no token."""

    tokens: frozenset[str]

    type = RuleType.ALLOWED_TOKENS
    window_ms = 0

    def judge(self, intent: Intent, fee: int, context: Context) -> Decision | None:  # noqa: ARG002
        if not isinstance(intent, TokenTransfer | Approve):
            return None
        if intent.asset.key in self.tokens:
            return allow(Tier.INSTANT, "the token is listed", self.type)
        return deny(
            "the token is not listed",
            self.type,
            Code.TOKEN_DENIED,
            Explanation(smallest_passing="Use a listed token."),
        )


@dataclass(frozen=True, slots=True)
class ContractWhitelist:
    """Only listed contracts and programs may be called."""

    contracts: frozenset[str]
    otherwise_ask: bool
    approval_seconds: int

    type = RuleType.CONTRACT_WHITELIST
    window_ms = 0

    def judge(self, intent: Intent, fee: int, context: Context) -> Decision | None:  # noqa: ARG002
        if not isinstance(intent, ContractCall):
            return None
        if place(intent) in self.contracts:
            return allow(Tier.INSTANT, "the contract is listed", self.type)
        if self.otherwise_ask:
            return ask("the contract is not listed", self.type, self.approval_seconds)
        return deny(
            "the contract is not listed",
            self.type,
            Code.CONTRACT_DENIED,
            Explanation(smallest_passing="Call a listed contract."),
        )


@dataclass(frozen=True, slots=True)
class MethodWhitelist:
    """Only listed methods of each contract, by selector (``0x`` and eight hex digits in lower case)."""

    methods: Mapping[str, frozenset[str]]
    otherwise_ask: bool
    approval_seconds: int

    type = RuleType.METHOD_WHITELIST
    window_ms = 0

    def judge(self, intent: Intent, fee: int, context: Context) -> Decision | None:  # noqa: ARG002
        if not isinstance(intent, ContractCall):
            return None
        if intent.method in self.methods.get(place(intent), frozenset()):
            return allow(Tier.INSTANT, "the method is listed", self.type)
        if self.otherwise_ask:
            return ask("the method is not listed", self.type, self.approval_seconds)
        return deny(
            f"the method {intent.method or '(none)'} of this contract is not listed",
            self.type,
            Code.METHOD_DENIED,
            Explanation(smallest_passing="Call a listed method."),
        )


@dataclass(frozen=True, slots=True)
class ApprovedSpenders:
    """Only listed spenders may be allowed to take tokens."""

    spenders: frozenset[str]
    otherwise_ask: bool
    approval_seconds: int

    type = RuleType.APPROVED_SPENDERS
    window_ms = 0

    def judge(self, intent: Intent, fee: int, context: Context) -> Decision | None:  # noqa: ARG002
        if not isinstance(intent, Approve):
            return None
        if place(intent) in self.spenders:
            return allow(Tier.INSTANT, "the spender is listed", self.type)
        if self.otherwise_ask:
            return ask("the spender is not listed", self.type, self.approval_seconds)
        return deny(
            "the spender is not listed",
            self.type,
            Code.SPENDER_DENIED,
            Explanation(smallest_passing="Allow a listed spender."),
        )


def place(intent: Intent) -> str:
    """Where the intent goes, in the spelling of the lists."""
    return f"{intent.asset.network}/{intent.to}"
