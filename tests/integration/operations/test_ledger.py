"""The books over a real database: right after every kind of payment, and every bent invariant is named."""

import asyncio
import sqlite3
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.support.chain import ETHER, EVM, FEE, SOL
from tests.support.world import APPROVAL, DELAY, INSTANT, PAYEE, World
from wallet.domain.owner import Factor
from wallet.domain.prices import Price
from wallet.domain.transactions import Purpose, Status, Transaction
from wallet.domain.violations import Invariant
from wallet.errors import Code, UnavailableError
from wallet.operations.ledger import LedgerReport
from wallet.operations.replacements import Order
from wallet.ports.chain import SendOutcome
from wallet.ports.history import History

FUNDED = 100 * ETHER
DELAY_SECONDS = 1_000  # more than a new wallet's payments wait


@dataclass(frozen=True)
class Lives:
    """Ids of payments that came as far as their names say."""

    paid: str
    approved: str
    sped: str
    released: str
    cancelled: str
    waiting: str


async def lived(world: World) -> Lives:
    paid = await world.pay(INSTANT)
    asked = await world.pay(APPROVAL)
    approve = world.app.operations.approvals.approve
    await approve(asked.id, digest=asked.digest, factor=Factor.TAP, actor="owner")
    await world.quiet()
    sped = await sped_up(world)
    released = await world.pay(DELAY * 3 // 4)  # leaves room in the window of a day
    await world.passes(DELAY_SECONDS)
    for row in (paid, asked, sped, released):
        assert (await world.settled(row.id)).status is Status.CONFIRMED
    cancelled, waiting = await world.pay(DELAY), await world.pay(DELAY)
    cancel = world.app.operations.transactions.cancel
    await cancel(cancelled.id, actor="owner", reason="no")
    return Lives(paid.id, asked.id, sped.id, released.id, cancelled.id, waiting.id)


async def sped_up(world: World) -> Transaction:
    """A payment that no block took before the owner ordered a higher fee."""
    world.chain.mines = False
    row = await world.pay(INSTANT)
    offer = await world.app.operations.replacements.offer(row.id)
    order = Order(Purpose.SPEED_UP, row.digest, offer.ceiling, Factor.HOST, "host")
    await world.app.operations.replacements.order(row.id, order)
    await world.poll()
    world.chain.mines = True
    assert len(await world.attempts(row.id)) == 2
    return row


async def checked(world: World, *, funded: int | None = None) -> LedgerReport:
    given = {} if funded is None else {world.wallet.id: funded}
    return await world.app.operations.ledger.check(with_chains=True, funded=given)


def names(report: LedgerReport) -> set[Invariant]:
    return {violation.invariant for violation in report.violations}


def bend(world: World, statement: str, lives: Lives) -> None:
    """Write behind everybody's back, as somebody with the file would; triggers and keys do not hold him."""
    with sqlite3.connect(world.settings.database.path, timeout=10) as connection:
        connection.execute("DROP TRIGGER IF EXISTS audit_refuses_update")
        connection.execute("DROP TRIGGER IF EXISTS audit_refuses_delete")
        changed = connection.execute(statement, vars(lives)).rowcount
        assert changed > 0, statement
    connection.close()


async def test_after_every_kind_of_payment_the_books_are_right(world: World) -> None:
    await lived(world)
    report = await checked(world, funded=FUNDED)
    assert report.violations == []
    assert report.not_compared == []
    assert (report.transactions, report.compared) == (6, 4)


BENT: list[tuple[Invariant, str]] = [
    (Invariant.UNREADABLE, "UPDATE transactions SET amount = 'abc' WHERE id = :paid"),
    (Invariant.UNREADABLE, "UPDATE transactions SET status = 'PAID' WHERE id = :paid"),
    (Invariant.UNREADABLE, "UPDATE attempts SET purpose = 'GIFT' WHERE transaction_id = :paid"),
    (Invariant.FACTS_WITHOUT_ROW, "DELETE FROM transactions WHERE id = :cancelled"),
    (
        Invariant.FACTS_PATH,
        "DELETE FROM audit WHERE transaction_id = :paid AND fact = 'TX_EXECUTING'",
    ),
    (
        Invariant.FACTS_PATH,
        "DELETE FROM audit WHERE transaction_id = :paid AND fact = 'TX_REQUESTED'",
    ),
    (
        Invariant.FACTS_PATH,
        "UPDATE audit SET fact = 'TX_SETTLED' WHERE transaction_id = :paid AND fact = 'TX_CONFIRMED'",
    ),
    (
        Invariant.FACTS_PATH,
        "DELETE FROM audit WHERE transaction_id = :approved AND fact = 'TX_APPROVED'",
    ),
    (Invariant.FACTS_END, "UPDATE transactions SET status = 'CANCELLED' WHERE id = :waiting"),
    (Invariant.FACTS_END, "UPDATE transactions SET attempt = 4 WHERE id = :paid"),
    (Invariant.FACTS_END, "UPDATE transactions SET finalized_at = NULL WHERE id = :paid"),
    (Invariant.FACTS_ROW, "UPDATE transactions SET amount = '5' WHERE id = :waiting"),
    (Invariant.FACTS_ROW, "UPDATE transactions SET \"to\" = 'thief' WHERE id = :waiting"),
    (Invariant.FACTS_ROW, "UPDATE transactions SET tier = 'INSTANT' WHERE id = :waiting"),
    (Invariant.FACTS_ROW, "UPDATE transactions SET request = '{}' WHERE id = :waiting"),
    (Invariant.CONSENT, "DELETE FROM approvals"),
    (Invariant.CONSENT, "UPDATE approvals SET amount = '1'"),
    (Invariant.CONSENT, "UPDATE approvals SET amount = '1' WHERE transaction_id = :sped"),
    (Invariant.CONSENT, "DELETE FROM approvals WHERE transaction_id = :sped"),
    (Invariant.CONSENT, "UPDATE transactions SET consent_at = 5 WHERE id = :waiting"),
    (Invariant.CONSENT, "UPDATE transactions SET tier = 'DELAY' WHERE id = :approved"),
    (Invariant.CONSENT, "UPDATE transactions SET digest = '00' WHERE id = :approved"),
    (Invariant.RESERVATION_MISSING, "DELETE FROM reservations"),
    (Invariant.RESERVATION_LEFT, "UPDATE reservations SET transaction_id = :paid"),
    (Invariant.RESERVATION_WRONG, "UPDATE reservations SET amount = '1'"),
    (Invariant.RESERVATION_WRONG, "UPDATE reservations SET fee = '1'"),
    (Invariant.RESERVATION_WRONG, "UPDATE reservations SET usd = '1'"),
    (Invariant.RESERVATION_WRONG, "UPDATE reservations SET fee_usd = '1'"),
    (Invariant.RESERVATION_WRONG, "UPDATE reservations SET session_id = 'other'"),
    (Invariant.RESERVATION_WRONG, "UPDATE reservations SET owner_approved = 1"),
    (Invariant.RESERVATION_WITHOUT_ROW, "UPDATE reservations SET transaction_id = 'nobody'"),
    (Invariant.BUCKET, "UPDATE spend_buckets SET amount = '1'"),
    (Invariant.BUCKET, "UPDATE spend_buckets SET owner_amount = '1'"),
    (Invariant.BUCKET, "UPDATE spend_buckets SET count = count + 1"),
    (Invariant.BUCKET, "UPDATE spend_buckets SET usd = '1'"),
    (Invariant.BUCKET, "UPDATE spend_buckets SET owner_usd = '1'"),
    (Invariant.BUCKET, "UPDATE spend_buckets SET unpriced = 0"),
    (Invariant.BUCKET, "UPDATE spend_buckets SET started_at = started_at + 300000"),
    (Invariant.BUCKET, "DELETE FROM spend_buckets"),
    (Invariant.SESSION_COUNT, "UPDATE sessions SET transactions = transactions - 1"),
    (Invariant.SESSION_SPENT, "UPDATE sessions SET spent = '{}'"),
    (Invariant.SESSION_LIMIT, "UPDATE sessions SET max_transactions = 1"),
    (Invariant.SESSION_LIMIT, 'UPDATE sessions SET amount_limits = \'{"evm-local/native":"1"}\''),
    (Invariant.ATTEMPT_MISSING, "DELETE FROM attempts WHERE transaction_id = :paid"),
    (
        Invariant.ATTEMPT_UNDECIDED,
        "UPDATE attempts SET transaction_id = :cancelled WHERE transaction_id = :paid",
    ),
    (Invariant.ATTEMPT_NUMBER, "UPDATE attempts SET number = 7 WHERE transaction_id = :paid"),
    (
        Invariant.ATTEMPT_NONCE,
        "UPDATE attempts SET transaction_id = :paid WHERE transaction_id = :approved",
    ),
    (
        Invariant.ATTEMPT_PLACE,
        "UPDATE attempts SET address = 'thief' WHERE transaction_id = :paid",
    ),
    (Invariant.ATTEMPT_COST, "UPDATE attempts SET max_cost = max_cost || '0'"),
    (Invariant.NONCE_SHARED, "UPDATE attempts SET nonce = 0"),
    (Invariant.HASH, "UPDATE transactions SET hash = '0xdead' WHERE id = :paid"),
    (Invariant.FEE, "UPDATE transactions SET fee = '1' WHERE id = :paid"),
    (Invariant.FEE, "UPDATE transactions SET fee_ceiling = '1' WHERE id = :paid"),
    (Invariant.CHAIN_FEE, "UPDATE transactions SET fee = '1' WHERE id = :paid"),
    (Invariant.CHAIN_MOVED, "UPDATE transactions SET status = 'FAILED' WHERE id = :paid"),
    (
        Invariant.CHAIN_PAYLOAD,
        "UPDATE attempts SET raw = (SELECT raw FROM attempts WHERE transaction_id = :approved)",
    ),
    (Invariant.CHAIN_PAYLOAD, "UPDATE attempts SET raw = X'00' WHERE transaction_id = :paid"),
    (Invariant.CHAIN_PAYLOAD, "UPDATE attempts SET nonce = 77 WHERE transaction_id = :paid"),
]


@pytest.mark.parametrize(("invariant", "statement"), BENT)
async def test_a_bent_invariant_is_named(
    world: World, invariant: Invariant, statement: str
) -> None:
    bend(world, statement, await lived(world))
    report = await checked(world)
    assert invariant in names(report), report.violations
    assert report.found == len(report.violations)


async def _undone(world: World, lives: Lives) -> None:
    world.chain.undo(str((await world.row(lives.paid)).hash))


async def _drained(world: World, _: Lives) -> None:
    world.chain.drain(world.wallet.address, left=5)


async def _paid_twice(world: World, lives: Lives) -> None:
    first, second = await world.attempts(lives.sped)
    world.chain.landed[first.hash] = world.chain.landed[second.hash]


CHAIN_BENT: list[tuple[Invariant, Callable[[World, Lives], Awaitable[None]]]] = [
    (Invariant.CHAIN_MISSING, _undone),
    (Invariant.CHAIN_BALANCE, _drained),
    (Invariant.CHAIN_MOVED, _paid_twice),
]


@pytest.mark.parametrize(("invariant", "change"), CHAIN_BENT)
async def test_a_chain_that_disagrees_is_named(
    world: World, invariant: Invariant, change: Callable[[World, Lives], Awaitable[None]]
) -> None:
    await change(world, await lived(world))
    found = await checked(world, funded=FUNDED)
    assert invariant in names(found), found.violations


async def test_a_bucket_from_before_prices_is_no_finding(world: World) -> None:
    """An upgrade cannot know how many parts of an old bucket had no price; it says one."""
    await world.settled((await world.pay(INSTANT)).id)
    world.sql("UPDATE spend_buckets SET unpriced = 1")
    assert (await checked(world)).violations == []


def test_every_invariant_is_bent_by_a_test() -> None:
    named = {invariant for invariant, _ in BENT} | {invariant for invariant, _ in CHAIN_BENT}
    assert named == set(Invariant)


async def test_violations_name_the_transaction(world: World) -> None:
    lives = await lived(world)
    bend(world, "UPDATE reservations SET amount = '1' WHERE transaction_id = :waiting", lives)
    (found,) = (await checked(world)).violations
    assert (found.invariant, found.subject) == (Invariant.RESERVATION_WRONG, lives.waiting)
    assert found.message == f"amount is 1, must be {DELAY}."


async def test_failures_stops_and_crashes_leave_the_books_right(world: World) -> None:
    """Reverted, replaced by an empty sibling, never affordable, expired, stopped: nothing is left over."""
    world.chain.reverts = True
    reverted = await world.pay()
    await world.settled(reverted.id)
    world.chain.reverts = False
    world.chain.next_send = [SendOutcome.REJECTED] * 3
    rejected = await world.pay()
    await world.passes(700)
    await world.poll()
    await world.settled(rejected.id)
    world.chain.simulation_fails = True
    failed = await world.pay()
    world.chain.simulation_fails = False
    asked = await world.pay(APPROVAL)
    await world.passes(90_000)
    world.session = await world.new_session(world.wallet)
    await world.pay(DELAY)
    await world.restart()
    await world.app.safety.halt("test", "host")
    statuses = [(await world.row(one.id)).status for one in (reverted, failed, asked)]
    assert statuses == [Status.FAILED, Status.FAILED, Status.EXPIRED]
    report = await checked(world, funded=FUNDED)
    assert report.violations == []


async def test_a_payment_between_own_wallets_is_received_by_the_other(world: World) -> None:
    other = await world.new_wallet("other")
    paid = await world.pay(to=other.address)
    await world.settled(paid.id)
    given = {world.wallet.id: FUNDED, other.id: FUNDED}
    check = world.app.operations.ledger.check
    assert (await check(with_chains=True, funded=given)).violations == []
    wrong = await check(with_chains=True, funded={**given, other.id: FUNDED - 1})
    assert [(one.invariant, one.subject) for one in wrong.violations] == [
        (Invariant.CHAIN_BALANCE, other.id)
    ]


@pytest.mark.parametrize("more", [FEE // 5, -FEE // 5])
async def test_a_payment_that_a_reorganisation_moved_costs_what_it_cost_in_the_end(
    world: World, more: int
) -> None:
    """What it cost more is counted as well; what it cost less is not given back."""
    world.prices.table[EVM.native.key] = Price(3000, 0, world.clock.now())
    row = await world.pay()
    await world.poll()
    paid = await world.row(row.id)
    assert (paid.status, paid.fee) == (Status.CONFIRMED, FEE // 2)
    known = str(paid.hash)
    landed = world.chain.landed[known]
    world.chain.undo(known)
    world.chain.landed[known] = replace(landed, fee=landed.fee + more, height=world.chain.height)
    world.chain._spent[world.wallet.address] = INSTANT + landed.fee + more
    world.chain._received[PAYEE] = INSTANT
    assert (await checked(world, funded=FUNDED)).violations == []
    ended = await world.settled(row.id)
    assert ended.fee == landed.fee + more
    [bucket] = await world.buckets()
    counted = INSTANT + landed.fee + max(0, more)
    assert (bucket.amount, bucket.count) == (counted, 1)
    assert bucket.usd == counted * 3000 * 10**6 // ETHER
    assert (await world.app.sessions.get(world.session.id)).spent == {EVM.native.key: counted}
    report = await checked(world, funded=FUNDED)
    assert report.violations == []
    assert report.not_compared == []


async def test_what_cannot_be_compared_is_said(world: World) -> None:
    lives = await lived(world)
    under_way = await world.pay()
    report = await checked(world, funded=FUNDED)
    assert report.not_compared == ["Wallet main has payments under way."]
    await world.settled(under_way.id)
    world.chain.down = True
    report = await checked(world, funded=FUNDED)
    assert report.violations == []
    assert report.not_compared == [
        "No node of evm-local answers.",
        "The balance of wallet main is not known.",
    ]
    nobody = await world.app.operations.ledger.check(with_chains=True, funded={lives.paid: 1})
    assert f"There is no wallet {lives.paid}." in nobody.not_compared


async def test_a_solana_payment_is_compared_too(world: World) -> None:
    wallet = await world.new_wallet("sol", SOL.name)
    session = await world.new_session(wallet)
    paid = await world.pay(wallet=wallet, session=session)
    await world.settled(paid.id)
    report = await world.app.operations.ledger.check(with_chains=True, funded={wallet.id: FUNDED})
    assert (report.violations, report.compared) == ([], 1)


async def test_without_the_chains_only_the_books_are_looked_at(world: World) -> None:
    lives = await lived(world)
    world.chain.undo(str((await world.row(lives.paid)).hash))
    report = await world.app.operations.ledger.check(with_chains=False)
    assert (report.violations, report.compared) == ([], 0)


async def test_a_survey_sees_one_snapshot_while_others_write(world: World) -> None:
    began, go_on = threading.Event(), threading.Event()

    def body(history: History) -> tuple[int, int]:
        before = len(history.reservations())
        began.set()
        assert go_on.wait(10)
        return before, len(history.reservations())

    survey = asyncio.ensure_future(world.database.survey(body))
    await asyncio.to_thread(began.wait, 10)
    await world.pay(DELAY)
    go_on.set()
    assert await survey == (0, 0)
    assert await world.database.survey(lambda history: len(history.reservations())) == 1


async def test_closing_the_store_ends_a_survey(world: World) -> None:
    began, closed = threading.Event(), threading.Event()

    def body(history: History) -> Any:
        began.set()
        assert closed.wait(10)
        return [history.reservations() for _ in range(1000)]

    survey = asyncio.ensure_future(world.database.survey(body))
    await asyncio.to_thread(began.wait, 10)
    world.database._surveys.stop()
    closed.set()
    with pytest.raises(UnavailableError) as refused:
        await survey
    assert refused.value.code is Code.SHUTTING_DOWN
    with pytest.raises(UnavailableError):
        await world.database.survey(lambda history: history.reservations())
