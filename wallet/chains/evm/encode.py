"""Unsigned EIP-1559 transactions as bytes and back: plain payments and nothing else.

Decoding accepts exactly what encoding writes, so what a person approved is what the bytes say.
"""

from dataclasses import dataclass
from typing import Any, Final

import rlp  # type: ignore[import-untyped]
from eth_hash.auto import keccak

from wallet.chains.evm.addresses import ADDRESS_BYTES, checksum
from wallet.domain.money import U64_MAX, U256_MAX
from wallet.errors import ChainError, Code
from wallet.ports.chain import Payment, Signed

_TYPE: Final = b"\x02"
_UNSIGNED_FIELDS: Final = 9
_SIGNED_FIELDS: Final = 12
_SIGNATURE_BYTES: Final = 65
_NO_ACCESS_LIST: Final[list[Any]] = []


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """The fields of a payment; wei, ``to`` as 20 bytes, ``data`` the memo's UTF-8."""

    chain_id: int
    nonce: int
    tip: int
    max_fee_per_gas: int
    gas: int
    to: bytes
    value: int
    data: bytes

    @property
    def max_fee(self) -> int:
        return self.gas * self.max_fee_per_gas

    @property
    def payment(self) -> Payment:
        return Payment(
            address=None,
            to=checksum(self.to),
            amount=self.value,
            memo=self.data.decode() or None,
            max_fee=self.max_fee,
            nonce=self.nonce,
        )


def encode(transfer: Transfer) -> bytes:
    """The bytes that are hashed and signed."""
    return _TYPE + bytes(rlp.encode(_fields(transfer)))


def decode(payload: bytes) -> Transfer:
    """The one Transfer these bytes encode; ChainError(PAYLOAD_MISMATCH) for anything else."""
    fields = _items(payload)
    *numbers, to, value, data, access_list = fields
    if access_list != _NO_ACCESS_LIST:
        raise _mismatch("it carries an access list")
    if not isinstance(to, bytes) or len(to) != ADDRESS_BYTES or not any(to):
        raise _mismatch("it has no recipient")
    chain_id, nonce, tip, max_fee_per_gas, gas = (_integer(number) for number in numbers)
    transfer = Transfer(
        chain_id=chain_id,
        nonce=nonce,
        tip=tip,
        max_fee_per_gas=max_fee_per_gas,
        gas=gas,
        to=to,
        value=_integer(value),
        data=_memo(data),
    )
    _require_sane(transfer)
    if encode(transfer) != payload:
        raise _mismatch("it is not in canonical form")
    return transfer


def attach(payload: bytes, signature: bytes) -> Signed:
    """Raw signed bytes and their hash. ``signature`` is r, s and y-parity in 65 bytes."""
    if len(signature) != _SIGNATURE_BYTES or signature[64] not in {0, 1}:
        raise _mismatch("the signature is not r, s and y-parity")
    r, s = (int.from_bytes(part, "big") for part in (signature[:32], signature[32:64]))
    if not r or not s:
        raise _mismatch("the signature is empty")
    fields = [*_fields(decode(payload)), signature[64], r, s]
    raw = _TYPE + bytes(rlp.encode(fields))
    return Signed(raw, hash_of(raw))


def detach(raw: bytes) -> bytes:
    """The unsigned bytes of a raw signed payment; ChainError(PAYLOAD_MISMATCH) for anything else."""
    items = _items(raw, _SIGNED_FIELDS)
    if _TYPE + bytes(rlp.encode(items)) != raw:
        raise _mismatch("it is not in canonical form")
    payload = _TYPE + bytes(rlp.encode(items[:_UNSIGNED_FIELDS]))
    decode(payload)
    return payload


def offer_of(raw: bytes) -> tuple[int, int]:
    """(tip, highest fee) in wei per gas that signed bytes of ours offer."""
    items = rlp.decode(raw[1:])
    return _integer(items[2]), _integer(items[3])


def hash_of(raw: bytes) -> str:
    """The hash a signed transaction is known by."""
    return "0x" + keccak(raw).hex()


def _fields(transfer: Transfer) -> list[Any]:
    return [
        transfer.chain_id,
        transfer.nonce,
        transfer.tip,
        transfer.max_fee_per_gas,
        transfer.gas,
        transfer.to,
        transfer.value,
        transfer.data,
        _NO_ACCESS_LIST,
    ]


def _items(payload: bytes, count: int = _UNSIGNED_FIELDS) -> list[Any]:
    if payload[:1] != _TYPE:
        raise _mismatch("it is no EIP-1559 transaction")
    try:
        items = rlp.decode(payload[1:])
    except (rlp.DecodingError, RecursionError):
        raise _mismatch("it is not RLP") from None
    if not isinstance(items, list) or len(items) != count:
        raise _mismatch("it has other fields than a plain payment")
    return items


def _integer(item: Any) -> int:
    if not isinstance(item, bytes):
        raise _mismatch("a number is missing")
    number = int.from_bytes(item, "big")
    if number > U256_MAX:
        raise _mismatch("a number is out of range")
    return number


def _memo(item: Any) -> bytes:
    if not isinstance(item, bytes):
        raise _mismatch("its data is no text")
    try:
        item.decode()
    except UnicodeDecodeError:
        raise _mismatch("its data is no text") from None
    return item


def _require_sane(transfer: Transfer) -> None:
    if transfer.nonce >= U64_MAX or transfer.gas > U64_MAX:  # EIP-2681
        raise _mismatch("nonce or gas is out of range")
    if transfer.tip > transfer.max_fee_per_gas:
        raise _mismatch("the tip is above the highest fee")


def _mismatch(why: str) -> ChainError:
    return ChainError(Code.PAYLOAD_MISMATCH, f"The payload is not a plain payment: {why}.")
