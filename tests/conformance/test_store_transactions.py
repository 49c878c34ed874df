"""The Store port: transactions, attempts, audit."""

import asyncio
import sqlite3
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from tests.support.stores import (
    World,
    a_session,
    a_transaction,
    a_wallet,
    an_attempt,
    put_transactions,
)
from wallet.domain.audit_chain import GENESIS, verify
from wallet.domain.facts import Fact
from wallet.domain.owner import Factor
from wallet.domain.tiers import Tier
from wallet.domain.transactions import Purpose, Status, Transaction
from wallet.persistence.database import Database
from wallet.ports.store import Unit

FULL = a_transaction(
    memo="for tea \N{HOT BEVERAGE}",
    amount=2**256 - 1,
    fee_ceiling=2**64,
    execute_by=1,
    due_at=2,
    expires_at=3,
    approval_seconds=4,
    consent_at=5,
    consent_factor="TAP",
    attempt=6,
    hash="0xhash",
    fee=2**200,
    error="CHAIN_ERROR",
    error_message="no",
    submitted_at=7,
    executed_at=8,
    finalized_at=9,
    idempotency_key="key",
    stuck_at=10,
    wanted=Purpose.CANCEL,
    cancelling_at=11,
    offered_ceiling=2**100,
)
DELAY = {"tier": Tier.DELAY, "status": Status.QUEUED}
APPROVAL = {"tier": Tier.APPROVAL, "status": Status.QUEUED}


async def add(unit: Unit, row: Transaction) -> None:
    await unit.transactions.add(row)


async def note(unit: Unit, changes: dict[str, Any]) -> None:
    await unit.transactions.note("t1", **changes)


def ids(rows: list[Transaction]) -> list[str]:
    return [row.id for row in rows]


@pytest.mark.parametrize("amount", [1, 2**63, 10**28 + 1, 2**256 - 1])
async def test_amounts_of_any_size_come_back_exactly(store: Database, amount: int) -> None:
    row = a_transaction(amount=amount, fee=amount, fee_ceiling=amount)
    await store.run(lambda u: u.transactions.add(row))
    assert await store.read(lambda u: u.transactions.get("t1")) == row


async def test_every_column_of_a_transaction_comes_back(store: Database) -> None:
    await store.run(lambda u: u.transactions.add(FULL))
    assert await store.read(lambda u: u.transactions.get("t1")) == FULL
    assert await store.read(lambda u: u.transactions.get("t9")) is None


async def test_an_idempotency_key_is_unique_per_wallet(store: Database) -> None:
    async def body(unit: Unit) -> None:
        await unit.wallets.add(a_wallet(id="w2"))
        await unit.transactions.add(a_transaction("t1", idempotency_key="k"))
        await unit.transactions.add(a_transaction("t2", idempotency_key="k", wallet_id="w2"))
        await put_transactions(unit, a_transaction("t3"), a_transaction("t4"))

    await store.run(body)
    found = await store.read(lambda u: u.transactions.by_key("w2", "k"))
    assert found is not None
    assert found.id == "t2"
    assert await store.read(lambda u: u.transactions.by_key("w1", "other")) is None
    with pytest.raises(sqlite3.IntegrityError):
        await store.run(lambda u: u.transactions.add(a_transaction("t5", idempotency_key="k")))


async def test_a_transaction_needs_its_wallet_and_session(store: Database) -> None:
    for orphan in (a_transaction(wallet_id="w9"), a_transaction(session_id="s9")):
        with pytest.raises(sqlite3.IntegrityError):
            await store.run(partial(add, row=orphan))


