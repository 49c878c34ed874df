"""What a process that holds secrets does to keep them out of core dumps and debuggers. Best effort, and told.

The signer and the daemon both refuse core dumps and tracing: the daemon holds derived keys, the bot's token and
for a moment the master password.
"""

import ctypes
import resource
import signal
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Final

_PR_GET_DUMPABLE: Final = 3
_PR_SET_DUMPABLE: Final = 4
_LIBC: Final = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Guards:
    """What is in force, asked of the system and not of what was tried."""

    no_core_dumps: bool
    not_traceable: bool

    def to_json(self) -> dict[str, bool]:
        return asdict(self)


def refuse_dumps() -> None:
    """No core dumps and, on Linux, no tracing and no reading of our memory by the same user."""
    with suppress(
        ValueError, OSError
    ):  # zero is below every hard limit; a sandbox may still forbid it
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        _LIBC.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def guards() -> Guards:
    linux = sys.platform == "linux"
    return Guards(
        no_core_dumps=resource.getrlimit(resource.RLIMIT_CORE)[0] == 0,
        not_traceable=linux and _LIBC.prctl(_PR_GET_DUMPABLE, 0, 0, 0, 0) == 0,
    )


def harden() -> None:
    """For the signer: refuse dumps, allow what locked memory there is, leave the terminal's signals."""
    refuse_dumps()
    with suppress(ValueError, OSError):
        _, hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (hard, hard))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # The daemon finishes its work first; its end closes the socket, and that ends this process.
        signal.signal(number, signal.SIG_IGN)
