"""`waiaas autostop`: the rules that freeze a session or suspend a wallet by themselves; `waiaas resume` lets go."""

import json
from typing import Annotated, Any

import typer

from wallet.cli import owner, render
from wallet.cli.http import Json
from wallet.cli.options import AsJson, DataDir, PasswordFile, Totp
from wallet.cli.wallets import WalletName
from wallet.errors import Code, NotFoundError, WalletError, bad_field

app = typer.Typer(
    help="Auto-stop: what stops a session or a wallet by itself.", no_args_is_help=True
)
resume_app = typer.Typer(help="Let go what was frozen or suspended.", no_args_is_help=True)

Kind = Annotated[
    str,
    typer.Argument(
        help="CONSECUTIVE_FAILURES, TIME_RESTRICTION, DAILY_LIMIT_THRESHOLD, HOURLY_RATE, ANOMALY_PATTERN"
    ),
]
OfWallet = Annotated[str | None, typer.Option("--wallet", help="Default: all wallets.")]


@app.command("list")
def list_rules(
    *, wallet: OfWallet = None, data_dir: DataDir = None, as_json: AsJson = False
) -> None:
    """All five rules as they count now."""
    door = owner.door(data_dir)
    answer = door.get("/v1/autostop", walletId=_wallet_id(door, wallet))
    names = {one["id"]: one["name"] for one in door.get("/v1/wallets")["items"]}
    render.show(answer, as_json=as_json, say=lambda found: _say(found["items"], names))


def _say(rules: list[Any], names: dict[str, str]) -> None:
    render.table(
        ("RULE", "WALLET", "ON", "SAYS"),
        [
            (
                one["type"],
                names.get(one["walletId"], one["walletId"]) if one["walletId"] else "all",
                ("yes" if one["rules"]["enabled"] else "no")
                + (" (default)" if one["isDefault"] else ""),
                ", ".join(
                    f"{name} {json.dumps(value)}"
                    for name, value in one["rules"].items()
                    if name != "enabled"
                ),
            )
            for one in rules
        ],
        empty="",
    )


@app.command("set")
def set_rule(
    *,
    kind: Kind,
    rules: Annotated[
        str | None,
        typer.Argument(help='Fields to change, as JSON, such as {"max_per_hour": 20}.'),
    ] = None,
    on: Annotated[bool | None, typer.Option("--on/--off", help="Switch the rule.")] = None,
    wallet: OfWallet = None,
    code: Totp = None,
    data_dir: DataDir = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Change a rule; what you do not name stays. Loosening asks for the master password and the factor."""
    given = _json(rules) if rules is not None else {}
    given |= {} if on is None else {"enabled": on}
    if not given:
        raise bad_field("rules", "name a field to change, or --on, or --off", Code.POLICY_INVALID)
    door = owner.door(data_dir, password_file)
    door.current_code = code
    body = {"type": kind.upper(), "rules": given}
    wallet_id = _wallet_id(door, wallet)
    answer = _change(
        door, "PUT", "/v1/autostop", body | ({"walletId": wallet_id} if wallet_id else {})
    )
    render.show(answer, as_json=as_json, say=lambda one: print(f"{one['type']} counts now."))


@app.command("reset")
def reset(
    *,
    kind: Kind,
    wallet: OfWallet = None,
    code: Totp = None,
    data_dir: DataDir = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Back to the rule for all wallets, or to the default."""
    door = owner.door(data_dir, password_file)
    door.current_code = code
    wallet_id = _wallet_id(door, wallet)
    query = "" if wallet_id is None else f"?walletId={wallet_id}"
    answer = _change(door, "DELETE", f"/v1/autostop/{kind.upper()}{query}")
    render.show(answer, as_json=as_json, say=lambda one: print(f"{one['type']} is reset."))


@resume_app.command("session")
def resume_session(
    *,
    session: Annotated[str, typer.Argument(help="The session's id or name.")],
    code: Totp = None,
    data_dir: DataDir = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Let a frozen session ask for payments again; its counts start anew."""
    door = owner.door(data_dir, password_file)
    door.current_code = code
    answer = door.release("POST", f"/v1/sessions/{frozen_session(door, session)}/resume")
    render.show(answer, as_json=as_json, say=_say_session)


@resume_app.command("wallet")
def resume_wallet(
    *,
    wallet: WalletName,
    code: Totp = None,
    data_dir: DataDir = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Let a suspended wallet pay again; its counts start anew."""
    door = owner.door(data_dir, password_file)
    door.current_code = code
    answer = door.release("POST", f"/v1/wallets/{door.wallet(wallet)['id']}/resume")
    render.show(
        answer,
        as_json=as_json,
        say=lambda one: print(f"Wallet {render.plain(one['name'])} works again."),
    )


def _say_session(found: Any) -> None:
    print(f"Session {render.plain(found['name'])} may ask for payments again.")
    print("Payments that were cancelled stay cancelled.")


def frozen_session(door: owner.OwnerDoor, wanted: str) -> str:
    """The id of the session that an id, or the name of exactly one frozen session, means."""
    sessions = door.get("/v1/sessions")["items"]
    if any(one["id"] == wanted for one in sessions):
        return wanted
    named = [one["id"] for one in sessions if one["status"] == "FROZEN" and one["name"] == wanted]
    if len(named) != 1:
        message = "There is no such frozen session." if not named else "Several sessions match."
        raise NotFoundError(
            Code.SESSION_NOT_FOUND, message, hint="See them with: waiaas session list"
        )
    return str(named[0])


def _change(door: owner.OwnerDoor, method: str, path: str, body: Json | None = None) -> Json:
    """Without the password first, so that tightening never asks for it."""
    try:
        return door.send(method, path, body)
    except WalletError as error:
        if error.code is not Code.MASTER_PASSWORD_REQUIRED:
            raise
    return door.release(method, path, body)


def _wallet_id(door: owner.OwnerDoor, wallet: str | None) -> str | None:
    return None if wallet is None else str(door.wallet(wallet)["id"])


def _json(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise bad_field("rules", "must be a JSON object", Code.POLICY_INVALID)
    return found
