"""Keys come in and go out through an offline signer; a daemon's signer knows no such thing."""

import asyncio
import json
import os
import resource
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.signer.conftest import EVM_ID, PASSWORD, SOLANA_ID
from wallet.bootstrap.setup import initialise
from wallet.errors import Code, ConflictError, KeystoreError
from wallet.keystore import version1
from wallet.operations.setup import Birth
from wallet.settings import load
from wallet.signer.client import KeyVault
from wallet.signer.guarded import GUARDED, LOCKED, PLAIN, Memory, wipe
from wallet.signer.offline import OfflineVault

CASES = json.loads((Path(__file__).parents[2] / "vectors" / "keystore_v1.json").read_text())[
    "cases"
]
SOLANA, EVM = CASES[0], CASES[1]
NEW_ID = "0190b5a0-0000-7000-8000-000000000003"


def text_of(case: dict[str, str]) -> bytes:
    return case["file"].encode()


@pytest.fixture
async def offline(root: Path) -> AsyncIterator[OfflineVault]:
    vault = await OfflineVault.start(root)
    await vault.create_keystore(PASSWORD, kind="sandbox", profile="CHEAPEST")
    await vault.unlock(PASSWORD)
    await vault.create_wallet(EVM_ID, "ethereum", "evm-local")
    await vault.create_wallet(SOLANA_ID, "solana", "solana-localnet")
    yield vault
    await vault.close()


@pytest.mark.parametrize("wallet_id", [EVM_ID, SOLANA_ID])
async def test_an_exported_key_is_imported_elsewhere(
    offline: OfflineVault, tmp_path: Path, wallet_id: str
) -> None:
    mine = next(key for key in await offline.wallets() if key.wallet_id == wallet_id)
    text = await offline.export_key(wallet_id, network="local", name="one", password="its own")
    assert PASSWORD.encode() not in text
    assert version1.parse(text).address == mine.address

    other = await OfflineVault.start(tmp_path / "other")
    try:
        await other.create_keystore("elsewhere", kind="sandbox", profile="CHEAPEST")
        await other.unlock("elsewhere")
        theirs = await other.import_key(NEW_ID, mine.network, text, "its own")
        await other.restart()
        await other.unlock("elsewhere")
        kept = await other.wallets()
    finally:
        await other.close()

    assert (theirs.address, theirs.public_key) == (mine.address, mine.public_key)
    assert theirs.wallet_id == NEW_ID
    assert kept == [theirs]


@pytest.mark.parametrize("case", [SOLANA, EVM], ids=lambda case: case["chain"])
async def test_a_file_of_the_format_is_imported(
    offline: OfflineVault, case: dict[str, str]
) -> None:
    key = await offline.import_key(NEW_ID, "somewhere", text_of(case), case["password"])

    assert key.address == version1.parse(text_of(case)).address
    assert (key.chain, key.network) == (case["chain"], "somewhere")


async def test_an_import_that_was_interrupted_is_taken_up(
    offline: OfflineVault, root: Path
) -> None:
    first = await offline.import_key(NEW_ID, "net", text_of(EVM), EVM["password"])
    files = sorted((root / "wallets").iterdir())

    again = await offline.import_key(NEW_ID[:-1] + "4", "net", text_of(EVM), EVM["password"])

    assert again == first
    assert sorted((root / "wallets").iterdir()) == files


async def test_what_does_not_open_writes_nothing(offline: OfflineVault, root: Path) -> None:
    files = sorted((root / "wallets").iterdir())
    for text, password, code in (
        (text_of(EVM), "wrong", Code.KEYSTORE_DECRYPT_FAILED),
        (b"{}", "x", Code.UNSUPPORTED_KEYSTORE_VERSION),
        (text_of(EVM)[:-1], EVM["password"], Code.KEYSTORE_IMPORT_FAILED),
    ):
        with pytest.raises(KeystoreError) as caught:
            await offline.import_key(NEW_ID, "net", text, password)
        assert caught.value.code is code
    assert sorted((root / "wallets").iterdir()) == files


async def test_a_locked_vault_hands_out_nothing(offline: OfflineVault) -> None:
    await offline.lock()
    for call in (
        offline.export_key(EVM_ID, network="x", name="x", password="its own"),
        offline.import_key(NEW_ID, "net", text_of(EVM), EVM["password"]),
        offline.change_password("another", profile=None, rewrap=False),
    ):
        with pytest.raises(KeystoreError) as caught:
            await call
        assert caught.value.code is Code.KEYSTORE_LOCKED


