"""The proof on the stop state covers every column."""

from dataclasses import fields, replace
from typing import Any

import pytest

from wallet.domain.safety import StopState, SystemState, is_ours, is_trusted_normal, state_mac

KEY = bytes(range(32))
PLAIN = SystemState(StopState.NORMAL, version=4)
ROW = replace(PLAIN, mac=state_mac(KEY, PLAIN))


def test_a_normal_with_its_proof_is_trusted() -> None:
    assert is_trusted_normal(KEY, ROW)


def test_another_key_proves_nothing() -> None:
    assert not is_trusted_normal(bytes(32), ROW)


def test_no_other_state_is_trusted_as_normal() -> None:
    for state in (StopState.ACTIVATED, StopState.RECOVERING):
        other = replace(PLAIN, state=state)
        proved = replace(other, mac=state_mac(KEY, other))
        assert is_ours(KEY, proved)
        assert not is_trusted_normal(KEY, proved)


@pytest.mark.parametrize("name", [f.name for f in fields(SystemState)])
def test_changing_any_column_breaks_the_proof(name: str) -> None:
    old = getattr(ROW, name)
    unset: Any = 99 if name in ("activated_at", "recovery_at") else "99"
    changes: dict[type, Any] = {bool: not old, int: 99, StopState: StopState.RECOVERING}
    new: Any = changes.get(type(old), unset)
    assert not is_ours(KEY, replace(ROW, **{name: new}))


def test_a_row_without_a_proof_is_not_ours() -> None:
    assert not is_ours(KEY, PLAIN)
