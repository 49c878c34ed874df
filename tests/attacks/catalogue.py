"""The attack catalogue: every scenario by its id, and the mark that says which test proves it.

``docs/security.md`` lists what becomes of each; ``tests/architecture/test_attack_table.py`` compares the two.
"""

from collections.abc import Callable
from typing import Any, Final

import pytest


def numbered(prefix: str, last: int, width: int = 2) -> tuple[str, ...]:
    return tuple(f"{prefix}{number:0{width}d}" for number in range(1, last + 1))


CATALOGUE: Final[tuple[str, ...]] = (
    *numbered("SEC-01-", 12),
    *numbered("OA-", 8),
    *numbered("SEC-02-", 9),
    *numbered("SEC-03-", 8),
    *numbered("SEC-04-", 6),
    *numbered("EX-", 4),
    "SEC-05-AMOUNTS",
    "SEC-05-EXPIRY",
    "SEC-05-LIFETIME",
    "SEC-05-BLOCKHASH",
    "SEC-05-NONCE",
    "SEC-05-CONCURRENCY",
    "SEC-05-SESSION",
    *(f"SEC-05-CHAIN-{number}" for number in range(1, 6)),
    "C-01",
    "C-02",
    "H-02",
    "H-03",
    *(f"TG-{letter}" for letter in "abcdefg"),
    *numbered("N-", 24),
    *numbered("S-", 20, width=1),
    *numbered("R-", 41),
)


def scenario(*ids: str) -> Callable[[Any], Any]:
    """Mark the test that proves these scenarios."""
    unknown = set(ids) - set(CATALOGUE)
    if unknown:
        raise ValueError(f"not in the catalogue: {sorted(unknown)}")
    return pytest.mark.scenario(*ids)
