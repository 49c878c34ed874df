"""Holding a session or a wallet: nothing new is admitted, and what waits unsigned ends in the same transaction."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from wallet.domain.facts import Fact
from wallet.domain.sessions import Session
from wallet.domain.transactions import UNSIGNED, Transaction
from wallet.domain.wallets import Wallet, WalletStatus
from wallet.errors import Code
from wallet.ports.store import Unit


@dataclass(frozen=True, slots=True)
class Hold:
    """Why and when something is held. ``by``: OWNER or the name of an auto-stop rule."""

    by: str
    actor: str
    reason: str
    at: int


# Cancels unsigned rows with this code and message at this time (``moves.cancel_held``).
Cancel = Callable[[Unit, Sequence[Transaction], Code, Hold], Awaitable[None]]


async def freeze_session(unit: Unit, session: Session, hold: Hold, cancel: Cancel) -> None:
    """Freeze it, unless it is frozen or was ended. Its other sessions and its wallet go on."""
    if session.frozen_at is not None or session.was_revoked:
        return
    await unit.sessions.hold(session.id, hold.at, hold.by)
    rows = await unit.transactions.of_session(session.id, *UNSIGNED)
    await cancel(unit, rows, Code.SESSION_FROZEN, hold)
    wallet = await unit.wallets.get(session.wallet_id)
    about = {
        "sessionId": session.id,
        "name": session.name,
        "wallet": "" if wallet is None else wallet.name,
        **_why(hold, rows),
    }
    await unit.audit.append(
        Fact.SESSION_FROZEN,
        actor=hold.actor,
        at=hold.at,
        wallet_id=session.wallet_id,
        session_id=session.id,
        details=about,
    )
    await unit.console.alert(
        f"SESSION_FROZEN:{session.id}:{hold.at}", "SESSION_FROZEN", about, hold.at
    )


async def suspend_wallet(unit: Unit, wallet: Wallet, hold: Hold, cancel: Cancel) -> None:
    """Suspend it for all its sessions, unless it is suspended already."""
    if wallet.status is not WalletStatus.ACTIVE:
        return
    await unit.wallets.set_status(wallet.id, WalletStatus.SUSPENDED, hold.by)
    waiting = await unit.transactions.in_status(*UNSIGNED)
    rows = [row for row in waiting if row.wallet_id == wallet.id]
    await cancel(unit, rows, Code.WALLET_SUSPENDED, hold)
    about = {"wallet": wallet.name, **_why(hold, rows)}
    await unit.audit.append(
        Fact.WALLET_SUSPENDED, actor=hold.actor, at=hold.at, wallet_id=wallet.id, details=about
    )
    await unit.console.alert(
        f"WALLET_SUSPENDED:{wallet.id}:{hold.at}", "WALLET_SUSPENDED", about, hold.at
    )


def _why(hold: Hold, rows: Sequence[Transaction]) -> dict[str, str]:
    return {"by": hold.by, "reason": hold.reason, "cancelled": str(len(rows))}
