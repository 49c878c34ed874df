"""A private directory and a cheap header for the keystore's own tests."""

from pathlib import Path

import pytest

from wallet.keystore import profiles, seal
from wallet.keystore.files import KeystoreFiles
from wallet.keystore.format import DEFAULT_BOT_API_URL, Header
from wallet.keystore.profiles import Kind

PASSWORD = "correct horse battery staple"
KEYSTORE_ID = "7c5d2f0e-6a4b-4c3d-9e1f-0a1b2c3d4e5f"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    tmp_path.chmod(0o700)
    return tmp_path / "keystore"


@pytest.fixture
def files(root: Path) -> KeystoreFiles:
    return KeystoreFiles(root)


@pytest.fixture
def password() -> str:
    return PASSWORD


@pytest.fixture(scope="session")
def header() -> Header:
    draft = seal.HeaderDraft(
        kind=Kind.SANDBOX,
        keystore_id=KEYSTORE_ID,
        created_at=1_800_000_000_000,
        bot_api_url=DEFAULT_BOT_API_URL,
        kdf=profiles.CHEAPEST,
    )
    return seal.new_header(draft, PASSWORD)
