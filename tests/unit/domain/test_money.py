"""Amounts are exact integers; what is not plainly an amount is refused."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet.domain.chains import ChainName
from wallet.domain.money import (
    U64_MAX,
    U256_MAX,
    Asset,
    format_units,
    parse_base_units,
    parse_human,
)
from wallet.errors import Code, InputError

MALFORMED: list[Any] = [
    "-5", "0", "1e3", " 5", "5 ", "\u0665", "1_000", "", "00", "01", "+1", "1\n", "\n1", "1.0", "0x10", "1,000",
    "\uff11", "\u00b2", "NaN", "Infinity", "1" * 79, str(U256_MAX + 1), 5, 5.0, True, None, ["5"], {"a": 1}, b"5",
]  # fmt: skip


@pytest.mark.parametrize("amount", MALFORMED, ids=repr)
def test_a_malformed_amount_is_refused_by_name(amount: Any) -> None:
    with pytest.raises(InputError) as caught:
        parse_base_units(amount, maximum=U256_MAX)
    assert caught.value.code is Code.INVALID_AMOUNT
    assert caught.value.details["issues"][0]["path"] == "amount"


@pytest.mark.parametrize("chain", list(ChainName))
def test_the_largest_amount_of_a_chain_fits_and_one_more_does_not(chain: ChainName) -> None:
    most = chain.max_amount
    assert most == (U256_MAX if chain is ChainName.ETHEREUM else U64_MAX)
    assert parse_base_units(str(most), maximum=most) == most
    with pytest.raises(InputError):
        parse_base_units(str(most + 1), maximum=most)


@pytest.mark.parametrize(
    "text",
    ["-0.5", ".5", "5.", "1e3", " 1", "+1", "0", "0.0", "1_0", "\u0665", "", "1.1\n", 1, None],
)
def test_a_malformed_human_amount_is_refused(text: Any) -> None:
    with pytest.raises(InputError):
        parse_human(text, 9, maximum=U64_MAX)


def test_more_places_than_the_coin_has_are_refused_not_rounded() -> None:
    assert parse_human("0.000000001", 9, maximum=U64_MAX) == 1
    with pytest.raises(InputError):
        parse_human("0.0000000001", 9, maximum=U64_MAX)
    with pytest.raises(InputError):
        parse_human("0.5", 0, maximum=U64_MAX)


@given(st.integers(1, U256_MAX))
def test_base_units_survive_the_wire(units: int) -> None:
    assert parse_base_units(str(units), maximum=U256_MAX) == units


@given(st.integers(1, U256_MAX), st.integers(0, 36))
def test_a_formatted_amount_reads_back_as_the_same_units(units: int, decimals: int) -> None:
    assert parse_human(format_units(units, decimals), decimals, maximum=U256_MAX) == units


@given(st.text(max_size=12))
def test_whatever_is_read_is_plain_ascii_digits(text: str) -> None:
    try:
        units = parse_base_units(text, maximum=U256_MAX)
    except InputError:
        return
    assert text == str(units)


def test_amounts_are_formatted_shortest_and_exactly() -> None:
    assert format_units(1_500_000_000, 9) == "1.5"
    assert format_units(1, 18) == "0.000000000000000001"
    assert format_units(10**18, 18) == "1"
    assert format_units(-5, 1) == "-0.5"


def test_an_asset_has_one_spelling() -> None:
    assert Asset("evm-local", "ETH", 18).key == "evm-local/native"
    assert Asset("evm-local", "T", 6, "0xAb").key == "evm-local/0xAb"
