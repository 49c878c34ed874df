"""A backup: everything that is worth keeping of a data directory, sealed into one file that was proved to restore.

Works beside a running daemon, and without one holds its lock meanwhile. The database is copied first and the
keystore after it: a wallet's key is written before its row, so every row in the copy has its key in the copy.
Nothing else about a keystore changes while a daemon runs that could tear a copy; what a change of password
could do between, the proof notices.
"""

import asyncio
import errno
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from wallet import __version__
from wallet.bootstrap.backup_note import write_note
from wallet.bootstrap.place import read_kind, require_same_kind, take_lock
from wallet.bootstrap.proof import Proof, prove
from wallet.bootstrap.world import SystemClock
from wallet.errors import Code, ConflictError, InputError, UnavailableError, WalletError
from wallet.keystore import seal, swap
from wallet.keystore.archive import entry_of, pack, unpack
from wallet.keystore.files import (
    KeystoreFiles,
    make_private_directory,
    read_private,
    sync_directory,
)
from wallet.keystore.format import Header
from wallet.keystore.manifest import HEADER, KIND, OTHERS, Manifest, is_database, is_of_keystore
from wallet.keystore.sealed_stream import SealedReader, SealedWriter
from wallet.persistence.snapshot import contents, copy_database
from wallet.settings import Secret, Settings

WORKPLACE: Final = "backup.tmp"
_OPEN: Final = (
    "choices.json",
    "config.toml",
    KIND,
)  # no secrets of ours; their modes are the owner's business
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


@dataclass(frozen=True, slots=True)
class Made:
    """The file, what it says it holds, and what restoring it proved."""

    file: Path
    size: int
    manifest: Manifest
    proof: Proof
    beside_daemon: bool


def make_backup(settings: Settings, password: Secret, place: Path) -> Made:
    """Write a new file at ``place``, or in it where it is a directory. It is announced once it has been proved.

    Raises WRONG_PASSWORD, ALREADY_INITIALISED where there is a file, STORAGE_FULL, and whatever speaks
    against the copy: KEYSTORE_CORRUPTED, BACKUP_UNSOUND.
    """
    home, word = settings.data_dir, password.reveal()
    require_inside(settings)
    with explained(), ExitStack() as stack:
        _one_at_a_time(home, stack)
        beside = not _locked(home, stack)
        if not beside:
            swap.settle(home / "keystore")
        header = KeystoreFiles(home / "keystore").read_header()
        require_same_kind(header.kind, read_kind(home) or "production")
        seal.check_password(header, word)  # the proof would refuse it too, after all the work
        with _workplace(home) as work:
            source = work / "source"
            manifest = _collected(settings, source, header)
            out = place / _name(manifest) if place.is_dir() else place
            part = out.with_name(f".{out.name}.{secrets.token_hex(8)}.part")
            stack.callback(part.unlink, missing_ok=True)
            _write(part, source, manifest, (word, header))
            shutil.rmtree(source)  # so that there are never three copies of the database
            proof = _proved(part, work / "proof", word)
            size = part.stat().st_size
            _publish(part, out)
            write_note(home, manifest)
        return Made(out, size, manifest, proof, beside)


def require_inside(settings: Settings) -> None:
    """A directory that holds its database can be put in the place of another by a rename."""
    path, home = settings.database.path, settings.data_dir
    if path.parent != home or not is_database(path.name):
        raise ConflictError(
            Code.CONFIG_ERROR,
            f"The database is at {path}; backups are made of directories that hold theirs.",
            hint=f"Move it into {home} under a name that ends in .db, and set [database] path.",
        )


@contextmanager
def explained(hint: str | None = None) -> Iterator[None]:
    """A disk that is full, missing or not ours is an answer; ``hint`` is about the latter."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise UnavailableError(
                Code.STORAGE_FULL,
                "The disk is full.",
                hint="Free some space; nothing was changed.",
            ) from None
        raise InputError(
            Code.VALIDATION_ERROR,
            f"{error.filename} cannot be read or written: {error.strerror}. Nothing was changed.",
            hint=hint,
        ) from None


def opened(file: Path, password: str, target: Path) -> Manifest:
    """The file's contents in the empty directory ``target``, every byte as it was sealed."""
    with file.open("rb") as raw:
        return unpack(SealedReader(raw, password), target)


