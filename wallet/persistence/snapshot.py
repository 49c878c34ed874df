"""A copy of a database as it was at one moment, also while it is written; and whether a file is a sound one."""

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from wallet.errors import Code, ConflictError, UnavailableError, WalletError
from wallet.persistence.database import storage_error
from wallet.persistence.reader import connect_read_only

_MOST_FAULTS = 5


@dataclass(frozen=True, slots=True)
class Contents:
    """What stands in a database; ``audit`` is the newest row: number, hash and when (epoch ms, 0: no row)."""

    transactions: int
    audit: tuple[int, str]
    audit_at: int


def copy_database(source: Path, target: Path) -> None:
    """One committed state of ``source`` into the new file ``target`` (0600). Waits for no writer and stops none.

    Raises STORAGE_FULL, STORAGE_BUSY, CONFIG_ERROR for what is no database.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    os.close(os.open(target, flags, 0o600))
    try:
        with closing(connect_read_only(source)) as reading, closing(_writing(target)) as writing:
            reading.backup(writing)  # all pages in one step: one read transaction
    except sqlite3.Error as error:
        raise _known(error, source) from None


def contents(path: Path) -> Contents:
    """Look every page, index and reference through. BACKUP_UNSOUND says what is wrong."""
    try:
        with closing(connect_read_only(path)) as db:
            faults = [str(row[0]) for row in db.execute(f"PRAGMA integrity_check({_MOST_FAULTS})")]
            if faults != ["ok"]:
                raise _unsound(f"its pages do not fit together ({'; '.join(faults)})")
            astray = db.execute("PRAGMA foreign_key_check").fetchall()
            if astray:
                raise _unsound(f"rows of {astray[0][0]} refer to nothing")
            ((count,),) = db.execute("SELECT COUNT(*) FROM transactions")
            newest = db.execute("SELECT number, hash, at FROM audit ORDER BY number DESC LIMIT 1")
            number, digest, at = newest.fetchone() or (0, "0" * 64, 0)
    except sqlite3.Error as error:
        raise _unsound(str(error)) from None
    return Contents(count, (number, digest), at)


def _writing(target: Path) -> sqlite3.Connection:
    return sqlite3.connect(target, isolation_level=None)


def _unsound(why: str) -> ConflictError:
    return ConflictError(
        Code.BACKUP_UNSOUND,
        f"The database is not sound: {why}.",
        hint="Nothing was changed.",
    )


def _known(error: sqlite3.Error, source: Path) -> WalletError:
    return storage_error(error) or UnavailableError(
        Code.CONFIG_ERROR, f"{source} cannot be copied: {error}."
    )
