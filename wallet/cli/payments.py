"""Payments, the owner's side: approve, reject, cancel, list."""

import sys
from typing import Annotated, Any

import typer

from wallet.cli import owner, render
from wallet.cli.http import Json
from wallet.cli.options import AsJson, DataDir, PasswordFile, Reason, Totp
from wallet.cli.send import say_outcome
from wallet.errors import Code, NotFoundError, bad_field

TransactionId = Annotated[str, typer.Argument(help="The id, or a unique part of its end.")]
_SHORT = 6


def approve(
    *,
    transaction: TransactionId,
    code: Totp = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask again.")] = False,
    data_dir: DataDir = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Say yes to a payment that waits for you. Needs the master password."""
    door = owner.door(data_dir, password_file)
    waiting = _waiting(door, transaction)
    payment = waiting["transaction"]
    if not yes:
        _say_payment(payment, waiting["fingerprint"])
        _confirm("Approve this payment?")
    body: Json = {"digest": payment["digest"]}
    path = f"/v1/transactions/{payment['id']}/approve"
    if code is not None:
        body["totpCode"] = code
    answer = door.release("POST", path, body, code_in_body=True)
    # The question is answered, so how long it may stay open is no news.
    render.show(answer, as_json=as_json, say=lambda one: say_outcome({**one, "expiresAt": None}))


def reject(
    *,
    transaction: TransactionId,
    reason: Reason = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Say no to a payment that waits for you."""
    _stop(transaction, "reject", reason, data_dir, as_json=as_json)


def cancel(
    *,
    transaction: TransactionId,
    reason: Reason = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Cancel a payment that has not left: delayed, waiting or pending."""
    _stop(transaction, "cancel", reason, data_dir, as_json=as_json)


def _stop(wanted: str, verb: str, reason: str | None, data_dir: DataDir, *, as_json: bool) -> None:
    door = owner.door(data_dir)
    found = _find(door, wanted)
    body = {} if reason is None else {"reason": reason}
    answer = door.send("POST", f"/v1/transactions/{found['id']}/{verb}", body)
    render.show(answer, as_json=as_json, say=say_outcome)


def transactions(
    *,
    wallet: Annotated[str | None, typer.Option("--wallet")] = None,
    status: Annotated[str | None, typer.Option("--status", help="Such as QUEUED.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100)] = 20,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """The newest transactions."""
    door = owner.door(data_dir)
    wallet_id = None if wallet is None else door.wallet(wallet)["id"]
    answer = door.get(
        "/v1/transactions",
        walletId=wallet_id,
        status=None if status is None else status.upper(),
        limit=limit,
    )
    render.show(answer, as_json=as_json, say=lambda found: _say_list(found["items"]))


def _say_list(found: list[Any]) -> None:
    render.table(
        ("WHEN", "STATUS", "TIER", "AMOUNT", "TO", "ID"),
        [
            (
                render.moment(one["createdAt"]) or "",
                one["status"],
                one["tier"],
                one["formatted"] or one["amount"],
                one["toAddress"],
                one["id"],
            )
            for one in found
        ],
        empty="No transaction.",
    )


# ---- words


def _say_payment(found: Any, fingerprint: str) -> None:
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


def _waiting(door: owner.OwnerDoor, wanted: str) -> Json:
    items = door.get("/v1/approvals")["items"]
    found = [one for one in items if _is_meant(one["transaction"], wanted)]
    if len(found) != 1:
        raise _no_such(found, "No payment with this id waits for you.")
    waiting: Json = found[0]
    return waiting


def _find(door: owner.OwnerDoor, wanted: str) -> Json:
    if len(wanted) == len("00000000-0000-0000-0000-000000000000"):
        return door.get(f"/v1/transactions/{wanted}")
    items = door.get("/v1/transactions", limit=100)["items"]
    found = [one for one in items if _is_meant(one, wanted)]
    if len(found) != 1:
        raise _no_such(found, "There is no such transaction among the newest.")
    transaction: Json = found[0]
    return transaction


def _is_meant(transaction: Json, wanted: str) -> bool:
    # Ids begin with the time, so their ends tell them apart.
    name: str = transaction["id"]
    return name == wanted or (len(wanted) >= _SHORT and name.endswith(wanted))


def _no_such(found: list[Any], message: str) -> NotFoundError:
    text = "Several payments match; give the whole id." if found else message
    return NotFoundError(Code.TX_NOT_FOUND, text, hint="See them with: waiaas transactions")


def _confirm(question: str) -> None:
    if not sys.stdin.isatty():
        raise bad_field("--yes", "is needed where nobody can be asked")
    if not typer.confirm(question):
        print("Nothing was changed.")
        raise render.Leave(render.GENERAL)
