"""The same figures with a long history: many stored transactions, with their attempts and audit rows."""

import asyncio
import hashlib
import time
from pathlib import Path

from tests.bench.world import Bench, is_polling
from tests.support.sandbox import Agent
from wallet.bootstrap.world import SystemClock, SystemIds
from wallet.domain.facts import Fact
from wallet.domain.tiers import Tier
from wallet.domain.transactions import Attempt, Purpose, Status, Transaction
from wallet.persistence.database import Database
from wallet.ports.store import Unit
from wallet.wire.policies import parse_rule

CHUNK = 1000
FACTS = (Fact.TX_REQUESTED, Fact.TX_EXECUTING, Fact.TX_SUBMITTED, Fact.TX_CONFIRMED)
_WEI = 10**14


def fill(found: Bench, agents: list[Agent], count: int) -> float:
    """Store ``count`` settled payments beside the idle daemon, then start it again. Seconds it took."""
    began = time.monotonic()
    wallets = [
        (
            agent,
            str(
                found.rows("SELECT id FROM sessions WHERE wallet_id = ?", agent.wallet["id"])[0][0]
            ),
        )
        for agent in agents
    ]
    asyncio.run(_fill(found.home / "waiaas.db", wallets, count))
    found.restarts()
    seconds = time.monotonic() - began
    is_polling(found)  # importing the bot would be measured otherwise
    return seconds


async def _fill(path: Path, wallets: list[tuple[Agent, str]], count: int) -> None:
    ids, clock = SystemIds(), SystemClock()
    database = await Database.open(
        path,
        ids=ids,
        clock=clock,
        parse_rule=parse_rule,
        audit_key=lambda: None,
        row_key=lambda: None,
    )
    try:
        for start in range(0, count, CHUNK):
            rows = [
                _row(ids.new(), *wallets[number % len(wallets)], clock.now())
                for number in range(start, min(start + CHUNK, count))
            ]
            await database.run(lambda unit, rows=rows: _store(unit, rows))  # type: ignore[misc]
    finally:
        await database.close()


async def _store(unit: Unit, rows: list[Transaction]) -> None:
    for row in rows:
        await unit.transactions.add(row)
        await unit.attempts.add(_attempt(row))
        for fact in FACTS:
            await unit.audit.append(
                fact,
                actor="system",
                at=row.created_at,
                wallet_id=row.wallet_id,
                session_id=row.session_id,
                transaction_id=row.id,
            )


def _row(transaction_id: str, agent: Agent, session_id: str, now: int) -> Transaction:
    digest = hashlib.sha256(transaction_id.encode()).hexdigest()
    return Transaction(
        id=transaction_id,
        wallet_id=agent.wallet["id"],
        session_id=session_id,
        network=agent.wallet["network"],
        chain=agent.chain.name,
        type="TRANSFER",
        to="0x" + digest[:40],
        amount=_WEI,
        asset=f"{agent.wallet['network']}/native",
        memo=None,
        request="{}",
        request_hash=digest,
        digest=digest,
        fee_ceiling=_WEI,
        tier=Tier.INSTANT,
        status=Status.CONFIRMED,
        rule_id=None,
        policy_version=1,
        created_at=now,
        attempt=1,
        hash="0x" + digest,
        fee=1,
        submitted_at=now,
        executed_at=now,
        finalized_at=now,
    )


def _attempt(row: Transaction) -> Attempt:
    return Attempt(
        transaction_id=row.id,
        number=1,
        purpose=Purpose.PAY,
        network=row.network,
        # Of another address: a nonce invented here must not push the real ones up.
        address="0x" + "0" * 40,
        hash=str(row.hash),
        raw=bytes(120),
        nonce=1,
        last_valid_height=None,
        signing_height=None,
        max_cost=row.amount + row.fee_ceiling,
        created_at=row.created_at,
        accepted_at=row.created_at,
        finalized_at=row.created_at,
    )
