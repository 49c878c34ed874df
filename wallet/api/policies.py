"""Rules: listed, put and removed by the owner."""

from collections.abc import Mapping
from typing import Any

from wallet.api.routes import Answer, Call
from wallet.api.transactions import seconds
from wallet.api.wallets import ACTOR
from wallet.errors import Code, NotFoundError, bad_field
from wallet.wire.owner import Done
from wallet.wire.policies import PoliciesQuery, PolicyList, PolicyView, PutPolicy, parse_rule


async def owner_list(call: Call) -> Answer:
    rules = await call.operations.policies.list(call.query(PoliciesQuery).wallet_id)
    return Answer(PolicyList(items=[policy_view(rule) for rule in rules]))


async def owner_show(call: Call) -> Answer:
    wanted = call.identifier(Code.POLICY_NOT_FOUND)
    rules = await call.operations.policies.list(None)
    found = next((rule for rule in rules if rule["id"] == wanted), None)
    if found is None:
        raise NotFoundError(Code.POLICY_NOT_FOUND, "There is no such rule.")
    return Answer(policy_view(found))


async def owner_put(call: Call) -> Answer:
    """Add a rule, or replace the one that the body names."""
    body = await call.body(PutPolicy)
    return await _put(call, body, body.id)


async def owner_replace(call: Call) -> Answer:
    rule_id = call.identifier(Code.POLICY_NOT_FOUND)
    body = await call.body(PutPolicy)
    if body.id not in (None, rule_id):
        raise bad_field("id", "is not the rule that the path names")
    return await _put(call, body, rule_id)


async def owner_remove(call: Call) -> Answer:
    await call.operations.policies.remove(call.identifier(Code.POLICY_NOT_FOUND), ACTOR)
    return Answer(Done())


def policy_view(rule: Mapping[str, Any]) -> PolicyView:
    """A stored rule as it travels."""
    return PolicyView(
        id=rule["id"],
        wallet_id=rule["walletId"],
        type=str(rule["type"]),
        rules=dict(rule["rules"]),
        version=rule["version"],
        created_at=seconds(rule.get("createdAt")),
        updated_at=seconds(rule.get("updatedAt")),
    )


async def _put(call: Call, body: PutPolicy, rule_id: str | None) -> Answer:
    parse_rule(body.type, body.rules)
    if body.totp_code is not None:
        await call.operations.approvals.require_current_code(body.totp_code)
    stored = await call.operations.policies.put(
        body.type, body.rules, body.wallet_id, rule_id, ACTOR
    )
    return Answer(policy_view(stored))
