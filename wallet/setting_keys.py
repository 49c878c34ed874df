"""What a key of the settings takes, and the one report of everything that does not fit."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any, NamedTuple

from wallet.domain.chains import ChainName
from wallet.domain.money import parse_human
from wallet.errors import Code, InputError, WalletError

_WEB = ("https://", "http://")


class Key(NamedTuple):
    """What one key takes: its type, and bounds (int) or choices (str, list). A list without choices holds URLs."""

    kind: type
    low: int = 1
    high: int = 2**31 - 1
    choices: tuple[str, ...] = ()
    is_url: bool = False


def whole(default: int, low: int = 1, high: int = 2**31 - 1) -> Any:
    """A dataclass field for a whole number."""
    return field(default=default, metadata={"key": Key(int, low, high)})


def text(default: str, *choices: str) -> Any:
    """A dataclass field for a text, one of ``choices`` where there are any."""
    return field(default=default, metadata={"key": Key(str, choices=choices)})


def url(default: str) -> Any:
    """A dataclass field for an endpoint, which may carry a key and so does not print itself."""
    return field(default=default, repr=False, metadata={"key": Key(str, is_url=True)})


class Problems:
    """Collects mistakes, so that one run shows them all."""

    def __init__(self) -> None:
        self.found: list[dict[str, str]] = []

    def add(self, path: str, message: str) -> None:
        self.found.append({"path": path, "message": message})

    def unknown(self, path: str, name: str, known: Iterable[str]) -> None:
        near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
        self.add(path, "unknown" + (f"; did you mean {near[0]}?" if near else ""))

    def raise_any(self) -> None:
        """InputError(CONFIG_ERROR) with ``details.issues`` when there was a mistake."""
        if not self.found:
            return
        lines = "\n".join(f"  {issue['path']}: {issue['message']}" for issue in self.found)
        count = "a mistake" if len(self.found) == 1 else f"{len(self.found)} mistakes"
        raise InputError(
            Code.CONFIG_ERROR,
            f"The settings have {count}:\n{lines}",
            details={"issues": self.found},
            hint="Edit config.toml, or the variables of that name, and try again.",
        )


def checked(
    where: str, table: Mapping[str, Any], keys: Mapping[str, Key], problems: Problems
) -> dict[str, Any]:
    """The well-formed values of ``table``; the rest is reported."""
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in keys:
            problems.unknown(f"{where}.{key}", key, keys)
            continue
        complaint = _complaint(value, keys[key])
        if complaint:
            problems.add(f"{where}.{key}", complaint)
        else:
            values[key] = Path(value) if keys[key].kind is Path else value
    return values


def _complaint(value: Any, spec: Key) -> str | None:
    """Why ``value`` does not fit, or None."""
    if spec.kind is int:
        fits = type(value) is int and spec.low <= value <= spec.high
        return None if fits else f"must be a whole number from {spec.low} to {spec.high}"
    if spec.kind is list:
        return _choices_complaint(value, spec.choices) if spec.choices else _list_complaint(value)
    if not isinstance(value, str | Path) or not str(value):
        return "must be a text"
    if spec.choices and value not in spec.choices:
        return f"must be one of {', '.join(spec.choices)}"
    if spec.is_url and not str(value).startswith(_WEB):
        return "must begin with https:// or http://"
    return None


def _choices_complaint(value: Any, choices: tuple[str, ...]) -> str | None:
    fits = isinstance(value, list) and all(one in choices for one in value)
    if not fits or len(set(value)) != len(value):
        return f"must be a list of {', '.join(choices)}, each at most once"
    return None


def _list_complaint(value: Any) -> str | None:
    if not isinstance(value, list) or not all(isinstance(url, str) for url in value):
        return 'must be a list such as ["https://…"]'
    if not all(url.startswith(_WEB) for url in value):
        return "every endpoint must begin with https:// or http://"
    return None


def amount_of(where: str, key: str, table: Mapping[str, Any], problems: Problems) -> int:
    """An amount of a network's coin in base units; 0 where it was reported."""
    maximum = ChainName(table["chain"]).max_amount
    try:
        return parse_human(table[key], table["decimals"], maximum=maximum)
    except WalletError as error:
        problems.add(f"{where}.{key}", error.message.removeprefix("humanAmount: "))
        return 0


def replacement_ceiling_of(where: str, table: Mapping[str, Any], problems: Problems) -> int | None:
    """What a replacement may cost: never less than what the payment itself may. None: not said."""
    key = "replacement_fee_ceiling"
    if table.get(key) is None:
        return None
    found = amount_of(where, key, table, problems)
    if found < amount_of(where, "fee_ceiling", table, Problems()):
        problems.add(f"{where}.{key}", "must not be below fee_ceiling")
    return found
