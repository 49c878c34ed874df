"""`waiaas doctor` on backups: whether there is one, how old it is, and whether it holds every key."""

import time
from pathlib import Path

import pytest

from wallet.bootstrap.backup_note import NOTE, read_note, write_note
from wallet.cli.checks import BACKUP_SECONDS, backup_checks
from wallet.keystore.manifest import Entry, Manifest
from wallet.keystore.profiles import Kind

OLD = "0190b5a0-0000-7000-8000-000000000001"
YOUNG = "0190b5a0-0000-7000-8000-000000000002"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """As far as this check looks: a production directory with one key."""
    tmp_path.chmod(0o700)
    (tmp_path / "keystore" / "wallets").mkdir(parents=True)
    (tmp_path / "keystore" / "header.json").write_text("{}")
    (tmp_path / "kind").write_text("production\n")
    adds_key(tmp_path, OLD)
    return tmp_path


def adds_key(home: Path, wallet_id: str) -> None:
    (home / "keystore" / "wallets" / f"{wallet_id}.json").write_text("{}")


def notes(home: Path, seconds_ago: int) -> None:
    manifest = Manifest(
        product="0.1.0",
        created_at=(int(time.time()) - seconds_ago) * 1000,
        kind=Kind.PRODUCTION,
        keystore_id="7c5d2f0e-6a4b-4c3d-9e1f-0a1b2c3d4e5f",
        audit=(7, "ab" * 32),
        entries=(Entry(f"keystore/wallets/{OLD}.json", 2, "00" * 32),),
    )
    write_note(home, manifest)


def told(home: Path) -> tuple[str, str]:
    (found,) = backup_checks(home)
    assert found.check == "backup"
    assert (found.fix is None) == (found.status == "OK")
    return found.status, found.message


def test_without_a_backup_it_says_so(home: Path) -> None:
    assert told(home) == ("WARN", "There is no backup that `waiaas backup` made.")
    (home / NOTE).write_text("[]")
    assert told(home)[0] == "WARN"


def test_a_young_backup_of_every_key_is_well(home: Path) -> None:
    notes(home, 3 * 86_400 + 60)
    assert told(home) == ("OK", "The last backup is 3 days old and holds every key.")
    found = read_note(home)
    assert found is not None
    assert found.wallet_ids == {OLD}


def test_a_key_that_is_in_none_is_named_as_such(home: Path) -> None:
    notes(home, 86_400)
    adds_key(home, YOUNG)
    assert told(home) == ("WARN", "The last backup is 1 day old, and one key is not in it.")


def test_an_old_backup_has_forgotten_much(home: Path) -> None:
    notes(home, BACKUP_SECONDS + 60)
    status, message = told(home)
    assert status == "WARN"
    assert "30 days old" in message


def test_a_sandbox_needs_none(home: Path) -> None:
    (home / "kind").write_text("sandbox\n")
    assert list(backup_checks(home)) == []
    assert list(backup_checks(home / "nowhere")) == []
