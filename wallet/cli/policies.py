"""`waiaas policy`: the rules that sort every payment."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from wallet.cli import owner, rehearsal, render
from wallet.cli.http import Json
from wallet.cli.options import AsJson, DataDir, PasswordFile, Totp
from wallet.domain.money import format_units
from wallet.errors import Code, WalletError, bad_field

app = typer.Typer(help="Policy: rules per wallet, or for all of them.", no_args_is_help=True)

_AMOUNTS = (
    "instant_max", "notify_max", "delay_max", "limit", "notify_above", "delay_above", "approval_above",
    "max_fee",
)  # fmt: skip


app.command("test")(rehearsal.rehearse)


@app.command("list")
def list_rules(
    *,
    wallet: Annotated[str | None, typer.Option("--wallet", help="Only of this wallet.")] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """All rules as they count now."""
    door = owner.door(data_dir)
    wallet_id = None if wallet is None else door.wallet(wallet)["id"]
    answer = door.get("/v1/policies", walletId=wallet_id)
    names = {one["id"]: one["name"] for one in door.get("/v1/wallets")["items"]}
    render.show(answer, as_json=as_json, say=lambda found: _say(door, found, names))


def _say(door: owner.OwnerDoor, found: Json, names: dict[str, str]) -> None:
    if not found["items"]:
        print("No rule: every payment is denied. Set one: waiaas policy set --help")
    for rule in found["items"]:
        where = _where(rule, names)
        print(f"{rule['type']} on {where}  ({rule['id']}, version {rule['version']})")
        for line in rule_lines(door, rule["rules"]):
            print(f"  {render.plain(line)}")
    for one in found["queued"]:
        what = "is removed" if one["change"] == "REMOVE" else "changes"
        print(f"\nWaiting: {one['type']} on {_where(one, names)} {what}  ({one['ruleId']})")
        print(f"  counts from {render.moment(one['countsAt'])} on, unless: {_cancel(one['id'])}")
        for line in rule_lines(door, one["rules"] or {}):
            print(f"  {render.plain(line)}")


def _where(rule: Json, names: dict[str, str]) -> str:
    wallet_id = rule["walletId"]
    return render.plain(names.get(wallet_id, wallet_id)) if wallet_id else "all wallets"


def _cancel(queued_id: str) -> str:
    return f"waiaas policy cancel {queued_id}"


def rule_lines(door: owner.OwnerDoor, rules: dict[str, Any]) -> list[str]:
    """A rule in words, one line a field; amounts in coins."""
    lines = []
    for asset, bounds in rules.get("assets", {}).items():
        amounts = [
            f"{name} {_coins(door, asset, bounds[name])}" for name in _AMOUNTS if bounds.get(name)
        ]
        if bounds.get("max_share_bps"):
            amounts.append(f"max_share_bps {bounds['max_share_bps']}")
        lines.append(f"{asset}: {', '.join(amounts)}")
    if dollars := rules.get("usd"):
        words = [f"{name} {dollars[name]}" for name in (*_AMOUNTS, "over") if dollars.get(name)]
        lines.append(f"USD: {', '.join(words)}")
    rest = {name: value for name, value in rules.items() if name not in ("assets", "usd")}
    return [*lines, *(f"{name}: {json.dumps(value)}" for name, value in rest.items())]


def _coins(door: owner.OwnerDoor, asset: str, units: str) -> str:
    try:
        network = door.network(asset.partition("/")[0])
    except WalletError:  # its network is not configured any more
        return units
    return f"{format_units(int(units), network.decimals)} {network.symbol}"


@app.command("set")
def set_rule(
    *,
    rule_type: Annotated[
        str, typer.Argument(help="SPENDING_LIMIT, CUMULATIVE_LIMIT, WHITELIST, FEE_LIMIT, …")
    ],
    rules: Annotated[
        str | None, typer.Argument(help="The rule as JSON; amounts are strings of base units.")
    ] = None,
    file: Annotated[Path | None, typer.Option("--file", help="The JSON in a file.")] = None,
    wallet: Annotated[str | None, typer.Option("--wallet", help="Default: all wallets.")] = None,
    rule_id: Annotated[str | None, typer.Option("--id", help="Replace this rule.")] = None,
    code: Totp = None,
    data_dir: DataDir = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Add a rule, or replace one. What loosens waits once an agent uses the wallet; the chat is told."""
    parsed = _json(file.read_text("utf-8") if file is not None and file.is_file() else rules)
    door = owner.door(data_dir, password_file)
    body = {
        "type": rule_type.upper(),
        "rules": parsed,
        "walletId": None if wallet is None else door.wallet(wallet)["id"],
        "id": rule_id,
        "totpCode": code,
    }
    given = {key: value for key, value in body.items() if value is not None}
    path = "/v1/policies" if rule_id is None else f"/v1/policies/{rule_id}"
    answer = door.release("PUT", path, given, code_in_body=True)
    render.show(answer, as_json=as_json, say=_say_set)


def _say_set(rule: Json) -> None:
    if rule["effect"] == "AT_ONCE":
        print(f"Rule {rule['id']} counts now.")
        return
    _say_waiting(f"Rule {rule['id']} is loosened by this", rule)


def _say_waiting(what: str, answer: Json) -> None:
    print(f"{what}, so it waits: it counts from {render.moment(answer['countsAt'])} on.")
    print(f"To keep the rule as it is: {_cancel(answer['queuedId'])}")


def _json(text: str | None) -> dict[str, Any]:
    try:
        found = json.loads(text or "")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise bad_field("rules", "must be a JSON object, or --file with one", Code.POLICY_INVALID)
    return found


@app.command("remove")
def remove(
    *,
    rule_id: Annotated[str, typer.Argument(help="The rule's id.")],
    code: Totp = None,
    data_dir: DataDir = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Take a rule away, after a wait where that loosens. What nothing allows any more is denied."""
    door = owner.door(data_dir, password_file)
    door.current_code = code
    answer = door.release("DELETE", f"/v1/policies/{rule_id}")
    render.show(answer, as_json=as_json, say=_say_removed)


def _say_removed(answer: Json) -> None:
    if answer["effect"] == "AT_ONCE":
        print("Rule removed.")
        return
    _say_waiting("Taking the rule away loosens", answer)


@app.command("cancel")
def cancel(
    *,
    queued_id: Annotated[str, typer.Argument(help="The waiting change's id: waiaas policy list.")],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Keep a rule as it is: a change that waits will not count. Needs no password."""
    answer = owner.door(data_dir).send("DELETE", f"/v1/policies/queued/{queued_id}")
    render.show(answer, as_json=as_json, say=lambda _: print("Cancelled. The rule stays."))
