"""Money as integers in base units (wei, lamports): parse, format, compare; never a float."""

import re
from dataclasses import dataclass

from wallet.errors import Code, bad_field

_BASE_UNITS = re.compile(r"0|[1-9][0-9]{0,77}")
_HUMAN = re.compile(r"(0|[1-9][0-9]{0,77})(?:\.([0-9]{1,77}))?")

U64_MAX = 2**64 - 1
U256_MAX = 2**256 - 1


@dataclass(frozen=True, slots=True)
class Asset:
    """What is counted. ``address`` is None for the network's native coin."""

    network: str
    symbol: str
    decimals: int
    address: str | None = None

    @property
    def key(self) -> str:
        """The one spelling used in rules, limits and tables: ``network/native`` or ``network/address``."""
        return f"{self.network}/{self.address or 'native'}"

    @property
    def native_key(self) -> str:
        """The key of the coin that its network's fees are paid in."""
        return f"{self.network}/native"


def parse_base_units(text: object, *, maximum: int, field: str = "amount") -> int:
    """Read an amount in base units: a decimal string > 0 and <= ``maximum``.

    Python's own int() would take "1_000", " 5", "+5" and Arabic digits, so the shape is matched first.
    """
    if not isinstance(text, str) or _BASE_UNITS.fullmatch(text) is None:
        raise bad_field(
            field,
            "must be a decimal string of base units without sign, spaces or exponent",
            Code.INVALID_AMOUNT,
        )
    return _bounded(int(text), maximum, field)


def parse_human(text: object, decimals: int, *, maximum: int, field: str = "humanAmount") -> int:
    """Read a human amount such as "0.5" of a coin with ``decimals`` places into base units."""
    match = _HUMAN.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise bad_field(field, 'must be a decimal string such as "0.5"', Code.INVALID_AMOUNT)
    fraction = match[2] or ""
    if len(fraction) > decimals:
        raise bad_field(field, f"has more than {decimals} decimal places", Code.INVALID_AMOUNT)
    units = int(match[1]) * 10**decimals + int((fraction or "0").ljust(decimals, "0") or "0")
    return _bounded(units, maximum, field)


def format_units(units: int, decimals: int) -> str:
    """The shortest exact decimal text: 1500000000 with 9 places is "1.5"."""
    sign, units = ("-", -units) if units < 0 else ("", units)
    whole, fraction = divmod(units, 10**decimals)
    tail = str(fraction).rjust(decimals, "0").rstrip("0") if decimals else ""
    return f"{sign}{whole}.{tail}" if tail else f"{sign}{whole}"


def _bounded(units: int, maximum: int, field: str) -> int:
    if units == 0:
        raise bad_field(field, "must be greater than zero", Code.INVALID_AMOUNT)
    if units > maximum:
        raise bad_field(field, f"is above the chain's range ({maximum})", Code.INVALID_AMOUNT)
    return units
