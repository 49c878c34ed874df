"""Keystore files of format version 2 open for ever, and the format is what its description says."""

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest
from argon2.low_level import Type, hash_secret_raw
from eth_account import Account
from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_decrypt as decrypt
from solders.keypair import Keypair

from wallet.keystore import format as fmt
from wallet.keystore import seal
from wallet.keystore.files import write_private
from wallet.keystore.subkeys import Subkeys
from wallet.signer.vault import Vault

VECTOR = json.loads(Path(__file__).with_name("keystore_v2.json").read_text())
FILES: dict[str, str] = VECTOR["files"]
EXPECTED: dict[str, Any] = VECTOR["expected"]
WALLETS = sorted(EXPECTED["secrets"])


def canonical(body: dict[str, Any], *without: str) -> bytes:
    kept = {name: value for name, value in body.items() if name not in without}
    return json.dumps(kept, sort_keys=True, separators=(",", ":")).encode()


def unseal(key: bytes, domain: str, body: dict[str, Any], name: str) -> bytes:
    data = f"waiaas/keystore/2/{domain}\0".encode() + canonical(body, name, "checksum")
    box = body[name]
    return decrypt(bytes.fromhex(box["ciphertext"]), data, bytes.fromhex(box["nonce"]), key)


def purpose(name: str) -> bytes:
    data_key = bytes.fromhex(EXPECTED["data_key"])
    return hashlib.blake2b(
        name.encode(), key=data_key, person=b"waiaas/subkey/2", digest_size=32
    ).digest()


def test_the_header_is_what_the_description_says() -> None:
    header = json.loads(FILES["header.json"])
    kdf = header["kdf"]
    salt = bytes.fromhex(kdf["salt"])
    output = hash_secret_raw(
        VECTOR["password"].encode(),
        salt,
        kdf["time_cost"],
        kdf["memory_kib"],
        kdf["parallelism"],
        64,
        Type.ID,
    )

    check = hmac.new(output[32:], b"waiaas/keystore/2/password\0" + salt, "sha256").hexdigest()
    assert check == header["password_check"]
    assert unseal(output[:32], "header", header, "wrapped_key").hex() == EXPECTED["data_key"]
    assert hashlib.sha256(canonical(header, "checksum")).hexdigest() == header["checksum"]


def test_subkeys_are_what_the_description_says() -> None:
    purposes = {"row_mac": "row-mac", "audit": "audit", "jwt": "jwt", "permit": "permit"}
    assert {name: purpose(word).hex() for name, word in purposes.items()} == EXPECTED["subkeys"]
    assert Subkeys.derive(bytes.fromhex(EXPECTED["data_key"])).to_hex() == EXPECTED["subkeys"]


@pytest.mark.parametrize("wallet_id", WALLETS)
def test_wallet_files_are_what_the_description_says(wallet_id: str) -> None:
    body = json.loads(FILES[f"wallets/{wallet_id}.json"])
    secret = unseal(purpose("wallet-seal"), "wallet", body, "sealed")

    assert secret.hex() == EXPECTED["secrets"][wallet_id]
    if body["chain"] == "ethereum":
        address = Account.from_key(secret).address
    else:
        address = str(Keypair.from_seed(secret).pubkey())
    assert body["address"] == address == EXPECTED["addresses"][wallet_id]


def test_secret_files_are_what_the_description_says() -> None:
    body = json.loads(FILES["secrets/totp.json"])
    plain = unseal(purpose("secret-seal"), "secret", body, "sealed")
    assert plain.decode() == EXPECTED["totp"]


@pytest.mark.parametrize("name", sorted(FILES))
def test_the_text_of_a_file_never_changes(name: str) -> None:
    parsers = {"header.json": fmt.parse_header, "wallets": fmt.parse_wallet}
    parse: Any = parsers.get(name.partition("/")[0], fmt.parse_secret)
    assert parse(FILES[name].encode(), name).to_text() == FILES[name].encode()


def test_the_product_opens_the_files(tmp_path: Path) -> None:
    root = tmp_path / "keystore"
    for directory in (root, root / "wallets", root / "secrets"):
        directory.mkdir(mode=0o700)
    for name, text in FILES.items():
        write_private(root / name, text.encode())
    vault = Vault(root, lambda: 1_800_000_000_000)

    subkeys = vault.unlock(VECTOR["password"])

    assert subkeys.to_hex() == EXPECTED["subkeys"]
    wallets = vault.status().wallets
    assert {wallet.wallet_id: wallet.address for wallet in wallets} == EXPECTED["addresses"]
    header = fmt.parse_header(FILES["header.json"].encode(), "header.json")
    assert seal.open_header(header, VECTOR["password"], "f").hex() == EXPECTED["data_key"]
