"""Every promise of docs/security.md names where it is kept and the test that proves it, and both are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEADER = "| promise | kept in | proved by |"
_PATH = re.compile(r"`((?:wallet|bot|scheduler|tests)/[^`]*)`")


def promises() -> list[list[str]]:
    lines = (ROOT / "docs" / "security.md").read_text().splitlines()
    start = lines.index(HEADER) + 2
    end = lines.index("", start)
    return [line.strip("| ").split(" | ") for line in lines[start:end]]


def is_there(place: str) -> bool:
    path, _, test = place.partition("::")
    found = ROOT / path
    return found.exists() and (not test or f"def {test}(" in found.read_text())


@pytest.mark.parametrize("row", promises(), ids=lambda row: row[0][:40])
def test_a_promise_is_kept_somewhere_and_proved_by_a_test(row: list[str]) -> None:
    assert len(row) == 3
    kept, proved = _PATH.findall(row[1]), _PATH.findall(row[2])
    assert kept
    assert any(place.startswith("tests/") for place in proved)
    assert [place for place in (*kept, *proved) if not is_there(place)] == []


def test_there_are_promises() -> None:
    assert len(promises()) > 40


def test_a_test_that_is_gone_is_noticed() -> None:
    assert not is_there("tests/architecture/test_promises.py::test_that_never_was")
    assert not is_there("wallet/domain/never.py")
