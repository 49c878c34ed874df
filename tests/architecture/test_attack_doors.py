"""The attack suite comes in by the public doors: of the daemon's inside it reads what happened, and moves time."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ATTACKS = Path(__file__).parents[1] / "attacks"
WORLD = re.compile(r"(?:^|\.)world\.")
# Parts of tests.support.world that act where an agent, the owner or the host would have to use a door.
INSIDE = {
    "app", "ask", "database", "gate", "new_session", "new_wallet", "pair", "pay", "set_rule"
}  # fmt: skip
ALLOWED = {
    # looks
    ("test_clock.py", "gate.has_time"),
    ("test_stop.py", "gate.is_normal"),
    # jobs of the schedule: time calls them, nobody else can
    ("test_clock.py", "app.upkeep.watch_clock"),
    ("test_evidence.py", "app.upkeep.carry_on"),
    ("test_owner.py", "app.upkeep.clean_sessions"),
    # a stop at an instant in which no request can arrive
    ("test_money.py", "gate.set"),
}


def reaches(tree: ast.AST) -> Iterator[str]:
    """What follows ``.world.`` in each whole chain of attributes."""
    parts = {
        part
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        for part in ast.walk(node.value)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node not in parts:
            _, *rest = WORLD.split(ast.unparse(node))
            yield from rest


def test_attacks_act_by_public_doors() -> None:
    found = {
        (path.name, reach)
        for path in sorted(ATTACKS.glob("*.py"))
        for reach in reaches(ast.parse(path.read_text()))
        if reach.split(".")[0].split("(")[0] in INSIDE
    }

    assert found == ALLOWED
