"""A disk that does not do as it should: the database held by another process, and no room for one byte more."""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from structlog.testing import capture_logs

_HOLD = """
import sqlite3, sys
held = sqlite3.connect(sys.argv[1], timeout=10, isolation_level=None)
held.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def held_by_another_process(path: Path) -> Iterator[None]:
    """A second process writes to the database and does not end before we do."""
    command = [sys.executable, "-S", "-c", _HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline().strip() == b"held"
        try:
            yield
        finally:
            other.stdin.close()


@contextmanager
def full_disk(_: Path) -> Iterator[None]:
    """The system takes not one byte for a file from this process: writes fail in the middle of a commit.

    That is what a quota does as well. Nobody needs to be root for it, and it is lifted again. Log lines stay in memory:
    pytest captures into a file.
    """
    with full_disk_of(os.getpid()), capture_logs():
        yield


@contextmanager
def full_disk_of(pid: int) -> Iterator[None]:
    """The same for a process that runs already, its log included."""
    room, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, most))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (room, most))
