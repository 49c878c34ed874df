"""The one place where a transaction changes status.

A move is a compare-and-set that also settles the reservation, writes the audit fact, marks the card for
redrawing and lets auto-stop see the outcome, all in the unit of work it is given.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from wallet.domain.spending import Reservation, spent
from wallet.domain.tiers import Tier
from wallet.domain.transactions import Event, Settlement, Transaction, advance
from wallet.errors import Code, ConflictError
from wallet.pipeline.autostop import watch_outcome
from wallet.pipeline.holds import Hold
from wallet.ports.store import Unit


@dataclass(frozen=True, slots=True)
class Cause:
    """Why and when a move happens. ``error`` and ``message`` end up on the row."""

    actor: str
    at: int
    error: Code | None = None
    message: str | None = None
    fee: int = 0  # what was actually spent in fees, native base units


async def move(
    unit: Unit, row: Transaction, event: Event, cause: Cause, **changes: Any
) -> Transaction:
    """Move ``row`` and everything that belongs to the move.

    Raises ConflictError when the table has no such move, or when somebody else moved the row first.
    """
    step = advance(row.status, event)
    if cause.error is not None:
        changes |= {"error": cause.error.value, "error_message": cause.message}
    moved = await unit.transactions.move(
        row.id, expected=row.status, attempt=row.attempt, to=step.to, **changes
    )
    if not moved:
        raise ConflictError(
            Code.TX_ALREADY_PROCESSED, "The transaction was changed by somebody else meanwhile."
        )
    after = replace(row, status=step.to, **changes)
    if event is Event.START:
        after = replace(
            after, attempt=row.attempt + 1
        )  # the store counts it in the same statement
    await _settle(unit, after, step.settlement, cause)
    await unit.audit.append(
        step.fact,
        actor=cause.actor,
        at=cause.at,
        wallet_id=row.wallet_id,
        session_id=row.session_id,
        transaction_id=row.id,
        details=_details(after, cause),
    )
    await redraw(unit, after)
    await watch_outcome(unit, after, cause.error, cause.at, cancel_held)
    return after


async def cancel_held(unit: Unit, rows: Sequence[Transaction], code: Code, hold: Hold) -> None:
    """Cancel the unsigned rows of what is held from now on."""
    for row in rows:
        await move(unit, row, Event.CANCEL, Cause(hold.actor, hold.at, code, f"{hold.reason}."))


async def redraw(unit: Unit, row: Transaction) -> None:
    """Ask for the row's card to be shown as it is now. INSTANT payments have one once they were stuck."""
    was_stuck = row.stuck_at is not None or row.offered_ceiling is not None
    if row.tier is Tier.INSTANT and not was_stuck:
        return
    owner = await unit.authority.owner()
    if owner is not None:
        await unit.console.want_card(row.id, owner.chat_id)


async def _settle(unit: Unit, row: Transaction, settlement: Settlement, cause: Cause) -> None:
    if settlement is Settlement.KEEP:
        return
    held = await unit.ledger.reservation(row.id)
    if held is None or not await unit.ledger.release(row.id):
        return  # settled before; money is counted exactly once
    match settlement:
        case Settlement.RELEASE:
            await unit.sessions.count(row.session_id, -1)
        case Settlement.SPEND:
            await spend(unit, held, held.amount, cause)
        case Settlement.SPEND_FEE:
            await spend(unit, held, 0, cause)


async def spend(unit: Unit, held: Reservation, amount: int, cause: Cause) -> None:
    """Record what left: the amount in its asset, the fee in the native coin."""
    for bucket in spent(held, amount, cause.fee, cause.at):
        await unit.ledger.spend(bucket)
        await unit.sessions.spend(held.session_id, bucket.asset, bucket.amount)


def _details(row: Transaction, cause: Cause) -> dict[str, str]:
    found = {
        "status": row.status.value,
        "attempt": str(row.attempt),
        "hash": row.hash,
        "error": None if cause.error is None else cause.error.value,
        "message": cause.message,
        "fee": str(cause.fee) if cause.fee else None,
    }
    return {name: value for name, value in found.items() if value is not None}
