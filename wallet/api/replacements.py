"""Speed up and Cancel of a payment that was sent: the owner's orders from the host."""

from wallet.api.auth import code_step
from wallet.api.routes import Answer, Call
from wallet.api.transactions import transaction_view
from wallet.api.wallets import ACTOR
from wallet.domain.intents import fingerprint
from wallet.domain.owner import Factor
from wallet.domain.transactions import Purpose
from wallet.errors import Code, RefusedError
from wallet.operations.replacements import Order
from wallet.wire.owner import Replace, ReplacementView


async def offer(call: Call) -> Answer:
    found = await call.operations.replacements.offer(call.identifier(Code.TX_NOT_FOUND))
    return Answer(
        ReplacementView(
            transaction=transaction_view(found.transaction, call.operations),
            fingerprint=fingerprint(found.transaction.digest),
            fee_ceiling=str(found.ceiling),
            factor_needed=found.factor,
        )
    )


async def speed_up(call: Call) -> Answer:
    return await _order(call, Purpose.SPEED_UP)


async def cancel_sent(call: Call) -> Answer:
    return await _order(call, Purpose.CANCEL)


async def _order(call: Call, purpose: Purpose) -> Answer:
    """The master password stands for a tap; above the tap band an enrolled app's code is asked for as well."""
    transaction_id = call.identifier(Code.TX_NOT_FOUND)
    body = await call.body(Replace)
    found = await call.operations.replacements.offer(transaction_id)
    approvals = call.operations.approvals
    if body.totp_code is None and await approvals.wants_code(found.factor):
        raise RefusedError(
            Code.FACTOR_REQUIRED,
            "This amount needs a code of the authenticator app.",
            details={"factor": found.factor.value},
            hint="Send totpCode.",
        )
    step = await code_step(call, body.totp_code)
    order = Order(
        purpose=purpose,
        digest=body.digest or found.transaction.digest,
        ceiling=found.ceiling if body.fee_ceiling is None else int(body.fee_ceiling),
        factor=Factor.CODE if found.factor is Factor.CODE else Factor.HOST,
        actor=ACTOR,
        totp_step=step,
    )
    row = await call.operations.replacements.order(transaction_id, order)
    return Answer(transaction_view(row, call.operations))
