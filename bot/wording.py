"""Pieces of text for a person: other people's words made harmless, amounts, moments and spans."""

import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from aiogram.utils.formatting import Text

from wallet.domain.money import format_units

QUOTE_CHARACTERS: Final = 100


def joined(lines: Sequence[Any]) -> Text:
    """Lines under each other; blank ones separate, never end."""
    parts: list[Any] = []
    for number, line in enumerate(lines):
        parts += ["\n", line] if number else [line]
    return Text(*parts)


def clean(text: str) -> str:
    """One line; control, format and bidirectional characters are spelled as their code point."""
    return "".join(_escaped(character) for character in text)


def quote(text: str) -> str:
    """Somebody else's words: quoted, one line, escaped, at most 100 characters of them."""
    cleaned = clean(text)
    cut = cleaned if len(cleaned) <= QUOTE_CHARACTERS else f"{cleaned[: QUOTE_CHARACTERS - 1]}…"
    return f"“{cut}”"


def _escaped(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Zs":
        return " "
    return (
        f"\\u{{{ord(character):x}}}"
        if category[0] == "C" or category in ("Zl", "Zp")
        else character
    )


def rounded(units: int, decimals: int) -> str:
    """An amount for reading, cut after six places; what a payment moves is always shown whole."""
    return brief(format_units(units, decimals))


def brief(amount: str) -> str:
    """A decimal text cut after six places; less than that is said, not shown as nothing."""
    whole, _, fraction = amount.partition(".")
    kept = fraction[:6].rstrip("0")
    if whole == "0" and fraction and not kept:
        return "less than 0.000001"
    return f"{whole}.{kept}" if kept else whole


def fingerprint(digest: str) -> str:
    """The first 8 hex digits in two groups."""
    return f"{digest[:4]} {digest[4:8]}"


def moment(at: int) -> str:
    """Epoch milliseconds as UTC."""
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def span(milliseconds: int) -> str:
    """A duration in its two largest units: 1 d 2 h, 12 h, 5 min 30 s."""
    seconds = max(0, milliseconds // 1000)
    parts: list[str] = []
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"
