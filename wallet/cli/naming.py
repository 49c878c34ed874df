"""One payment among many: finding it by a part of its id, saying it, and asking about it."""

import sys
from typing import Annotated, Any

import typer

from wallet.cli import owner, render
from wallet.cli.http import Json
from wallet.errors import Code, NotFoundError, bad_field

TransactionId = Annotated[str, typer.Argument(help="The id, or a unique part of its end.")]
_SHORT = 6


def say_payment(found: Any, fingerprint: str) -> None:
    render.fields(
        (
            ("amount", found["formatted"] or found["amount"]),
            ("to", found["toAddress"]),
            ("network", found["network"]),
            ("memo", None if found["memo"] is None else f"“{found['memo']}”"),
            ("digest", fingerprint),
            ("id", found["id"]),
        )
    )


def find(door: owner.OwnerDoor, wanted: str) -> Json:
    if len(wanted) == len("00000000-0000-0000-0000-000000000000"):
        return door.get(f"/v1/transactions/{wanted}")
    items = door.get("/v1/transactions", limit=100)["items"]
    found = [one for one in items if is_meant(one, wanted)]
    if len(found) != 1:
        raise no_such(found, "There is no such transaction among the newest.")
    transaction: Json = found[0]
    return transaction


def is_meant(transaction: Json, wanted: str) -> bool:
    # Ids begin with the time, so their ends tell them apart.
    name: str = transaction["id"]
    return name == wanted or (len(wanted) >= _SHORT and name.endswith(wanted))


def no_such(found: list[Any], message: str) -> NotFoundError:
    text = "Several payments match; give the whole id." if found else message
    return NotFoundError(Code.TX_NOT_FOUND, text, hint="See them with: waiaas transactions")


def confirm(question: str) -> None:
    if not sys.stdin.isatty():
        raise bad_field("--yes", "is needed where nobody can be asked")
    if not typer.confirm(question):
        print("Nothing was changed.")
        raise render.Leave(render.GENERAL)
