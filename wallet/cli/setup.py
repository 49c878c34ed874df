"""`waiaas init`: a data directory for real networks, by questions or by flags."""

import asyncio
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from wallet import __version__
from wallet.cli import bot_api, owner, passwords, render
from wallet.cli.keystore import derivation_text, key_derivation
from wallet.cli.options import AsJson, DataDir, PasswordFile
from wallet.errors import Code, ConflictError, bad_field
from wallet.settings import CONFIG_FILE, KNOWN_NETWORKS, Secret, load, secret_in

PRESETS = ("careful", "normal", "generous")


@dataclass(frozen=True, slots=True)
class Answers:
    """What was asked for. ``networks`` maps names to endpoints."""

    password: Secret
    bot_token: Secret | None
    bot_api_url: str | None
    networks: dict[str, list[str]]
    preset: str | None
    tap_bands: bool
    profile: str


def init(  # noqa: PLR0913 - one parameter a flag
    *,
    non_interactive: Annotated[
        bool, typer.Option("--non-interactive", help="Ask nothing; take what the flags say.")
    ] = False,
    network: Annotated[
        list[str] | None,
        typer.Option("--network", help="NAME=https://endpoint[,https://second]; repeat it."),
    ] = None,
    bot_token_file: Annotated[
        Path | None, typer.Option("--bot-token-file", help="The bot token of @BotFather.")
    ] = None,
    bot_api_url: Annotated[
        str | None,
        typer.Option("--bot-api-url", help="Another Bot API server. Fixed for this directory."),
    ] = None,
    preset: Annotated[
        str | None, typer.Option("--preset", help="First rules: careful, normal or generous.")
    ] = None,
    tap_bands: Annotated[
        bool, typer.Option("--tap-bands", help="Approve by tap up to what a day allows anyway.")
    ] = False,
    profile: Annotated[
        str,
        typer.Option(
            "--keystore-profile",
            help="CALIBRATED (for this machine), MODERATE or STRONG.",
        ),
    ] = "CALIBRATED",
    totp: Annotated[bool, typer.Option("--totp", help="Enrol an authenticator app now.")] = False,
    data_dir: DataDir = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Make the data directory: master password, keystore, networks, bot token."""
    home = owner.directory(data_dir)
    if owner.is_initialised(home):
        _say_again(home, as_json=as_json)
        return
    asks = not non_interactive and not as_json and sys.stdin.isatty()
    if preset is not None and preset not in PRESETS:
        raise bad_field("--preset", f"must be one of {', '.join(PRESETS)}")
    token = None if bot_token_file is None else secret_in(bot_token_file)
    answers = Answers(
        password=passwords.new_password(password_file),
        bot_token=_ask_token() if asks and token is None else token,
        bot_api_url=bot_api_url,
        networks=_ask_networks() if asks and not network else _networks(network or []),
        preset=_ask_preset() if asks and preset is None else preset,
        tap_bands=tap_bands or (asks and _ask_bands()),
        profile=profile,
    )
    bot = _check_token(answers)
    derivation = _make(home, answers)
    if totp or (asks and typer.confirm("Enrol an authenticator app for larger approvals?")):
        _enrol(home, answers.password)
    made = {
        **_result(home, already=False),
        "bot": bot,
        "networks": sorted(answers.networks),
        "keyDerivation": derivation,
    }
    render.show(made, as_json=as_json, say=lambda _: _say_next(made, answers))


def _result(home: Path, *, already: bool) -> dict[str, Any]:
    return {
        "success": True,
        "alreadyInitialized": already,
        "dataDir": str(home),
        "version": __version__,
    }


def _say_again(home: Path, *, as_json: bool) -> None:
    if not as_json:
        raise ConflictError(
            Code.ALREADY_INITIALISED,
            f"{home} is initialised already; nothing was changed.",
            hint="Start it with: waiaas start",
        )
    render.show(_result(home, already=True), as_json=True, say=print)


def _networks(pairs: list[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for pair in pairs:
        name, equals, urls = pair.partition("=")
        if not equals or name not in KNOWN_NETWORKS:
            known = ", ".join(KNOWN_NETWORKS)
            raise bad_field("--network", f"must be NAME=URL; names are {known}")
        found[name] = [url.strip() for url in urls.split(",")]
    return found


def config_text(networks: dict[str, list[str]], profile: str) -> str:
    """The first config.toml. JSON strings are TOML strings."""
    blocks = [f"[keystore]\nprofile = {json.dumps(profile)}\n"]
    blocks += [f"[networks.{name}]\nrpc = {json.dumps(urls)}\n" for name, urls in networks.items()]
    return "\n".join(blocks)


def _make(home: Path, answers: Answers) -> dict[str, Any]:
    """The key derivation that was chosen, and what it costs."""
    from wallet.bootstrap.setup import initialise  # noqa: PLC0415 - heavy
    from wallet.operations.setup import Birth  # noqa: PLC0415

    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    home.chmod(0o700)
    text = config_text(answers.networks, answers.profile)
    _write_private(home / CONFIG_FILE, text)
    settings = load(home, {})  # a mistake shows before anything secret exists
    birth = Birth(
        kind="production",
        profile=answers.profile,
        password=answers.password.reveal(),
        bot_api_url=answers.bot_api_url,
    )
    born = asyncio.run(initialise(settings, birth, answers.bot_token))
    told = {"preset": answers.preset, "tapBands": answers.tap_bands}
    _write_private(home / owner.CHOICES_FILE, json.dumps(told) + "\n")
    return {**key_derivation(born.header), "unlockSeconds": round(born.unlock_seconds, 2)}


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def _check_token(answers: Answers) -> dict[str, Any] | None:
    """The bot's own name; refused when the Bot API refuses the token, let pass when it is away."""
    if answers.bot_token is None:
        return None
    answer = bot_api.ask(answers.bot_token.reveal(), "getMe", answers.bot_api_url)
    if answer.is_wrong_token:
        raise bad_field("bot token", "is refused by Telegram; copy it again from @BotFather")
    return {"checked": answer.status is not None, "username": answer.result.get("username")}


def _enrol(home: Path, password: Secret) -> None:
    """Through the signer itself: there is no daemon yet."""
    asyncio.run(_enrol_with_signer(home / "keystore", password))


async def _enrol_with_signer(keystore: Path, password: Secret) -> None:
    import time  # noqa: PLC0415

    from wallet.cli.factors import say_totp  # noqa: PLC0415
    from wallet.signer.client import KeyVault  # noqa: PLC0415

    vault = await KeyVault.start(keystore)
    try:
        await vault.unlock(password.reveal())
        say_totp({"uri": (await vault.totp_enrol()).uri})
        now = int(time.time() * 1000)  # noqa: TID251 - a command at the terminal, not the daemon
        code = typer.prompt("Code of the app")
        if await vault.totp_confirm(code, now) is None:
            print("That code is not right. Enrol later with: waiaas factor totp")
    finally:
        await vault.close()


# ---- questions


def _ask_token() -> Secret | None:
    print("Your bot: talk to @BotFather in Telegram, /newbot, and copy its token.")
    text = typer.prompt(
        "Bot token (empty: later)", default="", show_default=False, hide_input=True
    )
    return Secret(text.strip()) if text.strip() else None


def _ask_networks() -> dict[str, list[str]]:
    print(f"Networks: {', '.join(KNOWN_NETWORKS)}")
    found: dict[str, list[str]] = {}
    while name := typer.prompt("Network (empty: enough)", default="", show_default=False).strip():
        if name not in KNOWN_NETWORKS:
            print("Not one of them; others are added in config.toml.")
            continue
        found[name] = [typer.prompt(f"Endpoint of {name} (https://…)").strip()]
    return found


def _ask_preset() -> str:
    print(
        "First rules of a new wallet. normal: up to 0.1 ETH or 1 SOL at once, 1 ETH or 10 SOL with"
    )
    print(
        "a note, 5 ETH or 50 SOL after a delay, above that you are asked. careful: a tenth of it."
    )
    answer: str = typer.prompt("Preset (careful, normal, generous)", default="careful")
    return answer if answer in PRESETS else "careful"


def _ask_bands() -> bool:
    return typer.confirm(
        "May a tap in Telegram approve up to what a day allows anyway? (No: codes, or this host)"
    )


def _say_next(made: Any, answers: Answers) -> None:
    print(f"{made['dataDir']} is ready. Keep the password safe: nobody can restore it.")
    derivation = made["keyDerivation"]
    print(
        f"Each use of it costs {derivation['unlockSeconds']} s on this machine "
        f"({derivation_text(derivation)})."
    )
    print("Next:")
    print("  waiaas start")
    for name in answers.networks or {"NETWORK": []}:
        print(f"  waiaas wallet create --network {name}")
    print(
        "  waiaas pair" if answers.bot_token else "  (a bot token in bot_token, then) waiaas pair"
    )
    print("  waiaas session create WALLET --limit 1")
    print("An agent must not run under this user: it could read these files. waiaas doctor")
