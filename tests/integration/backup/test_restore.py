"""What a restore puts in place, what it refuses, and that a refusal changes nothing."""

import asyncio
import shutil
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.backup.directory import PASSWORD, Directory
from wallet.bootstrap.backup import opened
from wallet.bootstrap.backup_note import read_note
from wallet.bootstrap.place import take_lock
from wallet.bootstrap.restore import drill, restore
from wallet.errors import Code, WalletError
from wallet.keystore import swap
from wallet.persistence.anchor import AnchorFile
from wallet.settings import Secret
from wallet.signer.offline import OfflineVault

NEW = "quite another password"


@pytest.fixture
def file(directory: Directory) -> Path:
    return directory.backs_up().file


def refusal(directory: Directory, file: Path, password: str = PASSWORD, **how: bool) -> Code:
    """Why nothing was restored; and nothing was."""
    before, beside = directory.files(), set(directory.home.parent.iterdir())
    with pytest.raises(WalletError) as caught:
        directory.restores(file, password, **how)
    assert directory.files() == before
    assert set(directory.home.parent.iterdir()) == beside
    return caught.value.code


@pytest.mark.parametrize("way", ["exchange", "renames"])
def test_the_backup_takes_the_place_and_the_old_directory_stays(
    directory: Directory,
    file: Path,
    more_wallets: Callable[[str, int], None],
    monkeypatch: pytest.MonkeyPatch,
    way: str,
) -> None:
    if way == "renames":
        monkeypatch.setattr(swap, "exchange", lambda *_: False)
    more_wallets("second", 2)
    old = directory.files()

    done = directory.restores(file)

    assert done.home == directory.home
    assert done.kept is not None
    left = Directory(done.kept).files()
    assert b"took it out of its place" in left.pop("behind")
    assert left == old
    assert done.kept.name.startswith("data.before-restore-20")
    assert [wallet.name for wallet in done.proof.wallets] == ["first"]
    found = directory.files()
    assert {"anchor", "HALT", "daemon.json"}.isdisjoint(found)
    assert b"restored from the backup of 20" in found["behind"]
    assert AnchorFile(directory.home).suspicion() is not None
    note = read_note(directory.home)
    assert note is not None
    assert note.created_at == done.manifest.created_at // 1000
    assert {p.name for p in directory.home.parent.iterdir()} == {
        "data",
        "x.backup",
        done.kept.name,
    }
    assert directory.home.stat().st_mode & 0o777 == 0o700
    assert done.kept != directory.restores(file).kept  # also in the same second


@pytest.mark.parametrize("made", [False, True])
def test_into_a_new_directory_or_an_empty_one(file: Path, tmp_path: Path, made: bool) -> None:
    home = tmp_path / "new"
    if made:
        home.mkdir(mode=0o700)
    done = restore(file, Secret(PASSWORD), home, replace=False, accept_changed_log=False)
    assert done.kept is None
    assert len(done.proof.keys) == 1
    assert (home / "behind").exists()


def test_a_link_to_the_directory_stays_a_link(
    directory: Directory, file: Path, tmp_path: Path
) -> None:
    link = tmp_path / "link"
    link.symlink_to(directory.home)
    done = restore(file, Secret(PASSWORD), link, replace=True, accept_changed_log=False)
    assert link.is_symlink()
    assert done.home == directory.home
    assert (link / "behind").exists()


def test_what_is_there_is_not_replaced_unasked(directory: Directory, file: Path) -> None:
    assert refusal(directory, file, replace=False) is Code.ALREADY_INITIALISED


def test_not_while_a_daemon_runs_there(directory: Directory, file: Path) -> None:
    with ExitStack() as stack:
        take_lock(directory.home, stack)
        assert refusal(directory, file) is Code.DAEMON_ALREADY_RUNNING


