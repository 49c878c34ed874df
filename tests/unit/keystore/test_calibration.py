"""Parameters for a machine: dear, but within named bounds."""

import threading
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet.keystore import calibration, kdf
from wallet.keystore.calibration import TARGET_SECONDS, calibrate, measured
from wallet.keystore.profiles import CHEAPEST, MODERATE, STRONG, Argon2, Kind, check_bounds

GIB = 1024 * 1024


def machine(mib_per_second: float) -> Callable[[Argon2], float]:
    """A measurement on a machine that fills so much memory in a second."""
    return lambda params: params.memory_kib / 1024 * params.time_cost / mib_per_second


@pytest.mark.parametrize(
    ("speed", "memory_gib", "chosen"),
    [
        (100, 64, MODERATE),  # a slow one: never below the floor
        (600, 64, Argon2(128 * 1024, 3, 4)),
        (2000, 64, Argon2(256 * 1024, 5, 4)),
        (2000, 1, Argon2(128 * 1024, 11, 4)),  # an eighth of a gibibyte
        (2000, 0, Argon2(64 * 1024, 16, 4)),  # a system that does not tell its memory
        (1e9, 64, Argon2(256 * 1024, 16, 4)),
    ],
)
def test_memory_grows_first_then_passes(speed: float, memory_gib: int, chosen: Argon2) -> None:
    assert calibrate(machine(speed), memory_gib * GIB).params == chosen


@given(st.floats(0, 1e9), st.integers(0, 2**40))
def test_the_choice_is_always_within_bounds(seconds: float, memory_kib: int) -> None:
    found = calibrate(lambda params: seconds, memory_kib)

    check_bounds(found.params, Kind.PRODUCTION)
    assert MODERATE.memory_kib <= found.params.memory_kib <= STRONG.memory_kib
    assert (
        found.params.memory_kib == MODERATE.memory_kib
        or found.params.memory_kib <= memory_kib // 8
    )
    assert found.seconds == seconds


@given(st.floats(300, 1e6), st.integers(0, 2**30))
def test_an_unlock_takes_no_longer_than_said(speed: float, memory_kib: int) -> None:
    assert calibrate(machine(speed), memory_kib).seconds <= TARGET_SECONDS * 1.0001


def test_a_measurement_counts_the_lanes_that_run_at_once() -> None:
    ticks = iter([0.0, 6.0, 0.0, 6.0])
    seconds_of = measured(lambda: next(ticks), cores=2)

    assert seconds_of(Argon2(1024, 1, 4)) == 3.0
    assert seconds_of(Argon2(1024, 1, 1)) == 6.0


def test_this_machine_is_measured() -> None:
    assert measured(time.process_time, 1)(Argon2(16 * 1024, 1, 1)) > 0
    assert calibration.machine_memory_kib() > 0


def test_one_derivation_at_a_time_in_the_whole_process() -> None:
    finished: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: finished.append(kdf.derive(b"x", bytes(16), CHEAPEST, 32)))
        for _ in range(3)
    ]
    with kdf._ONE_AT_A_TIME:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(0.05)
        assert finished == []
    for thread in threads:
        thread.join(30)
    assert len(finished) == 3
    assert len(set(finished)) == 1
