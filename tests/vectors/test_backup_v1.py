"""A backup of today opens for ever, and the description of its format is what the product reads."""

import base64
import hashlib
import io
import json
from pathlib import Path

import pytest

from tests.vectors import make_backup_v1 as maker
from wallet.keystore.archive import unpack
from wallet.keystore.sealed_stream import SealedReader

FILE = Path(__file__).with_name("backup_v1.json")
VECTOR = json.loads(FILE.read_text())


@pytest.fixture(scope="module")
def long_file() -> bytes:
    return maker.backup(maker.ABOUT, maker.files(maker.LONG_DATABASE))


def unpacked(raw: bytes, target: Path) -> dict[str, bytes]:
    target.mkdir(mode=0o700)
    manifest = unpack(SealedReader(io.BytesIO(raw), VECTOR["password"]), target)
    assert manifest.audit == (42, "0f" * 32)
    assert manifest.keystore_id == VECTOR["keystore_id"]
    return {
        str(path.relative_to(target)): path.read_bytes()
        for path in target.rglob("*")
        if path.is_file()
    }


def test_the_vector_is_what_its_maker_makes(long_file: bytes) -> None:
    short = maker.backup(maker.ABOUT, maker.files(maker.SHORT_DATABASE))
    assert base64.b64decode(VECTOR["file"]) == short
    assert (len(long_file), hashlib.sha256(long_file).hexdigest()) == (
        VECTOR["long_file_bytes"],
        VECTOR["long_file_sha256"],
    )


def test_the_product_opens_it(tmp_path: Path, long_file: bytes) -> None:
    short = base64.b64decode(VECTOR["file"])
    assert unpacked(short, tmp_path / "short") == maker.files(maker.SHORT_DATABASE)
    assert unpacked(long_file, tmp_path / "long") == maker.files(maker.LONG_DATABASE)
