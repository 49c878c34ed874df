"""What `waiaas doctor` looks at. Each check is small, looks only, and says how to mend what it finds."""

import json
import os
import shutil
import stat
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from wallet.bootstrap.backup_note import read_note
from wallet.bootstrap.place import read_kind
from wallet.cli import bot_api, owner, render
from wallet.domain.chains import ChainName
from wallet.errors import WalletError
from wallet.settings import NetworkSettings, Settings, secret_in

LOOSE: Final = stat.S_IRWXG | stat.S_IRWXO
FREE_BYTES: Final = 200 * 2**20
BACKUP_SECONDS: Final = 30 * 86_400
SKEW_SECONDS: Final = 30.0
RPC_SECONDS: Final = 8.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: OK, WARN or FAIL; ``fix`` says what to do."""

    check: str
    status: str
    message: str
    fix: str | None = None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def ok(check: str, message: str) -> Finding:
    return Finding(check, "OK", message)


def warn(check: str, message: str, fix: str | None = None) -> Finding:
    return Finding(check, "WARN", message, fix)


def bad(check: str, message: str, fix: str | None = None) -> Finding:
    return Finding(check, "FAIL", message, fix)


def host_checks(home: Path) -> Iterator[Finding]:
    """What can be seen without a daemon."""
    yield from _initialised(home)
    yield _directory(home)
    yield from _files(home)
    yield _disk(home)
    yield from backup_checks(home)


def _initialised(home: Path) -> Iterator[Finding]:
    if not owner.is_initialised(home):
        yield bad("keystore", f"There is no keystore in {home}.", "waiaas init")
        return
    from wallet.keystore.files import KeystoreFiles  # noqa: PLC0415 - imports the libraries

    try:
        files = KeystoreFiles(home / "keystore")
        files.read_header()
        for _ in files.read_wallets():
            pass
    except WalletError as error:
        yield bad("keystore", error.message, error.hint or "Restore it from a backup.")
        return
    yield ok("keystore", "It is whole, as far as can be seen without the password.")


def _directory(home: Path) -> Finding:
    try:
        found = home.stat()
    except OSError:
        return bad("directory", f"{home} is not there.", "waiaas init")
    if found.st_uid != os.getuid():
        return bad("directory", f"{home} belongs to another user.", f"sudo chown -R $USER {home}")
    if found.st_mode & LOOSE:
        return bad("directory", f"Others may look into {home}.", f"chmod 700 {home}")
    return ok("directory", f"{home} is for you alone.")


def _files(home: Path) -> Iterator[Finding]:
    keystore = home / "keystore"
    paths = [keystore, *keystore.rglob("*")] if keystore.is_dir() else []
    token = home / "bot_token"
    loose = [
        path
        for path in (*paths, *([token] if token.exists() else []))
        if path.stat().st_mode & LOOSE
    ]
    for path in loose:
        mode = "700" if path.is_dir() else "600"
        yield bad("permissions", f"Others may open {path}.", f"chmod {mode} {path}")
    if paths and not loose:
        yield ok("permissions", "Keys and tokens are readable by you alone.")


def _disk(home: Path) -> Finding:
    free = shutil.disk_usage(home if home.exists() else home.parent).free
    if free < FREE_BYTES:
        return bad("disk", f"Only {free >> 20} MiB are free.", "Make room; payments are refused.")
    return ok("disk", f"{free >> 20} MiB are free.")


def backup_checks(home: Path) -> Iterator[Finding]:
    """How old the last backup is, and whether a key stands in none. A sandbox needs none."""
    if not owner.is_initialised(home) or read_kind(home) == "sandbox":
        return
    note, fix = read_note(home), "waiaas backup --to DIRECTORY, and keep it on another machine."
    if note is None:
        yield warn("backup", "There is no backup that `waiaas backup` made.", fix)
        return
    seconds = int(time.time()) - note.created_at  # noqa: TID251 - of this host, at the terminal
    age = f"The last backup is {render.age(seconds)} old"
    kept = {path.stem for path in (home / "keystore" / "wallets").glob("*.json")}
    missing = len(kept - note.wallet_ids)
    if missing:
        keys = "one key is" if missing == 1 else f"{missing} keys are"
        yield warn("backup", f"{age}, and {keys} not in it.", fix)
    elif seconds > BACKUP_SECONDS:
        yield warn("backup", f"{age}: payments and limits since are not in it.", fix)
    else:
        yield ok("backup", f"{age} and holds every key.")


def settings_check(home: Path) -> tuple[Settings | None, list[Finding]]:
    """The settings, or every mistake in them."""
    try:
        found = owner.settings(home)
    except WalletError as error:
        issues = error.details.get("issues") or [{"path": "settings", "message": error.message}]
        return None, [
            bad("settings", f"{one['path']}: {one['message']}", "Edit config.toml.")
            for one in issues
        ]
    if not found.networks:
        fix = 'Add an endpoint to config.toml: [networks.solana-devnet] rpc = ["https://…"]'
        return found, [warn("settings", "No network has an endpoint.", fix)]
    return found, [ok("settings", f"Networks: {', '.join(found.networks)}.")]


# ---- endpoints


def network_checks(settings: Settings) -> Iterator[Finding]:
    """Every endpoint: does it answer, is it the chain it should be, is our clock right."""
    for name, network in settings.networks.items():
        for number, url in enumerate(network.rpc, 1):
            yield from _endpoint(f"{name} endpoint {number}", network, url)


def _endpoint(check: str, network: NetworkSettings, url: str) -> Iterator[Finding]:
    is_evm = network.network.chain is ChainName.ETHEREUM
    try:
        result, server_time = rpc(url, "eth_chainId" if is_evm else "getGenesisHash")
    except (OSError, HTTPException) as error:
        yield bad(
            check, f"It does not answer ({type(error).__name__}).", "Check the endpoint's URL."
        )
        return
    except (ValueError, KeyError, TypeError):
        yield bad(
            check,
            "It answers, and not as a node does: it is down, or no node of this chain.",
            "Try again later, or use another endpoint.",
        )
        return
    found = str(int(result, 16)) if is_evm else str(result)
    if found != network.network.identity:
        message = f"It is another chain: {found}, not {network.network.identity}."
        yield bad(check, message, "Use an endpoint of this network.")
    else:
        yield ok(check, "It answers and is the right chain.")
    yield from clock_check(check, server_time)


def rpc(url: str, method: str) -> tuple[Any, float | None]:
    """One JSON-RPC call: its result and the server's time (epoch seconds)."""
    parts = urlsplit(url)
    make = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = make(parts.hostname or "", parts.port, timeout=RPC_SECONDS)
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": []})
    path = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
    try:
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = json.loads(response.read())
        return answer["result"], bot_api.http_date(response.getheader("Date"))
    finally:
        connection.close()