def test_a_wrong_password_and_a_damaged_file_are_told_apart(
    directory: Directory, file: Path, tmp_path: Path
) -> None:
    assert refusal(directory, file, "not the password") is Code.WRONG_PASSWORD
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 1
    file.write_bytes(raw)
    assert refusal(directory, file) is Code.BACKUP_DAMAGED
    raw[15] = 2
    file.write_bytes(raw)
    assert refusal(directory, file) is Code.BACKUP_UNSUPPORTED
    file.write_bytes(b"")
    assert refusal(directory, file) is Code.BACKUP_DAMAGED
    file.unlink()
    assert refusal(directory, file) is Code.VALIDATION_ERROR


def test_a_place_that_is_in_use_is_not_taken(directory: Directory, file: Path) -> None:
    (directory.home.parent / "data.restoring").mkdir()
    assert refusal(directory, file) is Code.STORAGE_BUSY


def test_a_changed_audit_log_is_backed_up_and_restored_only_if_that_is_known(
    directory: Directory,
) -> None:
    directory.writes("DROP TRIGGER audit_refuses_update")
    directory.writes("UPDATE audit SET actor = 'nobody' WHERE number = 2")
    made = directory.backs_up()
    assert made.proof.audit_fault == "row 2 does not fit its hash"
    assert refusal(directory, made.file) is Code.BACKUP_UNSOUND
    assert drill(made.file, Secret(PASSWORD)).proof.audit_fault == made.proof.audit_fault

    done = directory.restores(made.file, accept_changed_log=True)

    assert done.proof.audit_fault == made.proof.audit_fault
    assert (directory.home / "behind").exists()


async def _changes_password(home: Path) -> None:
    vault = await OfflineVault.start(home / "keystore")
    try:
        await vault.unlock(PASSWORD)
        await vault.change_password(NEW, profile=None, rewrap=False)
    finally:
        await vault.close()


def test_a_backup_keeps_the_password_of_its_day(directory: Directory, file: Path) -> None:
    asyncio.run(_changes_password(directory.home))
    assert refusal(directory, file, NEW) is Code.WRONG_PASSWORD
    assert directory.backs_up(directory.home.parent / "new.backup", NEW).proof.keys
    done = directory.restores(file)
    assert len(done.proof.keys) == 1


def test_a_drill_tells_what_would_be_there_and_leaves_nothing(
    directory: Directory, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = tmp_path / "tmp"
    room.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(room))
    before, beside = directory.files(), set(tmp_path.iterdir())

    found = drill(file, Secret(PASSWORD))

    assert (found.home, found.kept) == (None, None)
    assert [key.address for key in found.proof.keys] == [found.proof.wallets[0].address]
    assert found.proof.contents.transactions == 0
    assert found.proof.contents.audit == found.manifest.audit
    with pytest.raises(WalletError):
        drill(file, Secret("not the password"))
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(WalletError):
        drill(file, Secret(PASSWORD))
    assert list(room.iterdir()) == []
    assert directory.files() == before
    assert set(tmp_path.iterdir()) == beside


def test_what_stands_in_the_way_is_an_answer(
    directory: Directory, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A directory that cannot be renamed, as a mount point: nothing changes and nothing is left."""

    def busy(*_: object) -> bool:
        raise OSError(16, "Device or resource busy", str(directory.home))

    monkeypatch.setattr(swap, "exchange", busy)
    assert refusal(directory, file) is Code.VALIDATION_ERROR


def test_a_failure_after_the_exchange_never_deletes_the_old_directory(
    directory: Directory, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = directory.files()
    truly = swap.exchange

    def exchanged(one: Path, other: Path) -> bool:
        assert truly(one, other)
        raise OSError(5, "Input/output error", str(other))

    monkeypatch.setattr(swap, "exchange", exchanged)
    with pytest.raises(WalletError):
        directory.restores(file)

    assert Directory(directory.home.parent / "data.restoring").files() == old
    assert (directory.home / "behind").exists()


def test_a_copy_of_another_file_system_is_as_good(file: Path, tmp_path: Path) -> None:
    """Nothing of a backup hangs on modes, names or times of its file."""
    other = Path(shutil.copyfile(file, tmp_path / "renamed"))
    other.chmod(0o644)
    target = tmp_path / "target"
    target.mkdir(mode=0o700)
    assert opened(other, PASSWORD, target).database == "waiaas.db"
