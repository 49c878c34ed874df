"""Rules: listed, put and removed by the owner."""

from collections.abc import Mapping
from typing import Any

from wallet.api.routes import Answer, Call
from wallet.api.transactions import seconds
from wallet.api.wallets import ACTOR
from wallet.domain.loosenings import Loosening
from wallet.errors import Code, NotFoundError, bad_field
from wallet.operations.policies import Changed
from wallet.wire.owner import Done
from wallet.wire.policies import (
    ChangedPolicyView,
    PoliciesQuery,
    PolicyList,
    PolicyView,
    PutPolicy,
    QueuedPolicyView,
    RemovedPolicyView,
    parse_rule,
)


async def owner_list(call: Call) -> Answer:
    wallet_id = call.query(PoliciesQuery).wallet_id
    rules = await call.operations.policies.list(wallet_id)
    waiting = await call.operations.loosenings.list(wallet_id)
    return Answer(
        PolicyList(
            items=[policy_view(rule) for rule in rules],
            queued=[_queued_view(one) for one in waiting],
        )
    )


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
    """A code of the authenticator app, where one is wanted, comes as X-TOTP-Code: there is no body."""
    changed = await call.operations.policies.remove(
        call.identifier(Code.POLICY_NOT_FOUND), ACTOR, code=call.header(b"x-totp-code")
    )
    return Answer(RemovedPolicyView(**_effect(changed)))


async def owner_cancel(call: Call) -> Answer:
    """End a change that waits."""
    await call.operations.loosenings.cancel(call.identifier(Code.POLICY_NOT_FOUND), ACTOR)
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
    changed = await call.operations.policies.put(
        body.type, body.rules, body.wallet_id, rule_id, ACTOR, code=body.totp_code
    )
    view = policy_view(changed.rule)
    return Answer(ChangedPolicyView(**dict(view), **_effect(changed)))


def _effect(changed: Changed) -> dict[str, Any]:
    waiting = changed.waiting
    return {
        "effect": changed.effect,
        "counts_at": None if waiting is None else seconds(waiting.counts_at),
        "queued_id": None if waiting is None else waiting.id,
    }


def _queued_view(waiting: Loosening) -> QueuedPolicyView:
    return QueuedPolicyView(
        id=waiting.id,
        rule_id=waiting.rule_id,
        wallet_id=waiting.wallet_id,
        change=waiting.change,
        type=waiting.type,
        rules=None if waiting.body is None else dict(waiting.body),
        base_version=waiting.base_version,
        queued_at=waiting.queued_at // 1000,
        counts_at=waiting.counts_at // 1000,
    )
