"""The wire bytes of payments never change by accident: they are kept in a file."""

import json
from pathlib import Path
from typing import Any

import pytest
from solders.hash import Hash
from solders.pubkey import Pubkey
from solders.signature import Signature

from wallet.chains.solana.encode import Terms, attach, decode, encode, payment

_FILE = Path(__file__).parents[3] / "vectors" / "solana_messages.json"
_PAYMENTS = json.loads(_FILE.read_text())["payments"]


def _terms(vector: dict[str, Any]) -> Terms:
    return Terms(
        payer=Pubkey.from_string(vector["payer"]),
        to=Pubkey.from_string(vector["to"]),
        amount=int(vector["amount"]),
        memo=vector["memo"],
        unit_limit=vector["unitLimit"],
        unit_price=int(vector["unitPrice"]),
        blockhash=Hash.from_string(vector["blockhash"]),
    )


@pytest.mark.parametrize("vector", _PAYMENTS, ids=lambda vector: vector["name"])
def test_a_payment_has_the_bytes_of_its_vector(vector: dict[str, Any]) -> None:
    payload = bytes.fromhex(vector["payload"])
    assert encode(_terms(vector)) == payload
    assert decode(payload) == _terms(vector)
    assert payment(payload).max_fee == int(vector["maxFee"])


@pytest.mark.parametrize("vector", _PAYMENTS, ids=lambda vector: vector["name"])
def test_a_signed_payment_has_the_bytes_and_hash_of_its_vector(vector: dict[str, Any]) -> None:
    signature = bytes(Signature.from_string(vector["signature"]))
    signed = attach(bytes.fromhex(vector["payload"]), signature)
    assert (signed.raw.hex(), signed.hash) == (vector["raw"], vector["signature"])
