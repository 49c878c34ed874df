"""A payment on its way: `waiaas speed-up`, and the part of `waiaas cancel` that signs something new."""

from dataclasses import dataclass

from wallet.cli import owner, render
from wallet.cli.http import Json
from wallet.cli.naming import TransactionId, confirm, find, say_payment
from wallet.cli.options import AsJson, DataDir, PasswordFile, Totp, Yes
from wallet.cli.send import say_outcome
from wallet.domain.money import format_units

_QUESTIONS = {
    "speed-up": "Send this payment again with a higher fee?",
    "cancel-sent": "Send an empty payment in its place?",
}


@dataclass(frozen=True, slots=True)
class How:
    """How the caller wants to be asked and answered."""

    code: str | None
    yes: bool
    as_json: bool


def speed_up(
    *,
    transaction: TransactionId,
    code: Totp = None,
    yes: Yes = False,
    data_dir: DataDir = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Send a payment that is on its way again with a higher fee. Needs the master password."""
    door = owner.door(data_dir, password_file)
    found = find(door, transaction)
    order(door, found, "speed-up", How(code=code, yes=yes, as_json=as_json))


def order(door: owner.OwnerDoor, found: Json, verb: str, how: How) -> None:
    """Say what it may cost, ask, and order it; bound to what was said."""
    offer = door.get(f"/v1/transactions/{found['id']}/replacement")
    payment = offer["transaction"]
    if not how.yes:
        say_payment(payment, offer["fingerprint"])
        network = door.network(payment["network"])
        most = format_units(int(offer["feeCeiling"]), network.decimals)
        render.fields((("fee at most", f"{most} {network.symbol}"),))
        confirm(_QUESTIONS[verb])
    body: Json = {"digest": payment["digest"], "feeCeiling": offer["feeCeiling"]}
    if how.code is not None:
        body["totpCode"] = how.code
    path = f"/v1/transactions/{payment['id']}/{verb}"
    answer = door.release("POST", path, body, code_in_body=True)
    render.show(answer, as_json=how.as_json, say=say_outcome)
