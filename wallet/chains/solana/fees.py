"""Fees in lamports and compute-unit prices in microlamports, integers from end to end."""

from collections.abc import Sequence
from typing import Final

SIGNATURE_FEE: Final = 5_000  # lamports for the one signature
MICRO: Final = 1_000_000
MAX_UNITS: Final = 1_400_000  # the protocol's limit for one transaction
MAX_SALT: Final = 999
# Above what bids reach in congestion; an endpoint that lies about prices cannot go beyond.
MAX_UNIT_PRICE: Final = 10_000_000
_PLAIN_FLOOR: Final = 1_000
_MEMO_FLOOR: Final = 30_000  # clusters differ in what a memo costs
_PERCENTILE: Final = 75


def unit_limit(units: int, *, salt: int, has_memo: bool) -> int:
    """The compute-unit limit for a payment that used ``units`` when simulated.

    The salt makes two equal payments at one blockhash differ in their signed bytes; otherwise the
    second would be taken for the first, sent again.
    """
    if not 0 <= salt <= MAX_SALT:
        raise ValueError(f"salt must be between 0 and {MAX_SALT}")
    floor = _MEMO_FLOOR if has_memo else _PLAIN_FLOOR
    wanted = max(floor, units + -(-units // 5))
    return min(wanted, MAX_UNITS - MAX_SALT) + salt


def total_fee(limit: int, price: int) -> int:
    """Lamports charged for ``limit`` units at ``price`` microlamports, whatever is really used."""
    return SIGNATURE_FEE + -(-limit * price // MICRO)


def market_price(samples: Sequence[int]) -> int:
    """A price that got into three of four recent blocks, clamped; 0 without samples."""
    if not samples:
        return 0
    ranked = sorted(samples)
    return min(ranked[(len(ranked) - 1) * _PERCENTILE // 100], MAX_UNIT_PRICE)


def affordable_price(limit: int, budget: int) -> int:
    """The highest price at which ``limit`` units cost at most ``budget`` lamports, at least 0."""
    return max(budget - SIGNATURE_FEE, 0) * MICRO // limit
