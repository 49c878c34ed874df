"""The attack table of docs/security.md: every scenario once, and each proof a test that says so itself and runs."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attacks import unbuilt
from tests.attacks.catalogue import CATALOGUE
from tests.attacks.unbuilt import DOES_NOT_APPLY, UNBUILT

ROOT = Path(__file__).parents[2]
ATTACKS = ROOT / "tests" / "attacks"
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
NOT_BUILT = re.compile(r"Not built: (.+?)(?:\. .+)?")
DOES_NOT = re.compile(r"Does not apply: \S.+")
ROW = re.compile(r"^\| ([A-Z0-9]+-[A-Za-z0-9-]+) \| (.+?) \| (.+) \|$", re.MULTILINE)
PROOF = re.compile(r"`([\w/]+\.py)`: ((?:`\w+`(?:, )?)+)")
# All that may stand over an attack test, or over all of a file. A mark of another name may be one that skips.
MARKS = {"scenario", "pytest.mark.parametrize", "pytest.mark.xdist_group"}
WAYS_OUT = {"skip", "skipif", "skipIf", "skipUnless", "SkipTest", "xfail", "importorskip"}


def table() -> dict[str, str]:
    text = (ROOT / "docs" / "security.md").read_text()
    return {name: proof for name, _, proof in ROW.findall(text)}


def sources() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(ATTACKS.glob("*.py")):
        yield path, ast.parse(path.read_text())


def marked() -> dict[str, set[str]]:
    """Scenario -> ``file test`` of every test that carries it."""
    found: dict[str, set[str]] = {}
    for path, tree in sources():
        for node in ast.walk(tree):
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


def said(pattern: re.Pattern[str]) -> dict[str, re.Match[str]]:
    """Scenarios whose whole row is that."""
    found = {name: pattern.fullmatch(proof) for name, proof in table().items()}
    return {name: match for name, match in found.items() if match is not None}


def test_every_scenario_stands_in_the_table_once_and_in_order() -> None:
    text = (ROOT / "docs" / "security.md").read_text()

    assert [name for name, _, _ in ROW.findall(text)] == list(CATALOGUE)


def test_what_the_table_calls_a_proof_is_a_test_that_says_so_and_the_reverse() -> None:
    tests = marked()
    excused = said(NOT_BUILT).keys() | said(DOES_NOT).keys()
    for name, proof in table().items():
        named = {
            f"{file} {test}"
            for file, names in PROOF.findall(proof)
            for test in re.findall(r"`(\w+)`", names)
        }
        assert named == tests.get(name, set()), name
        assert bool(named) is (name not in excused), f"{name}: a test or a reason, one of them"


def test_only_the_scenarios_of_an_unbuilt_feature_are_called_not_built() -> None:
    assert {name: match[1] for name, match in said(NOT_BUILT).items()} == {
        name: feature for feature, one in UNBUILT.items() for name in one.scenarios
    }


@pytest.mark.parametrize("feature", UNBUILT)
def test_nothing_is_there_of_what_is_called_not_built(feature: str) -> None:
    assert UNBUILT[feature].traces() == [], "take it out of UNBUILT and prove its scenarios"


def test_what_gives_a_feature_away_is_found_where_there_is_one() -> None:
    assert unbuilt.routes("kill-switch")
    assert unbuilt.asked_of_agents("memo")
    assert unbuilt.commands("export") == ["waiaas audit export", "waiaas keystore export"]
    assert unbuilt.packages("aiogram", "PyJWT", "pyjwt")
    assert unbuilt.places("wallet/notifications/outbox*")
    assert unbuilt.sections("keystore")
    assert unbuilt.owner_channels() == ["bot/notifier.py"]


def test_only_what_is_in_no_design_is_said_not_to_apply() -> None:
    assert said(DOES_NOT).keys() == DOES_NOT_APPLY


def test_no_attack_test_is_skipped_or_expected_to_fail() -> None:
    for path, tree in sources():
        for node in ast.walk(tree):
            assert not set(_words(node)) & WAYS_OUT, f"{path.name}:{getattr(node, 'lineno', '')}"


def _words(node: ast.AST) -> Iterator[str]:
    """Every way to write the name of something."""
    match node:
        case ast.Name(id=word) | ast.Attribute(attr=word) | ast.Constant(value=str(word)):
            yield word
        case ast.alias(name=word):
            yield word.rpartition(".")[2]
        case _:
            pass


def test_every_attack_test_proves_something_and_is_run_to_its_end() -> None:
    for path, tree in sources():
        names = [node.name for node in tree.body if isinstance(node, FUNCTIONS)]
        assert len(set(names)) == len(names), f"{path.name}: one test hides another"
        for node in ast.walk(tree):
            if isinstance(node, FUNCTIONS) and (node.name.startswith("test_") or _scenarios(node)):
                place = f"{path.name}: {node.name}"
                assert _scenarios(node), f"{place} proves nothing of the catalogue"
                assert node in tree.body, f"{place} is not collected"
                assert node.name.startswith("test_"), f"{place} is not collected"
                assert path.name.startswith("test_"), f"{place} is not collected"
                assert _marks(node.decorator_list) <= MARKS, place
                assert not list(_returns(node)), f"{place} may end early"
            elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark":
                assert _marks([node.value]) <= MARKS, path.name


def _marks(decorators: list[ast.expr]) -> set[str]:
    return {ast.unparse(one.func if isinstance(one, ast.Call) else one) for one in decorators}


def _returns(node: ast.AST) -> Iterator[ast.Return]:
    """Of the function itself, not of those inside it."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Return):
            yield child
        elif not isinstance(child, (*FUNCTIONS, ast.Lambda)):
            yield from _returns(child)
