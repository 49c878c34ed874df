"""What a table with its rules is, and the ways to bend one by a row."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

Pairs = Mapping[tuple[Any, Any], Any]
Sets = Mapping[Any, frozenset[Any]]


@dataclass(frozen=True, slots=True)
class Machine:
    """A table of the product, what may be wrong with one like it, and all that are one row away."""

    name: str
    table: Any
    faults: Callable[[Any], list[str]]
    bent: Callable[[], Iterator[tuple[str, Any]]]


def bent_pairs(
    table: Pairs, states: Any, events: Any, results: Any
) -> Iterator[tuple[str, Pairs]]:
    """Every table from (state, event) to a result that is one row away from ``table``."""
    for pair, to in table.items():
        yield f"without {pair}", {p: s for p, s in table.items() if p != pair}
        for other in results:
            if other is not to:
                yield f"{pair} to {other}", {**table, pair: other}
    for pair in product(states, events):
        if pair not in table:
            for to in results:
                yield f"also {pair} to {to}", {**table, pair: to}


def bent_rows(
    table: Mapping[Any, Any], keys: Iterable[Any], values: Iterable[Any]
) -> Iterator[tuple[str, Mapping[Any, Any]]]:
    """Every table from one of ``keys`` to one of ``values`` that is one row away from ``table``."""
    known = list(values)
    for key in keys:
        if key in table:
            yield f"without {key}", {k: v for k, v in table.items() if k != key}
        for value in known:
            if key not in table or table[key] != value:
                yield f"{key} to {value}", {**table, key: value}


def bent_sets(table: Sets, members: Iterable[Any]) -> Iterator[tuple[str, Sets]]:
    """Every table of sets that has one of ``members`` too few or too many in one of its rows."""
    known = list(members)
    for key, inside in table.items():
        for member in known:
            word = "without" if member in inside else "with"
            yield f"{key} {word} {member}", {**table, key: inside ^ {member}}
