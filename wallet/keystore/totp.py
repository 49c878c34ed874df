"""TOTP codes (RFC 6238: SHA-1, 30 s, 6 digits, one step either side).

That a step is spent only once is the database's business.
"""

import hmac
from dataclasses import dataclass, field

import pyotp

STEP_SECONDS = 30
WINDOW_STEPS = 1
DIGITS = 6
ISSUER = "WAIaaS"


@dataclass(frozen=True, slots=True)
class Enrolment:
    """Shown once, on the host's terminal: the base32 secret and its otpauth URI."""

    secret: str = field(repr=False)
    uri: str = field(repr=False)


def new_enrolment(account: str) -> Enrolment:
    secret = pyotp.random_base32()
    return Enrolment(secret, pyotp.TOTP(secret).provisioning_uri(name=account, issuer_name=ISSUER))


def matched_step(secret: str, code: str, now_ms: int) -> int | None:
    """Return the time step (Unix time // 30) whose code this is, the present first, or None."""
    digits = code.replace(" ", "")
    if len(digits) != DIGITS or not (digits.isascii() and digits.isdigit()):
        return None
    present = now_ms // 1000 // STEP_SECONDS
    generator = pyotp.HOTP(
        secret
    )  # a TOTP is the HOTP of the step, without a detour by local time
    matches = [
        step
        for step in (present, present - WINDOW_STEPS, present + WINDOW_STEPS)
        if hmac.compare_digest(generator.at(step).encode(), digits.encode())
    ]
    return matches[0] if matches else None
