"""A data directory as a place: one process works in it at a time, and it is of one kind for life.

Asked before the first door opens, so nothing heavy is imported here.
"""

import fcntl
import os
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Final

from wallet.errors import Code, ConflictError, InputError

KIND_FILE: Final = "kind"
BEFORE: Final = (
    ".before-restore-"  # in the name of a directory that a restore took out of its place
)
SHORTEST_WAIT: Final = 60  # seconds


def read_kind(data_dir: Path) -> str | None:
    """What the directory was born as, by its own word; the keystore header proves it on unlock."""
    try:
        return (data_dir / KIND_FILE).read_text().strip()
    except FileNotFoundError:
        return None


def take_lock(data_dir: Path, stack: AsyncExitStack | ExitStack) -> None:
    """The writer lock, held for life. Liveness is this lock, never a pid."""
    descriptor = os.open(data_dir / "daemon.lock", os.O_CREAT | os.O_RDWR, 0o600)
    stack.callback(os.close, descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ConflictError(
            Code.DAEMON_ALREADY_RUNNING,
            "A daemon already runs on this data directory.",
            hint="waiaas status shows it; waiaas stop ends it.",
        ) from error


def require_same_kind(kind: str, wanted: str) -> None:
    """Raise DATA_DIRECTORY_KIND unless a directory was born as ``wanted``."""
    if kind != wanted:
        raise ConflictError(
            Code.DATA_DIRECTORY_KIND,
            f"This data directory was born as {kind}, not as {wanted}.",
            hint="waiaas start runs production directories, waiaas sandbox its own.",
        )


def require_honest_wait(loosening_wait_seconds: int, kind: str) -> None:
    """Raise CONFIG_ERROR where nobody could cancel a loosening in time: tests and demonstrations may want that."""
    if kind == "production" and loosening_wait_seconds < SHORTEST_WAIT:
        raise InputError(
            Code.CONFIG_ERROR,
            f"policy.loosening_wait_seconds: must be at least {SHORTEST_WAIT}.",
            hint="It is the time in which a loosened rule can still be cancelled.",
        )