async def test_a_move_needs_the_status_and_the_attempt_that_were_read(store: Database) -> None:
    await store.run(lambda u: u.transactions.add(a_transaction()))

    async def start(unit: Unit, attempt: int, expected: Status = Status.PENDING) -> bool:
        return await unit.transactions.move(
            "t1", expected=expected, attempt=attempt, to=Status.EXECUTING
        )

    assert not await store.run(lambda u: start(u, 1))
    assert not await store.run(lambda u: start(u, 0, Status.QUEUED))
    assert await store.run(lambda u: start(u, 0))
    assert not await store.run(lambda u: start(u, 0))
    assert await store.run(lambda u: start(u, 1, Status.EXECUTING))
    assert await store.run(
        lambda u: u.transactions.move(
            "t1", expected=Status.EXECUTING, attempt=2, to=Status.SUBMITTED, hash="0x", fee=2**70
        )
    )
    found = await store.read(lambda u: u.transactions.get("t1"))
    expected = a_transaction(status=Status.SUBMITTED, attempt=2, hash="0x", fee=2**70)
    assert found == expected


async def test_one_of_twenty_racing_moves_wins(store: Database) -> None:
    await store.run(lambda u: u.transactions.add(a_transaction()))

    async def start(unit: Unit) -> bool:
        return await unit.transactions.move(
            "t1", expected=Status.PENDING, attempt=0, to=Status.EXECUTING
        )

    won = await asyncio.gather(*(store.run(start) for _ in range(20)))
    assert won.count(True) == 1


async def test_a_note_changes_columns_but_never_the_status(store: Database) -> None:
    await store.run(lambda u: u.transactions.add(a_transaction()))
    await store.run(lambda u: u.transactions.note("t1", expires_at=9, fee=2**80))
    found = await store.read(lambda u: u.transactions.get("t1"))
    assert found == a_transaction(expires_at=9, fee=2**80)
    for forbidden in ({"status": Status.FAILED}, {"attempt": 3}, {"id": "x"}):
        with pytest.raises(ValueError, match="not a note"):
            await store.run(partial(note, changes=forbidden))
    with pytest.raises(KeyError):
        await store.run(lambda u: u.transactions.note("t1", no_such_column=1))


async def test_consent_counts_once_and_only_while_the_question_is_open(store: Database) -> None:
    await store.run(
        lambda u: put_transactions(
            u,
            a_transaction("t1", **APPROVAL, expires_at=100),
            a_transaction("t2", **DELAY, due_at=100),
            a_transaction("t3", **APPROVAL),
        )
    )

    async def answer(unit: Unit, identifier: str, at: int) -> bool:
        return await unit.transactions.consent(
            identifier, at=at, factor=Factor.TAP, execute_by=500
        )

    assert not await store.run(lambda u: answer(u, "t1", 100))
    assert await store.run(lambda u: answer(u, "t1", 99))
    assert not await store.run(lambda u: answer(u, "t1", 99))
    assert not await store.run(lambda u: answer(u, "t2", 1))
    assert await store.run(lambda u: answer(u, "t3", 10**12))
    found = await store.read(lambda u: u.transactions.get("t1"))
    assert found == a_transaction(
        **APPROVAL, expires_at=100, consent_at=99, consent_factor="TAP", execute_by=500
    )


async def test_pages_follow_the_cursor_in_both_directions(store: Database) -> None:
    async def body(unit: Unit) -> None:
        await unit.wallets.add(a_wallet(id="w2"))
        for number in range(6):
            status = (Status.PENDING, Status.CONFIRMED, Status.FAILED)[number % 3]
            await unit.transactions.add(a_transaction(f"t{number}", status=status))
        await unit.transactions.add(a_transaction("t9", wallet_id="w2"))

    await store.run(body)

    async def page(
        wallet_id: str | None,
        statuses: list[Status] | None,
        cursor: str | None,
        *,
        descending: bool = False,
    ) -> list[str]:
        return ids(
            await store.read(
                lambda u: u.transactions.page(
                    wallet_id=wallet_id, statuses=statuses, limit=2, cursor=cursor,
                    descending=descending,
                )
            )
        )  # fmt: skip

    assert await page("w1", None, None) == ["t0", "t1"]
    assert await page("w1", None, "t1") == ["t2", "t3"]
    assert await page(None, None, None, descending=True) == ["t9", "t5"]
    assert await page("w1", None, "t1", descending=True) == ["t0"]
    both = [Status.PENDING, Status.FAILED, Status.PENDING]
    assert await page("w1", both, None, descending=True) == ["t5", "t3"]
    assert await page("w1", both, "t3", descending=True) == ["t2", "t0"]
    assert await page(None, [Status.PENDING], "t0") == ["t3", "t9"]
    assert await page("w1", [], None) == []


