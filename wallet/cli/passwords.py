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
    return _new(given(file), "master password", "--password-file")


def changed_password(file: Path | None) -> Secret:
    """The password that replaces the present one; the usual sources hold the present one."""
    found = None if file is None else secret_in(file)
    return _new(found, "new master password", "--new-password-file")


def new_file_password(file: Path | None) -> Secret:
    """The password of a key file that is to be written; never the master password by itself."""
    found = None if file is None else secret_in(file)
    return _new(found, "password for the key file", "--file-password-file")


def file_password(file: Path | None) -> Secret:
    """The password of a key file that somebody else wrote; it may be short, or empty."""
    if file is not None:
        return secret_in(file)
    return _asked("Password of the key file: ", "--file-password-file")


def _new(found: Secret | None, what: str, option: str) -> Secret:
    if found is None:
        found = _asked(f"Choose a {what} (at least {MIN_LENGTH} characters): ", option)
        _require_length(found)
        if found.reveal() != _asked("The same again: ", option).reveal():
            raise bad_field("password", "the two are not the same")
    _require_length(found)
    return found


def _require_length(password: Secret) -> None:
    if len(password.reveal()) < MIN_LENGTH:
        raise bad_field("password", f"must have at least {MIN_LENGTH} characters")


def _asked(prompt: str, option: str = "--password-file") -> Secret:
    if not sys.stdin.isatty():
        master = option == "--password-file"
        raise AuthError(
            Code.MASTER_PASSWORD_REQUIRED,
            f"This needs {'the master' if master else 'a'} password, and there is no terminal to ask on.",
            hint=f"Give {option}, or set {VARIABLE}_FILE." if master else f"Give {option}.",
        )
    return Secret(getpass.getpass(prompt))
