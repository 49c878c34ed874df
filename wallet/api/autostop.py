"""Auto-stop rules; and what the owner holds and resumes."""

from wallet.api.auth import proof_given
from wallet.api.operations import StopRuleLine
from wallet.api.routes import Answer, Call
from wallet.api.sessions import session_view
from wallet.api.wallets import ACTOR, wallet_view
from wallet.domain.autostop import StopRule
from wallet.errors import Code, NotFoundError
from wallet.wire.autostop import PutStopRule, StopRuleList, StopRulesQuery, StopRuleView
from wallet.wire.owner import Reason

_FROZEN, _SUSPENDED = "frozen by the owner", "suspended by the owner"


async def show(call: Call) -> Answer:
    lines = await call.operations.autostop.list(call.query(StopRulesQuery).wallet_id)
    return Answer(StopRuleList(items=[_view(line) for line in lines]))


async def put(call: Call) -> Answer:
    """A password that the call carries was checked before; a loosening needs one, and the factor."""
    body = await call.body(PutStopRule)
    line = await call.operations.autostop.put(
        StopRule(body.type),
        body.rules,
        body.wallet_id,
        actor=ACTOR,
        proved=proof_given(call),
        code=call.header(b"x-totp-code"),
    )
    return Answer(_view(line))


async def reset(call: Call) -> Answer:
    kind = call.identifier(Code.POLICY_NOT_FOUND)
    if kind not in list(StopRule):
        raise NotFoundError(Code.POLICY_NOT_FOUND, "There is no such auto-stop rule.")
    line = await call.operations.autostop.reset(
        StopRule(kind),
        call.query(StopRulesQuery).wallet_id,
        actor=ACTOR,
        proved=proof_given(call),
        code=call.header(b"x-totp-code"),
    )
    return Answer(_view(line))


async def freeze_session(call: Call) -> Answer:
    session_id = call.identifier(Code.SESSION_NOT_FOUND)
    reason = (await call.body(Reason)).reason or _FROZEN
    session = await call.operations.holds.freeze_session(session_id, actor=ACTOR, reason=reason)
    return Answer(session_view(session, session.frozen_at or session.created_at))


async def resume_session(call: Call) -> Answer:
    session_id = call.identifier(Code.SESSION_NOT_FOUND)
    session = await call.operations.holds.resume_session(session_id, actor=ACTOR)
    return Answer(session_view(session, session.created_at))


async def suspend_wallet(call: Call) -> Answer:
    wallet_id = call.identifier(Code.WALLET_NOT_FOUND)
    reason = (await call.body(Reason)).reason or _SUSPENDED
    wallet = await call.operations.holds.suspend_wallet(wallet_id, actor=ACTOR, reason=reason)
    return Answer(wallet_view(wallet))


async def resume_wallet(call: Call) -> Answer:
    wallet_id = call.identifier(Code.WALLET_NOT_FOUND)
    return Answer(wallet_view(await call.operations.holds.resume_wallet(wallet_id, actor=ACTOR)))


def _view(line: StopRuleLine) -> StopRuleView:
    return StopRuleView(
        type=line.kind,
        wallet_id=line.wallet_id,
        is_default=line.is_default,
        rules=dict(line.rules),
    )
