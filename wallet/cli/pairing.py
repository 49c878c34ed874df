"""`waiaas pair`: who the owner is."""

import sys
import time
from typing import Annotated, Any, Final

import typer

from wallet.cli import owner, render
from wallet.cli.options import AsJson, CurrentCode, DataDir, PasswordFile
from wallet.cli.qr import terminal_qr
from wallet.domain.money import format_units
from wallet.errors import Code, ConflictError

POLL_SECONDS: Final = 0.5


def pair(
    *,
    confirm: Annotated[
        int | None,
        typer.Option(
            "--confirm",
            metavar="ID",
            help="Confirm the account that sent the code, by the id that was shown, and end.",
        ),
    ] = None,
    status: Annotated[bool, typer.Option("--status", help="Only say how it stands.")] = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the code.")] = True,
    current_code: CurrentCode = None,
    data_dir: DataDir = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Connect your Telegram account: send the code to the bot, then confirm here who sent it."""
    door = owner.door(data_dir, password_file)
    door.current_code = current_code
    if status:
        render.show(door.get("/v1/pairing"), as_json=as_json, say=_say_state)
    elif confirm is not None:
        _confirm_shown(door, confirm, as_json=as_json)
        if owner.choices(door.data_dir).get("tapBands"):
            _set_day_bands(door)
    else:
        _begin(door, wait=wait and not as_json, as_json=as_json)


def _begin(door: owner.OwnerDoor, *, wait: bool, as_json: bool) -> None:
    made = door.release("POST", "/v1/pairing")
    username = (door.get("/v1/status").get("bot") or {}).get("username")
    link = f"https://t.me/{username}?start={made['code']}" if username else None
    render.show({**made, "link": link}, as_json=as_json, say=_say_code)
    if not wait:
        return
    candidate = _await_candidate(door)
    _say_candidate(candidate)
    if not sys.stdin.isatty():
        print(f"Confirm it with: waiaas pair --confirm {candidate['id']}")
    elif typer.confirm("Is this you?"):
        _confirm(door, candidate["id"], as_json=as_json)
        _offer_bands(door)
    else:
        door.send("DELETE", "/v1/pairing")
        print("Nothing was paired, and the code is void. A new one: waiaas pair")


def _say_code(made: Any) -> None:
    if made["link"]:
        print(terminal_qr(made["link"]))
        print(made["link"])
    print(f"In Telegram, in a private chat with your bot, send: /start {made['code']}")
    print("The code works once, for ten minutes.")


def _await_candidate(door: owner.OwnerDoor) -> Any:
    print("Waiting for it…")
    while True:
        found = door.get("/v1/pairing")
        if found["state"] == "CANDIDATE":
            return found["candidate"]
        if found["state"] != "WAITING":
            raise ConflictError(
                Code.PAIRING_INVALID,
                "The code is void: its time passed, or it was tried wrongly too often.",
                hint="A new one: waiaas pair",
            )
        time.sleep(POLL_SECONDS)


def _say_candidate(candidate: Any) -> None:
    username = f", @{candidate['username']}" if candidate.get("username") else ""
    print(
        f"Sent by: {render.plain(candidate['name'])}{render.plain(username)}, id {candidate['id']}"
    )


def _say_state(found: Any) -> None:
    print(f"Pairing: {found['state']}")
    if found["candidate"]:
        _say_candidate(found["candidate"])


def _confirm_shown(door: owner.OwnerDoor, user_id: int, *, as_json: bool) -> None:
    """Say who it is before it is done; the daemon refuses any other id than the sender's."""
    candidate = door.get("/v1/pairing")["candidate"]
    if candidate and not as_json:
        _say_candidate(candidate)
    _confirm(door, user_id, as_json=as_json)


def _confirm(door: owner.OwnerDoor, user_id: int, *, as_json: bool) -> None:
    found = door.release("POST", "/v1/pairing/confirm", {"userId": user_id})
    render.show(
        found, as_json=as_json, say=lambda one: print(f"Paired with {render.plain(one['name'])}.")
    )


def _offer_bands(door: owner.OwnerDoor) -> None:
    """Without bands every approval needs a code or this host, so a first answer is asked for at once."""
    offered = day_bands(door)
    if not offered:
        return
    if owner.choices(door.data_dir).get("tapBands"):
        _set_day_bands(door)
        return
    shown = ", ".join(_band_text(door, asset, band) for asset, band in offered.items())
    if typer.confirm(f"Approve with a tap in Telegram up to what a day allows anyway ({shown})?"):
        door.release("PUT", "/v1/bands", {"bands": offered})
        print("Done. Change it with: waiaas factor bands")


def _set_day_bands(door: owner.OwnerDoor) -> None:
    offered = day_bands(door)
    if offered:
        door.release("PUT", "/v1/bands", {"bands": offered})


def day_bands(door: owner.OwnerDoor) -> dict[str, dict[str, str]]:
    """Per asset the band that ends where the day's limit of its wallet does."""
    bands: dict[str, dict[str, str]] = {}
    for rule in door.get("/v1/policies")["items"]:
        if rule["type"] == "CUMULATIVE_LIMIT":
            for asset, bounds in rule["rules"].get("assets", {}).items():
                most = max(int(bounds["limit"]), int(bands.get(asset, {}).get("tapMax", 0)))
                bands[asset] = {"tapMax": str(most), "codeMax": str(most)}
    return bands


def _band_text(door: owner.OwnerDoor, asset: str, band: dict[str, str]) -> str:
    network = door.network(asset.partition("/")[0])
    return f"{format_units(int(band['tapMax']), network.decimals)} {network.symbol}"