# ---- what goes in


def _collected(settings: Settings, source: Path, header: Header) -> Manifest:
    """Copies of everything in ``source``, and the list of it."""
    home, database = settings.data_dir, settings.database.path
    if not database.exists():
        raise ConflictError(
            Code.NOT_INITIALISED, f"There is no database at {database}; nothing was changed."
        )
    for folder in (source, *(source / name for name in _folders())):
        folder.mkdir(mode=0o700)
    copy_database(database, source / database.name)
    created_at = SystemClock().now()
    for name in _names(home):
        _copy(home / name, source / name)
    names = sorted(str(path.relative_to(source)) for path in source.rglob("*") if path.is_file())
    kept = [name for name in names if _is_kept(name)]
    return Manifest(
        product=__version__,
        created_at=created_at,
        kind=header.kind,
        keystore_id=header.keystore_id,
        audit=contents(source / database.name).audit,
        entries=tuple(entry_of(source, name) for name in kept),
    )


def _is_kept(name: str) -> bool:
    """SQLite's own files beside the copy are empty by now."""
    return name in OTHERS or is_of_keystore(name) or is_database(name)


def _folders() -> tuple[str, ...]:
    return ("keystore", "keystore/wallets", "keystore/secrets")


def _names(home: Path) -> Iterable[str]:
    yield from (name for name in OTHERS if (home / name).exists())
    for folder in ("wallets", "secrets"):
        found = sorted((home / "keystore" / folder).glob("*.json"))
        yield from (name for path in found if is_of_keystore(name := str(path.relative_to(home))))
    yield HEADER


def _copy(path: Path, target: Path) -> None:
    """A secret that is replaced or removed meanwhile is there whole, or not at all."""
    try:
        data = path.read_bytes() if path.name in _OPEN else read_private(path)
    except WalletError:
        if path.exists() or path.parent.name != "secrets":
            raise
        return
    target.write_bytes(data)


# ---- places


def _one_at_a_time(home: Path, stack: ExitStack) -> None:
    """A lock on the directory itself, which nothing else locks."""
    descriptor = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    stack.callback(os.close, descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ConflictError(
            Code.STORAGE_BUSY, f"Another backup of {home} is being made.", retryable=True
        ) from None


def _locked(home: Path, stack: ExitStack | AsyncExitStack) -> bool:
    """Whether the writer's lock is ours; not ours while a daemon runs."""
    try:
        take_lock(home, stack)
    except ConflictError:
        return False
    return True


@contextmanager
def _workplace(home: Path) -> Iterator[Path]:
    """A private directory beside the database, where a clear copy of it is no news. Left-overs go first."""
    work = home / WORKPLACE
    shutil.rmtree(work, ignore_errors=True)
    make_private_directory(work)
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


# ---- the file


def _name(manifest: Manifest) -> str:
    moment = datetime.fromtimestamp(manifest.created_at // 1000, UTC)
    return f"waiaas-{manifest.keystore_id[:8]}-{moment:%Y%m%dT%H%M%SZ}.backup"


def _write(part: Path, source: Path, manifest: Manifest, key: tuple[str, Header]) -> None:
    """As dear to guess as the keystore itself: its parameters, under a salt of its own."""
    password, header = key
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(part, flags, 0o600), "wb") as file:
        pack(SealedWriter(file, password, header.kind, header.kdf), source, manifest)
        file.flush()
        os.fsync(file.fileno())


def _proved(part: Path, target: Path, password: str) -> Proof:
    target.mkdir(mode=0o700)
    return asyncio.run(prove(target, opened(part, password, target), password))


def _publish(part: Path, out: Path) -> None:
    """Take the name, which must be free, then fill it. Not by a hard link: memory sticks have none."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        os.close(os.open(out, flags, 0o600))
    except FileExistsError:
        raise ConflictError(
            Code.ALREADY_INITIALISED, f"{out} is already there; it was not touched."
        ) from None
    part.replace(out)
    sync_directory(out.parent)
