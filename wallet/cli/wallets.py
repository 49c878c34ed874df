"""`waiaas wallet`: create, list, show."""

from typing import Annotated, Any

import typer

from wallet.cli import owner, render
from wallet.cli.options import AsJson, DataDir, PasswordFile, Reason
from wallet.domain.chains import Network
from wallet.domain.money import format_units

app = typer.Typer(help="Wallets: one key pair on one network.", no_args_is_help=True)

_MAIN = "-mainnet"
WalletName = Annotated[str, typer.Argument(help="Name, id or the beginning of an id.")]


@app.command("create")
def create(
    *,
    network: Annotated[str, typer.Option("--network", help="A configured network.")],
    name: Annotated[
        str | None, typer.Option("--name", help="Default: the network's name.")
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            "--preset",
            help="First rules: careful, normal or generous. Default: careful on a main network.",
        ),
    ] = None,
    data_dir: DataDir = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and its wallet; the preset writes its first rules."""
    door = owner.door(data_dir, password_file)
    usual = "careful" if network.endswith(_MAIN) else "normal"
    chosen = preset or owner.choices(door.data_dir).get("preset") or usual
    body = {"name": name or network, "network": network, "preset": chosen}
    made = door.release("POST", "/v1/wallets", body)
    render.show({**made, "preset": chosen}, as_json=as_json, say=_say_created)


def _say_created(wallet: Any) -> None:
    print(f"Wallet {render.plain(wallet['name'])} on {wallet['network']}.")
    print(f"Its address is {wallet['address']}")
    print(f"It starts with the {wallet['preset']} rules: waiaas policy list")
    print(f"Let an agent use it: waiaas session create {wallet['id']} --limit 1")


@app.command("list")
def list_wallets(*, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """All wallets."""
    answer = owner.door(data_dir).get("/v1/wallets")
    render.show(answer, as_json=as_json, say=lambda found: _say_list(found["items"]))


def _say_list(wallets: list[Any]) -> None:
    render.table(
        ("NAME", "NETWORK", "STATUS", "ADDRESS", "ID"),
        [
            (one["name"], one["network"], one["status"], one["address"], one["id"])
            for one in wallets
        ],
        empty="No wallet yet. Make one: waiaas wallet create --network NAME",
    )


@app.command("show")
def show(*, wallet: WalletName, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Address, balance, explorer, and whether it can pay a fee."""
    door = owner.door(data_dir)
    found = door.get(f"/v1/wallets/{door.wallet(wallet)['id']}")
    network = door.network(found["network"])
    detail = {
        **found,
        "explorer": explorer_link(network, found["address"]),
        **_fee(found, network),
    }
    render.show(detail, as_json=as_json, say=lambda one: _say_wallet(one, network))


@app.command("suspend")
def suspend(
    *,
    wallet: WalletName,
    reason: Reason = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Hold a wallet: its waiting payments are cancelled, and no session pays with it until you resume it."""
    door = owner.door(data_dir)
    body = {} if reason is None else {"reason": reason}
    answer = door.send("POST", f"/v1/wallets/{door.wallet(wallet)['id']}/suspend", body)
    render.show(
        answer,
        as_json=as_json,
        say=lambda found: print(f"Suspended. To let it go: waiaas resume wallet {found['id']}"),
    )


def explorer_link(network: Network, address: str) -> str | None:
    """Where the world sees the address; None on a local chain."""
    if network.explorer is None:
        return None
    word = "account" if network.chain == "solana" else "address"
    cluster = network.name.removeprefix("solana-")
    tail = "" if network.chain != "solana" or cluster == "mainnet" else f"?cluster={cluster}"
    return f"{network.explorer}/{word}/{address}{tail}"


def _fee(found: Any, network: Network) -> dict[str, Any]:
    balance = found.get("balance")
    can = None if balance is None else int(balance) >= network.fee_ceiling
    return {"canPayFee": can, "feeCeiling": str(network.fee_ceiling)}


def _say_wallet(found: Any, network: Network) -> None:
    known = found["balance"] is not None
    amount = format_units(int(found["balance"]), network.decimals) if known else None
    render.fields(
        (
            ("name", found["name"]),
            ("network", found["network"]),
            ("status", found["status"]),
            ("address", found["address"]),
            ("balance", f"{amount} {network.symbol}" if known else f"unknown: {found['error']}"),
            ("explorer", found["explorer"]),
            ("id", found["id"]),
        )
    )
    if found["canPayFee"] is False:
        ceiling = format_units(network.fee_ceiling, network.decimals)
        print(
            f"This balance may not pay a fee: a payment sets aside up to {ceiling} {network.symbol}."
            f"\nSend {network.symbol} to the address above."
        )
