"""`waiaas policy test`: what rules would have changed about the past."""

import json
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from wallet.cli import owner, render
from wallet.cli.http import Json
from wallet.cli.options import AsJson, DataDir
from wallet.domain.money import format_units
from wallet.errors import Code, WalletError, bad_field

SECONDS: Final = 300.0  # a replay of the most requests on a slow machine


def rehearse(
    *,
    rule_type: Annotated[
        str | None, typer.Argument(help="The type of the rule to try, such as SPENDING_LIMIT.")
    ] = None,
    rules: Annotated[str | None, typer.Argument(help="The rule as JSON.")] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            "--file", help="A list of changes as JSON: {type, rules, walletId?, id?}, or {id}."
        ),
    ] = None,
    wallet: Annotated[str | None, typer.Option("--wallet", help="Default: all wallets.")] = None,
    rule_id: Annotated[str | None, typer.Option("--id", help="Replace this rule.")] = None,
    days: Annotated[int, typer.Option("--days", help="How far back.", min=1, max=365)] = 30,
    examples: Annotated[
        int, typer.Option("--examples", help="How many requests to show.", min=0, max=1000)
    ] = 20,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Judge what agents asked for under other rules, and show what would change. Changes nothing."""
    door = owner.door(data_dir)
    changes = _read(file) if file is not None else []
    if rule_type is not None:
        found = {
            "type": rule_type.upper(),
            "rules": _json(rules, dict),
            "walletId": None if wallet is None else door.wallet(wallet)["id"],
            "id": rule_id,
        }
        changes.append({key: value for key, value in found.items() if value is not None})
    if not changes:
        raise bad_field("rules", "name a rule to try, or --file", Code.POLICY_INVALID)
    body = {"changes": changes, "days": days, "examples": examples}
    answer = door.send_slowly("POST", "/v1/policies/test", SECONDS, body)
    render.show(answer, as_json=as_json, say=lambda report: _say(door, report))


def _read(file: Path) -> list[Json]:
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        raise bad_field("--file", f"{file} cannot be read", Code.POLICY_INVALID) from None
    return list(_json(text, list))


def _json(text: str | None, kind: type) -> Any:
    try:
        found = json.loads(text or "")
    except ValueError:
        found = None
    if not isinstance(found, kind):
        shape = "a list of changes" if kind is list else "a JSON object"
        raise bad_field("rules", f"must be {shape}", Code.POLICY_INVALID)
    return found


def _say(door: owner.OwnerDoor, report: Json) -> None:
    kind = "loosens" if report["loosens"] else "only tightens"
    print(f"Taken together, this {kind}. {report['requests']} requests were judged anew.")
    if not report["changed"]:
        print("None of them would be decided otherwise.")
    for one in report["differences"]:
        print(f"  {one['now']} -> {one['then']}: {one['count']}")
    for one in report["examples"]:
        amount = _coins(door, one["asset"], one["amount"])
        print(f"{render.moment(one['at'])}  {amount} to {render.plain(one['to'])}")
        print(f"  {one['now']} -> {one['then']}: {render.plain(one['reason'])}")
    if report["changed"] > len(report["examples"]):
        print(f"and {report['changed'] - len(report['examples'])} more: --examples shows them")
    if report["isCut"]:
        print("Only the newest requests were looked at: choose fewer --days.")
    if report["countedOnly"]:
        print(f"{report['countedOnly']} denials were only counted, and cannot be judged.")
    if report["unreadable"]:
        print(f"{report['unreadable']} requests cannot be read, and were left out.")


def _coins(door: owner.OwnerDoor, asset: str, units: str) -> str:
    try:
        network = door.network(asset.partition("/")[0])
    except WalletError:  # its network is not configured any more
        return f"{units} {asset}"
    return f"{format_units(int(units), network.decimals)} {network.symbol}"
