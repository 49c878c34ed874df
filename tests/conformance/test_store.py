"""The Store port: units of work, wallets, sessions, policies, ledger, authority, the session reader."""

import json
from dataclasses import replace

import pytest

from tests.support.stores import (
    ETH,
    World,
    a_reservation,
    a_session,
    a_transaction,
    a_wallet,
    put_transactions,
)
from wallet.domain.loosenings import Loosening
from wallet.domain.owner import Band, Factor, Owner
from wallet.domain.rules import RateLimit, SpendingLimit
from wallet.domain.safety import StopState, SystemState
from wallet.domain.spending import BUCKET_MS, Bucket
from wallet.domain.wallets import WalletStatus
from wallet.errors import Code, WalletError
from wallet.persistence.database import Database
from wallet.ports.store import Unit

RATE = json.dumps({"max_tx_per_hour": 5, "max_tx_per_day": 9, "over": "each_wallet"})
SPENDING = json.dumps(
    {
        "assets": {ETH: {"instant_max": "1", "notify_max": "2", "delay_max": "3"}},
        "delay_seconds": 60,
    }
)


async def test_what_a_unit_wrote_is_there_for_the_next_one(store: Database) -> None:
    await store.run(lambda u: u.wallets.add(a_wallet(id="w2")))
    assert await store.read(lambda u: u.wallets.get("w2")) == a_wallet(id="w2")
    assert await store.run(lambda u: u.wallets.all()) == [a_wallet(), a_wallet(id="w2")]


async def test_a_unit_that_raises_leaves_nothing_behind(store: Database) -> None:
    async def body(unit: Unit) -> None:
        await unit.wallets.add(a_wallet(id="w2"))
        raise LookupError("changed my mind")

    with pytest.raises(LookupError, match="changed my mind"):
        await store.run(body)
    assert await store.read(lambda u: u.wallets.get("w2")) is None


async def test_a_body_that_only_reads_cannot_write(store: Database) -> None:
    with pytest.raises(Exception, match="readonly"):
        await store.read(lambda u: u.wallets.add(a_wallet(id="w2")))
    assert await store.read(lambda u: u.wallets.get("w2")) is None


async def test_a_unit_cannot_be_used_after_its_transaction(store: Database) -> None:
    async def body(unit: Unit) -> Unit:
        return unit

    for over in (await store.run(body), await store.read(body)):
        with pytest.raises(RuntimeError, match="is over"):
            await over.wallets.all()


async def test_a_unit_inside_a_unit_is_refused_instead_of_waiting_for_ever(
    store: Database,
) -> None:
    with pytest.raises(RuntimeError, match="inside"):
        await store.run(lambda _: store.run(lambda u: u.wallets.all()))
    with pytest.raises(RuntimeError, match="inside"):
        await store.read(lambda _: store.read(lambda u: u.wallets.all()))
    assert len(await store.run(lambda u: u.wallets.all())) == 1


async def test_a_suspended_wallet_remembers_who_may_lift_it(store: Database) -> None:
    await store.run(lambda u: u.wallets.set_status("w1", WalletStatus.SUSPENDED, "owner"))
    found = await store.read(lambda u: u.wallets.get("w1"))
    assert found == a_wallet(status=WalletStatus.SUSPENDED, suspended_by="owner")


async def test_a_session_comes_back_as_it_was_stored(store: Database) -> None:
    session = a_session(id="s2", token_hash="h", spent={ETH: 2**255}, renewals=2)
    await store.run(lambda u: u.sessions.add(session))
    assert await store.read(lambda u: u.sessions.get("s2")) == session
    assert await store.read(lambda u: u.sessions.all(wallet_id="w1")) == [a_session(), session]
    assert await store.read(lambda u: u.sessions.all(wallet_id="w9")) == []
    assert await store.read(lambda u: u.sessions.get("s9")) is None


async def test_a_token_is_replaced_only_when_nothing_changed_since(store: Database) -> None:
    first = a_session(token_hash="one", claimed_at=5)
    second = replace(first, token_hash="two", previous_token_hash="one", renewals=1)

    async def body(unit: Unit) -> list[bool]:
        replaced = unit.sessions.replace_token
        return [
            await replaced(first, expected_hash=None, expected_renewals=0),
            await replaced(first, expected_hash=None, expected_renewals=0),
            await replaced(second, expected_hash="one", expected_renewals=1),
            await replaced(second, expected_hash="one", expected_renewals=0),
        ]

    assert await store.run(body) == [True, False, False, True]
    assert await store.read(lambda u: u.sessions.get("s1")) == second


