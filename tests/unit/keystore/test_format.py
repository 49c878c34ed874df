"""Keystore text is canonical, complete and strict."""

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet.errors import Code, KeystoreError
from wallet.keystore import format as fmt
from wallet.keystore.format import Header, Sealed, SecretFile, WalletFile

WALLET = WalletFile(
    keystore_id="7c5d2f0e-6a4b-4c3d-9e1f-0a1b2c3d4e5f",
    wallet_id="0190b5a0-0000-7000-8000-000000000001",
    chain="solana",
    network="solana-devnet",
    address="So11111111111111111111111111111111111111112",
    public_key="ab" * 32,
    created_at=1,
    sealed=Sealed(bytes(24), bytes(48)),
)
SECRET = SecretFile(
    keystore_id=WALLET.keystore_id, name="totp", created_at=1, sealed=Sealed(bytes(24), bytes(40))
)


def reason(call: Any, *args: Any) -> str:
    with pytest.raises(KeystoreError) as caught:
        call(*args)
    assert caught.value.code is Code.KEYSTORE_CORRUPTED
    assert "some/file" in caught.value.message
    assert caught.value.details == {"file": "some/file"}
    return caught.value.message


def test_files_survive_a_round_trip(header: Header) -> None:
    assert fmt.parse_header(header.to_text(), "f") == header
    assert fmt.parse_wallet(WALLET.to_text(), "f") == WALLET
    assert fmt.parse_secret(SECRET.to_text(), "f") == SECRET


def test_every_fact_outside_the_ciphertext_is_associated_data(header: Header) -> None:
    for thing in (header, WALLET, SECRET):
        facts = json.loads(thing.associated_data().split(b"\0", 1)[1])
        text = json.loads(thing.to_text())
        outside = {k: v for k, v in text.items() if k not in {"checksum", "sealed", "wrapped_key"}}
        assert facts == outside


def test_the_kinds_of_file_cannot_stand_for_each_other() -> None:
    domains = {thing.associated_data().split(b"\0")[0] for thing in (WALLET, SECRET)}
    assert len(domains) == 2


@pytest.mark.parametrize("missing", sorted(json.loads(WALLET.to_text())))
def test_a_wallet_file_without_a_field_is_damaged(missing: str) -> None:
    body = json.loads(WALLET.to_text())
    del body[missing]
    reason(fmt.parse_wallet, json.dumps(body).encode(), "some/file")


def test_every_missing_header_field_is_damage(header: Header) -> None:
    for missing in json.loads(header.to_text()):
        body = json.loads(header.to_text())
        del body[missing]
        reason(fmt.parse_header, json.dumps(body).encode(), "some/file")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("wallet_id", "../../etc/passwd"),
        ("wallet_id", "0190B5A0-0000-7000-8000-000000000001"),
        ("keystore_id", ""),
        ("created_at", 1.0),
        ("created_at", True),
        ("chain", None),
        ("sealed", {"nonce": "00" * 24, "ciphertext": "00" * 47}),
        ("sealed", {"nonce": "0", "ciphertext": "00" * 48}),
        ("sealed", {"nonce": "zz" * 24, "ciphertext": "00" * 48}),
        ("sealed", []),
        ("version", 1),
        ("version", "2"),
        ("unknown", "field"),
    ],
)
def test_a_field_that_is_not_as_written_is_damage(field: str, value: Any) -> None:
    body = json.loads(WALLET.to_text()) | {field: value}
    text = json.dumps(body, sort_keys=True, indent=2).encode() + b"\n"
    reason(fmt.parse_wallet, text, "some/file")


def test_reformatting_a_file_is_damage() -> None:
    compact = json.dumps(json.loads(WALLET.to_text())).encode()
    assert "bytes" in reason(fmt.parse_wallet, compact, "some/file")
    reason(fmt.parse_wallet, WALLET.to_text() + b"\n", "some/file")
    reason(fmt.parse_secret, SECRET.to_text()[:-1], "some/file")


def _edited(header: Header, **changes: Any) -> bytes:
    """A header edited by somebody who knows how to renew the checksum."""
    body = json.loads(header.to_text())
    del body["checksum"]
    body |= {k: v for k, v in changes.items() if k != "kdf"}
    body["kdf"] |= changes.get("kdf", {})
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
    body["checksum"] = hashlib.sha256(canonical).hexdigest()
    return json.dumps(body, sort_keys=True, indent=2).encode() + b"\n"


def test_a_header_with_dear_parameters_never_reaches_argon2(header: Header) -> None:
    text = _edited(header, kdf={"memory_kib": 2**31})
    with pytest.raises(KeystoreError) as caught:
        fmt.parse_header(text, "some/file")
    assert caught.value.code is Code.KEYSTORE_CORRUPTED
    assert caught.value.details == {"file": "some/file"}


def test_a_cheap_header_that_calls_itself_production_is_refused(header: Header) -> None:
    with pytest.raises(KeystoreError) as caught:
        fmt.parse_header(_edited(header, kind="production"), "some/file")
    assert caught.value.code is Code.KEYSTORE_KIND


def test_another_kind_or_kdf_name_is_damage(header: Header) -> None:
    reason(fmt.parse_header, _edited(header, kind="staging"), "some/file")
    reason(fmt.parse_header, _edited(header, kdf={"name": "scrypt"}), "some/file")


@given(st.binary(max_size=300))
def test_noise_is_damage_and_never_a_crash(noise: bytes) -> None:
    for parse in (fmt.parse_header, fmt.parse_wallet, fmt.parse_secret):
        reason(parse, noise, "some/file")


@pytest.mark.parametrize("text", [b"[" * 100_000, b"\xff", b"[]", b"null", b"{}", b"NaN"])
def test_json_that_is_no_keystore_is_damage(text: bytes) -> None:
    reason(fmt.parse_wallet, text, "some/file")


def test_secrets_do_not_show_in_a_repr(header: Header) -> None:
    assert header.wrapped_key.ciphertext.hex() not in repr(header)
    assert "ciphertext" not in repr(WALLET)
