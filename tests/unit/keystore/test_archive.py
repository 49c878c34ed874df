"""What comes out of a backup is exactly what its list says, under names that we know, and inside one directory."""

import hashlib
import io
import json
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet.errors import Code, KeystoreError
from wallet.keystore.archive import entry_of, pack, unpack
from wallet.keystore.manifest import HEADER, Entry, Manifest, parse_manifest, require_expected
from wallet.keystore.profiles import CHEAPEST, Kind
from wallet.keystore.sealed_stream import SealedReader, SealedWriter

PASSWORD = "correct horse battery staple"
WALLET = "keystore/wallets/0190b5a0-0000-7000-8000-000000000001.json"
FILES = {
    "bot_token": b"1:token\n",
    "choices.json": b"{}\n",
    "config.toml": b"",
    "keystore/header.json": b"{}",
    "keystore/secrets/totp.pending.json": b"{}",
    WALLET: b"{}",
    "kind": b"sandbox\n",
    "waiaas.db": bytes(3_000_000),
}


def listed(files: dict[str, bytes]) -> Manifest:
    return Manifest(
        product="0.1.0",
        created_at=1_800_000_000_000,
        kind=Kind.SANDBOX,
        keystore_id="7c5d2f0e-6a4b-4c3d-9e1f-0a1b2c3d4e5f",
        audit=(7, "ab" * 32),
        entries=tuple(
            Entry(name, len(data), hashlib.sha256(data).hexdigest())
            for name, data in sorted(files.items())
        ),
    )


def sealed(manifest: bytes, rest: bytes, kind: Kind = Kind.SANDBOX) -> io.BytesIO:
    """A well sealed file, whatever is in it: what somebody with the password can make."""
    file = io.BytesIO()
    writer = SealedWriter(file, PASSWORD, kind, CHEAPEST)
    writer.write(len(manifest).to_bytes(4) + manifest + rest)
    writer.finish()
    file.seek(0)
    return file


def contents(files: dict[str, bytes]) -> bytes:
    return b"".join(data for _, data in sorted(files.items()))


def refused(file: io.BytesIO, root: Path) -> None:
    root.mkdir(mode=0o700, parents=True)
    with pytest.raises(KeystoreError) as caught:
        unpack(SealedReader(file, PASSWORD), root)
    assert caught.value.code is Code.BACKUP_DAMAGED


