"""`waiaas factor`: what proves that it is the owner, and up to which amount."""

import sys
from typing import Annotated, Any

import typer

from wallet.cli import owner, render
from wallet.cli.options import AsJson, CurrentCode, DataDir, PasswordFile
from wallet.cli.qr import terminal_qr
from wallet.domain.money import parse_human
from wallet.errors import bad_field

app = typer.Typer(help="What proves that it is you: codes and bands.", no_args_is_help=True)


@app.command("totp")
def totp(
    *,
    code: Annotated[str | None, typer.Option("--code", help="Confirm with this code.")] = None,
    current_code: CurrentCode = None,
    data_dir: DataDir = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Enrol an authenticator app: scan, then confirm with a code."""
    door = owner.door(data_dir, password_file)
    door.current_code = current_code
    if code is None:
        made = door.release("POST", "/v1/factor/totp")
        render.show(made, as_json=as_json, say=say_totp)
        if as_json:
            return
        if not sys.stdin.isatty():
            print("Confirm with: waiaas factor totp --code 123456")
            return
        code = typer.prompt("Code of the app")
    found = door.release("POST", "/v1/factor/totp/confirm", {"code": code})
    render.show(
        found, as_json=as_json, say=lambda _: print("Codes of this app count from now on.")
    )


@app.command("reset")
def reset(
    *,
    cancel: Annotated[
        bool, typer.Option("--cancel", help="Keep the app that is enrolled.")
    ] = False,
    data_dir: DataDir = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """The authenticator app is lost: after a wait a new one can be enrolled without its code."""
    door = owner.door(data_dir, password_file)
    if cancel:
        found = door.send("POST", "/v1/factor/reset/cancel")
        render.show(found, as_json=as_json, say=lambda _: print("The enrolled app stays."))
        return
    found = door.release("POST", "/v1/factor/reset")
    render.show(found, as_json=as_json, say=_say_reset)


def _say_reset(found: Any) -> None:
    print(f"From {render.moment(found['readyAt'])} on: waiaas factor totp enrols a new app.")
    print("The chat was told, and can cancel this once. Here: waiaas factor reset --cancel")


def say_totp(made: Any) -> None:
    print(terminal_qr(made["uri"]))
    print("Scan this with your authenticator app, or enter:")
    print(made["uri"])


@app.command("bands")
def bands(
    *,
    network: Annotated[str, typer.Option("--network", help="Whose coin.")],
    tap: Annotated[str, typer.Option("--tap", help="In coins: the most a tap releases in a day.")],
    code: Annotated[str, typer.Option("--code-up-to", help="In coins: the most a code releases.")],
    current_code: CurrentCode = None,
    data_dir: DataDir = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Up to which amount a tap, or a code, may approve; above it this host is needed."""
    door = owner.door(data_dir, password_file)
    door.current_code = current_code
    asset = door.network(network)
    most = asset.chain.max_amount
    body = {
        "tapMax": str(0 if tap == "0" else parse_human(tap, asset.decimals, maximum=most)),
        "codeMax": str(parse_human(code, asset.decimals, maximum=most)),
    }
    known = (door.get("/v1/status").get("owner") or {}).get("bands")
    if known is None:
        raise bad_field("owner", "is not paired yet: waiaas pair")
    answer = door.release("PUT", "/v1/bands", {"bands": {**known, asset.native.key: body}})
    render.show(answer, as_json=as_json, say=lambda _: print("The bands count from now on."))
