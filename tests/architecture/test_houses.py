"""The tree keeps its order: who may import whom, what the domain may touch, how files are named and sized."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.callbacks import HANDLE_LENGTH, Pressed
from tests.support.ids import DeterministicIds
from wallet.domain.console import Action
from wallet.notifications.buttons import new_handle

ROOT = Path(__file__).parents[2]
PACKAGES = ("wallet", "bot", "scheduler")
PURE = {
    "dataclasses", "enum", "typing", "collections", "re", "datetime", "zoneinfo", "types", "hashlib", "hmac", "json",
    "functools", "itertools", "wallet.domain", "wallet.errors",
}  # fmt: skip
VAGUE = {"utils", "util", "helpers", "helper", "common", "misc", "base", "manager"}
LONGEST_FILE = 400
# Generated or a plain table of columns: length says nothing about them.
UNBOUND = {"wallet/persistence/models.py"}
CONFIG = tomllib.loads((ROOT / "pyproject.toml").read_text())


def modules(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"a relative import in {path}"
            yield node.module or ""


def test_the_import_contracts_hold() -> None:
    command = Path(sys.executable).with_name("lint-imports")
    run = subprocess.run(
        [str(command), "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=110
    )
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-1000:]


def test_every_room_of_the_wallet_stands_in_the_layers() -> None:
    contracts = CONFIG["tool"]["importlinter"]["contracts"]
    layers = next(contract for contract in contracts if contract["type"] == "layers")["layers"]
    named = {name for layer in layers for name in re.findall(r"[\w.]+", layer)}
    rooms = {
        f"wallet.{child.stem}"
        for child in (ROOT / "wallet").iterdir()
        if (child.suffix == ".py" and child.stem != "__init__") or (child / "__init__.py").exists()
    }
    assert rooms <= named, f"not in the layers contract: {sorted(rooms - named)}"


@pytest.mark.parametrize(
    "path", [*modules("wallet/domain"), ROOT / "wallet/errors.py"], ids=name_of
)
def test_the_domain_is_pure(path: Path) -> None:
    allowed = {name for name in imports(path) if name in PURE or name.partition(".")[0] in PURE}
    ours = {name for name in imports(path) if name.startswith(("wallet.domain.", "wallet.errors"))}
    assert set(imports(path)) - allowed - ours == set()


@pytest.mark.parametrize("path", list(modules("wallet/domain")), ids=name_of)
def test_the_domain_asks_no_clock_and_no_chance(path: Path) -> None:
    calls = [
        node.func
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    ]
    assert not [call for call in calls if call.attr in ("now", "today", "utcnow")]


@pytest.mark.parametrize("path", list(modules(*PACKAGES)), ids=name_of)
def test_a_file_is_named_for_what_it_does_and_fits_in_a_head(path: Path) -> None:
    assert path.stem not in VAGUE
    if "migrations" in path.parts or name_of(path) in UNBOUND:
        return
    assert len(path.read_text().splitlines()) <= LONGEST_FILE


@pytest.mark.parametrize("path", list(modules(*PACKAGES)), ids=name_of)
def test_a_module_says_what_it_is_for(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert not tree.body or "migrations" in path.parts or ast.get_docstring(tree)


@pytest.mark.parametrize("path", list(modules("tests")), ids=name_of)
def test_tests_mock_nothing(path: Path) -> None:
    assert not [name for name in imports(path) if name.startswith("unittest")]


# Port methods whose name and types say all there is; everything else has a docstring.
OBVIOUS = re.compile(
    r"get|all|add|set_\w+|save_\w+|spend|reserve|reservations?|release|mark_\w+|of|accepted|rejected|finalized|"
    r"has_\w+|highest_\w+|in_status|of_session|by_key|waiting_\w+|owner|state|card|card_by_message|handle|handles_of|"
    r"add_\w+|alerts_due|use_handle|bind_handles|end_\w+|update_pairing|forget_\w+|session|wallet|wallets|"
    r"checkpoint|close|network|balance|is_healthy|locked|unlock|create_wallet|sign|totp_enrolled|reached|new|judge|"
    r"type|window_ms"
)


@pytest.mark.parametrize("path", list(modules("wallet/ports")), ids=name_of)
def test_a_port_method_has_an_obvious_name_or_a_docstring(path: Path) -> None:
    bare = [
        method.name
        for protocol in ast.parse(path.read_text()).body
        if isinstance(protocol, ast.ClassDef)
        and any(isinstance(b, ast.Name) and b.id == "Protocol" for b in protocol.bases)
        for method in protocol.body
        if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef)
        and not ast.get_docstring(method)
        and not ast.get_docstring(protocol)
        and not OBVIOUS.fullmatch(method.name)
    ]
    assert bare == []


@pytest.mark.parametrize("path", list(modules(*PACKAGES)), ids=name_of)
def test_nothing_starts_a_task_that_nobody_owns(path: Path) -> None:
    starts = [
        node
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
        and node.attr in ("create_task", "ensure_future")
        and isinstance(node.value, ast.Name)
        and node.value.id == "asyncio"
    ]
    # Units of work outlive whoever asked for them, so the store keeps and awaits them itself.
    assert not starts or name_of(path).startswith("wallet/persistence/")


def test_what_a_button_carries_fits_telegram() -> None:
    handle = new_handle(DeterministicIds(), Action.APPROVE, "subject", 1)
    packed = Pressed(handle=handle.handle).pack()
    assert packed == f"a:{handle.handle}"
    assert len(packed.encode()) <= 64
    assert len(handle.handle) == HANDLE_LENGTH
