"""The audit log read and verified, and the ledger checked. Looks only, so the socket is enough."""

from collections.abc import Mapping
from typing import Any

from wallet.api.operations import Walked
from wallet.api.routes import Answer, Call
from wallet.wire.owner import (
    AuditPage,
    AuditQuery,
    AuditRow,
    LedgerQuery,
    LedgerView,
    Stretch,
    VerifyQuery,
    VerifyView,
    ViolationView,
)


async def rows(call: Call) -> Answer:
    query = call.query(AuditQuery)
    found = await call.operations.audit.page(query.after, query.limit, query.transaction_id)
    items = [audit_row(row) for row in found]
    following = items[-1].number if len(items) == query.limit else None
    return Answer(AuditPage(items=items, next_after=following))


async def verify(call: Call) -> Answer:
    """A part of the walk along the chain, so that no answer takes long and progress can be shown."""
    query = call.query(VerifyQuery)
    walked = await call.operations.audit.walk(
        (query.after, query.hash), limit=query.limit, known=known_heads(query.known)
    )
    return Answer(verify_view(walked))


async def ledger(call: Call) -> Answer:
    query = call.query(LedgerQuery)
    funded = {name: int(units) for name, units in _pairs(query.funded)}
    report = await call.operations.ledger.check(with_chains=query.chains == "true", funded=funded)
    return Answer(
        LedgerView(
            transactions=report.transactions,
            compared=report.compared,
            found=report.found,
            violations=[
                ViolationView(
                    invariant=one.invariant.value, subject=one.subject, message=one.message
                )
                for one in report.violations
            ],
            not_compared=report.not_compared,
        )
    )


def verify_view(walked: Walked) -> VerifyView:
    verdict = walked.verdict
    return VerifyView(
        done=walked.done,
        number=verdict.head[0],
        hash=verdict.head[1],
        proved=verdict.proved,
        sealed=verdict.sealed,
        open=verdict.open,
        unproved=[Stretch(first=first, last=last) for first, last in verdict.unproved],
        first_bad=verdict.first_bad,
        reason=verdict.reason,
    )


def known_heads(text: str | None) -> dict[int, str]:
    """``12:1a2b3c4d,40:…`` as numbers and the beginnings of their hashes."""
    return {int(number): digits for number, digits in _pairs(text)}


def audit_row(row: Mapping[str, Any]) -> AuditRow:
    """A row as it is shown. Details that somebody made unreadable are shown as the text they are."""
    details = row["details"]
    return AuditRow(
        number=row["number"],
        at=row["at"] // 1000,
        at_ms=row["at"],
        fact=row["fact"],
        actor=row["actor"],
        wallet_id=row["wallet_id"],
        session_id=row["session_id"],
        transaction_id=row["transaction_id"],
        details=details if isinstance(details, dict) else {"unreadable": str(details)},
        chaining=row["chaining"],
        hash=row["hash"],
    )


def _pairs(text: str | None) -> list[tuple[str, str]]:
    parts = [] if text is None else [pair.partition(":") for pair in text.split(",")]
    return [(name, value) for name, _, value in parts]
