"""`waiaas status`: how everything is."""

import json
from typing import Any

from wallet import __version__
from wallet.cli import owner, render
from wallet.cli.http import Call, over_url
from wallet.cli.options import AsJson, DataDir
from wallet.errors import Code, UnavailableError, WalletError


def status(*, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """How everything is. Exit code 3 when no daemon runs."""
    home = owner.directory(data_dir)
    try:
        door = owner.door(data_dir)
        answer = {
            "running": True,
            "pid": door.running.pid,
            "agentUrl": door.running.agent_url,
            "ready": _is_ready(door.running.agent_url),
            **door.get("/v1/status"),
        }
    except UnavailableError as error:
        if error.code not in (Code.DAEMON_NOT_RUNNING, Code.NOT_INITIALISED) or not as_json:
            raise
        print(json.dumps({"running": False, "dataDir": str(home), "version": __version__}))
        raise render.Leave(render.NOT_THERE) from None
    render.show(answer, as_json=as_json, say=_say_status)


def _is_ready(url: str) -> bool:
    try:
        over_url(url, Call("GET", "/ready"), seconds=2)
    except WalletError:
        return False
    return True


def _say_status(found: Any) -> None:
    paired = found["owner"]
    render.fields(
        (
            ("daemon", f"{found['version']}, pid {found['pid']}, {found['agentUrl']}"),
            ("state", found["state"]["state"]),
            ("telegram", _telegram(found["bot"])),
            ("keystore", _lock(found)),
            ("memory", memory_text(found["memory"])),
            ("owner", paired["name"] if paired else "not paired: waiaas pair"),
            ("payments", f"{found['waiting']} waiting for you, {found['open']} open"),
            ("sessions", found["sessions"]),
            ("audit", found["auditHead"]),
        )
    )
    for one in found["wallets"]:
        balance = one["formatted"] or f"balance unknown: {one['error']}"
        print(f"  {render.plain(one['name'])}  {balance}  {one['address']}")
    for one in found["held"]:
        what = "frozen session" if one["kind"] == "session" else "suspended wallet"
        how = (
            "waiaas recover"
            if one["by"] == "KILL_SWITCH"
            else f"waiaas resume {one['kind']} {one['id']}"
        )
        print(f"  {what} {render.plain(one['name'])} by {one['by']}. To let it go: {how}")
    if found["clockDoubt"]:
        print(f"The time is in doubt: {found['clockDoubt']}. Nothing leaves: waiaas clock")
    state = found["state"]
    if state["state"] == "RECOVERING":
        print(f"A recovery runs; payments start again at {render.moment(state['recoveryAt'])}.")
        print("To stop it: waiaas recover --cancel")
    elif state["state"] != "NORMAL":
        print("Stopped by the kill switch. To start again: waiaas recover")


def _telegram(bot: Any) -> str:
    """How the owner's chat is: what the bot last met, and whether approving there is frozen."""
    told = str(bot.get("state", "UNKNOWN"))
    if bot.get("username"):
        told += f" as @{bot['username']}"
    if bot.get("consecutiveErrors"):
        told += f", {bot['consecutiveErrors']} failed polls in a row ({bot.get('lastError')})"
    if bot.get("frozen"):
        told += "; approving there is frozen: find out why, then waiaas pair"
    return told


def memory_gaps(found: Any) -> list[str]:
    """Which guards of memory are not in force; nothing is said of a signer that is not there."""
    gaps = []
    for process in ("daemon", "signer"):
        guards = found[process] or {}
        gaps += [
            f"{process} {words}"
            for name, words in (
                ("noCoreDumps", "may leave a core dump"),
                ("notTraceable", "can be traced by this user"),
            )
            if guards.get(name) is False
        ]
    if (found["signer"] or {}).get("keyMemory") == "PLAIN":
        gaps.append("keys may be swapped out: raise the limit of locked memory (ulimit -l)")
    return gaps


def memory_text(found: Any) -> str:
    """The gaps, or what is in force."""
    kind = (found["signer"] or {}).get("keyMemory", "")
    return "; ".join(memory_gaps(found)) or {
        "GUARDED": "keys in guarded memory, no core dumps, no tracing",
        "LOCKED": "keys in locked memory, no core dumps, no tracing",
    }.get(kind, "no core dumps, no tracing; no signer runs")


def _lock(found: Any) -> str:
    if not found["locked"]:
        return "unlocked"
    return "locked: waiaas unlock" if found["state"]["state"] == "NORMAL" else "locked"
