"""Addresses as EIP-55 writes them."""

import re
from typing import Final

from eth_hash.auto import keccak

from wallet.errors import Code, bad_field

ADDRESS_BYTES: Final = 20
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_UPPER_FROM = 8


def checksum(raw: bytes) -> str:
    """EIP-55 spelling of 20 bytes."""
    digits = raw.hex()
    mask = keccak(digits.encode()).hex()
    return "0x" + "".join(
        digit.upper() if int(bit, 16) >= _UPPER_FROM else digit
        for digit, bit in zip(digits, mask, strict=False)
    )


def parse(text: str) -> str:
    """The EIP-55 spelling; InputError(INVALID_ADDRESS) for anything that is not an address.

    One case throughout makes no claim; mixed case is a checksum and must be right. The zero address
    is nobody's: what is sent there is burnt.
    """
    if _ADDRESS.fullmatch(text) is None:
        raise bad_field("to", "must be 0x and 40 hexadecimal digits", Code.INVALID_ADDRESS)
    raw = bytes.fromhex(text[2:])
    if not any(raw):
        raise bad_field("to", "the zero address cannot be paid", Code.INVALID_ADDRESS)
    normal, digits = checksum(raw), text[2:]
    if digits not in {digits.lower(), digits.upper()} and text != normal:
        raise bad_field("to", "the capital letters do not match (EIP-55)", Code.INVALID_ADDRESS)
    return normal
