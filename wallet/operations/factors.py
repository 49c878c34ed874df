"""What every releasing act asks of a factor: that it is strong enough, and that a code is spent once."""

from wallet.domain.authority import CODE_COUNTER
from wallet.domain.owner import Factor
from wallet.errors import AuthError, Code, RefusedError
from wallet.ports.store import Unit

_STRENGTH = {Factor.TAP: 0, Factor.CODE: 1, Factor.HOST: 2}


def require_strength(given: Factor, needed: Factor, command: str) -> None:
    """Raise FACTOR_REQUIRED unless ``given`` is at least ``needed``. ``command`` does the act on the host."""
    if _STRENGTH[given] >= _STRENGTH[needed]:
        return
    hints = {
        Factor.TAP: "Tap the button and Confirm.",
        Factor.CODE: "Send the code of your authenticator app.",
        Factor.HOST: f"On the host: waiaas {command}.",
    }
    raise RefusedError(
        Code.FACTOR_REQUIRED,
        "This amount needs a stronger proof.",
        details={"factor": needed.value},
        hint=hints[needed],
    )


def require_more_than_password(
    given: Factor, step: int | None, needed: Factor, *, enrolled: bool
) -> None:
    """Where an app is enrolled, the password alone (HOST without a code) stands for a tap; else FACTOR_REQUIRED."""
    if given is not Factor.HOST or step is not None or not enrolled or needed is Factor.TAP:
        return
    raise RefusedError(
        Code.FACTOR_REQUIRED,
        "This needs a code of the authenticator app as well.",
        details={"factor": Factor.CODE.value},
        hint="Send totpCode.",
    )


async def spend_step(unit: Unit, step: int | None) -> None:
    """Spend a code's time step in the transaction of what it releases; FACTOR_INVALID for a used one.

    Wrong codes before it count no more.
    """
    if step is None or not await unit.authority.spend_step(step):
        raise AuthError(
            Code.FACTOR_INVALID,
            "That code was used before.",
            details={"usedBefore": True},
            hint="Wait for the next code.",
        )
    await unit.authority.set_counter(CODE_COUNTER, 0, 0)
