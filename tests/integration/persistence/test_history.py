"""A survey of everything: merged by transaction, complete, and in memory that does not follow history."""

import tracemalloc
from dataclasses import replace
from pathlib import Path

from tests.support.stores import a_transaction, an_attempt
from wallet.domain.facts import Fact
from wallet.persistence.database import Database
from wallet.ports.history import History, SharedNonce
from wallet.ports.store import Unit

MANY = 2_000
MOST_BYTES = 2**20


async def fill(store: Database, count: int) -> None:
    async def body(unit: Unit) -> None:
        for number in range(count):
            row = a_transaction(f"t{number:06d}")
            await unit.transactions.add(row)
            attempt = an_attempt(f"0x{number:06d}", transaction_id=row.id, nonce=number)
            await unit.attempts.add(attempt)
            for fact in (Fact.TX_REQUESTED, Fact.TX_EXECUTING):
                await unit.audit.append(fact, transaction_id=row.id)

    await store.run(body)


async def test_every_transaction_comes_once_with_all_that_is_its_own(store: Database) -> None:
    await fill(store, 3)

    async def traces(unit: Unit) -> None:
        await unit.audit.append(Fact.CARD_MISMATCH, transaction_id="t000001x")
        await unit.authority.add_approval("t000002", "APPROVED", "TAP", "evm-local/native", 5, 7)

    await store.run(traces)
    stories = await store.survey(lambda history: list(history.stories()))
    assert [story.id for story in stories] == ["t000000", "t000001", "t000001x", "t000002"]
    assert [story.row is None for story in stories] == [False, False, True, False]
    assert [len(story.attempts) for story in stories] == [1, 1, 0, 1]
    assert [fact.number for fact in stories[1].facts] == [3, 4]
    assert [(one.answer, one.amount) for one in stories[3].answers] == [("APPROVED", 5)]
    assert await store.survey(lambda history: history.head()) == await store.read(
        lambda unit: unit.audit.head()
    )


async def test_a_nonce_of_two_transactions_is_found(store: Database) -> None:
    await fill(store, 3)
    sibling = an_attempt("0xff", transaction_id="t000001", nonce=1, number=2)
    stolen = replace(sibling, hash="0xfe", nonce=0)

    async def body(unit: Unit) -> None:
        await unit.attempts.add(sibling)
        await unit.attempts.add(stolen)

    await store.run(body)
    shared = await store.survey(lambda history: list(history.shared_nonces()))
    assert shared == [SharedNonce("evm-local", "0xAa", 0, ("t000000", "t000001"))]


async def test_a_survey_takes_constant_memory(store: Database, path: Path) -> None:
    await fill(store, MANY)

    def body(history: History) -> tuple[int, int]:
        tracemalloc.start()
        try:
            count = sum(1 for _ in history.stories())
            return count, tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    count, peak = await store.survey(body)
    assert count == MANY
    assert peak < MOST_BYTES
