"""Payments, the owner's side: approve, reject, cancel, list."""

from typing import Annotated, Any

import typer

from wallet.cli import owner, render, replacements
from wallet.cli.http import Json
from wallet.cli.naming import (
    TransactionId,
    confirm,
    find,
    is_meant,
    no_such,
    say_payment,
)
from wallet.cli.options import AsJson, DataDir, PasswordFile, Reason, Totp, Yes
from wallet.cli.send import say_outcome


def approve(
    *,
    transaction: TransactionId,
    code: Totp = None,
    yes: Yes = False,
    data_dir: DataDir = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Say yes to a payment that waits for you. Needs the master password."""
    door = owner.door(data_dir, password_file)
    waiting = _waiting(door, transaction)
    payment = waiting["transaction"]
    if not yes:
        say_payment(payment, waiting["fingerprint"])
        confirm("Approve this payment?")
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
    door = owner.door(data_dir)
    _stop(find(door, transaction), "reject", reason, door, as_json=as_json)


def cancel(
    *,
    transaction: TransactionId,
    reason: Reason = None,
    code: Totp = None,
    yes: Yes = False,
    data_dir: DataDir = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Cancel a payment: at once where it has not left; one on its way needs the master password."""
    door = owner.door(data_dir, password_file)
    found = find(door, transaction)
    if found["status"] == "SUBMITTED":
        how = replacements.How(code=code, yes=yes, as_json=as_json)
        replacements.order(door, found, "cancel-sent", how)
        return
    _stop(found, "cancel", reason, door, as_json=as_json)


def _stop(
    found: Json, verb: str, reason: str | None, door: owner.OwnerDoor, *, as_json: bool
) -> None:
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


def _waiting(door: owner.OwnerDoor, wanted: str) -> Json:
    items = door.get("/v1/approvals")["items"]
    found = [one for one in items if is_meant(one["transaction"], wanted)]
    if len(found) != 1:
        raise no_such(found, "No payment with this id waits for you.")
    waiting: Json = found[0]
    return waiting
