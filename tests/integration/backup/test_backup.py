"""What goes into a backup, beside what, and when there is none."""

import asyncio
import fcntl
import os
import shutil
import sqlite3
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path

import pytest

from tests.integration.backup.directory import PASSWORD, Directory
from wallet.bootstrap.backup import make_backup, opened
from wallet.bootstrap.backup_note import read_note
from wallet.bootstrap.place import take_lock
from wallet.bootstrap.world import SystemClock, SystemIds
from wallet.domain.facts import Fact
from wallet.errors import Code, WalletError
from wallet.keystore import swap
from wallet.persistence.database import Database
from wallet.settings import Secret, load
from wallet.wire.policies import parse_rule


def refusal(directory: Directory, to: Path | None = None, password: str = PASSWORD) -> Code:
    """Why there is no backup; and there is none, nor anything of one, and the directory is as it was."""
    before, beside = directory.files(), set(directory.home.parent.iterdir())
    with pytest.raises(WalletError) as caught:
        directory.backs_up(to, password)
    assert directory.files() == before
    assert set(directory.home.parent.iterdir()) == beside
    return caught.value.code


@asynccontextmanager
async def running(directory: Directory) -> AsyncIterator[Database]:
    """The lock and the database as a daemon holds them."""
    async with AsyncExitStack() as stack:
        take_lock(directory.home, stack)
        database = await Database.open(
            directory.database,
            ids=SystemIds(),
            clock=SystemClock(),
            parse_rule=parse_rule,
            audit_key=lambda: None,
            row_key=lambda: None,
        )
        stack.push_async_callback(database.close)
        yield database


async def notes(database: Database) -> int:
    return await database.run(lambda unit: unit.audit.append(Fact.DAEMON_STOPPED, actor="test"))


def test_it_holds_what_a_directory_needs_and_nothing_of_the_moment(
    directory: Directory, tmp_path: Path
) -> None:
    before = directory.files()
    made = directory.backs_up(tmp_path)

    assert made.file.parent == tmp_path
    assert made.file.name.startswith(f"waiaas-{made.manifest.keystore_id[:8]}-20")
    assert stat.S_IMODE(made.file.stat().st_mode) == 0o600
    assert made.size == made.file.stat().st_size
    assert not made.beside_daemon
    assert [wallet.name for wallet in made.proof.wallets] == ["first"]
    assert made.proof.audit_fault is None
    kept = {"bot_token", "choices.json", "config.toml", "kind", "waiaas.db"}
    names = {one.name for one in made.manifest.entries}
    assert {name for name in names if not name.startswith("keystore/")} == kept
    assert len(names - kept) == 3
    after = directory.files()
    assert after.pop("last_backup.json")
    assert after == before
    assert set(tmp_path.iterdir()) == {directory.home, made.file}
    note = read_note(directory.home)
    assert note is not None
    assert note.wallet_ids == set(made.manifest.wallet_ids)
    assert PASSWORD.encode() not in made.file.read_bytes()
    assert b"1:token" not in made.file.read_bytes()


def test_a_file_that_is_there_is_not_touched(directory: Directory, tmp_path: Path) -> None:
    out = tmp_path / "mine"
    out.write_text("mine")
    assert refusal(directory, out) is Code.ALREADY_INITIALISED
    assert out.read_text() == "mine"


def test_another_password_makes_no_backup_that_nobody_could_open(directory: Directory) -> None:
    assert refusal(directory, password="not the password") is Code.WRONG_PASSWORD


async def test_beside_a_running_daemon_it_is_what_was_committed(
    directory: Directory, tmp_path: Path
) -> None:
    """Rows that still stand in the log are in it, and what a writer has not committed is not."""
    async with running(directory) as database:
        number = await notes(database)
        with closing(sqlite3.connect(directory.database, isolation_level=None)) as writer:
            writer.execute("BEGIN IMMEDIATE")
            writer.execute("UPDATE wallets SET name = 'not yet'")
            made = await asyncio.to_thread(directory.backs_up)
            writer.execute("ROLLBACK")
        await notes(database)

    assert made.beside_daemon
    assert made.manifest.audit[0] == number
    assert [wallet.name for wallet in made.proof.wallets] == ["first"]


async def test_while_it_is_written_to_every_copy_is_whole(directory: Directory) -> None:
    async with running(directory) as database:
        seen = []
        writing = True

        async def writes() -> None:
            while writing:
                await notes(database)

        async with asyncio.TaskGroup() as group:
            group.create_task(writes())
            for number in range(2):
                to = directory.home.parent / f"{number}.backup"
                seen.append(await asyncio.to_thread(directory.backs_up, to))
            writing = False

    assert [made.proof.audit_fault for made in seen] == [None, None]
    assert seen[0].manifest.audit[0] < seen[1].manifest.audit[0]


