"""The rule types: one frozen class each, with one verb, ``judge``.

A rule that has nothing to say about an intent abstains (None). Only SPENDING_LIMIT grants a tier; the others
object, raise the tier, or find nothing to object to.
"""

from wallet.domain.rules.bounds import ApproveAmountLimit, BalanceShare, FeeBounds, FeeLimit
from wallet.domain.rules.context import DAY_MS, HOUR_MS, Context, Holding, Rule, Unproved
from wallet.domain.rules.limits import (
    CumulativeLimit,
    DollarWindow,
    SpendingLimit,
    TierBounds,
    WindowBounds,
)
from wallet.domain.rules.lists import (
    AllowedNetworks,
    AllowedTokens,
    ApprovedSpenders,
    ContractWhitelist,
    MethodWhitelist,
    Whitelist,
)
from wallet.domain.rules.timing import RateLimit, TimeRestriction

__all__ = [
    "DAY_MS",
    "HOUR_MS",
    "AllowedNetworks",
    "AllowedTokens",
    "ApproveAmountLimit",
    "ApprovedSpenders",
    "BalanceShare",
    "Context",
    "ContractWhitelist",
    "CumulativeLimit",
    "DollarWindow",
    "FeeBounds",
    "FeeLimit",
    "Holding",
    "MethodWhitelist",
    "RateLimit",
    "Rule",
    "SpendingLimit",
    "TierBounds",
    "TimeRestriction",
    "Unproved",
    "Whitelist",
    "WindowBounds",
]
