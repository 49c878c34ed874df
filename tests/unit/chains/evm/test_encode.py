"""Payments as bytes: against another library, round and round, and with every foreign shape refused."""

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import rlp  # type: ignore[import-untyped]
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from wallet.chains.evm.encode import Transfer, attach, decode, encode
from wallet.errors import ChainError, Code

VECTORS = json.loads(
    (Path(__file__).parents[3] / "vectors/evm_transactions.json").read_text(encoding="utf-8")
)
U64 = st.integers(0, 2**64 - 2)
U128 = st.integers(0, 2**128 - 1)
RECIPIENT = st.binary(min_size=20, max_size=20).filter(any)


@st.composite
def transfers(draw: st.DrawFn) -> Transfer:
    tip = draw(U128)
    return Transfer(
        chain_id=draw(U64),
        nonce=draw(U64),
        tip=tip,
        max_fee_per_gas=tip + draw(U128),
        gas=draw(U64),
        to=draw(RECIPIENT),
        value=draw(st.integers(0, 2**256 - 1)),
        data=draw(st.text(max_size=300)).encode(),
    )


PLAIN = Transfer(
    chain_id=31337,
    nonce=3,
    tip=1,
    max_fee_per_gas=2,
    gas=21_000,
    to=b"\x11" * 20,
    value=10**18,
    data=b"",
)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_the_bytes_are_those_of_another_library(vector: dict[str, Any]) -> None:
    fields = vector["fields"]
    transfer = Transfer(
        chain_id=fields["chainId"],
        nonce=fields["nonce"],
        tip=int(fields["maxPriorityFeePerGas"]),
        max_fee_per_gas=int(fields["maxFeePerGas"]),
        gas=fields["gas"],
        to=bytes.fromhex(fields["to"][2:]),
        value=int(fields["value"]),
        data=bytes.fromhex(fields["data"][2:]),
    )
    payload = bytes.fromhex(vector["unsigned"])
    signed = attach(payload, bytes.fromhex(vector["signature"]))
    assert encode(transfer) == payload
    assert decode(payload) == transfer
    assert signed.raw.hex() == vector["signed"]
    assert signed.hash == vector["hash"]
    assert Account.recover_transaction(signed.raw) == vector["from"]


@given(transfers())
def test_what_is_encoded_is_decoded(transfer: Transfer) -> None:
    assert decode(encode(transfer)) == transfer


@given(transfers())
def test_a_payment_is_told_as_it_is(transfer: Transfer) -> None:
    payment = transfer.payment
    assert bytes.fromhex(payment.to[2:]) == transfer.to
    assert payment.amount == transfer.value
    assert (payment.memo or "").encode() == transfer.data
    assert payment.max_fee == transfer.gas * transfer.max_fee_per_gas


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused(payload: bytes) -> None:
    mismatch(payload)
    mismatch(b"\x02" + payload)


@given(transfers(), st.data())
def test_a_changed_byte_is_refused_or_tells_another_payment(
    transfer: Transfer, data: st.DataObject
) -> None:
    payload = bytearray(encode(transfer))
    place = data.draw(st.integers(0, len(payload) - 1))
    payload[place] ^= data.draw(st.integers(1, 255))
    with suppress(ChainError):
        assert decode(bytes(payload)) != transfer


def fields_of(transfer: Transfer) -> list[Any]:
    return list(rlp.decode(encode(transfer)[1:]))


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (0, b"\x00\x01"),  # leading zero
        (0, []),
        (1, b"\xff" * 8),  # nonce out of range
        (3, b""),  # below the tip
        (4, b"\xff" * 9),
        (5, b""),  # creates a contract
        (5, b"\x11" * 19),
        (5, bytes(20)),
        (5, [b"\x11" * 20]),
        (6, b"\x01" * 33),
        (7, b"\xa9\x05\x9c\xbb" + bytes(64)),  # a call, not text
        (7, [b"a"]),
        (8, b""),
        (8, [[b"\x11" * 20, []]]),  # an access list
    ],
)
def test_any_other_shape_is_refused(place: int, value: Any) -> None:
    fields = fields_of(PLAIN)
    fields[place] = value
    mismatch(b"\x02" + rlp.encode(fields))


def test_other_types_and_lengths_are_refused() -> None:
    fields = fields_of(PLAIN)
    body = rlp.encode(fields)
    for payload in (
        b"\x01" + body,
        b"\x03" + body,
        body,
        b"\x02" + body + b"\x00",
        b"\x02" + rlp.encode(fields[:-1]),
        b"\x02" + rlp.encode([*fields, b"", b"\x01", b"\x01"]),
        b"\x02" + b"\xf8\x05" + body[1:6],
        b"\x02" + b"\xc1" * 5000,
    ):
        mismatch(payload)


@pytest.mark.parametrize(
    "signature",
    [b"", bytes(65), b"\x01" * 64 + b"\x02", b"\x01" * 64 + b"\x1b", b"\x01" * 66, b"\x01" * 64],
)
def test_a_signature_that_is_none_is_refused(signature: bytes) -> None:
    with pytest.raises(ChainError) as caught:
        attach(encode(PLAIN), signature)
    assert caught.value.code is Code.PAYLOAD_MISMATCH


def test_small_r_and_s_are_written_without_leading_zeros() -> None:
    signature = b"\x00" * 31 + b"\x01" + b"\x00" * 30 + b"\x01\x02" + b"\x00"
    *_, parity, r, s = rlp.decode(attach(encode(PLAIN), signature).raw[1:])
    assert (parity, r, s) == (b"", b"\x01", b"\x01\x02")


def test_the_replacement_that_pays_nobody_is_a_plain_payment_too() -> None:
    assert decode(encode(replace(PLAIN, value=0))).payment.amount == 0


def mismatch(payload: bytes) -> None:
    with pytest.raises(ChainError) as caught:
        decode(payload)
    assert caught.value.code is Code.PAYLOAD_MISMATCH
