"""`waiaas backup` and `waiaas restore`: one sealed file, proved when written and before it replaces anything."""

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from wallet.cli import owner, passwords, render
from wallet.cli.keystore import keep_to_ourselves, require_writable
from wallet.cli.options import AsJson, DataDir, PasswordFile
from wallet.errors import Code, ConflictError, InputError, bad_field
from wallet.settings import Settings

BackupFile = Annotated[Path, typer.Argument(help="A file that `waiaas backup` wrote.")]


def backup(
    *,
    to: Annotated[Path, typer.Option("--to", help="A new file, or a directory to make one in.")],
    data_dir: DataDir = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Seal keystore, database and settings into one file, and prove that it restores. Also while the daemon runs."""
    home = owner.directory(data_dir)
    owner.require_initialised(home)
    keep_to_ourselves()
    require_writable(to / "a new file" if to.is_dir() else to, "--to")
    settings = owner.settings(home)
    from wallet.bootstrap.backup import make_backup, require_inside  # noqa: PLC0415 - heavy

    require_inside(settings)  # before anything is asked
    made = make_backup(settings, passwords.master_password(password_file), to)
    told = {
        "file": str(made.file),
        "bytes": made.size,
        "besideDaemon": made.beside_daemon,
        "notIncluded": _left_out(settings),
        **_contents(made),
    }
    render.show(told, as_json=as_json, say=_say_made)


def _left_out(settings: Settings) -> list[str]:
    prices = settings.prices
    return [str(name) for name in (prices.pyth_key_file, prices.coingecko_key_file) if name]


def _say_made(made: Any) -> None:
    print(f"{made['file']}: {made['bytes']} bytes, sealed under the master password of today.")
    print("It was read back: every key opens, and the database is sound.")
    _say_contents(made)
    for name in made["notIncluded"]:
        print(f"Not in it: {render.plain(name)}, a key file of prices. Keep a copy elsewhere.")
    print("Keep it on another machine, and the password somewhere else again.")


def restore(
    *,
    file: BackupFile,
    drill: Annotated[
        bool,
        typer.Option("--drill", help="Only prove that it restores; in a temporary directory."),
    ] = False,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Take the place of what is there, which is kept."),
    ] = False,
    accept_changed_log: Annotated[
        bool,
        typer.Option(
            "--accept-changed-log", help="Also if its audit log was changed before the backup."
        ),
    ] = False,
    data_dir: DataDir = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Open a backup, prove it, and put it in place of the data directory. The next start is stopped."""
    if drill and (replace or accept_changed_log or data_dir is not None):
        raise bad_field("--drill", "goes alone: it puts nothing in place")
    keep_to_ourselves()
    _require_file(file)
    if drill:
        _drill(file, password_file, as_json=as_json)
        return
    home = owner.directory(data_dir)
    if owner.is_live(home):
        raise ConflictError(
            Code.DAEMON_ALREADY_RUNNING, f"A daemon runs on {home}.", hint="waiaas stop"
        )
    password = passwords.master_password(password_file)
    from wallet.bootstrap import restore as restoring  # noqa: PLC0415 - heavy

    done = restoring.restore(
        file, password, home, replace=replace, accept_changed_log=accept_changed_log
    )
    told = {
        "dataDir": str(done.home),
        "kept": None if done.kept is None else str(done.kept),
        **_contents(done),
    }
    render.show(told, as_json=as_json, say=_say_restored)


def _drill(file: Path, password_file: Path | None, *, as_json: bool) -> None:
    password = passwords.master_password(password_file)
    from wallet.bootstrap import restore as restoring  # noqa: PLC0415 - heavy

    told = {"drill": True, **_contents(restoring.drill(file, password))}
    told["restores"] = told["auditFault"] is None
    render.show(told, as_json=as_json, say=_say_drilled)
    if not told["restores"]:
        raise render.Leave(render.GENERAL)


def _say_drilled(found: Any) -> None:
    print("Every key opens and leads to its address; the database is sound.")
    _say_contents(found)
    if found["restores"]:
        print("It would restore. Nothing was kept and nothing was changed.")
    else:
        print("A restore refuses it without --accept-changed-log. Nothing was changed.")


def _say_restored(done: Any) -> None:
    print(f"{done['dataDir']} is the backup now.")
    if done["kept"]:
        print(f"What was there is {done['kept']}. It holds keys too: delete it when all is well.")
    _say_contents(done)
    print("Its database is behind the world, so the next start is stopped. Then:")
    print("  waiaas start")
    print("  waiaas status      # and compare the balances with an explorer")
    print("  waiaas recover")


def _require_file(file: Path) -> None:
    try:
        with file.open("rb"):
            return
    except OSError as error:
        raise InputError(
            Code.VALIDATION_ERROR, f"{file} cannot be read: {error.strerror}."
        ) from None


# ---- what is told of every backup


def _contents(found: Any) -> dict[str, Any]:
    """Of a ``Made`` or a ``Restored``."""
    manifest, proof = found.manifest, found.proof
    names = {wallet.id: wallet.name for wallet in proof.wallets}
    return {
        "createdAt": manifest.created_at // 1000,
        "product": manifest.product,
        "kind": str(manifest.kind),
        "keystoreId": manifest.keystore_id,
        "wallets": [
            {
                "id": key.wallet_id,
                "name": names.get(key.wallet_id),
                "network": key.network,
                "address": key.address,
            }
            for key in proof.keys
        ],
        "transactions": proof.contents.transactions,
        "auditNumber": manifest.audit[0],
        "auditAt": proof.contents.audit_at // 1000,
        "auditFault": proof.audit_fault,
    }


def _say_contents(found: Any) -> None:
    now = int(time.time())  # noqa: TID251 - a command at the terminal
    made, last = found["createdAt"], found["auditAt"]
    render.fields(
        (
            (
                "made",
                f"{render.moment(made)}, {render.age(now - made)} ago, by version {found['product']}",
            ),
            ("keystore", f"{found['kind']}, {found['keystoreId']}"),
            (
                "last entry",
                f"row {found['auditNumber']} of the audit log, {render.age(now - last)} ago",
            ),
            ("payments", found["transactions"]),
            ("keys", len(found["wallets"])),
        )
    )
    for key in found["wallets"]:
        name = key["name"] or "(no wallet of the database)"
        print(f"  {key['network']}  {key['address']}  {render.plain(name)}")
    if found["auditFault"]:
        print(f"The audit log does not verify: {render.plain(found['auditFault'])}.")
