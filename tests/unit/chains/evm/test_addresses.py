"""Which texts are Ethereum addresses, and in which spelling they come back."""

import pytest
from eth_utils.address import to_checksum_address
from hypothesis import given
from hypothesis import strategies as st

from wallet.chains.evm.addresses import checksum, parse
from wallet.errors import Code, InputError

RAW = st.binary(min_size=20, max_size=20).filter(any)
# From EIP-55.
EXAMPLES = [
    "0x52908400098527886E0F7030069857D2E4169EE7",
    "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
    "0xde709f2102306220921060314715629080e2fb77",
    "0x27b1fdb04752bbc536007a920d24acb045561c26",
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
    "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
]


@pytest.mark.parametrize("text", EXAMPLES)
def test_the_examples_of_the_standard_are_their_own_normal_form(text: str) -> None:
    assert parse(text) == text


@given(RAW)
def test_every_address_has_one_normal_form_whatever_its_case(raw: bytes) -> None:
    normal = checksum(raw)
    assert normal == to_checksum_address(raw)
    for spelling in (normal, "0x" + raw.hex(), "0x" + raw.hex().upper()):
        assert parse(spelling) == normal


@given(RAW, st.integers(0, 39))
def test_one_wrong_capital_is_noticed(raw: bytes, place: int) -> None:
    normal = checksum(raw)
    digit = normal[2 + place]
    wrong = normal[: 2 + place] + digit.swapcase() + normal[3 + place :]
    digits = wrong[2:]
    if wrong == normal or digits in {digits.lower(), digits.upper()}:
        assert parse(wrong) == normal
    else:
        refuse(wrong)


@given(st.text(max_size=50))
def test_other_text_is_refused(text: str) -> None:
    refuse(text)


@pytest.mark.parametrize(
    "text", ["0x" + "0" * 40, EXAMPLES[0] + "\n", EXAMPLES[0][2:], "0x" + "\uff11" * 40]
)
def test_near_misses_are_refused(text: str) -> None:
    refuse(text)


def refuse(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(text)
    assert caught.value.code is Code.INVALID_ADDRESS
