"""`waiaas audit`: list, verify and export the log of everything that happened."""

import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, Any, Final, Protocol

import typer

from wallet.cli import owner, passwords, render
from wallet.cli.http import Json
from wallet.cli.options import AsJson, DataDir, PasswordFile
from wallet.errors import Code, UnavailableError, bad_field
from wallet.settings import Secret

PAGE: Final = 1_000
PART: Final = 10_000  # rows verified between two signs of life
KNOWN: Final = re.compile(r"[0-9]{1,18}:[0-9a-f]{8,64}")

app = typer.Typer(
    no_args_is_help=True, help="The log of everything that happened.", rich_markup_mode=None
)
After = Annotated[int, typer.Option("--after", min=0, help="Only rows beyond this number.")]


class Log(Protocol):
    """Where rows come from: a running daemon, or the file of a stopped one."""

    def rows(self, after: int, limit: int, transaction_id: str | None) -> list[Json]: ...
    def verify(self, after: int, hashed: str, known: str | None) -> Json: ...
    def newest(self) -> int: ...


@app.command("list")
def list_rows(
    *,
    after: Annotated[
        int | None, typer.Option("--after", min=0, help="From beyond this number on.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=PAGE)] = 20,
    transaction: Annotated[
        str | None, typer.Option("--transaction", help="Only rows about this payment: its id.")
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """The newest rows, or those from a number on."""
    with _log(owner.directory(data_dir)) as log:
        start = after
        if start is None:
            start = 0 if transaction is not None else max(0, log.newest() - limit)
        found = log.rows(start, limit, transaction)
    render.show({"items": found}, as_json=as_json, say=lambda one: _say_rows(one["items"]))


@app.command()
def export(
    *,
    after: After = 0,
    out: Annotated[
        Path | None, typer.Option("--out", help="A new file. Default: standard output.")
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Every row as one line of JSON, oldest first; with its hash, so that it can be verified elsewhere."""
    with _log(owner.directory(data_dir)) as log, _sink(out) as file:
        count = 0
        for row in _every(log, after):
            file.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")
            count += 1
    if out is not None:
        told = {"rows": count, "file": str(out)}
        render.show(told, as_json=as_json, say=lambda _: print(f"{count} rows in {out}."))


@app.command()
def verify(
    *,
    known: Annotated[
        list[str] | None,
        typer.Option("--known", help="NUMBER:HASH of a card or daily message; repeat it."),
    ] = None,
    data_dir: DataDir = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Walk along the whole chain; exit code 1 and the number of the first bad row where it does not fit."""
    home = owner.directory(data_dir)
    heads = _heads(known or [])
    with _log(home, passwords.given(password_file), for_proof=True) as log:
        found = _walk(log, heads, quiet=as_json)
    render.show(found, as_json=as_json, say=_say_verdict)
    if found["firstBad"] is not None:
        raise render.Leave(render.GENERAL)


def _walk(log: Log, heads: str | None, *, quiet: bool) -> Json:
    """Part by part to the end, adding up."""
    total: Json = {"proved": 0, "sealed": 0, "open": 0, "unproved": []}
    after, hashed = 0, "0" * 64
    while True:
        part = log.verify(after, hashed, heads)
        # What a right HMAC follows is sealed by it, also across two parts.
        newly = total["open"] if part["proved"] else 0
        total["sealed"] += part["sealed"] + newly
        total["open"] += part["open"] - newly
        total["proved"] += part["proved"]
        _join(total["unproved"], part["unproved"])
        after, hashed = part["number"], part["hash"]
        if part["done"]:
            ends = {name: part[name] for name in ("number", "hash", "firstBad", "reason")}
            return {"sound": part["firstBad"] is None, **total, **ends}
        if not quiet and sys.stderr.isatty():
            print(f"\r{after} rows …", end="", file=sys.stderr)


def _join(known: list[Json], more: list[Json]) -> None:
    for stretch in more:
        if known and known[-1]["last"] + 1 == stretch["first"]:
            known[-1] = {"first": known[-1]["first"], "last": stretch["last"]}
        else:
            known.append(dict(stretch))


def _say_verdict(found: Json) -> None:
    if found["firstBad"] is not None:
        print(f"The log is NOT as it was written: {found['reason']}.")
        print(f"First bad row: {found['firstBad']}.")
        print(
            "Stop with: waiaas kill. Compare with an export, a backup and the heads in the chat."
        )
    else:
        print(f"{found['number']} rows fit. Head {found['number']}:{found['hash'][:8]}.")
    for count, what in (
        (found["proved"], "proved by the key"),
        (found["sealed"], "written while locked, sealed by a later proved row"),
        (found["open"], "written while locked, and nothing seals them yet"),
    ):
        if count:
            print(f"{str(count).rjust(8)}  {what}")
    if found["unproved"]:
        stretches = ", ".join(f"{one['first']}-{one['last']}" for one in found["unproved"])
        print(f"Not proved, because the key was not at hand: rows {stretches}.")
        print("Unlock the daemon, or give the password: --password-file.")
    elif found["firstBad"] is None:
        print("A cut end shows only against a head you know: --known NUMBER:HASH, from the chat.")


def _say_rows(found: list[Any]) -> None:
    render.table(
        ("NUMBER", "WHEN", "FACT", "BY", "ABOUT", "DETAILS"),
        [
            (
                str(one["number"]),
                render.moment(one["at"]) or "",
                one["fact"],
                one["actor"] or "",
                one["transactionId"] or one["sessionId"] or one["walletId"] or "",
                ", ".join(f"{k}={v}" for k, v in one["details"].items() if k != "request"),
            )
            for one in found
        ],
        empty="No row.",
    )


def _heads(known: list[str]) -> str | None:
    wrong = next((one for one in known if KNOWN.fullmatch(one) is None), None)
    if wrong is not None:
        raise bad_field(
            "--known", "must be NUMBER:HASH with 8 hex digits or more, as a card shows"
        )
    return ",".join(known) or None


def _every(log: Log, after: int) -> Iterator[Json]:
    while page := log.rows(after, PAGE, None):
        yield from page
        after = page[-1]["number"]


@contextmanager
def _sink(out: Path | None) -> Iterator[IO[str]]:
    if out is None:
        yield sys.stdout
        return
    try:
        descriptor = os.open(out, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        raise bad_field("--out", f"{out} exists; nothing was written") from None
    except OSError as error:
        raise bad_field("--out", f"{out} cannot be written ({error.strerror})") from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        yield file


# ---- where the rows are


@contextmanager
def _log(home: Path, password: Secret | None = None, *, for_proof: bool = False) -> Iterator[Log]:
    """The running daemon's log; the file itself where none runs, or where only a password proves it."""
    owner.require_initialised(home)
    try:
        door = owner.OwnerDoor(home)
    except UnavailableError as error:
        if error.code is not Code.DAEMON_NOT_RUNNING:
            raise
        door = None
    if door is not None and not (password is not None and door.get("/v1/status")["locked"]):
        yield _Running(door)
        return
    if door is None and for_proof and password is None and sys.stdin.isatty():
        password = _asked()
    from wallet.cli.offline import StoppedLog  # noqa: PLC0415 - imports the database

    with StoppedLog(owner.settings(home), password) as stopped:
        yield stopped


def _asked() -> Secret | None:
    """The password, to prove what is chained with the key; an empty answer goes without."""
    import getpass  # noqa: PLC0415 - only here

    typed = getpass.getpass("Master password (none: leave empty): ")
    return Secret(typed) if typed else None


class _Running:
    def __init__(self, door: owner.OwnerDoor) -> None:
        self._door = door

    def rows(self, after: int, limit: int, transaction_id: str | None) -> list[Json]:
        query = {"after": after, "limit": limit, "transactionId": transaction_id}
        items: list[Json] = self._door.get("/v1/audit", **query)["items"]
        return items

    def verify(self, after: int, hashed: str, known: str | None) -> Json:
        query = {"after": after, "hash": hashed, "limit": PART, "known": known}
        return self._door.get("/v1/audit/verify", **query)

    def newest(self) -> int:
        head: str = self._door.get("/v1/status")["auditHead"]
        return int(head.partition(":")[0])