async def test_after_a_crash_the_log_beside_the_database_counts(
    directory: Directory, tmp_path: Path
) -> None:
    dead = Directory(tmp_path / "dead")
    async with running(directory) as database:
        number = await notes(database)
        shutil.copytree(directory.home, dead.home)
    assert (dead.home / "waiaas.db-wal").stat().st_size

    made = await asyncio.to_thread(dead.backs_up)

    assert made.manifest.audit[0] == number


def test_a_change_of_password_that_was_cut_off_is_settled_first(directory: Directory) -> None:
    keystore = directory.home / "keystore"
    keystore.rename(swap.previous_of(keystore))

    assert len(directory.backs_up().proof.keys) == 1


def test_one_at_a_time(directory: Directory) -> None:
    descriptor = os.open(directory.home, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    assert refusal(directory) is Code.STORAGE_BUSY
    os.close(descriptor)
    directory.backs_up()


def test_what_a_dead_backup_left_is_cleared_away(directory: Directory) -> None:
    left = directory.home / "backup.tmp"
    left.mkdir(mode=0o700)
    (left / "source").write_text("half")
    directory.backs_up()
    assert not left.exists()


def drops_key(directory: Directory) -> None:
    next((directory.home / "keystore/wallets").iterdir()).unlink()


def bends_key(directory: Directory) -> None:
    path = next((directory.home / "keystore/wallets").iterdir())
    path.write_bytes(path.read_bytes().replace(b'"nonce": "', b'"nonce": "0', 1))


def loosens_header(directory: Directory) -> None:
    (directory.home / "keystore/header.json").chmod(0o644)


def bends_pages(directory: Directory) -> None:
    size = directory.database.stat().st_size
    with directory.database.open("r+b") as file:
        file.seek(size // 2)
        file.write(b"\xff" * 40_000)


def leaves_rows_astray(directory: Directory) -> None:
    directory.writes("UPDATE policies SET wallet_id = 'nobody'")


def becomes_newer(directory: Directory) -> None:
    directory.writes(
        "INSERT INTO tortoise_migrations (app, name, applied_at) VALUES ('wallet', '9999_new', '2026-01-31')"
    )


def loses_database(directory: Directory) -> None:
    directory.database.unlink()


@pytest.mark.parametrize(
    ("harm", "code"),
    [
        (drops_key, Code.KEYSTORE_CORRUPTED),
        (bends_key, Code.KEYSTORE_CORRUPTED),
        (loosens_header, Code.KEYSTORE_PERMISSIONS),
        (bends_pages, Code.BACKUP_UNSOUND),
        (leaves_rows_astray, Code.BACKUP_UNSOUND),
        (becomes_newer, Code.CONFIG_ERROR),
        (loses_database, Code.NOT_INITIALISED),
    ],
)
def test_what_would_not_restore_is_not_announced_as_a_backup(
    directory: Directory, harm: Callable[[Directory], None], code: Code
) -> None:
    harm(directory)
    assert refusal(directory) is code
    assert read_note(directory.home) is None


@pytest.mark.parametrize("path", ["/elsewhere/waiaas.db", "sub/waiaas.db", "waiaas.sqlite"])
def test_a_directory_that_does_not_hold_its_database_is_told_so(
    directory: Directory, tmp_path: Path, path: str
) -> None:
    settings = load(directory.home, {}, {"database.path": path})
    with pytest.raises(WalletError) as caught:
        make_backup(settings, Secret(PASSWORD), tmp_path)
    assert caught.value.code is Code.CONFIG_ERROR


def test_what_is_opened_is_byte_for_byte_what_was_there(
    directory: Directory, tmp_path: Path
) -> None:
    made = directory.backs_up()
    target = tmp_path / "target"
    target.mkdir(mode=0o700)
    opened(made.file, PASSWORD, target)

    found, before = Directory(target).files(), directory.files()
    assert {name: found[name] for name in found if name != "waiaas.db"} == {
        name: before[name] for name in found if name != "waiaas.db"
    }
    with (
        closing(sqlite3.connect(target / "waiaas.db")) as copied,
        closing(sqlite3.connect(directory.database)) as lived,
    ):
        assert list(copied.iterdump()) == list(lived.iterdump())
