"""The owner's client: finds the running daemon of a data directory and speaks to its owner socket."""

import fcntl
import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import typer

from wallet.bootstrap.place import BEFORE
from wallet.cli import passwords
from wallet.cli.http import Call, Json, over_socket
from wallet.domain.chains import Network
from wallet.errors import Code, NotFoundError, UnavailableError, WalletError, bad_field
from wallet.keystore.swap import is_interrupted
from wallet.settings import Settings, data_dir_of, environment, load

CHOICES_FILE: Final = "choices.json"
START_HINT: Final = "Start it with: waiaas start"


@dataclass(frozen=True, slots=True)
class Running:
    """What daemon.json says of a live daemon."""

    pid: int
    version: str
    agent_url: str
    owner_socket: str
    started_at: int


class OwnerDoor:
    """Calls on the owner app. The password is looked for only where a route needs it."""

    def __init__(self, data_dir: Path, password_file: Path | None = None) -> None:
        self.data_dir = data_dir
        self.running = running(data_dir)
        self._password_file = password_file
        self._password: str | None = None
        self.current_code: str | None = None  # proves what changes the owner's proofs

    def get(self, path: str, **query: Any) -> Json:
        return self._call(Call("GET", path, query=query))

    def get_slowly(self, path: str, seconds: float, **query: Any) -> Json:
        """An answer that may take ``seconds``."""
        call = Call("GET", path, query=query)
        return over_socket(self.running.owner_socket, call, seconds=seconds)

    def send_slowly(self, method: str, path: str, seconds: float, body: Json) -> Json:
        """A call that needs no password and may take ``seconds``."""
        return over_socket(self.running.owner_socket, Call(method, path, body), seconds=seconds)

    def send(self, method: str, path: str, body: Json | None = None) -> Json:
        """A protective act: being able to open the socket is enough."""
        return self._call(Call(method, path, _with_body(method, body)))

    def release(
        self, method: str, path: str, body: Json | None = None, *, code_in_body: bool = False
    ) -> Json:
        """An act that needs the master password; a code is asked for on a terminal where one is wanted.

        ``code_in_body``: the route takes it as ``totpCode``.
        """
        if self._password is None:
            self._password = passwords.master_password(self._password_file).reveal()
        headers = {"X-Master-Password": self._password}
        if self.current_code is not None:
            headers["X-TOTP-Code"] = self.current_code
        call = Call(method, path, _with_body(method, body), headers=headers)
        try:
            return self._call(call)
        except WalletError as error:
            if error.code is not Code.FACTOR_REQUIRED or not sys.stdin.isatty():
                raise
        code = typer.prompt("Code of your authenticator app").strip()
        if code_in_body:
            return self._call(replace(call, body={**(body or {}), "totpCode": code}))
        return self._call(replace(call, headers={**headers, "X-TOTP-Code": code}))

    def _call(self, call: Call) -> Json:
        return over_socket(self.running.owner_socket, call)

    # what several commands look up

    def wallet(self, wanted: str) -> Json:
        """The wallet with this id, unique id prefix or name."""
        found = [one for one in self.get("/v1/wallets")["items"] if _is_meant(one, wanted)]
        if len(found) != 1:
            message = "There is no such wallet." if not found else "Several wallets match."
            raise NotFoundError(
                Code.WALLET_NOT_FOUND, message, hint="See them with: waiaas wallet list"
            )
        wallet: Json = found[0]
        return wallet

    def network(self, name: str) -> Network:
        """A configured network."""
        networks = load(self.data_dir, environment()).networks
        if name not in networks:
            known = ", ".join(sorted(networks)) or "none"
            raise bad_field("network", f"{name} is not configured; configured are {known}")
        return networks[name].network


def _with_body(method: str, body: Json | None) -> Json | None:
    return {} if body is None and method != "DELETE" else body


def _is_meant(wallet: Json, wanted: str) -> bool:
    return wanted in (wallet["id"], wallet["name"]) or (
        len(wanted) >= 8 and wallet["id"].startswith(wanted)  # noqa: PLR2004 - one hex group
    )


def directory(flag: Path | None) -> Path:
    return data_dir_of(environment(), flag)


def settings(data_dir: Path, **flags: Any) -> Settings:
    return load(data_dir, environment(), flags)


def door(flag: Path | None, password_file: Path | None = None) -> OwnerDoor:
    """The running daemon's owner door; DAEMON_NOT_RUNNING or NOT_INITIALISED otherwise."""
    return OwnerDoor(directory(flag), password_file)


def is_initialised(data_dir: Path) -> bool:
    keystore = data_dir / "keystore"
    return (keystore / "header.json").exists() or is_interrupted(keystore)


def require_initialised(data_dir: Path) -> None:
    if is_initialised(data_dir):
        return
    if (data_dir / "waiaas.db").exists() or (data_dir / "keystore").exists():
        raise UnavailableError(
            Code.KEYSTORE_MISSING,
            f"{data_dir} was set up, and its keystore/header.json is gone.",
            hint="Restore the keystore from a backup; without it no key opens.",
        )
    raise UnavailableError(
        Code.NOT_INITIALISED,
        f"There is no wallet directory at {data_dir}.",
        hint=_cut_off(data_dir) or "Make one with: waiaas init",
    )


def _cut_off(data_dir: Path) -> str | None:
    """What a restore that died between its two renames left: see ``wallet.bootstrap.restore``."""
    if data_dir.exists() or not data_dir.parent.is_dir():
        return None
    start = f"{data_dir.name}{BEFORE}"
    kept = sorted(path for path in data_dir.parent.iterdir() if path.name.startswith(start))
    if not kept:
        return None
    return f"A restore was cut off. The directory as it was is {kept[-1]}: rename it back, or restore again."


def is_live(data_dir: Path) -> bool:
    """Whether a daemon holds the lock. The pid alone proves nothing."""
    try:
        with (data_dir / "daemon.lock").open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def running(data_dir: Path) -> Running:
    """The live daemon of this directory."""
    require_initialised(data_dir)
    if not is_live(data_dir):
        raise UnavailableError(
            Code.DAEMON_NOT_RUNNING, f"No daemon runs on {data_dir}.", hint=START_HINT
        )
    try:
        found = json.loads((data_dir / "daemon.json").read_text())
        return Running(**{name: found[name] for name in Running.__slots__})
    except (OSError, ValueError, KeyError):
        raise UnavailableError(
            Code.STARTING,
            "The daemon is starting, or ending.",
            retryable=True,
            hint="Try again in a second.",
        ) from None


def choices(data_dir: Path) -> Json:
    """What `init` was told about first rules and bands: defaults for later commands, no authority."""
    try:
        found = json.loads((data_dir / CHOICES_FILE).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
