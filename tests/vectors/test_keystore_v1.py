"""Key files of keystore version 1: the description's bytes are what the product reads and writes."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.vectors import make_keystore_v1 as maker
from wallet.keystore import version1
from wallet.keystore.curves import curve_of

TEXT = Path(__file__).with_name("keystore_v1.json").read_text()
CASES: list[dict[str, Any]] = json.loads(TEXT)["cases"]


def test_the_committed_file_is_what_its_maker_makes() -> None:
    assert maker.made() == TEXT


def test_the_makers_cipher_is_the_published_one() -> None:
    # FIPS 197 C.3, and test case 14 of the GCM submission.
    key = bytes(range(32))
    block = bytes.fromhex("00112233445566778899aabbccddeeff")
    assert maker.aes256(key, block).hex() == "8ea2b7ca516745bfeafc49904b496089"
    ciphertext, tag = maker.aes256_gcm(bytes(32), bytes(12), bytes(16))
    assert ciphertext.hex() == "cea7403d4d606b6e074ec5d3baf39d18"
    assert tag.hex() == "d0d1c8a799996bf0265b98b5d48ab919"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_file_opens_to_its_key(case: dict[str, Any]) -> None:
    file = version1.parse(case["file"].encode())

    assert version1.open_key(file, case["password"]).hex() == case["secret"]
    assert (file.chain, file.network, file.name) == (case["chain"], case["network"], case["name"])
    public = curve_of(file.chain).public_side(bytes.fromhex(case["secret"]))
    assert file.address == public.address


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_file_is_written_byte_for_byte_as_described(case: dict[str, Any]) -> None:
    assert version1.parse(case["file"].encode()).to_text() == case["file"].encode()
