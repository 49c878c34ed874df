"""What a coin is worth: dollars as an integer with an exponent, rounded against the spender; never a float.

A missing price is a value too (PriceGap), so that nobody can mistake it for zero.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from wallet.domain.money import Asset

USD = "USD"
USD_DECIMALS = 6  # dollars are counted in millionths
BPS = 10_000  # basis points in a whole
SKEW_MS = 60_000  # how far a provider's clock may run ahead of ours
_LARGEST_EXPONENT = 60
_DECIMAL = re.compile(r"([0-9]{1,60})(?:\.([0-9]{1,60}))?(?:[eE]([+-]?[0-9]{1,2}))?")


class PriceGap(StrEnum):
    """Why there is no price. Under a rule in dollars each of them asks the owner."""

    UNKNOWN = "UNKNOWN"  # nobody is configured to price it, or nobody knows it
    UNAVAILABLE = "UNAVAILABLE"  # too few providers answered
    STALE = "STALE"  # the answers are too old
    DIVERGENT = "DIVERGENT"  # the answers contradict each other

    @property
    def words(self) -> str:
        return _WORDS[self]


_WORDS = {
    PriceGap.UNKNOWN: "its price in dollars is not known",
    PriceGap.UNAVAILABLE: "its price in dollars cannot be had now",
    PriceGap.STALE: "its price in dollars is too old",
    PriceGap.DIVERGENT: "the sources of its price contradict each other",
}


@dataclass(frozen=True, slots=True)
class Price:
    """One whole coin costs ``value * 10**exponent`` dollars, as of ``at`` (epoch ms). ``value`` > 0."""

    value: int
    exponent: int
    at: int

    def __post_init__(self) -> None:
        if self.value <= 0 or abs(self.exponent) > _LARGEST_EXPONENT:
            raise ValueError("a price is greater than zero and of this world")

    def is_fresh(self, now: int, max_age_ms: int) -> bool:
        return now - max_age_ms <= self.at <= now + SKEW_MS

    def scaled(self, exponent: int) -> int:
        """Its value at a smaller or equal exponent."""
        return self.value * _power(self.exponent - exponent)


Quote = Price | PriceGap


@dataclass(frozen=True, slots=True)
class Worth:
    """A payment and its fee ceiling in millionths of a dollar, each rounded up."""

    amount: int
    fee: int

    @property
    def total(self) -> int:
        return self.amount + self.fee


def parse_price(text: str, at: int) -> Price:
    """A decimal such as "3000.25" or "1.2e-7"; ValueError for anything else, zero included."""
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise ValueError("is no decimal number")
    fraction = match[2] or ""
    return Price(int(match[1] + fraction), int(match[3] or 0) - len(fraction), at)


def usd_of(units: int, decimals: int, price: Price) -> int:
    """What ``units`` of a coin with ``decimals`` places cost, in millionths of a dollar, rounded up."""
    exponent = price.exponent + USD_DECIMALS - decimals
    product = units * price.value
    return product * _power(exponent) if exponent >= 0 else -(-product // _power(-exponent))


def _power(exponent: int) -> int:
    """10 to a power that is not negative; the built-in's type is open because of the others."""
    return int("1" + "0" * exponent)


def agreed(fresh: Sequence[Price], *, quorum: int, max_divergence_bps: int) -> Quote:
    """The highest of the fresh prices, where enough of them are close enough to each other."""
    if len(fresh) < quorum or not fresh:
        return PriceGap.UNAVAILABLE
    exponent = min(price.exponent for price in fresh)
    values = [price.scaled(exponent) for price in fresh]
    if (max(values) - min(values)) * BPS > max_divergence_bps * min(values):
        return PriceGap.DIVERGENT
    return max(fresh, key=lambda price: price.scaled(exponent))


def worth_of(
    amount: int, asset: Asset, fee: int, native: Asset, quotes: Mapping[str, Quote]
) -> Worth | PriceGap:
    """A payment in dollars, or the gap that keeps it from being known."""
    valued: list[int] = []
    for units, of in ((amount, asset), (fee, native)):
        quote = quotes.get(of.key, PriceGap.UNKNOWN)
        if isinstance(quote, PriceGap):
            if units:
                return quote
            valued.append(0)
        else:
            valued.append(usd_of(units, of.decimals, quote))
    return Worth(*valued)
