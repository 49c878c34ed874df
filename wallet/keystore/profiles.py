"""Named Argon2id parameters, and the bounds within which a file's are believed. Pure."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from wallet.errors import Code, KeystoreError

KDF_NAME: Final = "argon2id"


class Kind(StrEnum):
    """What a data directory is for; fixed at birth and authenticated by the header."""

    SANDBOX = "sandbox"
    PRODUCTION = "production"


@dataclass(frozen=True, slots=True)
class Argon2:
    """Argon2id parameters; memory in KiB."""

    memory_kib: int
    time_cost: int
    parallelism: int


CHEAPEST: Final = Argon2(memory_kib=1024, time_cost=1, parallelism=1)  # tests and sandbox only
MODERATE: Final = Argon2(memory_kib=64 * 1024, time_cost=3, parallelism=4)
STRONG: Final = Argon2(memory_kib=256 * 1024, time_cost=3, parallelism=4)

PROFILES: Final = {"CHEAPEST": CHEAPEST, "MODERATE": MODERATE, "STRONG": STRONG}
CALIBRATED: Final = "CALIBRATED"  # measured on this machine: wallet.keystore.calibration

# A file may have been edited: below the floor guessing is free, above the ceiling one unlock
# stops the machine.
FLOOR: Final = {Kind.SANDBOX: CHEAPEST, Kind.PRODUCTION: MODERATE}
CEILING: Final = Argon2(memory_kib=1024 * 1024, time_cost=16, parallelism=16)


def profile(name: str, kind: Kind) -> Argon2:
    """Look ``name`` up; KEYSTORE_KIND when a ``kind`` directory must not use it."""
    try:
        params = PROFILES[name]
    except KeyError:
        known = ", ".join((*PROFILES, CALIBRATED))
        raise KeystoreError(
            Code.CONFIG_ERROR, f"There is no key derivation profile {name!r} (there are {known})."
        ) from None
    check_bounds(params, kind)
    return params


def check_bounds(params: Argon2, kind: Kind) -> None:
    """Raise KEYSTORE_KIND when too cheap for ``kind``, KEYSTORE_CORRUPTED when absurd."""
    floor = FLOOR[kind]
    if not (
        CHEAPEST.memory_kib <= params.memory_kib <= CEILING.memory_kib
        and CHEAPEST.time_cost <= params.time_cost <= CEILING.time_cost
        and CHEAPEST.parallelism <= params.parallelism <= CEILING.parallelism
    ):
        raise KeystoreError(
            Code.KEYSTORE_CORRUPTED, "The key derivation parameters are out of bounds."
        )
    if params.memory_kib < floor.memory_kib or params.time_cost < floor.time_cost:
        raise KeystoreError(
            Code.KEYSTORE_KIND,
            f"A {kind} keystore refuses key derivation parameters this cheap.",
            hint="Use the profile CALIBRATED, MODERATE or STRONG.",
        )
