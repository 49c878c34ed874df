"""The one human: pairing, factors and the amount bands that say which factor an approval needs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from wallet.domain.authority import Proof

CODE_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford base 32: 5 bits a character
CODE_LENGTH = 10  # 50 bits
CODE_TTL_MS = 600_000
PAIRING_TRIES = 5
STEP_MS = 30_000  # of a TOTP code


class Factor(StrEnum):
    """What proves the owner, weakest first."""

    TAP = "TAP"  # a button and its confirmation in the paired chat
    CODE = "CODE"  # a TOTP code
    HOST = "HOST"  # the master password on the host


@dataclass(frozen=True, slots=True)
class Band:
    """Per asset, base units: the most that a factor releases at once, and in 24 hours together."""

    tap_max: int
    code_max: int


@dataclass(frozen=True, slots=True)
class Owner:
    """The paired Telegram account and the bands."""

    user_id: int
    chat_id: int
    name: str
    username: str | None
    paired_at: int
    bands: Mapping[str, Band]
    proof: Proof = field(default=Proof.UNKNOWN, compare=False, repr=False)


def factor_needed(
    owner: Owner, asset: str, amount: int, used: Mapping[Factor, int], *, code_enrolled: bool
) -> Factor:
    """The weakest factor that may release ``amount`` of ``asset`` now.

    ``used`` is what each factor released of this asset in the last 24 hours. An asset without a band
    needs the strongest enrolled factor; above every band the host is needed.
    """
    band = owner.bands.get(asset)
    if band is None:
        return Factor.CODE if code_enrolled else Factor.HOST
    if used.get(Factor.TAP, 0) + amount <= band.tap_max:
        return Factor.TAP
    if code_enrolled and used.get(Factor.CODE, 0) + amount <= band.code_max:
        return Factor.CODE
    return Factor.HOST
