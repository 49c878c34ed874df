"""Argon2id parameters for this machine: as dear as an unlock may be, never below MODERATE.

Memory grows first, because it is what a guesser with graphics cards lacks; then passes. The result
stands in the header, so a keystore opens on any machine with that much memory.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from wallet.keystore.kdf import derive
from wallet.keystore.profiles import CEILING, MODERATE, STRONG, Argon2

# Every act on the host that asks for the password costs this much.
TARGET_SECONDS: Final = 0.75
# Never more than this part of the machine's memory, and never more than STRONG: the keystore may
# have to be opened on a smaller machine.
MEMORY_SHARE: Final = 8
MOST_MEMORY_KIB: Final = STRONG.memory_kib
MOST_PASSES: Final = CEILING.time_cost


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What was chosen, and the seconds that one derivation takes on this machine when it is idle."""

    params: Argon2
    seconds: float


def calibrate(seconds_of: Callable[[Argon2], float], memory_kib: int) -> Calibrated:
    """Choose parameters. ``seconds_of`` measures one derivation, ``memory_kib`` is the machine's."""
    most = min(MOST_MEMORY_KIB, memory_kib // MEMORY_SHARE)
    params, took = MODERATE, seconds_of(MODERATE)
    while 2 * params.memory_kib <= most and 2 * took <= TARGET_SECONDS:
        params = replace(params, memory_kib=2 * params.memory_kib)
        took = seconds_of(params)
    passes = _passes_within(params, took)
    if passes > params.time_cost:
        params = replace(params, time_cost=passes)
        took = seconds_of(params)
    return Calibrated(params, took)


def _passes_within(params: Argon2, took: float) -> int:
    """Time grows with the passes; a measurement of nothing at all would allow any number."""
    if took * MOST_PASSES <= TARGET_SECONDS * params.time_cost:
        return MOST_PASSES
    return int(params.time_cost * TARGET_SECONDS / took)


def measured(cpu_seconds: Callable[[], float], cores: int) -> Callable[[Argon2], float]:
    """A measurement by the processor time of this process: what else runs now must not weaken it.

    ``cores`` is how many lanes can run at once.
    """

    def seconds_of(params: Argon2) -> float:
        began = cpu_seconds()
        derive(b"calibration", bytes(16), params, 64)
        return (cpu_seconds() - began) / max(1, min(params.parallelism, cores))

    return seconds_of


def machine_memory_kib() -> int:
    """Physical memory; 0, which keeps to MODERATE, where the system does not tell."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 1024
    except (ValueError, OSError):
        return 0
