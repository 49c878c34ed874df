"""A keystore with a root opens for ever, and its subkeys come from where the description says."""

import hashlib
import json
from pathlib import Path
from typing import Any

from argon2.low_level import Type, hash_secret_raw

from tests.vectors.test_keystore_v2 import unseal
from wallet.keystore.files import write_private
from wallet.signer.vault import Vault

VECTOR = json.loads(Path(__file__).with_name("keystore_v2_root.json").read_text())
FILES: dict[str, str] = VECTOR["files"]
EXPECTED: dict[str, Any] = VECTOR["expected"]


def derived(key: bytes, purpose: str) -> bytes:
    return hashlib.blake2b(
        purpose.encode(), key=key, person=b"waiaas/subkey/2", digest_size=32
    ).digest()


def test_the_root_is_a_secret_under_the_data_key() -> None:
    header = json.loads(FILES["header.json"])
    kdf = header["kdf"]
    output = hash_secret_raw(
        VECTOR["password"].encode(), bytes.fromhex(kdf["salt"]),
        kdf["time_cost"], kdf["memory_kib"], kdf["parallelism"], 64, Type.ID,
    )  # fmt: skip
    data_key = unseal(output[:32], "header", header, "wrapped_key")
    body = json.loads(FILES["secrets/root.json"])
    root = unseal(derived(data_key, "secret-seal"), "secret", body, "sealed")

    assert data_key.hex() == EXPECTED["data_key"]
    assert root.hex() == EXPECTED["root"]
    assert len(root) == 32
    assert EXPECTED["subkeys"] == {
        "row_mac": derived(root, "row-mac").hex(),
        "audit": derived(root, "audit").hex(),
        "jwt": derived(root, "jwt").hex(),
        "permit": derived(data_key, "permit").hex(),
    }


def test_the_product_opens_it(tmp_path: Path) -> None:
    root = tmp_path / "keystore"
    for directory in (root, root / "wallets", root / "secrets"):
        directory.mkdir(mode=0o700)
    for name, text in FILES.items():
        write_private(root / name, text.encode())
    vault = Vault(root, lambda: 1_800_000_000_000)

    assert vault.unlock(VECTOR["password"]).to_hex() == EXPECTED["subkeys"]
    assert [wallet.address for wallet in vault.status().wallets] == [EXPECTED["address"]]
