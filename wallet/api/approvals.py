"""What waits, and the owner's answers from the host."""

from wallet.api.auth import code_step
from wallet.api.operations import Operations
from wallet.api.routes import Answer, Call
from wallet.api.transactions import transaction_view
from wallet.api.wallets import ACTOR
from wallet.domain.intents import fingerprint
from wallet.domain.owner import Factor
from wallet.domain.tiers import Tier
from wallet.domain.transactions import Transaction
from wallet.errors import Code, RefusedError, WalletError
from wallet.wire.owner import Approve, Reason, WaitingList, WaitingView


async def waiting(call: Call) -> Answer:
    rows = await call.operations.queries.pending()
    return Answer(WaitingList(items=[await _waiting(row, call.operations) for row in rows]))


async def approve(call: Call) -> Answer:
    """The master password stands for a tap; above the tap band an enrolled app's code is asked for as well."""
    transaction_id = call.identifier(Code.TX_NOT_FOUND)
    body = await call.body(Approve)
    row = await call.operations.transactions.get(None, transaction_id)
    needed = await call.operations.approvals.factor_needed(transaction_id)
    if body.totp_code is None and await call.operations.approvals.wants_code(needed):
        raise RefusedError(
            Code.FACTOR_REQUIRED,
            "This amount needs a code of the authenticator app.",
            details={"factor": needed.value},
            hint="Send totpCode.",
        )
    step = await code_step(call, body.totp_code)
    approved = await call.operations.approvals.approve(
        transaction_id,
        digest=body.digest or row.digest,
        factor=Factor.CODE if needed is Factor.CODE else Factor.HOST,
        actor=ACTOR,
        totp_step=step,
    )
    return Answer(transaction_view(approved, call.operations))


async def reject(call: Call) -> Answer:
    return await _cancel(call, "rejected by the owner")


async def cancel(call: Call) -> Answer:
    return await _cancel(call, "cancelled by the owner")


async def _cancel(call: Call, reason: str) -> Answer:
    transaction_id = call.identifier(Code.TX_NOT_FOUND)
    body = await call.body(Reason)
    row = await call.operations.transactions.cancel(
        transaction_id, actor=ACTOR, reason=body.reason or reason
    )
    return Answer(transaction_view(row, call.operations))


async def _waiting(row: Transaction, operations: Operations) -> WaitingView:
    return WaitingView(
        transaction=transaction_view(row, operations),
        fingerprint=fingerprint(row.digest),
        factor_needed=await _needed(row, operations),
    )


async def _needed(row: Transaction, operations: Operations) -> Factor | None:
    if row.tier is not Tier.APPROVAL:
        return None
    try:
        return await operations.approvals.factor_needed(row.id)
    except WalletError:  # answered between the two reads, or everything is stopped
        return None
