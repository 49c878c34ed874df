"""A new master password: everything stays valid, the old one opens nothing, and no crash loses a key."""

import itertools
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyotp
import pytest

from tests.integration.signer.conftest import EVM_ID, SOLANA_ID
from tests.support.crash_walk import NEW, NOW_MS, OLD
from wallet.domain import permits
from wallet.domain.permits import Grant
from wallet.errors import Code, KeystoreError
from wallet.keystore import swap
from wallet.keystore.files import write_private
from wallet.keystore.subkeys import Subkeys
from wallet.signer.vault import Vault

VECTOR = Path(__file__).parents[2] / "vectors" / "keystore_v2.json"


def vault_of(root: Path) -> Vault:
    return Vault(root, lambda: NOW_MS)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A keystore with a wallet of each chain, an authenticator and a pending one."""
    home = tmp_path_factory.mktemp("template")
    home.chmod(0o700)
    vault = vault_of(home / "keystore")
    vault.create_keystore(OLD, "sandbox", "CHEAPEST", None)
    vault.unlock(OLD)
    vault.create_wallet(EVM_ID, "ethereum", "ethereum-local")
    vault.create_wallet(SOLANA_ID, "solana", "solana-local")
    enrolled = vault.totp_enrol()
    code = pyotp.TOTP(enrolled.secret).at(NOW_MS // 1000)
    assert vault.totp_confirm(code, NOW_MS) is not None
    (home / "code").write_text(code)
    vault.totp_enrol()
    return home / "keystore"


@pytest.fixture
def root(template: Path, tmp_path: Path) -> Path:
    tmp_path.chmod(0o700)
    shutil.copytree(template, tmp_path / "keystore")
    return tmp_path / "keystore"


def lasting(subkeys: Subkeys) -> tuple[bytes, bytes, bytes]:
    return subkeys.row_mac, subkeys.audit, subkeys.jwt


def facts(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def refusal(vault: Vault, password: str) -> Code:
    with pytest.raises(KeystoreError) as caught:
        vault.unlock(password)
    return caught.value.code


def require_whole(root: Path, password: str, template: Path) -> None:
    """It opens with ``password``, only with it, and holds what the template holds."""
    expected = vault_of(template)
    before = expected.unlock(OLD)
    vault = vault_of(root)
    assert refusal(vault, NEW if password == OLD else OLD) is Code.WRONG_PASSWORD
    assert lasting(vault.unlock(password)) == lasting(before)
    assert vault.status().wallets == expected.status().wallets
    assert vault.totp_check((template.parent / "code").read_text(), NOW_MS) is not None
    assert swap.leftovers(root) == []
    for wallet in vault.status().wallets:
        payload = b"\x02\xc0" if wallet.chain == "ethereum" else b"\x80\x01"
        grant = Grant(
            permit_id=f"permit-{wallet.wallet_id}",
            transaction_id="transaction",
            attempt=1,
            wallet_id=wallet.wallet_id,
            chain=wallet.chain,
            digest="ab" * 32,
        )
        key = vault.unlock(password).permit
        permit = permits.mint(key, grant, payload=payload, now_ms=NOW_MS)
        assert vault.sign(permit, payload)


@pytest.mark.parametrize("rewrap", [False, True])
def test_the_new_password_opens_all_and_the_old_one_nothing(
    root: Path, template: Path, rewrap: bool
) -> None:
    vault = vault_of(root)
    vault.unlock(OLD)

    done = vault.change_password(NEW, None, rewrap=rewrap)

    assert done["old_removed"]
    assert done["header"] == vault_of(template).header().to_json()
    require_whole(root, NEW, template)


@pytest.mark.parametrize("rewrap", [False, True])
def test_the_data_key_is_new_unless_only_rewrapped(
    root: Path, template: Path, rewrap: bool
) -> None:
    """The old header in the new directory: with the old data key it would open the wallets made since."""
    vault = vault_of(root)
    vault.unlock(OLD)
    vault.change_password(NEW, None, rewrap=rewrap)
    (root / "header.json").write_bytes((template / "header.json").read_bytes())

    if rewrap:
        vault_of(root).unlock(OLD)
    else:
        assert refusal(vault_of(root), OLD) is Code.KEYSTORE_CORRUPTED


def test_the_open_vault_goes_on_under_the_new_keys(root: Path, template: Path) -> None:
    vault = vault_of(root)
    before = vault.unlock(OLD)
    vault.change_password(NEW, None, rewrap=False)
    other = "0190b5a0-0000-7000-8000-000000000003"
    vault.create_wallet(other, "solana", "solana-local")

    again = vault_of(root)
    after = again.unlock(NEW)

    assert len(again.status().wallets) == 3
    assert lasting(after) == lasting(before)
    assert after.permit != before.permit


def test_a_keystore_from_before_there_was_a_root_keeps_its_subkeys(tmp_path: Path) -> None:
    vector = json.loads(VECTOR.read_text())
    tmp_path.chmod(0o700)
    root = tmp_path / "keystore"
    for directory in (root, root / "wallets", root / "secrets"):
        directory.mkdir(mode=0o700)
    for name, text in vector["files"].items():
        write_private(root / name, text.encode())
    vault = vault_of(root)
    before = vault.unlock(vector["password"])

    vault.change_password(NEW, None, rewrap=False)
    first = vault_of(root).unlock(NEW)
    vault.change_password(OLD, None, rewrap=False)
    second = vault_of(root).unlock(OLD)

    assert lasting(before) == lasting(first) == lasting(second)
    assert len({before.permit, first.permit, second.permit}) == 3


def test_another_profile_is_taken_and_a_forbidden_one_changes_nothing(root: Path) -> None:
    vault = vault_of(root)
    vault.unlock(OLD)
    before = facts(root)
    with pytest.raises(KeystoreError):
        vault.change_password(NEW, "NO_SUCH", rewrap=False)
    assert facts(root) == before

    done = vault.change_password(NEW, "MODERATE", rewrap=True)

    assert done["header"]["memory_kib"] == 65536
    assert vault_of(root).header().memory_kib == 65536


def test_a_locked_vault_changes_nothing(root: Path) -> None:
    before = facts(root)
    with pytest.raises(KeystoreError) as caught:
        vault_of(root).change_password(NEW, None, rewrap=False)
    assert caught.value.code is Code.KEYSTORE_LOCKED
    assert facts(root) == before


@pytest.mark.parametrize("name", ["notes.txt", "wallets/old.bak", "secrets/x"])
def test_files_of_somebody_else_are_not_lost(root: Path, name: str) -> None:
    vault = vault_of(root)
    vault.unlock(OLD)
    (root / name).write_text("mine")
    before = facts(root)

    with pytest.raises(KeystoreError, match=Path(name).name):
        vault.change_password(NEW, None, rewrap=False)

    assert facts(root) == before


def test_half_written_files_are_no_obstacle(root: Path, template: Path) -> None:
    (root / "wallets" / ".x.json.0011.tmp").write_text("half")
    vault = vault_of(root)
    vault.unlock(OLD)
    vault.change_password(NEW, None, rewrap=False)
    require_whole(root, NEW, template)


@pytest.mark.parametrize("damaged", [f"wallets/{EVM_ID}.json", "secrets/totp.json"])
def test_a_keystore_damaged_since_it_was_opened_is_not_carried_over(
    root: Path, damaged: str
) -> None:
    vault = vault_of(root)
    vault.unlock(OLD)
    path = root / damaged
    path.write_bytes(path.read_bytes().replace(b'"nonce": "', b'"nonce": "0', 1))
    before = facts(root)

    with pytest.raises(KeystoreError) as caught:
        vault.change_password(NEW, None, rewrap=False)

    assert caught.value.code is Code.KEYSTORE_CORRUPTED
    assert facts(root) == before


def test_a_wallet_that_is_missing_since_it_was_opened_stops_the_change(root: Path) -> None:
    vault = vault_of(root)
    vault.unlock(OLD)
    (root / "wallets" / f"{EVM_ID}.json").unlink()
    before = facts(root)

    with pytest.raises(KeystoreError, match="not those of the old keystore"):
        vault.change_password(NEW, None, rewrap=False)

    assert facts(root) == before
    assert refusal(vault_of(root), NEW) is Code.WRONG_PASSWORD


def test_a_place_that_cannot_be_written_is_an_answer(root: Path, template: Path) -> None:
    vault = vault_of(root)
    vault.unlock(OLD)
    swap.next_to(root).write_text("in the way")

    with pytest.raises(KeystoreError, match="the old one stays in force") as caught:
        vault.change_password(NEW, None, rewrap=False)

    assert caught.value.code is Code.INTERNAL_ERROR
    swap.next_to(root).unlink()
    require_whole(root, OLD, template)


def walked(template: Path, out: Path, way: str) -> Iterator[Path]:
    command = [sys.executable, "-m", "tests.support.crash_walk", str(template), str(out), way]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    steps = int(done.stdout)
    assert steps > 60
    for step in range(1, steps + 2):
        yield out / f"{step:04}" / "keystore"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("way", ["exchange", "renames"])
def test_a_crash_at_any_step_leaves_the_old_keystore_or_the_new_one(
    template: Path, tmp_path: Path, way: str
) -> None:
    tmp_path.chmod(0o700)
    opened_by: list[str] = []
    for root in walked(template, tmp_path, way):
        vault = vault_of(root)
        password = OLD if _opens(vault, OLD) else NEW
        require_whole(root, password, template)
        opened_by.append(password)

    changes = [one != other for one, other in itertools.pairwise(opened_by)]
    assert opened_by[0] == OLD
    assert opened_by[-1] == NEW
    assert sum(changes) == 1  # once over, never back


def _opens(vault: Vault, password: str) -> bool:
    try:
        vault.verify_password(password)
    except KeystoreError:
        return False
    return True