async def test_a_revoked_session_gets_no_new_token(store: Database) -> None:
    async def body(unit: Unit) -> list[bool]:
        return [
            await unit.sessions.revoke("s1", 9, "owner"),
            await unit.sessions.revoke("s1", 10, "again"),
            await unit.sessions.replace_token(
                a_session(token_hash="x"), expected_hash=None, expected_renewals=0
            ),
        ]

    assert await store.run(body) == [True, False, False]
    session = await store.read(lambda u: u.sessions.get("s1"))
    assert session is not None
    assert (session.revoked_at, session.revoked_reason) == (9, "owner")


async def test_a_session_counts_and_spends_beyond_64_bits(store: Database) -> None:
    async def body(unit: Unit) -> None:
        await unit.sessions.count("s1", 3)
        await unit.sessions.count("s1", -1)
        await unit.sessions.spend("s1", ETH, 2**255)
        await unit.sessions.spend("s1", ETH, 2**200 + 1)

    await store.run(body)
    session = await store.read(lambda u: u.sessions.get("s1"))
    assert session is not None
    assert (session.transactions, session.spent) == (2, {ETH: 2**255 + 2**200 + 1})


async def test_a_claim_code_is_used_once_and_not_after_its_time(store: Database) -> None:
    async def body(unit: Unit) -> list[bool]:
        for code in ("c1", "c2", "c3"):
            await unit.sessions.add_claim(code, "s1", 100)
        used = [
            await unit.sessions.use_claim("c1", 50),
            await unit.sessions.use_claim("c1", 51),
            await unit.sessions.use_claim("c2", 100),
            await unit.sessions.use_claim("c9", 1),
        ]
        await unit.sessions.end_claims(60)
        return [*used, await unit.sessions.use_claim("c3", 61)]

    assert await store.run(body) == [True, False, False, False, False]
    assert await store.read(lambda u: u.sessions.claim("c1")) == ("s1", 100, 50)
    assert await store.read(lambda u: u.sessions.claim("c3")) == ("s1", 60, None)
    assert await store.read(lambda u: u.sessions.claim("c9")) is None


async def test_the_reader_sees_every_commit_and_the_grace_of_an_old_token(
    store: Database, world: World
) -> None:
    renewed = a_session(
        token_hash="new", previous_token_hash="old", previous_valid_until=world.clock.now() + 10
    )
    assert store.reader.session_by_hash("new") is None
    await store.run(
        lambda u: u.sessions.replace_token(renewed, expected_hash=None, expected_renewals=0)
    )
    assert store.reader.session_by_hash("new") == renewed
    assert store.reader.session_by_hash("old") == renewed
    world.clock.at += 10
    assert store.reader.session_by_hash("old") is None
    await store.run(lambda u: u.sessions.forget_previous_token("s1"))
    assert store.reader.session("s1") == replace(
        renewed, previous_token_hash=None, previous_valid_until=None
    )
    assert store.reader.wallet("w1") == a_wallet()
    assert store.reader.wallet("w9") is None


async def test_rules_have_one_version_counter_that_removal_bumps_too(store: Database) -> None:
    async def body(unit: Unit) -> list[int]:
        await unit.wallets.add(a_wallet(id="w2"))
        versions = [
            await unit.policies.version(),
            await unit.policies.put("r1", None, "RATE_LIMIT", RATE, 5),
            await unit.policies.put("r2", "w1", "SPENDING_LIMIT", SPENDING, 6),
            await unit.policies.put("r1", None, "RATE_LIMIT", RATE, 7),
        ]
        assert not await unit.policies.remove("r9")
        assert await unit.policies.remove("r2")
        return [*versions, await unit.policies.version()]

    assert await store.run(body) == [0, 1, 2, 3, 4]
    assert await store.run(lambda u: u.policies.put("r3", "w2", "RATE_LIMIT", RATE, 8)) == 5
    stored = await store.read(lambda u: u.policies.stored("w1"))
    assert stored == [
        {
            "id": "r1", "walletId": None, "type": "RATE_LIMIT", "rules": json.loads(RATE),
            "version": 3, "createdAt": 5, "updatedAt": 7,
        }
    ]  # fmt: skip
    assert len(await store.read(lambda u: u.policies.stored(None))) == 2


