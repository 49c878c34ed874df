"""Bands: which factor an amount needs, alone and with what a day released."""

import pytest

from wallet.domain.owner import Band, Factor, Owner, factor_needed

ETH = "n/native"
OWNER = Owner(1, 1, "o", None, 0, {ETH: Band(100, 200)})


@pytest.mark.parametrize(
    ("amount", "used", "factor"),
    [
        (99, {}, Factor.TAP), (100, {}, Factor.TAP), (101, {}, Factor.CODE),
        (200, {}, Factor.CODE), (201, {}, Factor.HOST),
        (50, {Factor.TAP: 50}, Factor.TAP), (51, {Factor.TAP: 50}, Factor.CODE),
        (50, {Factor.TAP: 51, Factor.CODE: 150}, Factor.CODE), (51, {Factor.TAP: 50, Factor.CODE: 150}, Factor.HOST),
        (100, {Factor.HOST: 10**9}, Factor.TAP),
    ],
)  # fmt: skip
def test_the_weakest_factor_that_covers_amount_and_day_is_asked(
    amount: int, used: dict[Factor, int], factor: Factor
) -> None:
    assert factor_needed(OWNER, ETH, amount, used, code_enrolled=True) is factor


def test_without_a_code_generator_the_host_is_asked_above_taps() -> None:
    assert factor_needed(OWNER, ETH, 101, {}, code_enrolled=False) is Factor.HOST
    assert factor_needed(OWNER, ETH, 100, {}, code_enrolled=False) is Factor.TAP


def test_an_asset_without_a_band_needs_the_strongest_factor_there_is() -> None:
    assert factor_needed(OWNER, "n/other", 1, {}, code_enrolled=True) is Factor.CODE
    assert factor_needed(OWNER, "n/other", 1, {}, code_enrolled=False) is Factor.HOST
