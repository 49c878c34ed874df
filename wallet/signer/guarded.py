"""Buffers for secrets: libsodium's guarded memory where the library offers it, else locked pages.

Guarded memory stands alone between pages that may not be touched, is locked against swapping, left
out of core dumps and wiped when it is freed. PyNaCl does not wrap it, so it is called in the very
library that PyNaCl has loaded. What Python itself copies is beyond reach: see docs/security.md.
"""

import ctypes
import weakref
from collections.abc import Callable
from typing import Any, Final

import nacl._sodium  # type: ignore[import-not-found]  # a compiled module without types
from nacl.bindings import sodium_init

LOCKED = "LOCKED"
GUARDED = "GUARDED"
PLAIN = "PLAIN"

_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_NEEDED: Final = ("sodium_malloc", "sodium_free", "sodium_memzero", "sodium_mlock")


def _sodium() -> ctypes.CDLL | None:
    """The library inside PyNaCl, when it lets itself be called; a build may hide its symbols."""
    try:
        library = ctypes.CDLL(nacl._sodium.__file__)  # noqa: SLF001 - where PyNaCl keeps it
        for name in _NEEDED:
            getattr(library, name)
    except (OSError, AttributeError, TypeError):
        return None
    sodium_init()
    library.sodium_malloc.restype = ctypes.c_void_p
    library.sodium_malloc.argtypes = [ctypes.c_size_t]
    library.sodium_free.restype = None
    library.sodium_free.argtypes = [ctypes.c_void_p]
    library.sodium_memzero.restype = None
    library.sodium_memzero.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    library.sodium_mlock.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    return library


class Memory:
    """Makes buffers and remembers whether all of them are locked."""

    def __init__(self, library: ctypes.CDLL | None) -> None:
        self._library = library
        self._unlocked = 0

    @property
    def kind(self) -> str:
        """GUARDED, LOCKED (pages of ours, no guards), or PLAIN once a lock was refused.

        A refused lock stays in the answer: the limit of locked memory is too low for these keys.
        """
        if self._unlocked:
            return PLAIN
        return LOCKED if self._library is None else GUARDED

    def hold(self, secret: bytes | bytearray) -> memoryview:
        """Copy ``secret`` into a buffer of its own; a bytearray is wiped afterwards."""
        buffer = self._guarded(len(secret)) or self._of_ours(len(secret))
        view = memoryview(buffer).cast("B")
        view[:] = secret
        if isinstance(secret, bytearray):
            wipe(memoryview(secret))
        return view

    def _guarded(self, size: int) -> Any:
        library = self._library
        address = None if library is None else library.sodium_malloc(size)
        if library is None or not address:
            return None
        # Locking again changes nothing; libsodium does not say whether its own lock was granted.
        if library.sodium_mlock(address, size) != 0:
            self._unlocked += 1
        buffer = (ctypes.c_ubyte * size).from_address(address)
        freed = weakref.finalize(buffer, library.sodium_free, address)
        freed.atexit = (
            False  # a view may still be in use then, and the end of the process frees all
        )
        return buffer

    def _of_ours(self, size: int) -> Any:
        buffer = (ctypes.c_ubyte * size)()
        lock: Callable[..., int] | None = getattr(_LIBC, "mlock", None)
        if lock is None or lock(ctypes.byref(buffer), ctypes.c_size_t(size)) != 0:
            self._unlocked += 1
        return buffer


_SODIUM: Final = _sodium()
MEMORY: Final = Memory(_SODIUM)


def wipe(secret: memoryview) -> None:
    """Overwrite with zeros by a call that no optimiser takes away."""
    size = len(secret)
    if not size:
        return
    buffer = (ctypes.c_ubyte * size).from_buffer(secret)
    if _SODIUM is None:
        ctypes.memset(buffer, 0, size)
    else:
        _SODIUM.sodium_memzero(ctypes.addressof(buffer), size)
