"""Does a thing again and again, each time killed with SIGKILL one step later, until it comes to its end."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from wallet.keystore import swap

OPERATIONS = frozenset(
    {"open", "os.mkdir", "os.rename", "os.link", "os.remove", "os.rmdir", "os.listdir", "os.scandir"}
)  # fmt: skip


def walk(out: Path, act: Callable[[Path, Callable[[], None]], None]) -> int:
    """How often it died. Each time has a folder of its own: OUT/0001, OUT/0002, ...

    ``act`` runs in a child and says when it comes by a step; the n-th child dies just before its n-th.
    """
    number = 1
    while True:
        place = out / f"{number:04}"
        place.mkdir(mode=0o700)
        if not os.WIFSIGNALED(forked(lambda: act(place, _fuse(number)))):  # noqa: B023
            return number - 1
        number += 1


def forked(work: Callable[[], None]) -> int:
    """Run it in a child, and wait; how the child ended. An exception in it ends us too."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        sys.exit(os.WEXITSTATUS(status))
    return status


def at_file_operations(step: Callable[[], None]) -> None:
    """From now on each file operation is a step: between two of them nothing on disk changes."""
    sys.addaudithook(lambda event, _: step() if event in OPERATIONS else None)


def by_renames() -> None:
    """As on a file system that cannot exchange two directories."""
    swap.exchange = lambda *_: False


def _fuse(left: int) -> Callable[[], None]:
    def step() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    return step
