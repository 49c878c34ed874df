"""Subkeys: one purpose each."""

from wallet.keystore.subkeys import SECRET_SEAL, WALLET_SEAL, Subkeys, subkey

KEY = bytes(range(32))


def test_every_purpose_has_its_own_key() -> None:
    daemon = list(Subkeys.derive(KEY).to_hex().values())
    signer = [subkey(KEY, WALLET_SEAL).hex(), subkey(KEY, SECRET_SEAL).hex()]
    assert len({*daemon, *signer, KEY.hex()}) == 7
    assert {len(key) for key in daemon} == {64}


def test_subkeys_follow_from_the_data_key_alone() -> None:
    assert Subkeys.derive(KEY) == Subkeys.derive(bytearray(KEY))
    assert Subkeys.derive(KEY) != Subkeys.derive(bytes(32))


def test_subkeys_do_not_show_in_a_repr() -> None:
    subkeys = Subkeys.derive(KEY)
    assert subkeys.permit.hex() not in repr(subkeys)
    assert repr(subkeys.permit) not in repr(subkeys)


def test_a_root_carries_what_stored_rows_depend_on() -> None:
    root, other = bytes(32), bytes([7]) * 32
    before, after = Subkeys.derive(KEY, root), Subkeys.derive(other, root)

    assert (before.row_mac, before.audit, before.jwt) == (after.row_mac, after.audit, after.jwt)
    assert before.permit != after.permit
    assert before.row_mac != Subkeys.derive(KEY).row_mac


def test_a_data_key_can_become_the_root_of_its_successor() -> None:
    before, after = Subkeys.derive(KEY), Subkeys.derive(bytes(32), KEY)

    assert (before.row_mac, before.audit, before.jwt) == (after.row_mac, after.audit, after.jwt)
