"""`waiaas keystore`: look at the keystore, change its password, take keys over from files and hand them out.

While the daemon is stopped: a signer of its own opens the keystore, and this process never sees a key.
"""

import asyncio
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any

import typer

from wallet.cli import owner, passwords, render
from wallet.cli.options import AsJson, DataDir, PasswordFile
from wallet.errors import Code, ConflictError, InputError, WalletError, bad_field
from wallet.settings import Secret, Settings

app = typer.Typer(
    help="The keystore: password, key files. While no daemon runs.", no_args_is_help=True
)

_PROFILES = ("CALIBRATED", "MODERATE", "STRONG")
FilePassword = Annotated[
    Path | None,
    typer.Option(
        "--file-password-file", help="A file with the key file's password. Default: ask."
    ),
]


@app.command("show")
def show(*, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """What the keystore is, without opening it. Also while the daemon runs."""
    home = _home(data_dir)
    render.show(asyncio.run(_facts(home)), as_json=as_json, say=_say_facts)


async def _facts(home: Path) -> dict[str, Any]:
    from wallet.keystore.swap import leftovers  # noqa: PLC0415 - heavy
    from wallet.signer.client import KeyVault  # noqa: PLC0415 - heavy

    keystore = home / "keystore"
    vault = await KeyVault.start(keystore)
    try:
        header, wallets = await vault.header(), await vault.wallets()
        enrolled = await vault.totp_enrolled()
    finally:
        await vault.close()
    return {
        "version": header.version,
        "kind": header.kind,
        "keystoreId": header.keystore_id,
        "createdAt": header.created_at // 1000,
        "botApiUrl": header.bot_api_url,
        "keyDerivation": key_derivation(header),
        "authenticator": enrolled,
        "leftovers": [str(path) for path in leftovers(keystore)],
        "keys": [
            {"walletId": one.wallet_id, "network": one.network, "address": one.address}
            for one in wallets
        ],
    }


def key_derivation(header: Any) -> dict[str, Any]:
    """The Argon2id parameters of a header, for --json."""
    return {
        "name": "argon2id",
        "memoryKib": header.memory_kib,
        "timeCost": header.time_cost,
        "parallelism": header.parallelism,
    }


def derivation_text(found: Any) -> str:
    return (
        f"Argon2id, {found['memoryKib'] // 1024} MiB, {found['timeCost']} passes, "
        f"{found['parallelism']} lanes"
    )


def _say_facts(found: Any) -> None:
    render.fields(
        (
            ("format", f"version {found['version']}, {found['kind']}"),
            ("id", found["keystoreId"]),
            ("made", render.moment(found["createdAt"])),
            ("key derivation", derivation_text(found["keyDerivation"])),
            ("authenticator", "enrolled" if found["authenticator"] else "none"),
            ("keys", len(found["keys"])),
        )
    )
    for key in found["keys"]:
        print(f"  {key['network']}  {key['address']}  {key['walletId']}")
    for leftover in found["leftovers"]:
        print(f"{leftover} is left of a change of password; the next unlock removes it.")


@app.command("password")
def password(
    *,
    rewrap: Annotated[
        bool,
        typer.Option(
            "--rewrap", help="Keep the data key. Not when the old password may be known to others."
        ),
    ] = False,
    profile: Annotated[
        str | None,
        typer.Option(
            "--keystore-profile",
            help="Also choose the key derivation anew: CALIBRATED, MODERATE or STRONG.",
        ),
    ] = None,
    new_password_file: Annotated[
        Path | None,
        typer.Option("--new-password-file", help="A file with the new password. Default: ask."),
    ] = None,
    data_dir: DataDir = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Change the master password. The daemon must be stopped."""
    home = _stopped(data_dir)
    if profile is not None and profile not in _PROFILES:
        raise bad_field("--keystore-profile", f"must be one of {', '.join(_PROFILES)}")
    old = passwords.master_password(password_file)
    new = passwords.changed_password(new_password_file)
    if new.reveal() == old.reveal() and profile is None:
        raise bad_field("password", "is the present one; nothing was changed")
    wish = (new, profile, rewrap)
    done = asyncio.run(_change(owner.settings(home), old, wish))
    render.show(done, as_json=as_json, say=_say_changed)


async def _change(
    settings: Settings, old: Secret, wish: tuple[Secret, str | None, bool]
) -> dict[str, Any]:
    from wallet.bootstrap.custody import offline  # noqa: PLC0415 - heavy

    new, profile, rewrap = wish
    async with offline(settings) as place:
        await place.custody.unlock(old.reveal())
        made = await place.vault.change_password(new.reveal(), profile=profile, rewrap=rewrap)
        details = {"dataKey": "kept" if rewrap else "new"}
        noted = await _noted(lambda: place.custody.password_changed(details))
    return {
        "changed": True,
        "dataKey": details["dataKey"],
        "keyDerivation": key_derivation(made.header),
        "oldRemoved": made.old_removed,
        "audited": noted,
        "oldBackups": "keep their old password",
    }


async def _noted(write: Callable[[], Coroutine[Any, Any, None]]) -> bool:
    """The password is changed by now: a database that cannot be written must not say otherwise."""
    try:
        await write()
    except WalletError:
        return False
    return True


def _say_changed(done: Any) -> None:
    kept = done["dataKey"] == "kept"
    print("The master password is changed. The old one does not open this keystore any more.")
    print(f"Data key: {'kept' if kept else 'new; every key was sealed anew and proved'}.")
    print(f"Key derivation: {derivation_text(done['keyDerivation'])}.")
    print("Old backups keep their old password: whoever has both has the keys that were in them.")
    print("Make a new backup, destroy the old ones, and move the funds if others may have both.")
    print("Where the daemon reads the password from a file or a credential, change that too.")
    if not done["oldRemoved"]:
        print("The old keystore could not be removed: delete keystore.next and keystore.previous.")
    if not done["audited"]:
        print("The database could not be written: the change is not in the audit log.")


@app.command("import")
def import_file(
    *,
    file: Annotated[Path, typer.Argument(help="A key file of a WAIaaS keystore, version 1.")],
    network: Annotated[
        str | None,
        typer.Option("--network", help="A configured network. Default: what the file says."),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Default: the name in the file.")
    ] = None,
    preset: Annotated[
        str | None, typer.Option("--preset", help="First rules: careful, normal or generous.")
    ] = None,
    file_password_file: FilePassword = None,
    data_dir: DataDir = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Make a wallet of somebody's key file. The daemon must be stopped."""
    from wallet.keystore import version1  # noqa: PLC0415 - heavy
    from wallet.operations.custody import Arrival  # noqa: PLC0415

    home = _stopped(data_dir)
    settings = owner.settings(home)
    text = _read(file, version1.MAX_FILE_BYTES)
    found = version1.parse(text)
    chosen = network or _network_of(found.chain, found.network, settings)
    usual = "careful" if chosen.endswith("-mainnet") else "normal"
    arrival = Arrival(
        text=text,
        chain=found.chain,
        address=found.address,
        network=chosen,
        name=name or found.name,
        preset=preset or owner.choices(home).get("preset") or usual,
    )
    master = passwords.master_password(password_file)
    theirs = passwords.file_password(file_password_file)
    made = asyncio.run(_import(settings, master, arrival, theirs))
    render.show(made, as_json=as_json, say=_say_imported)


async def _import(
    settings: Settings, master: Secret, arrival: Any, theirs: Secret
) -> dict[str, Any]:
    from wallet.bootstrap.custody import offline  # noqa: PLC0415 - heavy

    async with offline(settings, with_chains=True) as place:
        await place.custody.unlock(master.reveal())
        wallet = await place.custody.import_key(arrival, theirs.reveal())
    return {
        "id": wallet.id,
        "name": wallet.name,
        "network": wallet.network,
        "address": wallet.address,
        "preset": arrival.preset,
    }


def _say_imported(made: Any) -> None:
    print(f"Wallet {render.plain(made['name'])} on {made['network']}.")
    print(f"Its address is {made['address']}")
    print(f"It starts with the {made['preset']} rules: waiaas policy list")
    print(
        "Where else this key is kept, it can be spent from without these rules: delete it there."
    )


def _network_of(chain: str, word: str, settings: Settings) -> str:
    """The configured network that the file means."""
    from wallet.operations.custody import network_names  # noqa: PLC0415

    for name in network_names(chain, word):
        one = settings.networks.get(name)
        if one is not None and one.network.chain.value == chain:
            return name
    fitting = [n for n, one in settings.networks.items() if one.network.chain.value == chain]
    raise bad_field(
        "--network",
        f"the file says {render.plain(word)} of {chain}, which is not configured; "
        f"configured are {', '.join(sorted(fitting)) or 'none'}",
        Code.CHAIN_NOT_SUPPORTED,
    )


@app.command("export")
def export(
    *,
    wallet: Annotated[str, typer.Argument(help="Name, address, id or the beginning of an id.")],
    out: Annotated[Path, typer.Option("--out", help="The file to write; it must not exist.")],
    file_password_file: FilePassword = None,
    data_dir: DataDir = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Write a wallet's private key into a key file with a password of its own. The daemon must be stopped."""
    home = _stopped(data_dir)
    require_writable(out, "--out")
    master = passwords.master_password(password_file)
    own = passwords.new_file_password(file_password_file)
    done = asyncio.run(_export(owner.settings(home), master, (wallet, out), own))
    render.show(done, as_json=as_json, say=_say_exported)


async def _export(
    settings: Settings, master: Secret, what: tuple[str, Path], own: Secret
) -> dict[str, Any]:
    from wallet.bootstrap.custody import offline  # noqa: PLC0415 - heavy
    from wallet.keystore.files import write_new  # noqa: PLC0415 - heavy

    wanted, out = what
    async with offline(settings) as place:
        await place.custody.unlock(master.reveal())
        wallet, text = await place.custody.export_key(wanted, own.reveal())
    write_new(out, text)
    return {
        "file": str(out),
        "walletId": wallet.id,
        "network": wallet.network,
        "address": wallet.address,
    }


def _say_exported(done: Any) -> None:
    print(f"The key of {done['address']} is in {done['file']}.")
    print("Whoever has this file and its password can spend everything, without rules and stops.")


# ---- places


def _home(data_dir: Path | None) -> Path:
    home = owner.directory(data_dir)
    owner.require_initialised(home)
    keep_to_ourselves()
    return home


def _stopped(data_dir: Path | None) -> Path:
    """The directory, before anything is asked; the lock that counts is taken later."""
    home = _home(data_dir)
    if owner.is_live(home):
        raise ConflictError(
            Code.DAEMON_ALREADY_RUNNING,
            f"A daemon runs on {home}; keys are touched while it is stopped only.",
            hint="waiaas stop",
        )
    return home


def keep_to_ourselves() -> None:
    """Passwords will be in this process."""
    from wallet.signer.hardening import refuse_dumps  # noqa: PLC0415 - heavy

    refuse_dumps()


def _read(file: Path, most: int) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(most + 1)
    except OSError as error:
        raise InputError(
            Code.VALIDATION_ERROR, f"{file} cannot be read: {error.strerror}."
        ) from None


def require_writable(out: Path, option: str) -> None:
    """A mistake that shows before the key is touched; the file itself is made at the end."""
    if out.exists() or out.is_symlink():
        raise ConflictError(
            Code.ALREADY_INITIALISED, f"{out} is already there; it was not touched."
        )
    if not out.parent.is_dir() or not os.access(out.parent, os.W_OK):
        raise bad_field(option, f"{out.parent} is no directory that can be written")
