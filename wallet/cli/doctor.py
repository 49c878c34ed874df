"""`waiaas doctor`: what is wrong, and how to mend it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from wallet.cli import checks, daemon_checks, ledger_checks, owner, render
from wallet.cli.checks import Finding
from wallet.cli.options import AsJson, DataDir
from wallet.errors import WalletError, bad_field

_MARKS = {"OK": "ok  ", "WARN": "warn", "FAIL": "FAIL"}


def doctor(
    *,
    offline: Annotated[
        bool, typer.Option("--offline", help="Ask neither endpoints nor Telegram.")
    ] = False,
    ledger: Annotated[
        bool,
        typer.Option("--ledger", help="Recompute the books and compare them with the chains."),
    ] = False,
    funded: Annotated[
        list[str] | None,
        typer.Option(
            "--funded",
            help="With --ledger: WALLET=UNITS, what it was given (base units); repeat it.",
        ),
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Look at everything; exit code 1 when something is broken."""
    if ledger:
        ledger_checks.ledger(data_dir, funded or [], with_chains=not offline, as_json=as_json)
        return
    if funded:
        raise bad_field("--funded", "goes with --ledger")
    found = list(_examine(owner.directory(data_dir), offline=offline))
    healthy = all(one.status != "FAIL" for one in found)
    answer = {"healthy": healthy, "findings": [one.as_json() for one in found]}
    render.show(answer, as_json=as_json, say=lambda _: _say(found))
    if not healthy:
        raise render.Leave(render.GENERAL)


def _examine(home: Path, *, offline: bool) -> Iterator[Finding]:
    yield from checks.host_checks(home)
    settings, findings = checks.settings_check(home)
    yield from findings
    if settings is not None and not offline:
        yield from checks.network_checks(settings)
    if not offline:
        yield from checks.bot_checks(home, _bot_api_url(home))
    yield from _daemon(home)
    yield from daemon_checks.neighbours()


def _bot_api_url(home: Path) -> str | None:
    """The header's field; the daemon believes it only once the password has proved it."""
    try:
        found = json.loads((home / "keystore" / "header.json").read_text())
        url = found.get("bot_api_url")
        return url if isinstance(url, str) else None
    except (OSError, ValueError):
        return None


def _daemon(home: Path) -> Iterator[Finding]:
    try:
        door = owner.OwnerDoor(home)
        yield from daemon_checks.daemon_checks(door)
        report: dict[str, Any] = door.get("/v1/doctor")["report"]
    except WalletError as error:
        yield checks.warn("daemon", error.message, error.hint)
        return
    for name, value in report.items():
        if isinstance(value, dict) and value.get("status") in ("WARN", "FAIL"):
            yield Finding(name, value["status"], str(value.get("message")), value.get("fix"))


def _say(found: list[Finding]) -> None:
    for one in found:
        print(f"{_MARKS[one.status]}  {one.check}: {render.plain(one.message)}")
        if one.fix:
            print(f"      {one.fix}")
