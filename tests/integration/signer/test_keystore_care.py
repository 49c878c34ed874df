"""What the signer does with good, damaged and foreign keystores."""

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.integration.signer.conftest import EVM_ID, PASSWORD, SOLANA_ID, World, now_ms
from wallet.errors import Code, ConflictError, InputError, KeystoreError, WalletError
from wallet.keystore.files import make_private_directory
from wallet.keystore.format import parse_header
from wallet.keystore.profiles import MODERATE, Kind
from wallet.signer.client import KeyVault
from wallet.signer.vault import Vault

UNHARMED = frozenset({Code.KEYSTORE_CORRUPTED, Code.WRONG_PASSWORD})


def snapshot(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


async def code_of(vault: KeyVault, password: str = PASSWORD) -> Code:
    with pytest.raises(KeystoreError) as caught:
        await vault.unlock(password)
    assert vault.locked
    assert password not in str(caught.value)
    return caught.value.code


async def test_a_new_keystore_is_locked_and_says_what_it_is(signer: KeyVault) -> None:
    made = await signer.create_keystore(PASSWORD, kind="sandbox", profile="CHEAPEST")

    assert signer.locked
    assert made == await signer.header()
    assert (made.version, made.kind, made.memory_kib) == (2, "sandbox", 1024)
    assert made.bot_api_url == "https://api.telegram.org"
    status = await signer.status()
    assert (status.locked, status.kind, status.wallets) == (True, "sandbox", ())


async def test_without_a_keystore_the_signer_says_so(signer: KeyVault) -> None:
    assert (await signer.status()).kind is None
    assert await code_of(signer) is Code.KEYSTORE_MISSING
    for call in (signer.header(), signer.verify_password(PASSWORD)):
        with pytest.raises(KeystoreError) as caught:
            await call
        assert caught.value.code is Code.KEYSTORE_MISSING


async def test_a_production_keystore_refuses_the_cheapest_profile(
    signer: KeyVault, root: Path
) -> None:
    with pytest.raises(KeystoreError) as caught:
        await signer.create_keystore(PASSWORD, kind="production", profile="CHEAPEST")

    assert caught.value.code is Code.KEYSTORE_KIND
    assert snapshot(root) == {}


async def test_a_production_keystore_takes_the_moderate_profile(signer: KeyVault) -> None:
    made = await signer.create_keystore(PASSWORD, kind="production", profile="MODERATE")

    assert (made.kind, made.memory_kib, made.time_cost) == ("production", 65536, 3)
    assert len((await signer.unlock(PASSWORD)).jwt) == 32


async def test_an_existing_keystore_is_not_replaced(world: World) -> None:
    before = snapshot(world.root)

    with pytest.raises(ConflictError):
        await world.vault.create_keystore("other", kind="sandbox", profile="CHEAPEST")

    assert snapshot(world.root) == before


@pytest.mark.parametrize(
    "url",
    ["http://api.telegram.org", "ftp://x", "https://", "http://127.0.0.1:80@evil.example", "x",
     "https://u:p@host", "https://host/?q=1", "http://localhost.evil.example"],
)  # fmt: skip
async def test_a_bot_api_in_plain_text_elsewhere_is_refused(signer: KeyVault, url: str) -> None:
    with pytest.raises(InputError):
        await signer.create_keystore(PASSWORD, kind="sandbox", profile="CHEAPEST", bot_api_url=url)


async def test_a_local_bot_api_is_kept_in_the_header(signer: KeyVault) -> None:
    url = "http://127.0.0.1:8081"
    await signer.create_keystore(PASSWORD, kind="sandbox", profile="CHEAPEST", bot_api_url=url)

    assert (await signer.header()).bot_api_url == url


@pytest.mark.parametrize("kind", ["", "Sandbox", "test"])
async def test_a_keystore_is_of_a_known_kind(signer: KeyVault, kind: str) -> None:
    with pytest.raises(InputError):
        await signer.create_keystore(PASSWORD, kind=kind, profile="CHEAPEST")


async def test_a_wrong_password_is_told_from_damage(world: World) -> None:
    await world.vault.lock()

    assert await code_of(world.vault, "wrong") is Code.WRONG_PASSWORD
    assert len((await world.vault.unlock(PASSWORD)).permit) == 32


async def test_a_wrong_password_does_not_lock_an_unlocked_keystore(world: World) -> None:
    with pytest.raises(KeystoreError):
        await world.vault.unlock("wrong")

    assert not world.vault.locked
    assert not (await world.vault.status()).locked


async def test_checking_a_password_works_locked_and_unlocks_nothing(world: World) -> None:
    await world.vault.lock()

    assert await world.vault.verify_password(PASSWORD)
    assert not await world.vault.verify_password("wrong")
    assert world.vault.locked
    assert (await world.vault.status()).locked


async def foreign_header(world: World, beside: Path) -> bytes:
    """The header of another keystore, whose password somebody knows who does not know ours."""
    make_private_directory(beside)
    other = await KeyVault.start(beside / "keystore")
    try:
        await other.create_keystore("known to a thief", kind="sandbox", profile="CHEAPEST")
    finally:
        await other.close()
    return (beside / "keystore" / "header.json").read_bytes()


async def test_a_header_put_in_the_place_of_ours_proves_no_password(
    world: World, tmp_path: Path
) -> None:
    """Whoever writes the file does not choose what stands for the owner, unlocked or locked."""
    header = await foreign_header(world, tmp_path / "other")
    (world.root / "header.json").write_bytes(header)

    assert not await world.vault.verify_password("known to a thief")
    assert await world.vault.verify_password(PASSWORD)

    await world.vault.lock()
    with pytest.raises(KeystoreError) as caught:
        await world.vault.verify_password("known to a thief")
    assert caught.value.code is Code.KEYSTORE_CORRUPTED


@pytest.mark.parametrize("field", ["bot_api_url", "kind", "keystore_id"])
async def test_a_header_that_was_another_one_when_it_was_read_opens_nothing(
    world: World, field: str
) -> None:
    """A daemon that starts locked speaks to the Bot API of the header before anything proves it."""
    others: dict[str, Any] = {
        "bot_api_url": "https://thief.example", "kind": Kind.PRODUCTION, "keystore_id": EVM_ID,
    }  # fmt: skip
    await world.vault.lock()
    file = world.root / "header.json"
    ours = file.read_bytes()
    strong = replace(parse_header(ours, "ours"), kdf=MODERATE)
    file.write_bytes(replace(strong, **{field: others[field]}).to_text())
    await world.vault.header()
    file.write_bytes(ours)

    assert await code_of(world.vault) is Code.KEYSTORE_CORRUPTED
    assert not world.vault.alive


async def test_wallets_and_subkeys_survive_a_restart(world: World) -> None:
    await world.vault.restart()
    assert world.vault.locked

    subkeys = await world.vault.unlock(PASSWORD)

    assert subkeys == world.subkeys
    assert await world.vault.wallets() == [world.evm, world.solana]


async def test_unlocking_twice_changes_nothing(world: World) -> None:
    assert await world.vault.unlock(PASSWORD) == world.subkeys
    assert await world.vault.wallets() == [world.evm, world.solana]


async def test_a_wallet_is_never_made_twice(world: World) -> None:
    before = snapshot(world.root)

    with pytest.raises(ConflictError):
        await world.vault.create_wallet(EVM_ID, "ethereum", "ethereum-local")

    assert snapshot(world.root) == before


@pytest.mark.parametrize(
    ("wallet_id", "chain"),
    [("../../evil", "ethereum"), ("", "solana"), (EVM_ID.replace("1", "A"), "solana"),
     ("0190b5a0-0000-7000-8000-000000000009", "bitcoin")],
)  # fmt: skip
async def test_a_bad_wallet_request_writes_nothing(
    world: World, wallet_id: str, chain: str
) -> None:
    before = snapshot(world.root)

    with pytest.raises(InputError):
        await world.vault.create_wallet(wallet_id, chain, "n")

    assert snapshot(world.root) == before


async def test_a_locked_keystore_makes_no_wallets(world: World) -> None:
    await world.vault.lock()

    with pytest.raises(KeystoreError) as caught:
        await world.vault.create_wallet("0190b5a0-0000-7000-8000-000000000009", "solana", "n")

    assert caught.value.code is Code.KEYSTORE_LOCKED


async def test_no_secret_stands_in_any_file(world: World) -> None:
    enrolment = await world.vault.totp_enrol()
    everything = b"".join(snapshot(world.root).values()).lower()

    for secret in (enrolment.secret, PASSWORD, world.subkeys.jwt.hex()):
        assert secret.lower().encode() not in everything


async def test_swapped_wallet_files_are_refused_and_left_alone(world: World) -> None:
    wallets = world.root / "wallets"
    spare = wallets / "spare"
    (wallets / f"{EVM_ID}.json").rename(spare)
    (wallets / f"{SOLANA_ID}.json").rename(wallets / f"{EVM_ID}.json")
    spare.rename(wallets / f"{SOLANA_ID}.json")
    before = snapshot(world.root)
    await world.vault.restart()

    assert await code_of(world.vault) is Code.KEYSTORE_CORRUPTED
    assert snapshot(world.root) == before


async def test_a_wallet_renamed_inside_its_file_is_refused(world: World) -> None:
    other = "0190b5a0-0000-7000-8000-000000000003"
    old = world.root / "wallets" / f"{EVM_ID}.json"
    new = old.with_name(f"{other}.json")
    new.write_bytes(old.read_bytes().replace(EVM_ID.encode(), other.encode()))
    new.chmod(0o600)
    await world.vault.restart()

    with pytest.raises(KeystoreError, match=other) as caught:
        await world.vault.unlock(PASSWORD)

    assert caught.value.code is Code.KEYSTORE_CORRUPTED


async def test_a_wallet_of_another_keystore_is_refused(world: World, tmp_path: Path) -> None:
    theirs = await KeyVault.start(tmp_path / "theirs")
    try:
        await theirs.create_keystore(PASSWORD, kind="sandbox", profile="CHEAPEST")
        await theirs.unlock(PASSWORD)
        other = "0190b5a0-0000-7000-8000-000000000003"
        await theirs.create_wallet(other, "solana", "n")
    finally:
        await theirs.close()
    shutil.copy2(tmp_path / "theirs/wallets" / f"{other}.json", world.root / "wallets")
    await world.vault.restart()

    with pytest.raises(KeystoreError, match=other) as caught:
        await world.vault.unlock(PASSWORD)

    assert caught.value.code is Code.KEYSTORE_CORRUPTED


async def test_loose_permissions_stop_the_unlock(world: World) -> None:
    (world.root / "wallets" / f"{EVM_ID}.json").chmod(0o644)
    await world.vault.restart()

    assert await code_of(world.vault) is Code.KEYSTORE_PERMISSIONS


async def test_a_flipped_byte_is_damage_across_the_pipe(world: World) -> None:
    path = world.root / "wallets" / f"{EVM_ID}.json"
    data = bytearray(path.read_bytes())
    data[data.index(b'"ciphertext"') + 20] ^= 1
    path.write_bytes(data)
    await world.vault.restart()

    with pytest.raises(KeystoreError) as caught:
        await world.vault.unlock(PASSWORD)

    assert caught.value.code is Code.KEYSTORE_CORRUPTED
    assert caught.value.details == {"file": str(path)}
    assert path.read_bytes() == data


def test_no_flipped_byte_of_any_file_ever_opens(world: World) -> None:
    """Every byte of header and wallets, one bit of each, over the signer's own state."""
    vault = Vault(world.root, now_ms)
    files = [world.root / "header.json", *sorted((world.root / "wallets").iterdir())]
    for path in files:
        good = path.read_bytes()
        for at in range(len(good)):
            bad = bytearray(good)
            bad[at] ^= 1 << (at % 8)
            path.write_bytes(bad)
            with pytest.raises(WalletError) as caught:
                vault.unlock(PASSWORD)
            assert caught.value.code in UNHARMED, (path, at)
            assert path.name in caught.value.message
            assert path.read_bytes() == bad
            assert vault._open is None
        path.write_bytes(good)
    vault.unlock(PASSWORD)


async def test_a_truncated_file_is_damage(world: World) -> None:
    path = world.root / "header.json"
    await world.vault.lock()
    for length in (0, 1, path.stat().st_size // 2, path.stat().st_size - 1):
        os.truncate(path, length)
        assert await code_of(world.vault) is Code.KEYSTORE_CORRUPTED
