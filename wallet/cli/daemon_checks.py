"""What `waiaas doctor` asks a running daemon, and what runs beside it."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from wallet.cli import owner
from wallet.cli.checks import Finding, bad, ok, warn
from wallet.cli.status import memory_gaps
from wallet.keystore.swap import leftovers


def daemon_checks(door: owner.OwnerDoor) -> Iterator[Finding]:
    """What the running daemon knows about itself."""
    status = door.get("/v1/status")
    yield ok("daemon", f"It runs, pid {door.running.pid}, {door.running.agent_url}.")
    for check, is_bad, message, fix in _conditions(door, status):
        if is_bad:
            yield warn(check, message, fix)
    yield from poller_checks(status.get("bot") or {})


def poller_checks(bot: dict[str, Any]) -> Iterator[Finding]:
    """What the bot says of its polling: a refused token, a second poller, a frozen chat."""
    state, error = bot.get("state"), bot.get("lastError")
    if state == "REFUSED":
        yield bad("poller", f"The bot does not run: {error}.", "Copy the token from @BotFather.")
    elif state == "RETRYING" and "Conflict" in str(error):
        fix = "End the other program with this token, or revoke the token."
        yield bad("poller", "Somebody else polls with the bot's token.", fix)
    elif state == "RETRYING":
        yield warn("poller", f"Telegram does not answer the bot: {error}.", "It keeps trying.")
    if bot.get("frozen"):
        yield bad("poller", "Approvals by Telegram are frozen.", "Find out why, then: waiaas pair")


def _conditions(
    door: owner.OwnerDoor, status: dict[str, Any]
) -> Iterator[tuple[str, bool, str, str]]:
    rules = door.get("/v1/policies")["items"]
    granted = {rule["walletId"] for rule in rules if rule["type"] == "SPENDING_LIMIT"}
    bare = [
        one["name"]
        for one in status["wallets"]
        if one["id"] not in granted and None not in granted
    ]
    state = status["state"]["state"]
    paired = status["owner"]
    yield "state", state != "NORMAL", f"The kill switch is {state}.", "waiaas recover"
    yield "lock", status["locked"], "The keystore is locked.", "waiaas unlock"
    yield "owner", paired is None, "No owner is paired.", "waiaas pair"
    unbanded = paired is not None and not paired["bands"]
    yield "factor", unbanded, "No band says what a tap may approve.", "waiaas factor bands"
    yield (
        "policy",
        bool(bare),
        f"Without a spending limit: {', '.join(bare)}.",
        "waiaas policy set",
    )
    gaps, left = memory_gaps(status["memory"]), leftovers(door.data_dir / "keystore")
    yield "memory", bool(gaps), f"{'; '.join(gaps)}.", "docs/security.md says what it means"
    yield (
        "keystore",
        bool(left),
        "A change of password was cut off and left a second keystore.",
        "waiaas stop, then start and unlock: that removes it.",
    )
    yield "wallets", not status["wallets"], "There is no wallet.", "waiaas wallet create"


def neighbours(is_agent: Callable[[Path], bool] | None = None) -> Iterator[Finding]:
    """Programs of this user that hold a session token: they could read the keystore's files too."""
    judge = is_agent or _holds_token
    found = [path.name for path in Path("/proc").glob("[0-9]*") if judge(path)]
    others = [pid for pid in found if pid != str(os.getpid())]
    if others:
        fix = "Run agents as another user, or in a container."
        yield warn("agent", f"An agent runs as this user (pid {', '.join(others)}).", fix)


def _holds_token(path: Path) -> bool:
    try:
        if path.stat().st_uid != os.getuid():
            return False
        return b"WAIAAS_SESSION_TOKEN=" in (path / "environ").read_bytes()
    except OSError:
        return False
