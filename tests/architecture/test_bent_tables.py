"""Tables bent by one row are noticed, so the walks of the real tables prove something."""

import pytest

from tests.architecture.bent_tables import StopTable, Table, bent, bent_stops, faults, stop_faults

BENT, BENT_STOPS = list(bent()), list(bent_stops())


@pytest.mark.parametrize("table", [t for _, t in BENT], ids=[name for name, _ in BENT])
def test_a_bent_transaction_table_is_noticed(table: Table) -> None:
    assert faults(table)


@pytest.mark.parametrize("table", [t for _, t in BENT_STOPS], ids=[n for n, _ in BENT_STOPS])
def test_a_bent_stop_table_is_noticed(table: StopTable) -> None:
    assert stop_faults(table)
