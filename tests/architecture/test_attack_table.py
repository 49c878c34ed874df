"""The attack table of docs/security.md: every scenario once, and each proof a test that says so itself."""

import ast
import re
from pathlib import Path

from tests.attacks.catalogue import CATALOGUE

ROOT = Path(__file__).parents[2]
ATTACKS = ROOT / "tests" / "attacks"
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
WHY_NOT = re.compile(r"(Not built|Does not apply): \S.+")
ROW = re.compile(r"^\| ([A-Z0-9]+-[A-Za-z0-9-]+) \| (.+?) \| (.+) \|$", re.MULTILINE)
PROOF = re.compile(r"`([\w/]+\.py)`: ((?:`\w+`(?:, )?)+)")


def table() -> dict[str, str]:
    text = (ROOT / "docs" / "security.md").read_text()
    return {name: proof for name, _, proof in ROW.findall(text)}


def marked() -> dict[str, set[str]]:
    """Scenario -> ``file test`` of every test that carries it."""
    found: dict[str, set[str]] = {}
    for path in sorted(ATTACKS.glob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, FUNCTIONS):
                for scenario in _scenarios(node):
                    found.setdefault(scenario, set()).add(f"{path.name} {node.name}")
    return found


def _scenarios(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    return [
        str(ast.literal_eval(argument))
        for decorator in node.decorator_list
        if isinstance(decorator, ast.Call) and getattr(decorator.func, "id", "") == "scenario"
        for argument in decorator.args
    ]


def test_every_scenario_stands_in_the_table_once_and_in_order() -> None:
    text = (ROOT / "docs" / "security.md").read_text()

    assert [name for name, _, _ in ROW.findall(text)] == list(CATALOGUE)


def test_what_the_table_calls_a_proof_is_a_test_that_says_so_and_the_reverse() -> None:
    tests = marked()
    for name, proof in table().items():
        named = {
            f"{file} {test}"
            for file, names in PROOF.findall(proof)
            for test in re.findall(r"`(\w+)`", names)
        }
        assert named == tests.get(name, set()), name
        assert named or WHY_NOT.fullmatch(proof), f"{name}: neither a test nor a reason"


def test_no_attack_test_is_skipped_or_unmarked() -> None:
    for path in sorted(ATTACKS.glob("test_*.py")):
        source = path.read_text()
        assert "mark.skip" not in source, path.name
        assert "pytest.skip" not in source, path.name
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, FUNCTIONS) and node.name.startswith("test_"):
                assert _scenarios(node), (
                    f"{path.name}: {node.name} proves nothing of the catalogue"
                )
