"""`waiaas doctor --ledger`: the books recomputed by the running daemon, every violation named."""

from pathlib import Path
from typing import Final

from wallet.cli import owner, render
from wallet.cli.http import Json
from wallet.errors import bad_field

HOUR_SECONDS: Final = 3_600.0  # a million payments and a slow endpoint


def ledger(data_dir: Path | None, funded: list[str], *, with_chains: bool, as_json: bool) -> None:
    """Print what was found; exit code 1 when an invariant is violated."""
    door = owner.door(data_dir)
    answer = door.get_slowly(
        "/v1/ledger",
        HOUR_SECONDS,
        chains="true" if with_chains else "false",
        funded=_funded(door, funded),
    )
    shown = {"sound": answer["found"] == 0, **answer}
    render.show(shown, as_json=as_json, say=_say)
    if not shown["sound"]:
        raise render.Leave(render.GENERAL)


def _funded(door: owner.OwnerDoor, pairs: list[str]) -> str | None:
    """``WALLET=UNITS`` with the wallet's id, name or the beginning of its id."""
    found = []
    for pair in pairs:
        name, equals, units = pair.partition("=")
        if not equals or not (units.isascii() and units.isdecimal()):
            raise bad_field("--funded", "must be WALLET=UNITS, a whole number of base units")
        found.append(f"{door.wallet(name)['id']}:{int(units)}")
    return ",".join(found) or None


def _say(found: Json) -> None:
    for one in found["violations"]:
        print(f"FAIL  {one['invariant']}  {render.plain(one['subject'])}")
        print(f"      {render.plain(one['message'])}")
    more = found["found"] - len(found["violations"])
    if more:
        print(f"      and {more} more")
    for reason in found["notCompared"]:
        print(f"warn  not compared: {render.plain(reason)}")
    held = f"{found['compared']} of them held against their chain"
    if found["found"]:
        print(f"{found['found']} violations in {found['transactions']} transactions, {held}.")
        print("Stop with: waiaas kill. Keep a copy of the directory, then report it.")
    else:
        print(f"The books are right: {found['transactions']} transactions, {held}.")
