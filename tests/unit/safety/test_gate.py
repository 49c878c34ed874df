"""The gate is closed until somebody knows better; the keyring is empty while locked."""

import pytest

from wallet.domain.safety import StopState
from wallet.errors import Code, KeystoreError, UnavailableError
from wallet.ports.vault import Subkeys
from wallet.safety.gate import Gate
from wallet.safety.keyring import Keyring


def test_a_new_gate_is_closed() -> None:
    gate = Gate()
    assert not gate.is_normal
    with pytest.raises(UnavailableError) as caught:
        gate.require_normal()
    assert caught.value.code is Code.SYSTEM_LOCKED
    assert not caught.value.retryable


@pytest.mark.parametrize("state", list(StopState))
def test_only_normal_opens_the_gate(state: StopState) -> None:
    gate = Gate()
    gate.set(state)
    assert gate.is_normal is (state is StopState.NORMAL)


def test_an_empty_keyring_is_locked_and_chains_the_audit_plainly() -> None:
    keyring = Keyring()
    assert keyring.audit_key() is None
    with pytest.raises(KeystoreError) as caught:
        keyring.require()
    assert caught.value.code is Code.KEYSTORE_LOCKED


def test_a_cleared_keyring_is_empty_again_and_shows_no_key() -> None:
    keyring = Keyring()
    keys = Subkeys(b"r" * 32, b"a" * 32, b"j" * 32, b"p" * 32)
    keyring.fill(keys)
    assert keyring.audit_key() == b"a" * 32
    assert "rrrr" not in repr(keys) + str(vars(keyring))
    keyring.clear()
    assert not keyring.is_open
