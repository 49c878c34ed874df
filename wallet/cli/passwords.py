"""Where the master password comes from: --password-file, WAIAAS_MASTER_PASSWORD(_FILE), or the terminal."""

import getpass
import sys
from pathlib import Path
from typing import Final

from wallet.errors import AuthError, Code, bad_field
from wallet.settings import Secret, environment, secret_in, secret_of

MIN_LENGTH: Final = 12
VARIABLE: Final = "WAIAAS_MASTER_PASSWORD"


def given(file: Path | None) -> Secret | None:
    """The password without asking anybody; None when there is no source."""
    return secret_in(file) if file is not None else secret_of(environment(), VARIABLE)


def master_password(file: Path | None) -> Secret:
    """The password; asked for when stdin is a terminal."""
    found = given(file)
    if found is not None:
        return found
    return _asked("Master password: ")


def new_password(file: Path | None) -> Secret:
    """A password of at least 12 characters; typed twice on a terminal."""
    found = given(file)
    if found is None:
        found = _asked(f"Choose a master password (at least {MIN_LENGTH} characters): ")
        _require_length(found)
        if found.reveal() != _asked("The same again: ").reveal():
            raise bad_field("password", "the two are not the same")
    _require_length(found)
    return found


def _require_length(password: Secret) -> None:
    if len(password.reveal()) < MIN_LENGTH:
        raise bad_field("password", f"must have at least {MIN_LENGTH} characters")


def _asked(prompt: str) -> Secret:
    if not sys.stdin.isatty():
        raise AuthError(
            Code.MASTER_PASSWORD_REQUIRED,
            "This needs the master password, and there is no terminal to ask on.",
            hint=f"Give --password-file, or set {VARIABLE}_FILE.",
        )
    return Secret(getpass.getpass(prompt))