async def test_rules_apply_globally_and_to_their_wallet(store: Database) -> None:
    async def body(unit: Unit) -> None:
        await unit.wallets.add(a_wallet(id="w2"))
        await unit.policies.open_scope("w2")
        await unit.policies.put("r1", None, "RATE_LIMIT", RATE, 1)
        await unit.policies.put("r2", "w1", "SPENDING_LIMIT", SPENDING, 1)

    await store.run(body)
    first = await store.read(lambda u: u.policies.applied("w1"))
    assert [(type(rule.rule), rule.version) for rule in first] == [
        (RateLimit, 1),
        (SpendingLimit, 2),
    ]
    assert [rule.id for rule in await store.read(lambda u: u.policies.applied("w2"))] == ["r1"]
    assert len(await store.read(lambda u: u.policies.applied(None))) == 2


async def test_a_rolled_back_rule_is_never_applied(store: Database) -> None:
    """It shares its version with the rule that is stored next, so a cache by version would mix them up."""

    async def rolled_back(unit: Unit) -> None:
        await unit.policies.put("r1", None, "RATE_LIMIT", RATE, 1)
        await unit.policies.applied("w1")
        raise LookupError

    with pytest.raises(LookupError):
        await store.run(rolled_back)
    loose = json.dumps({"max_tx_per_hour": 6, "max_tx_per_day": 10, "over": "each_wallet"})
    assert await store.run(lambda u: u.policies.put("r1", None, "RATE_LIMIT", loose, 2)) == 1
    applied = await store.read(lambda u: u.policies.applied("w1"))
    assert [getattr(rule.rule, "max_per_hour", None) for rule in applied] == [6]


async def test_a_reservation_holds_until_it_is_released(store: Database) -> None:
    async def body(unit: Unit) -> None:
        await put_transactions(unit, a_transaction("t1"), a_transaction("t2"))
        await unit.ledger.reserve(a_reservation("t1", amount=2**256 - 1))
        await unit.ledger.reserve(a_reservation("t2", usd=2**90, fee_usd=0))
        await unit.ledger.mark_owner_approved("t2")

    await store.run(body)
    both = await store.read(lambda u: u.ledger.reservations())
    assert both == [
        a_reservation("t1", amount=2**256 - 1),
        a_reservation("t2", owner_approved=True, usd=2**90, fee_usd=0),
    ]
    assert await store.run(lambda u: u.ledger.release("t1"))
    assert not await store.run(lambda u: u.ledger.release("t1"))
    assert await store.read(lambda u: u.ledger.reservation("t1")) is None
    assert await store.read(lambda u: u.ledger.reservation("t2")) == both[1]


async def test_buckets_add_up_exactly_and_are_read_from_one_before_the_window(
    store: Database,
) -> None:
    late = Bucket("w1", ETH, 2 * BUCKET_MS, 2**255, 2**100, 1, 2**90, 2**80, 1)

    async def body(unit: Unit) -> None:
        await unit.ledger.spend(Bucket("w1", ETH, 0, 1, 0, 1))
        await unit.ledger.spend(late)
        await unit.ledger.spend(replace(late, amount=1, owner_amount=0, usd=1, owner_usd=1))

    await store.run(body)
    added = replace(
        late, amount=2**255 + 1, count=2, usd=2**90 + 1, owner_usd=2**80 + 1, unpriced=2
    )
    assert await store.read(lambda u: u.ledger.buckets(2 * BUCKET_MS)) == [added]
    assert len(await store.read(lambda u: u.ledger.buckets(BUCKET_MS))) == 2


async def test_an_empty_store_is_stopped_and_the_state_moves_by_version(store: Database) -> None:
    empty = await store.read(lambda u: u.authority.state())
    assert empty == SystemState(StopState.ACTIVATED, 0, reason="no state stored")
    normal = SystemState(StopState.NORMAL, 1, mac="m")
    stopped = SystemState(StopState.ACTIVATED, 2, "why", "owner", 5)

    async def body(unit: Unit) -> list[bool]:
        save = unit.authority.save_state
        return [
            await save(stopped, expected_version=1),
            await save(normal, expected_version=0),
            await save(normal, expected_version=0),
            await save(stopped, expected_version=1),
            await save(normal, expected_version=1),
        ]

    assert await store.run(body) == [False, True, False, True, False]
    assert await store.read(lambda u: u.authority.state()) == stopped


