"""Fees are integers, never above what they were bounded by, and never lost in rounding."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet.chains.solana.fees import (
    MAX_UNIT_PRICE,
    MAX_UNITS,
    SIGNATURE_FEE,
    affordable_price,
    market_price,
    total_fee,
    unit_limit,
)

_LIMITS = st.integers(1, MAX_UNITS)


@given(_LIMITS, st.integers(0, 10**9))
def test_the_affordable_price_is_the_highest_that_fits(limit: int, budget: int) -> None:
    price = affordable_price(limit, budget)
    if budget >= SIGNATURE_FEE:
        assert total_fee(limit, price) <= budget < total_fee(limit, price + 1)
    else:
        assert price == 0


def test_a_fraction_of_a_lamport_is_charged_as_one() -> None:
    assert total_fee(1_000, 1) == 5_001
    assert total_fee(1_000, 1_000) == 5_001
    assert total_fee(1_000, 1_001) == 5_002


@given(st.integers(0, MAX_UNITS), st.integers(0, 999), st.booleans())
def test_the_limit_leaves_a_fifth_to_spare_within_the_protocols_bound(
    units: int, salt: int, has_memo: bool
) -> None:
    limit = unit_limit(units, salt=salt, has_memo=has_memo)
    assert limit <= MAX_UNITS
    assert limit >= min(units * 1.2, MAX_UNITS - 999)
    assert limit >= (30_000 if has_memo else 1_000)


@given(st.integers(0, MAX_UNITS), st.booleans())
def test_every_salt_gives_another_limit(units: int, has_memo: bool) -> None:
    limits = {unit_limit(units, salt=salt, has_memo=has_memo) for salt in range(1_000)}
    assert len(limits) == 1_000


@pytest.mark.parametrize("salt", [-1, 1_000])
def test_a_salt_out_of_range_is_a_bug(salt: int) -> None:
    with pytest.raises(ValueError, match="salt"):
        unit_limit(450, salt=salt, has_memo=False)


def test_the_market_price_is_what_three_of_four_blocks_took_and_is_clamped() -> None:
    assert market_price([]) == 0
    assert market_price([7]) == 7
    assert market_price([0, 10, 20, 30, 40]) == 30
    assert market_price([10**15] * 3) == MAX_UNIT_PRICE
