"""Tables bent by one row are noticed, so the rules about the real tables prove something."""

from typing import Any

import pytest

from tests.architecture.bending import Machine
from tests.architecture.bent_tables import MACHINES, main

BENT = [(one, table, f"{one.name}: {name}") for one in MACHINES for name, table in one.bent()]


@pytest.mark.parametrize("machine", MACHINES, ids=[one.name for one in MACHINES])
def test_the_real_table_has_no_fault(machine: Machine) -> None:
    assert machine.faults(machine.table) == []


@pytest.mark.parametrize(("machine", "table"), [b[:2] for b in BENT], ids=[b[2] for b in BENT])
def test_a_bent_table_is_noticed(machine: Machine, table: Any) -> None:
    assert machine.faults(table)


def test_the_command_counts_every_bent_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main() == 0
    said = capsys.readouterr().out.splitlines()
    assert len(said) == len(MACHINES)
    assert sum(int(line.split(" bent")[0].split()[-1]) for line in said) == len(BENT)