async def test_an_unknown_wallet_has_no_key_to_export(offline: OfflineVault) -> None:
    with pytest.raises(KeystoreError) as caught:
        await offline.export_key(NEW_ID, network="x", name="x", password="its own")
    assert caught.value.code is Code.WALLET_KEY_MISSING


async def test_the_signer_of_a_daemon_neither_exports_nor_imports(
    offline: OfflineVault, root: Path
) -> None:
    """Whatever the daemon asks for, and with the master password at hand."""
    await offline.close()
    daemons = await KeyVault.start(root)
    try:
        await daemons.unlock(PASSWORD)
        for operation, args in (
            ("export_key", {"wallet_id": EVM_ID, "network": "x", "name": "x", "password": "y"}),
            ("import_key", {"wallet_id": NEW_ID, "network": "x", "text": "", "password": "y"}),
            ("change_password", {"new_password": "y", "profile": None, "rewrap": True}),
        ):
            with pytest.raises(KeystoreError) as caught:
                await daemons._slow(operation, **args)
            assert caught.value.code is Code.INTERNAL_ERROR
        assert not (await daemons.status()).locked
    finally:
        await daemons.close()
    assert (await _opens(root)) == 2


async def _opens(root: Path) -> int:
    vault = await KeyVault.start(root)
    try:
        await vault.unlock(PASSWORD)
        return len(await vault.wallets())
    finally:
        await vault.close()


# init


async def test_an_init_that_was_cut_off_can_be_given_again(tmp_path: Path) -> None:
    """Everything but the header is there; a keystore is there when its header is."""
    settings = load(tmp_path, {})
    await initialise(settings, Birth("sandbox", "CHEAPEST", PASSWORD))
    (tmp_path / "keystore" / "header.json").unlink()
    settings.database.path.unlink()

    born = await initialise(settings, Birth("sandbox", "CHEAPEST", PASSWORD))

    assert born.unlock_seconds > 0
    assert await _opens(tmp_path / "keystore") == 0
    with pytest.raises(ConflictError):
        await initialise(settings, Birth("sandbox", "CHEAPEST", "another password"))


async def test_a_change_that_died_between_two_renames_is_no_empty_place(tmp_path: Path) -> None:
    settings = load(tmp_path, {})
    await initialise(settings, Birth("sandbox", "CHEAPEST", PASSWORD))
    (tmp_path / "keystore").rename(tmp_path / "keystore.previous")

    with pytest.raises(ConflictError):
        await initialise(settings, Birth("sandbox", "CHEAPEST", "another password"))

    assert await _opens(tmp_path / "keystore") == 0


# memory


async def test_the_signer_says_what_guards_its_memory(offline: OfflineVault) -> None:
    told = await offline.guards()

    assert told["no_core_dumps"]
    assert told["not_traceable"] is (sys.platform == "linux")
    assert told["key_memory"] in (GUARDED, LOCKED)
    if sys.platform == "linux" and os.geteuid() == 0:
        assert _locked_kib(offline.pid) > 0


def _locked_kib(pid: int | None) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmLck")).split()[1])


@pytest.mark.parametrize("memory", [Memory(None)], ids=["without libsodium"])
def test_a_buffer_holds_a_copy_and_wipes_what_it_came_from(memory: Memory) -> None:
    secret = bytearray(b"secret of 21 bytes...")
    held = memory.hold(secret)

    assert bytes(held) == b"secret of 21 bytes..."
    assert secret == bytes(21)
    wipe(held)
    assert bytes(held) == bytes(21)


@pytest.mark.skipif(sys.platform != "linux", reason="asks the system for less locked memory")
async def test_a_refused_lock_is_told() -> None:
    """In a process of its own, which may lock nothing and has no privilege to do so all the same."""
    program = (
        "import os, resource\n"
        "resource.setrlimit(resource.RLIMIT_MEMLOCK, (0, 0))\n"
        "if os.geteuid() == 0: os.setresuid(65534, 65534, 65534)\n"
        "from wallet.signer.guarded import MEMORY\n"
        "print(bytes(MEMORY.hold(b'abc')), MEMORY.kind)\n"
    )
    soft, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "import wallet.signer.guarded\n" + program,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, _ = await process.communicate()

    assert output.split() == [b"b'abc'", PLAIN.encode()]
    assert resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] == soft
