"""Owner-only files: private, durable, never replaced by accident."""

import os
import stat
from pathlib import Path

import pytest

from wallet.errors import Code, ConflictError, InputError, KeystoreError
from wallet.keystore import files as owner_only
from wallet.keystore.files import KeystoreFiles
from wallet.keystore.format import Header, Sealed, SecretFile, WalletFile

WALLET_ID = "0190b5a0-0000-7000-8000-000000000001"
OTHER_ID = "0190b5a0-0000-7000-8000-000000000002"


def wallet_file(wallet_id: str = WALLET_ID) -> WalletFile:
    return WalletFile(
        keystore_id="7c5d2f0e-6a4b-4c3d-9e1f-0a1b2c3d4e5f",
        wallet_id=wallet_id,
        chain="solana",
        network="solana-devnet",
        address="x",
        public_key="ab",
        created_at=1,
        sealed=Sealed(bytes(24), bytes(48)),
    )


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def code_of(call: object, *args: object) -> Code:
    assert callable(call)
    with pytest.raises(KeystoreError) as caught:
        call(*args)
    return caught.value.code


@pytest.fixture
def keystore(files: KeystoreFiles, header: Header) -> KeystoreFiles:
    files.create(header)
    return files


def test_a_new_keystore_is_for_its_owner_only(keystore: KeystoreFiles) -> None:
    keystore.write_wallet(wallet_file())

    assert mode(keystore.root) == mode(keystore.wallets) == mode(keystore.secrets) == 0o700
    assert mode(keystore.header_path) == 0o600
    assert mode(keystore.wallet_path(WALLET_ID)) == 0o600


def test_a_loose_umask_loosens_nothing(files: KeystoreFiles, header: Header) -> None:
    before = os.umask(0)
    try:
        files.create(header)
    finally:
        os.umask(before)

    assert mode(files.root) == 0o700
    assert mode(files.header_path) == 0o600


def test_what_was_written_is_read(keystore: KeystoreFiles, header: Header) -> None:
    keystore.write_wallet(wallet_file())

    assert keystore.read_header() == header
    assert list(keystore.read_wallets()) == [(keystore.wallet_path(WALLET_ID), wallet_file())]


def test_nothing_is_left_behind_by_a_write(keystore: KeystoreFiles) -> None:
    keystore.write_wallet(wallet_file())
    with pytest.raises(ConflictError):
        keystore.write_wallet(wallet_file())

    assert [path.name for path in keystore.wallets.iterdir()] == [f"{WALLET_ID}.json"]


def test_a_keystore_is_never_created_twice(keystore: KeystoreFiles, header: Header) -> None:
    before = keystore.header_path.read_bytes()

    with pytest.raises(ConflictError) as caught:
        keystore.create(header)

    assert caught.value.code is Code.ALREADY_INITIALISED
    assert keystore.header_path.read_bytes() == before


def test_wallets_without_a_header_are_not_built_over(
    keystore: KeystoreFiles, header: Header
) -> None:
    keystore.write_wallet(wallet_file())
    keystore.header_path.unlink()

    assert code_of(keystore.read_header) is Code.KEYSTORE_MISSING
    with pytest.raises(ConflictError):
        keystore.create(header)


@pytest.mark.parametrize(
    ("name", "loose", "command"),
    [
        ("header.json", 0o644, "chmod 600"),
        ("header.json", 0o620, "chmod 600"),
        (".", 0o750, "chmod 700"),
        ("wallets", 0o701, "chmod 700"),
        ("secrets", 0o770, "chmod 700"),
    ],
)
def test_loose_permissions_are_refused_with_the_command_that_mends_them(
    keystore: KeystoreFiles, name: str, loose: int, command: str
) -> None:
    path = keystore.root / name
    path.chmod(loose)

    with pytest.raises(KeystoreError) as caught:
        keystore.read_header()

    assert caught.value.code is Code.KEYSTORE_PERMISSIONS
    assert f"{command} {path}" in caught.value.message
    assert mode(path) == loose


def test_a_wallet_file_open_to_others_is_refused(keystore: KeystoreFiles) -> None:
    keystore.write_wallet(wallet_file())
    keystore.wallet_path(WALLET_ID).chmod(0o640)

    assert code_of(lambda: list(keystore.read_wallets())) is Code.KEYSTORE_PERMISSIONS


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_another_user_is_refused(keystore: KeystoreFiles) -> None:
    os.chown(keystore.header_path, 65534, 65534)

    assert code_of(keystore.read_header) is Code.KEYSTORE_PERMISSIONS


