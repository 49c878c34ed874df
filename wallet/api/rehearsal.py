"""Trying rules on the past."""

from wallet.api.routes import Answer, Call
from wallet.operations.rehearsal import Difference, Proposal
from wallet.wire.rehearsal import DifferenceView, ExampleView, RehearsalView, RehearsePolicy


async def owner_rehearse(call: Call) -> Answer:
    """Judge what was asked for anew; nothing changes."""
    body = await call.body(RehearsePolicy)
    proposals = [
        Proposal(one.type or "", one.rules, one.wallet_id, one.id) for one in body.changes
    ]
    report = await call.operations.rehearsal.run(proposals, days=body.days, examples=body.examples)
    return Answer(
        RehearsalView(
            since=report.since // 1000,
            loosens=report.loosens,
            requests=report.requests,
            changed=report.changed.total(),
            differences=[
                DifferenceView(now=now, then=then, count=count)
                for (now, then), count in sorted(report.changed.items())
            ],
            examples=[_example(one) for one in report.examples],
            counted_only=report.counted_only,
            unreadable=report.unreadable,
            is_cut=report.is_cut,
        )
    )


def _example(one: Difference) -> ExampleView:
    intent = one.request.intent
    return ExampleView(
        at=one.request.at // 1000,
        wallet_id=intent.wallet_id,
        to=intent.to,
        asset=intent.asset.key,
        amount=str(intent.amount),
        was=one.request.was,
        now=one.now,
        then=one.then,
        rule=one.rule,
        reason=one.reason,
    )
