"""`waiaas session`: grant, list, end; and the agent's side, `claim`."""

from typing import Annotated, Any

import typer

from wallet.cli import owner, render
from wallet.cli.http import Call, over_url
from wallet.cli.options import AsJson, DataDir, PasswordFile, Reason, Totp
from wallet.cli.send import DEFAULT_URL
from wallet.cli.wallets import WalletName
from wallet.domain.money import format_units, parse_human
from wallet.settings import environment

app = typer.Typer(help="Sessions: what an agent program holds.", no_args_is_help=True)


@app.command("create")
def create(
    *,
    wallet: WalletName,
    limit: Annotated[
        str, typer.Option("--limit", help='The most it may ever spend, in coins, such as "1.5".')
    ],
    name: Annotated[str, typer.Option("--name", help="What you call the agent.")] = "agent",
    max_transactions: Annotated[int | None, typer.Option("--max-transactions")] = None,
    ttl: Annotated[int | None, typer.Option("--ttl", help="Seconds; 300 to 604800.")] = None,
    code: Totp = None,
    data_dir: DataDir = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Grant a session. Prints a claim code, which works once, for ten minutes."""
    door = owner.door(data_dir, password_file)
    found = door.wallet(wallet)
    network = door.network(found["network"])
    units = parse_human(limit, network.decimals, maximum=network.chain.max_amount, field="--limit")
    body = {
        "walletId": found["id"],
        "name": name,
        "limits": {network.native.key: str(units)},
        "maxTransactions": max_transactions,
        "ttlSeconds": ttl,
        "totpCode": code,
    }
    given = {key: value for key, value in body.items() if value is not None}
    made = door.release("POST", "/v1/sessions", given, code_in_body=True)
    url = door.running.agent_url
    answer = {**made, "agentUrl": url, "claimCommand": claim_command(url, made["claimCode"])}
    render.show(answer, as_json=as_json, say=_say_created)


def claim_command(url: str, code: str) -> str:
    """The line that an agent runs to get its token."""
    return (
        f"curl -s -X POST {url}/v1/sessions/claim "
        f"-H 'Content-Type: application/json' -d '{{\"code\":\"{code}\"}}'"
    )


def _say_created(made: Any) -> None:
    print(f"Session {made['id']} until {render.moment(made['expiresAt'])}.")
    print(f"Claim code: {made['claimCode']}")
    print("It works once, within ten minutes. On the agent's side, one of:\n")
    print(f"  {made['claimCommand']}")
    print(f"  WAIAAS_BASE_URL={made['agentUrl']} waiaas session claim {made['claimCode']}")


@app.command("claim")
def claim(
    *,
    code: Annotated[str, typer.Argument(help="The claim code the owner gave you.")],
    base_url: Annotated[
        str | None, typer.Option("--base-url", help="Default: WAIAAS_BASE_URL.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Agent side: exchange a claim code for the session token."""
    url = base_url or environment().get("WAIAAS_BASE_URL", DEFAULT_URL)
    answer = over_url(url, Call("POST", "/v1/sessions/claim", {"code": code}))
    render.show(answer, as_json=as_json, say=lambda found: print(found["token"]))


@app.command("list")
def list_sessions(
    *,
    wallet: Annotated[str | None, typer.Option("--wallet", help="Only of this wallet.")] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """All sessions, what they may spend and what they did."""
    door = owner.door(data_dir)
    wallet_id = None if wallet is None else door.wallet(wallet)["id"]
    answer = door.get("/v1/sessions", walletId=wallet_id)
    render.show(answer, as_json=as_json, say=lambda found: _say_list(door, found["items"]))


def _say_list(door: owner.OwnerDoor, sessions: list[Any]) -> None:
    render.table(
        ("NAME", "STATUS", "SPENT", "PAYMENTS", "UNTIL", "ID"),
        [
            (
                one["name"],
                one["status"],
                "; ".join(_spent(door, one, asset) for asset in one["limits"]),
                f"{one['transactions']} of {one['maxTransactions']}",
                render.moment(one["expiresAt"]) or "",
                one["id"],
            )
            for one in sessions
        ],
        empty="No session yet. Grant one: waiaas session create WALLET --limit 1",
    )


def _spent(door: owner.OwnerDoor, session: Any, asset: str) -> str:
    network = door.network(asset.partition("/")[0])
    spent, limit = int(session["spent"].get(asset, 0)), int(session["limits"][asset])
    shown = format_units(limit, network.decimals)
    return f"{format_units(spent, network.decimals)} of {shown} {network.symbol}"


@app.command("freeze")
def freeze(
    *,
    session_id: Annotated[str, typer.Argument(help="The session's id.")],
    reason: Reason = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Hold a session: its waiting payments are cancelled, and it asks for none until you resume it."""
    body = {} if reason is None else {"reason": reason}
    answer = owner.door(data_dir).send("POST", f"/v1/sessions/{session_id}/freeze", body)
    render.show(
        answer,
        as_json=as_json,
        say=lambda found: print(f"Frozen. To let it go: waiaas resume session {found['id']}"),
    )


@app.command("revoke")
def revoke(
    *,
    session_id: Annotated[str, typer.Argument(help="The session's id.")],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """End a session at once; its waiting payments are cancelled."""
    answer = owner.door(data_dir).send("DELETE", f"/v1/sessions/{session_id}")
    render.show(answer, as_json=as_json, say=lambda found: print(f"Session {found['id']} ended."))