def test_links_directories_and_giants_are_not_read(keystore: KeystoreFiles) -> None:
    real = keystore.root / "real"
    keystore.header_path.rename(real)
    keystore.header_path.symlink_to(real)
    assert code_of(keystore.read_header) is Code.KEYSTORE_CORRUPTED

    keystore.header_path.unlink()
    keystore.header_path.mkdir(mode=0o700)
    assert code_of(keystore.read_header) is Code.KEYSTORE_CORRUPTED

    keystore.header_path.rmdir()
    os.mkfifo(keystore.header_path, 0o600)
    assert code_of(keystore.read_header) is Code.KEYSTORE_CORRUPTED

    keystore.header_path.unlink()
    owner_only.write_private(keystore.header_path, b" " * (owner_only.MAX_FILE_BYTES + 1))
    assert code_of(keystore.read_header) is Code.KEYSTORE_CORRUPTED


def test_a_missing_directory_is_damage(keystore: KeystoreFiles) -> None:
    keystore.secrets.rmdir()

    assert code_of(keystore.read_header) is Code.KEYSTORE_CORRUPTED


def test_no_keystore_is_its_own_error(files: KeystoreFiles) -> None:
    assert code_of(files.read_header) is Code.KEYSTORE_MISSING


@pytest.mark.parametrize(
    "wallet_id",
    ["", ".", "..", "../header", "/etc/passwd", "a\0b", WALLET_ID.upper(), f"{WALLET_ID}/x",
     f"{WALLET_ID}\n", "0190b5a0000070008000000000000001"],
)  # fmt: skip
def test_only_a_uuid_becomes_a_path(files: KeystoreFiles, wallet_id: str) -> None:
    with pytest.raises(InputError):
        files.wallet_path(wallet_id)


@pytest.mark.parametrize("name", ["", "..", "a/b", ".hidden", "a\0", "../x"])
def test_a_secrets_name_never_leaves_its_directory(files: KeystoreFiles, name: str) -> None:
    with pytest.raises(InputError):
        files.secret_path(name)


def test_a_wallet_file_under_another_name_is_refused(keystore: KeystoreFiles) -> None:
    keystore.write_wallet(wallet_file())
    keystore.wallet_path(WALLET_ID).rename(keystore.wallet_path(OTHER_ID))

    with pytest.raises(KeystoreError, match=OTHER_ID):
        list(keystore.read_wallets())


def test_a_json_file_that_is_no_wallet_stops_reading(keystore: KeystoreFiles) -> None:
    owner_only.write_private(keystore.wallets / "notes.json", b"{}")

    with pytest.raises(KeystoreError, match=r"notes\.json"):
        list(keystore.read_wallets())


def test_a_left_over_temporary_file_is_ignored(keystore: KeystoreFiles) -> None:
    owner_only.write_private(keystore.wallets / f".{WALLET_ID}.json.0011.tmp", b"half")

    assert list(keystore.read_wallets()) == []


def test_secrets_are_replaced_read_and_removed(keystore: KeystoreFiles) -> None:
    first = SecretFile(
        keystore_id="7c5d2f0e-6a4b-4c3d-9e1f-0a1b2c3d4e5f",
        name="totp",
        created_at=1,
        sealed=Sealed(bytes(24), bytes(20)),
    )
    assert keystore.read_secret("totp") is None
    keystore.write_secret(first)
    keystore.write_secret(first)
    assert keystore.read_secret("totp") == first

    keystore.secret_path("totp").rename(keystore.secret_path("other"))
    assert code_of(keystore.read_secret, "other") is Code.KEYSTORE_CORRUPTED

    keystore.remove_secret("other")
    keystore.remove_secret("other")
    assert keystore.read_secret("other") is None


def test_the_bot_token_lives_in_an_owner_only_file(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    path = tmp_path / owner_only.BOT_TOKEN
    assert owner_only.read_secret_file(path) is None

    owner_only.write_secret_file(path, "123:abc\n")
    owner_only.write_secret_file(path, "456:def")

    assert owner_only.read_secret_file(path) == "456:def"
    assert mode(path) == 0o600
    path.chmod(0o644)
    assert code_of(owner_only.read_secret_file, path) is Code.KEYSTORE_PERMISSIONS
    path.chmod(0o600)
    path.write_bytes(b"\xff\xfe")
    assert code_of(owner_only.read_secret_file, path) is Code.KEYSTORE_CORRUPTED


def test_nothing_secret_is_written_into_a_directory_open_to_others(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)

    assert code_of(owner_only.write_secret_file, tmp_path / "bot_token", "x") is (
        Code.KEYSTORE_PERMISSIONS
    )
    assert list(tmp_path.iterdir()) == []