def test_what_was_packed_is_unpacked_for_its_owner_alone(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    for name, data in FILES.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(data)
    manifest = listed(FILES)
    assert tuple(entry_of(source, one.name) for one in manifest.entries) == manifest.entries
    file = io.BytesIO()
    pack(SealedWriter(file, PASSWORD, Kind.SANDBOX, CHEAPEST), source, manifest)
    file.seek(0)
    target.mkdir(mode=0o700)

    assert unpack(SealedReader(file, PASSWORD), target) == manifest

    found = {p for p in target.rglob("*") if p.is_file()}
    assert {str(p.relative_to(target)): p.read_bytes() for p in found} == FILES
    assert {stat.S_IMODE(p.stat().st_mode) for p in found} == {0o600}
    folders = {stat.S_IMODE(p.stat().st_mode) for p in target.rglob("*") if p.is_dir()}
    assert folders == {0o700}
    assert manifest.database == "waiaas.db"
    assert manifest.wallet_ids == [Path(WALLET).stem]


@pytest.mark.parametrize(
    "name",
    [
        "../escaped.db", "/tmp/escaped.db", "keystore/wallets/../../../x.json", "keystore/./header.json",
        "keystore/wallets/x.json", "keystore/secrets/.hidden.json", "keystore/secrets/a/b.json", "sub/waiaas.db",
        ".db", "anchor", "behind", "HALT", "daemon.lock", "daemon.json", "owner.sock", "waiaas.db-wal", "KIND", "",
        "keystore", "kind\n", "waiaas.db\n", "..", "config.toml/x",
    ],
)  # fmt: skip
def test_no_other_name_is_taken(tmp_path: Path, name: str) -> None:
    files = {one: data for one, data in FILES.items() if one != "bot_token"} | {name: b"mine"}
    refused(sealed(listed(files).to_bytes(), contents(files)), tmp_path / "in" / "target")
    assert {p.name for p in tmp_path.rglob("*")} <= {"in", "target", "keystore", "wallets", "secrets"}  # fmt: skip


@given(st.text(max_size=60))
def test_any_text_is_no_name_of_ours(name: str) -> None:
    entries = [*listed(FILES).entries, Entry(name, 0, "00" * 32)]
    with pytest.raises(KeystoreError):
        require_expected(sorted(entries, key=lambda one: one.name))


@pytest.mark.parametrize("missing", [HEADER, "kind", "waiaas.db"])
def test_what_a_directory_cannot_be_without_must_be_there(tmp_path: Path, missing: str) -> None:
    files = {name: data for name, data in FILES.items() if name != missing}
    refused(sealed(listed(files).to_bytes(), contents(files)), tmp_path / "target")


def test_one_database_and_no_second(tmp_path: Path) -> None:
    files = {**FILES, "other.db": b""}
    refused(sealed(listed(files).to_bytes(), contents(files)), tmp_path / "target")


@pytest.mark.parametrize("change", [-1, 1])
def test_the_bytes_are_as_many_as_the_list_says(tmp_path: Path, change: int) -> None:
    rest = contents(FILES)
    bent = rest[:change] if change < 0 else rest + bytes(change)
    refused(sealed(listed(FILES).to_bytes(), bent), tmp_path / "target")


def test_a_size_without_end_is_refused_before_it_is_written(tmp_path: Path) -> None:
    manifest = listed(FILES)
    entries = tuple(
        replace(one, size=2**50) if one.name == "bot_token" else one for one in manifest.entries
    )
    refused(sealed(replace(manifest, entries=entries).to_bytes(), contents(FILES)), tmp_path / "a")
    assert not (tmp_path / "a" / "bot_token").exists()


def test_other_contents_than_listed_are_noticed(tmp_path: Path) -> None:
    rest = bytearray(contents(FILES))
    rest[0] ^= 1
    refused(sealed(listed(FILES).to_bytes(), bytes(rest)), tmp_path / "target")


def test_inside_and_outside_are_of_one_kind(tmp_path: Path) -> None:
    bent = replace(listed(FILES), kind=Kind.PRODUCTION)
    refused(sealed(bent.to_bytes(), contents(FILES)), tmp_path / "target")


def test_a_list_without_end_is_refused(tmp_path: Path) -> None:
    file = io.BytesIO()
    writer = SealedWriter(file, PASSWORD, Kind.SANDBOX, CHEAPEST)
    writer.write((2**32 - 1).to_bytes(4))
    writer.finish()
    file.seek(0)
    refused(file, tmp_path / "target")


BODY: dict[str, Any] = json.loads(listed(FILES).to_bytes())


CHANGES: list[dict[str, Any]] = [
    {"version": 2},
    {"more": 1},
    {"kind": "other"},
    {"audit": []},
    {"audit": {"number": -1, "head": "ab" * 32}},
    {"audit": {"number": True, "head": "ab" * 32}},
    {"audit": {"number": 1, "head": "AB" * 32}},
    {"created_at": 1.5},
    {"product": "a\nb"},
    {"files": [*BODY["files"], BODY["files"][-1]]},
    {"files": BODY["files"][::-1]},
    {"files": [{"name": 1, "size": 1, "sha256": "00" * 32}]},
    {"files": None},
]


@pytest.mark.parametrize(
    "bent",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"{" * 100_000,
        json.dumps(BODY).encode(),  # not canonical
        *(
            json.dumps(BODY | change, sort_keys=True, separators=(",", ":")).encode()
            for change in CHANGES
        ),
    ],
)
def test_a_list_that_we_would_not_have_written_is_refused(bent: bytes) -> None:
    with pytest.raises(KeystoreError) as caught:
        parse_manifest(bent)
    assert caught.value.code is Code.BACKUP_DAMAGED


@given(st.binary(max_size=200))
def test_any_bytes_are_no_list(raw: bytes) -> None:
    with pytest.raises(KeystoreError):
        parse_manifest(raw)