def clock_check(where: str, server_time: float | None) -> Iterator[Finding]:
    """WARN when this host's clock is off: codes, delays and sessions go by it."""
    if server_time is None:
        return
    skew = time.time() - server_time  # noqa: TID251 - the host's clock is what is examined
    if abs(skew) > SKEW_SECONDS:
        yield bad(
            "clock", f"This clock is {skew:+.0f} s off {where}.", "sudo timedatectl set-ntp true"
        )


# ---- Telegram


def bot_checks(home: Path, api_url: str | None) -> Iterator[Finding]:
    """The token, a webhook nobody set, and the clock over there."""
    path = home / "bot_token"
    if not path.exists():
        yield warn(
            "bot", "There is no bot token: nobody can be asked.", f"Write it to {path}, 0600."
        )
        return
    token = secret_in(path).reveal()
    me = bot_api.ask(token, "getMe", api_url)
    if me.status is None:
        yield bad("bot", "Telegram does not answer.", "Check this host's way to the Internet.")
        return
    if me.is_wrong_token:
        yield bad("bot", "Telegram refuses the token.", "Copy it again from @BotFather.")
        return
    yield ok("bot", f"The token is right: @{me.result.get('username')}.")
    yield from clock_check("Telegram", me.server_time)
    webhook = bot_api.ask(token, "getWebhookInfo", api_url).result.get("url")
    if webhook:
        yield bad(
            "webhook", "A webhook is set: somebody else gets the updates.", "Revoke the token."
        )
