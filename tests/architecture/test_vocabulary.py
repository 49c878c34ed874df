"""The audit vocabulary is closed: every fact is written somewhere, documented, and says what its details hold."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from wallet.domain.facts import Fact
from wallet.domain.stories import MOVES, NOTES
from wallet.domain.violations import Invariant
from wallet.domain.vocabulary import DETAILS
from wallet.errors import Code

ROOT = Path(__file__).parents[2]
DOC = (ROOT / "docs/audit.md").read_text()
# Where facts are read, not written.
READERS = {
    "wallet/domain/stories.py",
    "wallet/domain/story_checks.py",
    "wallet/domain/vocabulary.py",
}
# Told of a request that has no row, so by no transaction.
WITHOUT_ROW = {Fact.TX_DENIED, Fact.TX_DENIALS_SUMMED}


def table(heading: str) -> dict[str, list[str]]:
    """The first cells of the table below a heading, with the cells beside them."""
    section = DOC.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([A-Z_]+)` \|(.*)\|$", section, re.MULTILINE)
    assert len({name for name, _ in rows}) == len(rows)
    return {name: [cell.strip() for cell in rest.split(" | ")] for name, rest in rows}


def used(name: str) -> set[str]:
    """Members of an enum that the product's code names; keys of tables do not count."""
    paths = [
        path for folder in ("wallet", "bot", "scheduler") for path in (ROOT / folder).rglob("*.py")
    ]
    return {
        member
        for path in paths
        if path.relative_to(ROOT).as_posix() not in READERS
        for member in _mentions(ast.parse(path.read_text()), name)
    }


def _mentions(tree: ast.Module, name: str) -> Iterator[str]:
    keys = {
        key for node in ast.walk(tree) if isinstance(node, ast.Dict) for key in node.keys if key
    }
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id=found), attr=member) if found == name:
                if node not in keys:
                    yield member


def test_every_fact_is_documented_and_nothing_else() -> None:
    assert table("Facts").keys() == set(Fact)


@pytest.mark.parametrize("fact", Fact)
def test_the_details_of_a_fact_are_those_of_the_table(fact: Fact) -> None:
    _, details = table("Facts")[fact]
    assert tuple(re.findall(r"`(\w+)`", details)) == DETAILS[fact]


def test_every_fact_has_its_details_declared() -> None:
    assert DETAILS.keys() == set(Fact)


def test_every_fact_is_written_somewhere() -> None:
    """The moves of the table are written by ``move``; every other one is named where it is written."""
    by_moves = {move.fact.name for move in MOVES.values()}
    assert set(Fact.__members__) - used("Fact") - by_moves == set()


def test_every_code_is_raised_somewhere() -> None:
    assert set(Code.__members__) - used("Code") == set()


def test_every_fact_of_a_payment_is_a_move_or_a_note() -> None:
    of_payments = {fact for fact in Fact if fact.startswith("TX_")} - WITHOUT_ROW
    moves = {move.fact for move in MOVES.values()}
    assert of_payments == moves | NOTES.keys() | {Fact.TX_REQUESTED}
    assert not moves & NOTES.keys()


def test_every_invariant_is_documented_and_nothing_else() -> None:
    assert table("Checking the ledger").keys() == set(Invariant)
