"""`waiaas kill`, `recover`, `unlock`: stopping is easy, starting again is not."""

import sys
from typing import Annotated, Any

import typer

from wallet.cli import owner, render
from wallet.cli.options import AsJson, DataDir, PasswordFile, Reason, Totp


def kill(
    *,
    reason: Reason = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Stop everything at once: sessions end, waiting payments are cancelled, keys are wiped."""
    body = {} if reason is None else {"reason": reason}
    answer = owner.door(data_dir).send("POST", "/v1/kill-switch", body)
    render.show(answer, as_json=as_json, say=_say_stopped)


def _say_stopped(found: Any) -> None:
    print("Stopped. Nothing is signed or sent until you recover.")
    if not found["stored"]:
        print("The database cannot be written yet; that is tried again by itself: waiaas status")
        return
    print(
        f"Sessions ended: {found['sessionsRevoked']}. "
        f"Waiting payments cancelled: {found['transactionsCancelled']}. "
        f"Wallets suspended: {found['walletsSuspended']}."
    )
    for one in found["exposure"]:
        amount = one["formatted"] or one["amount"]
        print(f"Already signed, out of reach: {amount} to {one['toAddress']} ({one['txHash']})")
    print("To start again: waiaas recover")


def recover(
    *,
    code: Totp = None,
    cancel: Annotated[bool, typer.Option("--cancel", help="Stop a running recovery.")] = False,
    data_dir: DataDir = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Leave the kill switch, after a wait that can be cancelled. With a code the wait is shorter."""
    door = owner.door(data_dir, password_file)
    if cancel:
        found = door.send("POST", "/v1/recover/cancel")
        render.show(
            found, as_json=as_json, say=lambda _: print("Recovery cancelled; still stopped.")
        )
        return
    if code is None and not as_json and sys.stdin.isatty():
        asked = typer.prompt(
            "Code of your authenticator app (none: leave empty)", default="", show_default=False
        )
        code = asked.strip() or None
    found = door.release("POST", "/v1/recover", {} if code is None else {"totpCode": code})
    with_code = code is not None
    render.show(found, as_json=as_json, say=lambda one: _say_recovery(one, with_code=with_code))


def _say_recovery(found: Any, *, with_code: bool) -> None:
    if found["recoveryAt"] is None:
        print(f"The state is {found['state']}.")
        return
    print(f"Recovery runs. Payments start again at {render.moment(found['recoveryAt'])}.")
    if not with_code:
        print("With a code of an authenticator app (--code) the wait is the short one.")
    here = "with: waiaas recover --cancel"
    both = f"in Telegram, or {here}"
    print(f"Until then it can be cancelled {both if found['chatMayCancel'] else here}")
    print("Agents will need new sessions: waiaas session create")


def unlock(
    *,
    data_dir: DataDir = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Open the keystore of a daemon that was started without the password."""
    found = owner.door(data_dir, password_file).release("POST", "/v1/unlock")
    render.show(found, as_json=as_json, say=lambda _: print("Unlocked; payments can be signed."))


def clock(
    *,
    trust: Annotated[
        bool, typer.Option("--trust", help="You looked: the host's clock is right.")
    ] = False,
    data_dir: DataDir = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Whether the host's clock is believed. While it is in doubt nothing leaves and no code counts."""
    door = owner.door(data_dir, password_file)
    if trust:
        door.release("POST", "/v1/clock/trust")
    doubt = door.get("/v1/status")["clockDoubt"]
    render.show({"trusted": doubt is None, "doubt": doubt}, as_json=as_json, say=_say_clock)


def _say_clock(found: Any) -> None:
    if found["trusted"]:
        print("The host's clock is believed.")
        return
    print(f"In doubt: {found['doubt']}.")
    print("If the clock is right: waiaas clock --trust")
