"""Where a sandbox lives: its directory, its port and its config.toml."""

import fcntl
import json
import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from wallet.errors import Code, ConflictError
from wallet.settings import Secret

LOOPBACK: Final = "127.0.0.1"
PASSWORD_FILE: Final = "password"  # noqa: S105 - a file name
PORTS_TRIED: Final = 200


@dataclass(frozen=True, slots=True)
class Place:
    """A fresh directory and the password of its keystore."""

    home: Path
    password: Secret

    @property
    def password_file(self) -> Path:
        return self.home / PASSWORD_FILE

    @property
    def log(self) -> Path:
        return self.home / "daemon.log"

    def write_private(self, name: str, text: str) -> Path:
        """A file for our eyes only."""
        path = self.home / name
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        return path


@contextmanager
def place(wanted: Path | None) -> Iterator[Place]:
    """A temporary directory, removed at the end; or the one asked for, emptied and kept."""
    password = Secret(secrets.token_urlsafe(18))
    if wanted is not None:
        home = wanted.expanduser().absolute()
        _take(home)
        yield _with_password(Place(home, password))
        return
    home = Path(tempfile.mkdtemp(prefix="waiaas-sandbox-"))
    try:
        yield _with_password(Place(home, password))
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _with_password(found: Place) -> Place:
    found.write_private(PASSWORD_FILE, found.password.reveal() + "\n")
    return found


def _take(home: Path) -> None:
    """Empty an earlier sandbox; anything else that is not empty is refused and left alone."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    entries = list(home.iterdir())
    if entries and not _is_sandbox(home):
        raise ConflictError(
            Code.DATA_DIRECTORY_KIND,
            f"{home} is neither empty nor a sandbox; nothing was touched.",
            hint="Give another --data-dir, or none.",
        )
    _require_unused(home)
    for entry in entries:
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    home.chmod(0o700)


def _is_sandbox(home: Path) -> bool:
    try:
        return (home / "kind").read_text().strip() == "sandbox"
    except OSError:
        # A sandbox that ended before it was born has its password file and nothing of value.
        return {entry.name for entry in home.iterdir()} <= {PASSWORD_FILE, "config.toml"}


def _require_unused(home: Path) -> None:
    lock = home / "daemon.lock"
    if not lock.exists():
        return
    with lock.open("r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConflictError(
                Code.DAEMON_ALREADY_RUNNING, f"A daemon runs on {home}.", hint="Stop it first."
            ) from None


def free_port(wanted: int) -> int:
    """``wanted``, or the next free one; 0 takes any."""
    for port in range(wanted, min(wanted + PORTS_TRIED, 65_536)) if wanted else (0,):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            taken: int = probe.getsockname()[1]
            return taken
    raise ConflictError(
        Code.CONFIG_ERROR, f"No port from {wanted} on is free.", hint="Try --port 0."
    )


def config_text(port: int, evm: dict[str, Any], solana: dict[str, Any]) -> str:
    """config.toml from what the stand-ins said: real rules, and waits short enough to watch."""
    return f"""\
# Written by `waiaas sandbox`.
[daemon]
port = {port}
shutdown_seconds = 1

[keystore]
profile = "CHEAPEST"

[policy]
min_delay_seconds = 1
min_approval_seconds = 1
loosening_wait_seconds = 2

[prices]
providers = ["static"]

[prices.assets."evm-local/native"]
static = "3000"

[prices.assets."solana-localnet/native"]
static = "150"

[safety]
recovery_wait_seconds = 5
recovery_wait_tap_seconds = 5

[networks.evm-local]
chain_id = {evm["chain_id"]}
rpc = [{json.dumps(evm["rpc"])}]
confirmations = 1
finality = "latest"

[networks.solana-localnet]
genesis = {json.dumps(solana["genesis"])}
rpc = [{json.dumps(solana["rpc"])}]
commitment = "confirmed"
confirmations = 1
finality = "latest"
"""
