"""What the signer does to keep keys out of swap, core dumps, debuggers and freed memory. Best effort.

Python copies bytes as it pleases: wiping a bytearray leaves such copies behind. Ending the process is the
wipe that counts.
"""

import contextlib
import ctypes
import resource
import signal
import sys

_PR_SET_DUMPABLE = 4
_LIBC = ctypes.CDLL(None, use_errno=True)


def harden() -> None:
    """Refuse core dumps and tracing by the same user; leave signals of the terminal to the daemon."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        _LIBC.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # The daemon finishes its work first; its end closes the socket, and that ends this process.
        signal.signal(number, signal.SIG_IGN)


def keep_out_of_swap(secret: bytearray) -> None:
    """Lock the pages of ``secret`` in memory, if the limit allows."""
    if not secret:
        return
    with contextlib.suppress(AttributeError):  # a libc without mlock
        _LIBC.mlock(ctypes.c_void_p(_address(secret)), ctypes.c_size_t(len(secret)))


def wipe(secret: bytearray) -> None:
    secret[:] = bytes(len(secret))


def _address(secret: bytearray) -> int:
    return ctypes.addressof((ctypes.c_char * len(secret)).from_buffer(secret))
