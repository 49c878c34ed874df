"""A backup back into a data directory: opened beside it, proved, and only then put in its place by a rename.

``<directory>.restoring`` is where it is made. Until the rename nothing of the present directory is touched, and
from it on the new one is whole: the note that its database is behind the world is written before. The old one
stays, as ``<directory>.before-restore-<time>``.
"""

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, count
from pathlib import Path
from typing import Final

from wallet.bootstrap.backup import explained, opened
from wallet.bootstrap.backup_note import write_note
from wallet.bootstrap.place import BEFORE, take_lock
from wallet.bootstrap.proof import Proof, prove
from wallet.bootstrap.world import SystemClock
from wallet.errors import Code, ConflictError, WalletError
from wallet.keystore import swap
from wallet.keystore.files import sync_directory
from wallet.keystore.manifest import Manifest
from wallet.persistence.anchor import AnchorFile
from wallet.settings import Secret

_BESIDE: Final = (
    "A restore is made beside the directory and takes its place by a rename: the directory above must be writable, "
    "and the directory itself no mount point. Another --data-dir will do."
)


@dataclass(frozen=True, slots=True)
class Restored:
    """``kept`` is where the directory that was there before is now. A drill leaves no ``home``."""

    manifest: Manifest
    proof: Proof
    home: Path | None = None
    kept: Path | None = None


def restore(
    file: Path, password: Secret, home: Path, *, replace: bool, accept_changed_log: bool
) -> Restored:
    """Put the backup in the place of ``home``; the next start is stopped.

    Raises DAEMON_ALREADY_RUNNING, ALREADY_INITIALISED where there is something and not ``replace``, BACKUP_DAMAGED,
    BACKUP_UNSUPPORTED, WRONG_PASSWORD, and whatever ``prove`` raises. Whatever it raises, ``home`` is as it was.
    """
    home = home.resolve()  # a link to a directory stays a link to it
    with explained(), ExitStack() as stack:
        kept = _aside(home) if _is_taken(home) else None
        if kept is not None:
            _require_wanted(home, replace=replace)
            take_lock(home, stack)
        with _staged(home) as staged:
            manifest = opened(file, password.reveal(), staged)
            proof = asyncio.run(prove(staged, manifest, password.reveal()))
            if proof.audit_fault is not None and not accept_changed_log:
                raise _changed_log(proof.audit_fault)
            take_lock(staged, stack)  # nobody starts it before this command is through
            with explained(_BESIDE):
                finish(staged, manifest, home, kept)
    return Restored(manifest, proof, home, kept)


def drill(file: Path, password: Secret) -> Restored:
    """All of a restore but the swap, in a temporary directory that is gone afterwards."""
    with explained(), tempfile.TemporaryDirectory(prefix="waiaas-drill-") as name:
        manifest = opened(file, password.reveal(), Path(name))
        proof = asyncio.run(prove(Path(name), manifest, password.reveal()))
    return Restored(manifest, proof)


def staged_for(home: Path) -> Path:
    return home.with_name(f"{home.name}.restoring")


def finish(staged: Path, manifest: Manifest, home: Path, kept: Path | None) -> None:
    """Have the proved directory say that its database is behind the world, then put it in place."""
    moment = datetime.fromtimestamp(manifest.created_at // 1000, UTC)
    AnchorFile(staged).suspect(f"it was restored from the backup of {moment:%Y-%m-%d %H:%M} UTC")
    write_note(staged, manifest)
    _put_in_place(staged, home, kept)
    if kept is not None:
        _retire(kept)


def _retire(kept: Path) -> None:
    """Whoever puts the old directory back later puts back a database that has not seen what was paid meanwhile."""
    with suppress(OSError, WalletError):  # it may be no directory of ours at all
        AnchorFile(kept).suspect("a restore took it out of its place")


def _put_in_place(staged: Path, home: Path, kept: Path | None) -> None:
    """Swap ``staged``, which is whole and synced, with ``home``, which then is ``kept``. Durable on return.

    Where two directories cannot be exchanged there are two renames; between them the old one is ``kept`` and
    there is no ``home``, which every command then says.
    """
    if kept is None:
        staged.rename(home)
    elif swap.exchange(staged, home):
        sync_directory(home.parent)
        staged.rename(kept)
    else:
        home.rename(kept)
        try:
            staged.rename(home)
        except OSError:
            kept.rename(home)
            raise
    sync_directory(home.parent)


@contextmanager
def _staged(home: Path) -> Iterator[Path]:
    """An empty directory beside the other one, on the same file system; gone again unless it was put in place."""
    staged = staged_for(home)
    with explained(_BESIDE):
        _make(staged)
    ours = staged.stat().st_ino
    try:
        yield staged
    except BaseException:
        if staged.exists() and staged.stat().st_ino == ours:  # else it is the old directory by now
            shutil.rmtree(staged, ignore_errors=True)
        raise


def _make(staged: Path) -> None:
    try:
        staged.mkdir(mode=0o700)
    except FileExistsError:
        raise ConflictError(
            Code.STORAGE_BUSY,
            f"{staged} is there: a restore is running, or one was cut off.",
            hint="If none is running, see that the wallet's own directory is as it should be, then delete this one.",
        ) from None


def _is_taken(home: Path) -> bool:
    return home.exists() and not (home.is_dir() and not any(home.iterdir()))


def _require_wanted(home: Path, *, replace: bool) -> None:
    if not replace:
        raise ConflictError(
            Code.ALREADY_INITIALISED,
            f"{home} is not empty; nothing was changed.",
            hint="Give --replace to put the backup in its place (the old directory is kept), or another --data-dir.",
        )


def _aside(home: Path) -> Path:
    moment = datetime.fromtimestamp(SystemClock().now() // 1000, UTC)
    first = home.with_name(f"{home.name}{BEFORE}{moment:%Y%m%dT%H%M%SZ}")
    others = (first.with_name(f"{first.name}-{number}") for number in count(2))
    return next(path for path in chain([first], others) if not path.exists())


def _changed_log(fault: str) -> ConflictError:
    return ConflictError(
        Code.BACKUP_UNSOUND,
        f"The audit log in the backup was changed before it was made: {fault}.",
        hint="If that is known, give --accept-changed-log. Nothing was changed.",
    )