async def test_there_is_one_owner_with_bands(store: Database) -> None:
    assert await store.read(lambda u: u.authority.owner()) is None
    owner = Owner(7, 8, "Ann", None, 9, {ETH: Band(2**250, 2**251)})
    await store.run(lambda u: u.authority.save_owner(replace(owner, user_id=1)))
    await store.run(lambda u: u.authority.save_owner(owner))
    assert await store.read(lambda u: u.authority.owner()) == owner


async def test_a_pairing_is_replaced_changed_and_ended(store: Database) -> None:
    async def body(unit: Unit) -> None:
        await unit.authority.start_pairing("first", 10)
        await unit.authority.update_pairing(voided=True)
        await unit.authority.start_pairing("second", 20)
        await unit.authority.update_pairing(tries_left=2, candidate={"id": 5})

    await store.run(body)
    assert await store.read(lambda u: u.authority.pairing()) == {
        "code_hash": "second", "expires_at": 20, "tries_left": 2, "candidate": {"id": 5},
        "voided": False,
    }  # fmt: skip
    await store.run(lambda u: u.authority.end_pairing())
    assert await store.read(lambda u: u.authority.pairing()) is None


async def test_only_approvals_of_the_asset_and_time_count_as_released(store: Database) -> None:
    async def body(unit: Unit) -> None:
        await put_transactions(unit, a_transaction())
        add = unit.authority.add_approval
        await add("t1", "APPROVED", "TAP", ETH, 2**255, 10)
        await add("t1", "APPROVED", "TAP", ETH, 1, 11)
        await add("t1", "APPROVED", "CODE", ETH, 3, 12)
        await add("t1", "REJECTED", "TAP", ETH, 100, 13)
        await add("t1", "APPROVED", "TAP", "other/native", 100, 14)
        await add("t1", "APPROVED", "TAP", ETH, 100, 9)

    await store.run(body)
    released = await store.read(lambda u: u.authority.released_by(ETH, 10))
    assert released == {Factor.TAP: 2**255 + 1, Factor.CODE: 3}
    with pytest.raises(ValueError, match="APPROVED"):
        await store.run(lambda u: u.authority.add_approval("t1", "YES", "TAP", ETH, 1, 1))


async def test_a_code_step_is_spent_once_and_never_backwards(store: Database) -> None:
    async def body(unit: Unit) -> list[bool]:
        return [await unit.authority.spend_step(step) for step in (5, 5, 4, 6)]

    assert await store.run(body) == [True, False, False, True]


async def test_failure_counters_start_at_zero(store: Database) -> None:
    assert await store.read(lambda u: u.authority.counter("password")) == (0, 0)
    await store.run(lambda u: u.authority.set_counter("password", 5, 99))
    assert await store.read(lambda u: u.authority.counter("password")) == (5, 99)


async def test_a_closed_store_refuses_and_closes_again_quietly(store: Database) -> None:
    await store.checkpoint()
    await store.close()
    await store.close()
    for call in (store.run, store.read):
        with pytest.raises(WalletError) as refused:
            await call(lambda u: u.wallets.all())
        assert refused.value.code is Code.SHUTTING_DOWN


async def test_loosenings_wait_in_the_order_in_which_they_count_and_end_once(
    store: Database,
) -> None:
    def waits(number: int, counts_at: int, rules: str | None = None) -> Loosening:
        rule_id = f"r{number % 2}"
        return Loosening(f"l{number}", rule_id, None, "RATE_LIMIT", rules, 0, 1, counts_at, "host")

    late, early, other = waits(1, 30, RATE), waits(2, 10), waits(3, 20)

    async def add(unit: Unit) -> None:
        for one in (late, early, other):
            await unit.loosenings.add(one)

    await store.run(add)
    assert await store.read(lambda u: u.loosenings.all()) == [early, other, late]
    assert await store.read(lambda u: u.loosenings.of_rule("r1")) == [late, other]
    assert await store.read(lambda u: u.loosenings.get("l1")) == late
    assert await store.run(lambda u: u.loosenings.end("l1"))
    assert not await store.run(lambda u: u.loosenings.end("l1"))
    assert await store.read(lambda u: u.loosenings.get("l1")) is None
    assert await store.read(lambda u: u.loosenings.ids()) == ["l2", "l3"]
