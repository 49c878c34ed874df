"""Dollars are exact, rounded against the spender, and never guessed."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wallet.domain.money import Asset
from wallet.domain.prices import (
    Price,
    PriceGap,
    Quote,
    Worth,
    agreed,
    parse_price,
    usd_of,
    worth_of,
)

NOW = 1_800_000_000_000
ETH = Asset("evm-local", "ETH", 18)
TOKEN = Asset("evm-local", "TKN", 6, "0xToken")
prices = st.builds(Price, st.integers(1, 10**30), st.integers(-30, 10), st.just(NOW))


@pytest.mark.parametrize(
    ("text", "value", "exponent"),
    [
        ("3000", 3000, 0),
        ("3000.25", 300025, -2),
        ("1.2e-7", 12, -8),
        ("1E3", 1, 3),
        ("0.10", 10, -2),
    ],
)
def test_a_decimal_becomes_a_price(text: str, value: int, exponent: int) -> None:
    assert parse_price(text, NOW) == Price(value, exponent, NOW)


@pytest.mark.parametrize(
    "text",
    ["", "0", "0.00", "-1", "+1", " 1", "1 ", "1,5", ".5", "5.", "NaN", "Infinity", "1_0", "\u0665", "1e999", "9e61", "1\n"],
)  # fmt: skip
def test_what_is_no_price_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"decimal|price"):
        parse_price(text, NOW)


def test_an_ether_at_three_thousand() -> None:
    price = parse_price("3000", NOW)
    assert usd_of(10**18, 18, price) == 3000 * 10**6
    assert usd_of(1, 18, price) == 1  # a millionth of a dollar is the least that anything costs
    assert usd_of(0, 18, price) == 0


@settings(deadline=None)
@given(st.integers(0, 2**256), st.integers(0, 36), prices)
def test_dollars_are_the_exact_value_rounded_up(units: int, decimals: int, price: Price) -> None:
    exact = Fraction(units * price.value) * Fraction(10) ** (price.exponent + 6 - decimals)
    found = usd_of(units, decimals, price)
    assert exact <= found < exact + 1


@settings(deadline=None)
@given(st.lists(prices, min_size=1, max_size=4), st.integers(1, 10_000))
def test_what_is_agreed_is_the_highest_and_no_source_is_far_below(
    several: list[Price], bound: int
) -> None:
    found = agreed(several, quorum=1, max_divergence_bps=bound)
    exact = [Fraction(p.value) * Fraction(10) ** p.exponent for p in several]
    spread = (max(exact) - min(exact)) / min(exact)
    if spread * 10_000 > bound:
        assert found is PriceGap.DIVERGENT
    else:
        assert isinstance(found, Price)
        assert Fraction(found.value) * Fraction(10) ** found.exponent == max(exact)


def test_too_few_sources_are_none() -> None:
    one = Price(1, 0, NOW)
    assert agreed([], quorum=1, max_divergence_bps=1) is PriceGap.UNAVAILABLE
    assert agreed([one], quorum=2, max_divergence_bps=1) is PriceGap.UNAVAILABLE
    assert agreed([one, one], quorum=2, max_divergence_bps=1) == one


def test_the_bound_of_divergence_is_inclusive() -> None:
    low = Price(10_000, 0, NOW)
    assert (
        agreed([low, Price(10_200, 0, NOW)], quorum=2, max_divergence_bps=200)
        != PriceGap.DIVERGENT
    )
    assert (
        agreed([low, Price(10_201, 0, NOW)], quorum=2, max_divergence_bps=200)
        is PriceGap.DIVERGENT
    )


def test_age_is_judged_to_the_millisecond_and_the_future_is_not_believed() -> None:
    assert Price(1, 0, NOW - 1000).is_fresh(NOW, 1000)
    assert not Price(1, 0, NOW - 1001).is_fresh(NOW, 1000)
    assert Price(1, 0, NOW + 60_000).is_fresh(NOW, 1000)
    assert not Price(1, 0, NOW + 60_001).is_fresh(NOW, 1000)


def test_a_payment_is_worth_its_amount_and_its_fee() -> None:
    quotes = {ETH.key: Price(3000, 0, NOW), TOKEN.key: Price(1, 0, NOW)}
    assert worth_of(10**18, ETH, 10**16, ETH, quotes) == Worth(3000 * 10**6, 30 * 10**6)
    assert worth_of(5 * 10**6, TOKEN, 10**16, ETH, quotes) == Worth(5 * 10**6, 30 * 10**6)


def test_any_gap_is_a_gap_of_the_whole_and_nothing_costs_nothing() -> None:
    known: dict[str, Quote] = {TOKEN.key: Price(1, 0, NOW), ETH.key: PriceGap.STALE}
    assert worth_of(5, TOKEN, 1, ETH, known) is PriceGap.STALE
    assert worth_of(5, TOKEN, 1, ETH, {}) is PriceGap.UNKNOWN
    assert worth_of(5, TOKEN, 0, ETH, known) == Worth(5, 0)
