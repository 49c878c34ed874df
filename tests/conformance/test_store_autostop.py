"""The Store port: auto-stop rules, its counts, and what it asks about a session's payments."""

import pytest

from tests.support.stores import a_session, a_transaction, a_wallet, put_transactions
from wallet.domain.autostop import (
    AnomalyPattern,
    AutoStop,
    ConsecutiveFailures,
    DailyLimit,
    HourlyRate,
    StopAction,
    StopRule,
)
from wallet.domain.transactions import Status
from wallet.persistence.database import Database
from wallet.ports.store import Unit

RATE = StopRule.HOURLY_RATE


async def test_without_rows_the_defaults_count(store: Database) -> None:
    assert await store.read(lambda u: u.autostop.rules("w1")) == AutoStop()
    assert await store.read(lambda u: u.autostop.set_rules()) == []


async def test_a_rule_of_a_wallet_replaces_the_one_for_all_and_goes_again(store: Database) -> None:
    daily = DailyLimit(stop_percent=90, daily_max={"evm-local/native": 2**200})

    async def body(unit: Unit) -> None:
        await unit.autostop.put_rule("w1", HourlyRate(max_per_hour=7), 1)
        await unit.autostop.put_rule(None, HourlyRate(max_per_hour=5), 2)
        await unit.autostop.put_rule(None, daily, 3)

    await store.run(body)
    assert await store.read(lambda u: u.autostop.rules("w1")) == AutoStop(
        rate=HourlyRate(max_per_hour=7), daily=daily
    )
    assert (await store.read(lambda u: u.autostop.rules("w2"))).rate.max_per_hour == 5
    assert (await store.read(lambda u: u.autostop.rules(None))).rate.max_per_hour == 5
    assert set(await store.read(lambda u: u.autostop.set_rules())) == {
        (None, RATE),
        (None, StopRule.DAILY_LIMIT_THRESHOLD),
        ("w1", RATE),
    }
    assert await store.run(lambda u: u.autostop.remove_rule("w1", RATE))
    assert not await store.run(lambda u: u.autostop.remove_rule("w1", RATE))
    assert (await store.read(lambda u: u.autostop.rules("w1"))).rate.max_per_hour == 5


@pytest.mark.parametrize(
    "rule", [ConsecutiveFailures(enabled=False, action=StopAction.WARN), AnomalyPattern(True, 3, None)]
)  # fmt: skip
async def test_a_rule_is_read_as_it_was_put(
    store: Database, rule: ConsecutiveFailures | AnomalyPattern
) -> None:
    await store.run(lambda u: u.autostop.put_rule(None, rule, 1))
    assert await store.read(lambda u: u.autostop.rules("w1")) == AutoStop().but(rule)


async def test_failures_are_counted_until_one_succeeds_or_all_starts_anew(store: Database) -> None:
    count = "s1"
    assert [await store.run(lambda u: u.autostop.failed(count)) for _ in range(3)] == [1, 2, 3]
    await store.run(lambda u: u.autostop.succeeded(count))
    await store.run(lambda u: u.autostop.succeeded("nobody"))
    assert await store.run(lambda u: u.autostop.failed(count)) == 1
    assert await store.read(lambda u: u.autostop.resumed_at(count)) == 0
    await store.run(lambda u: u.autostop.restart(count, 77))
    assert await store.read(lambda u: u.autostop.resumed_at(count)) == 77
    assert await store.run(lambda u: u.autostop.failed(count)) == 1
    assert await store.read(lambda u: u.autostop.resumed_at(count)) == 77


async def test_what_a_session_asked_is_counted_up_to_a_bound(store: Database) -> None:
    rows = [
        a_transaction(f"t{number}", created_at=number, status=status, to=to)
        for number, (status, to) in enumerate(
            [
                (Status.CONFIRMED, "A"),
                (Status.SUBMITTED, "A"),
                (Status.FAILED, "A"),
                (Status.EXPIRED, "A"),
                (Status.CANCELLED, "A"),
                (Status.QUEUED, "B"),
            ],
            start=10,
        )
    ]

    async def body(unit: Unit) -> None:
        await unit.sessions.add(a_session(id="s2"))
        await put_transactions(unit, *rows, a_transaction("t99", session_id="s2", created_at=12))

    await store.run(body)

    async def counts(unit: Unit) -> list[int]:
        asked, to = unit.autostop.asked, unit.autostop.asked_for
        return [
            await asked("s1", 0, at_most=99),
            await asked("s1", 11, at_most=99),
            await asked("s1", 0, at_most=3),
            await asked("nobody", 0, at_most=99),
            await to("s1", "A", 0, at_most=99),
            await to("s1", "B", 0, at_most=99),
        ]

    assert await store.read(counts) == [5, 3, 3, 0, 2, 1]


async def test_a_session_is_held_and_let_go(store: Database) -> None:
    await store.run(lambda u: u.sessions.hold("s1", 9, "HOURLY_RATE"))
    held = await store.read(lambda u: u.sessions.get("s1"))
    assert held == a_session(frozen_at=9, frozen_by="HOURLY_RATE")
    assert store.reader.session("s1") == held
    await store.run(lambda u: u.sessions.hold("s1", None, None))
    assert await store.read(lambda u: u.sessions.get("s1")) == a_session()
    assert store.reader.wallet("w1") == a_wallet()