async def test_open_work_is_found_by_what_it_waits_for(store: Database) -> None:
    await store.run(
        lambda u: put_transactions(
            u,
            a_transaction("t1", execute_by=10),
            a_transaction("t2", execute_by=11),
            a_transaction("t3", **DELAY, due_at=10, execute_by=99),
            a_transaction("t4", **DELAY, due_at=11, execute_by=99),
            a_transaction("t5", **APPROVAL, expires_at=10),
            a_transaction("t6", **APPROVAL, expires_at=10, consent_at=9, execute_by=99),
            a_transaction("t7", status=Status.SUBMITTED, execute_by=1),
            a_transaction("t8", status=Status.CONFIRMED),
            a_transaction("t9", status=Status.CONFIRMED, finalized_at=5),
        )
    )
    found = store.read
    assert ids(await found(lambda u: u.transactions.overdue(10))) == ["t1", "t5"]
    assert ids(await found(lambda u: u.transactions.due(10))) == ["t3"]
    assert ids(await found(lambda u: u.transactions.unfinalized())) == ["t8"]
    two = (Status.SUBMITTED, Status.PENDING)
    assert ids(await found(lambda u: u.transactions.in_status(*two))) == ["t1", "t2", "t7"]
    assert ids(await found(lambda u: u.transactions.in_status())) == []


async def test_a_session_s_rows_and_waiting_approvals_are_counted(store: Database) -> None:
    async def body(unit: Unit) -> None:
        await unit.sessions.add(a_session(id="s2"))
        await put_transactions(
            unit,
            a_transaction("t1", **APPROVAL),
            a_transaction("t2", **APPROVAL, session_id="s2"),
            a_transaction("t3", **APPROVAL, consent_at=1),
            a_transaction("t4", **DELAY),
        )

    await store.run(body)
    assert await store.read(lambda u: u.transactions.waiting_approvals(None)) == 2
    assert await store.read(lambda u: u.transactions.waiting_approvals("s1")) == 1
    queued = await store.read(lambda u: u.transactions.of_session("s1", Status.QUEUED))
    assert ids(queued) == ["t1", "t3", "t4"]
    assert ids(await store.read(lambda u: u.transactions.of_session("s2"))) == ["t2"]


async def test_a_hash_is_stored_once_whatever_transaction_brings_it(store: Database) -> None:
    await store.run(lambda u: put_transactions(u, a_transaction("t1"), a_transaction("t2")))
    attempt = an_attempt(max_cost=2**256 - 1)
    assert await store.run(lambda u: u.attempts.add(attempt))
    assert not await store.run(lambda u: u.attempts.add(replace(attempt, transaction_id="t2")))
    assert await store.read(lambda u: u.attempts.has_hash("0x01"))
    assert not await store.read(lambda u: u.attempts.has_hash("0x02"))
    assert await store.read(lambda u: u.attempts.of("t1")) == [attempt]
    assert await store.read(lambda u: u.attempts.of("t2")) == []


async def test_attempts_of_an_address_stay_unfinished_until_final(store: Database) -> None:
    first = an_attempt("0x01", nonce=4)
    fill = an_attempt("0x02", nonce=4, purpose=Purpose.FILL, created_at=6)
    other = an_attempt("0x03", nonce=9, transaction_id="t2", address="0xCc")

    async def body(unit: Unit) -> None:
        await put_transactions(unit, a_transaction("t1"), a_transaction("t2"))
        for attempt in (first, fill, other):
            await unit.attempts.add(attempt)
        await unit.attempts.accepted("0x01", 7)
        await unit.attempts.accepted("0x01", 8)
        await unit.attempts.rejected("0x02", "base fee")

    await store.run(body)
    expected = [replace(first, accepted_at=7), replace(fill, rejected="base fee")]
    here = ("evm-local", "0xAa")
    assert await store.read(lambda u: u.attempts.unfinished(*here)) == expected
    assert await store.read(lambda u: u.attempts.highest_final_nonce(*here)) is None
    await store.run(lambda u: u.attempts.finalized("t1", 9))
    assert await store.read(lambda u: u.attempts.unfinished(*here)) == []
    assert await store.read(lambda u: u.attempts.highest_final_nonce(*here)) == 4
    assert await store.read(lambda u: u.attempts.unfinished("evm-local", "0xCc")) == [other]


