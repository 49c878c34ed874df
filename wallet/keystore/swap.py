"""One keystore directory in the place of another: whole before, whole after, nothing between.

``keystore.next`` is where a new one is made. It takes the place of ``keystore`` by one rename that
exchanges the two, so the old one then stands in ``keystore.next``. Where the file system cannot
exchange, there are two renames, and for the moment between them the old one is
``keystore.previous``: whoever finds no ``keystore`` puts it back. While ``keystore`` is there,
everything beside it is a leftover.
"""

import ctypes
import errno
import os
import shutil
import sys
from pathlib import Path
from typing import Final

from wallet.keystore.files import KeystoreFiles, sync_directory

_AT_FDCWD: Final = -100
_RENAME_EXCHANGE: Final = 2  # linux: renameat2(2)
_RENAME_SWAP: Final = 2  # macOS: renamex_np(2)
_CANNOT: Final = frozenset({errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM})
_LIBC: Final = ctypes.CDLL(None, use_errno=True)


def next_to(root: Path) -> Path:
    return root.with_name(f"{root.name}.next")


def previous_of(root: Path) -> Path:
    return root.with_name(f"{root.name}.previous")


def leftovers(root: Path) -> list[Path]:
    """What a swap left beside ``root``."""
    return [path for path in (next_to(root), previous_of(root)) if path.exists()]


def is_interrupted(root: Path) -> bool:
    """Whether a swap died between its two renames, so that the keystore is not in its place."""
    return not root.exists() and KeystoreFiles(previous_of(root)).exists()


def settle(root: Path) -> None:
    """Put the old keystore back if a swap died between its two renames."""
    if is_interrupted(root):
        previous_of(root).rename(root)
        sync_directory(root.parent)


def put_in_place(root: Path) -> None:
    """Swap ``next_to(root)``, which is whole and synced, with ``root``. Durable on return."""
    if not exchange(next_to(root), root):
        root.rename(previous_of(root))
        sync_directory(root.parent)
        try:
            next_to(root).rename(root)
        except OSError:
            settle(root)
            raise
    sync_directory(root.parent)


def discard_leftovers(root: Path) -> None:
    """Remove what a swap left beside ``root``: call it only while ``root`` is whole.

    Headers go first: without one, no password opens the rest.
    """
    for leftover in leftovers(root):
        KeystoreFiles(leftover).header_path.unlink(missing_ok=True)
        sync_directory(leftover)
        shutil.rmtree(leftover)
        sync_directory(root.parent)


def exchange(one: Path, other: Path) -> bool:
    """Exchange two directories in one step; False where the system or file system cannot."""
    paths = (os.fsencode(one), os.fsencode(other))
    try:
        if sys.platform == "linux":
            failed = _LIBC.renameat2(_AT_FDCWD, paths[0], _AT_FDCWD, paths[1], _RENAME_EXCHANGE)
        elif sys.platform == "darwin":
            failed = _LIBC.renamex_np(*paths, _RENAME_SWAP)
        else:
            return False
    except AttributeError:  # an old libc
        return False
    if not failed:
        return True
    number = ctypes.get_errno()
    if number in _CANNOT:
        return False
    raise OSError(number, os.strerror(number), str(other))
