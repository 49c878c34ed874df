"""Authenticator secrets stay in the signer; codes are checked there."""

import pyotp
import pytest

from tests.integration.signer.conftest import PASSWORD, World, now_ms
from wallet.errors import Code, KeystoreError


async def test_an_authenticator_counts_once_it_was_confirmed(world: World) -> None:
    vault = world.vault
    assert not await vault.totp_enrolled()
    enrolment = await vault.totp_enrol()
    app = pyotp.TOTP(enrolment.secret)
    now = now_ms()
    assert not await vault.totp_enrolled()

    step = await vault.totp_confirm(app.at(now // 1000), now)

    assert step == now // 30_000
    assert await vault.totp_enrolled()
    assert await vault.totp_check(app.at(now // 1000), now) == step
    assert await vault.totp_check(app.at(now // 1000 + 300), now) is None
    assert enrolment.secret not in repr(enrolment)


async def test_a_wrong_code_confirms_nothing(world: World) -> None:
    await world.vault.totp_enrol()

    assert await world.vault.totp_confirm("000000x", now_ms()) is None
    assert not await world.vault.totp_enrolled()


async def test_confirming_without_an_enrolment_confirms_nothing(world: World) -> None:
    assert await world.vault.totp_confirm("000000", now_ms()) is None


async def test_the_old_authenticator_counts_until_the_new_one_is_confirmed(world: World) -> None:
    now = now_ms()
    old = pyotp.TOTP((await world.vault.totp_enrol()).secret).at(now // 1000)
    await world.vault.totp_confirm(old, now)
    new = pyotp.TOTP((await world.vault.totp_enrol()).secret).at(now // 1000)
    assert await world.vault.totp_check(old, now) is not None

    await world.vault.totp_confirm(new, now)

    assert await world.vault.totp_check(old, now) is None
    assert await world.vault.totp_check(new, now) is not None


async def test_checking_without_an_authenticator_is_an_error_of_its_own(world: World) -> None:
    with pytest.raises(KeystoreError) as caught:
        await world.vault.totp_check("000000", now_ms())

    assert caught.value.code is Code.NOT_FACTOR_ENROLLED


async def test_codes_need_the_keystore_unlocked_and_survive_a_restart(world: World) -> None:
    now = now_ms()
    code = pyotp.TOTP((await world.vault.totp_enrol()).secret).at(now // 1000)
    await world.vault.totp_confirm(code, now)
    await world.vault.restart()
    assert await world.vault.totp_enrolled()
    with pytest.raises(KeystoreError) as caught:
        await world.vault.totp_check(code, now)
    assert caught.value.code is Code.KEYSTORE_LOCKED

    await world.vault.unlock(PASSWORD)

    assert await world.vault.totp_check(code, now) is not None


async def test_a_damaged_authenticator_file_is_named_and_matches_nothing(world: World) -> None:
    now = now_ms()
    code = pyotp.TOTP((await world.vault.totp_enrol()).secret).at(now // 1000)
    await world.vault.totp_confirm(code, now)
    path = world.root / "secrets" / "totp.json"
    data = bytearray(path.read_bytes())
    data[data.index(b'"ciphertext"') + 20] ^= 1
    path.write_bytes(data)

    with pytest.raises(KeystoreError, match=r"totp\.json") as caught:
        await world.vault.totp_check(code, now)

    assert caught.value.code is Code.KEYSTORE_CORRUPTED
