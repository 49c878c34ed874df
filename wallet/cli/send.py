"""`waiaas send`: the agent's side, over HTTP with its session token."""

from typing import Annotated, Any, Final

import typer

from wallet.cli import render
from wallet.cli.http import Call, over_url
from wallet.cli.options import AsJson
from wallet.errors import AuthError, Code, bad_field
from wallet.settings import environment

DEFAULT_URL: Final = "http://127.0.0.1:3100"


def send(
    *,
    to: Annotated[str, typer.Option("--to", help="The recipient's address.")],
    amount: Annotated[str, typer.Option("--amount", help='In coins, such as "0.05".')],
    asset: Annotated[str | None, typer.Option("--asset", help="ETH or SOL; checked.")] = None,
    memo: Annotated[str | None, typer.Option("--memo")] = None,
    wait: Annotated[int | None, typer.Option("--wait", min=1, max=30)] = None,
    key: Annotated[
        str | None, typer.Option("--key", help="Idempotency key: the same key never pays twice.")
    ] = None,
    base_url: Annotated[str | None, typer.Option("--base-url")] = None,
    as_json: AsJson = False,
) -> None:
    """Agent side: ask for a payment, with WAIAAS_SESSION_TOKEN and WAIAAS_BASE_URL."""
    environ = environment()
    token = environ.get("WAIAAS_SESSION_TOKEN")
    if not token:
        raise AuthError(
            Code.INVALID_TOKEN,
            "There is no session token.",
            hint="Set WAIAAS_SESSION_TOKEN; get one with: waiaas session claim CODE",
        )
    url = base_url or environ.get("WAIAAS_BASE_URL", DEFAULT_URL)
    bearer = {"Authorization": f"Bearer {token}"}
    if asset is not None:
        _require_asset(url, bearer, asset)
    wanted = {"to": to, "humanAmount": amount, "memo": memo}
    body = {name: value for name, value in wanted.items() if value is not None}
    headers = {**bearer}
    if wait is not None:
        headers["Prefer"] = f"wait={wait}"
    if key is not None:
        headers["Idempotency-Key"] = key
    answer = over_url(url, Call("POST", "/v1/transactions/send", body, headers=headers))
    render.show(answer, as_json=as_json, say=say_outcome)


def _require_asset(url: str, bearer: dict[str, str], asset: str) -> None:
    """The session's wallet knows one coin: another name is a mistake that could cost money."""
    found = over_url(url, Call("GET", "/v1/wallet/assets", headers=bearer))["assets"]
    known = [one["symbol"] for one in found]
    if asset.upper() not in (symbol.upper() for symbol in known):
        raise bad_field("--asset", f"this session's wallet has {', '.join(known)}, not {asset}")


def say_outcome(found: Any) -> None:
    """A transaction as it is now."""
    print(f"{found['status']}  {found['displayStatus']}")
    render.fields(
        (
            ("amount", found["formatted"] or found["amount"]),
            ("to", found["toAddress"]),
            ("tier", found["tier"]),
            ("hash", found["txHash"]),
            ("error", found["errorMessage"] or found["error"]),
            ("released at", render.moment(found["dueAt"])),
            ("answer until", render.moment(found["expiresAt"])),
            ("id", found["id"]),
        )
    )