async def test_an_acceptance_voids_a_rejection_and_keeps_the_first_time(store: Database) -> None:
    async def body(unit: Unit) -> None:
        await put_transactions(unit, a_transaction())
        await unit.attempts.add(an_attempt())
        await unit.attempts.rejected("0x01", "no funds")
        await unit.attempts.accepted("0x01", 7)
        await unit.attempts.accepted("0x01", 9)

    await store.run(body)
    (found,) = await store.read(lambda unit: unit.attempts.of("t1"))
    assert (found.accepted_at, found.rejected) == (7, None)


async def test_what_was_ever_signed_for_a_nonce_is_found(store: Database) -> None:
    async def body(unit: Unit) -> None:
        await put_transactions(unit, a_transaction(), a_transaction("t2"))
        await unit.attempts.add(an_attempt("0x01"))
        await unit.attempts.add(an_attempt("0x02", number=2))
        await unit.attempts.finalized("t1", 8)
        await unit.attempts.add(an_attempt("0x03", transaction_id="t2"))
        await unit.attempts.add(an_attempt("0x04", transaction_id="t2", nonce=1, number=2))
        await unit.attempts.add(an_attempt("0x05", transaction_id="t2", address="0xCc", number=3))

    await store.run(body)
    found = await store.read(lambda unit: unit.attempts.at_nonce("evm-local", "0xAa", 0))
    assert sorted(one.hash for one in found) == ["0x01", "0x02", "0x03"]
    assert await store.read(lambda unit: unit.attempts.at_nonce("evm-local", "0xAa", 2)) == []


async def test_audit_rows_are_numbered_and_chained_with_whatever_key_there_is(
    store: Database, world: World
) -> None:
    async def body(unit: Unit) -> list[int]:
        return [
            await unit.audit.append(Fact.DAEMON_STARTED),
            await unit.audit.append(
                Fact.TX_REQUESTED, actor="a", wallet_id="w", session_id="s", transaction_id="t",
                at=5, details={"amount": str(2**256), "nested": {"b": [1, None]}},
            ),
        ]  # fmt: skip

    assert await store.read(lambda u: u.audit.head()) == (0, GENESIS)
    assert await store.run(body) == [1, 2]
    world.key = b"k" * 32
    assert await store.run(body) == [3, 4]
    rows = await store.read(lambda u: u.audit.rows())
    assert [row["chaining"] for row in rows] == ["plain", "plain", "hmac", "hmac"]
    assert rows[0]["at"] == world.clock.now()
    assert rows[1]["details"] == {"amount": str(2**256), "nested": {"b": [1, None]}}
    assert verify(rows, world.key).is_sound
    assert verify(rows, None).unchecked == 2
    assert await store.read(lambda u: u.audit.head()) == (4, rows[3]["hash"])
    assert await store.read(lambda u: u.audit.rows(after=1, limit=2)) == rows[1:3]
    of_one = await store.read(lambda u: u.audit.rows(after=2, transaction_id="t"))
    assert of_one == [rows[3]]


async def test_a_rolled_back_fact_leaves_no_gap(store: Database) -> None:
    async def body(unit: Unit) -> None:
        await unit.audit.append(Fact.DAEMON_STARTED)
        raise LookupError

    with pytest.raises(LookupError):
        await store.run(body)
    assert await store.run(lambda u: u.audit.append(Fact.DAEMON_STARTED)) == 1


async def test_an_audit_row_takes_no_unknown_words(store: Database) -> None:
    with pytest.raises(TypeError, match="walletId"):
        await store.run(lambda u: u.audit.append(Fact.DAEMON_STARTED, walletId="w1"))
