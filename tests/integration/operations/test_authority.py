"""Authority rows: whoever changes one in the database file gains nothing by it, whichever column it is."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.support.chain import ETHER, EVM
from tests.support.vault import PASSWORD, code_at
from tests.support.world import APPROVAL, DELAY, INSTANT, NOTIFY, World
from wallet.domain.autostop import StopRule
from wallet.domain.facts import Fact
from wallet.domain.owner import Band, Factor
from wallet.domain.transactions import Status, Transaction
from wallet.domain.wallets import WalletStatus
from wallet.errors import Code, WalletError
from wallet.persistence.authority import APPROVALS, COUNTERS, NUMBERS, OWNERS, PAIRINGS
from wallet.persistence.autostop import STOP_RULES
from wallet.persistence.loosenings import LOOSENINGS
from wallet.persistence.policies import SETS
from wallet.persistence.seals import Cover
from wallet.persistence.sessions import CLAIMS, SESSIONS
from wallet.persistence.transactions import TRANSACTIONS
from wallet.persistence.wallets import WALLETS

COVERS: tuple[Cover[Any], ...] = (
    APPROVALS, CLAIMS, COUNTERS, LOOSENINGS, NUMBERS, OWNERS, PAIRINGS, SESSIONS, SETS, STOP_RULES,
    TRANSACTIONS, WALLETS,
)  # fmt: skip


def columns(world: World, table: str) -> list[str]:
    with sqlite3.connect(world.settings.database.path) as connection:
        found = connection.execute(f"PRAGMA table_info({table})").fetchall()
    connection.close()
    return [row[1] for row in found]


@contextmanager
def bent(world: World, table: str, column: str, row: int = 1, to: Any = None) -> Iterator[None]:
    """The ``row``-th row of a table with one column changed, and as it was before afterwards."""
    path = world.settings.database.path
    with sqlite3.connect(path) as reading:
        found = reading.execute(
            f'SELECT rowid, "{column}" FROM {table} ORDER BY rowid LIMIT 1 OFFSET ?', (row - 1,)
        ).fetchone()
    reading.close()
    rowid, before = found
    after = to if to is not None else other(before)
    change = f'UPDATE {table} SET "{column}" = ? WHERE rowid = ?'
    world.sql(change, after, rowid)
    try:
        yield
    finally:
        if column == "id":  # which may be another name of the rowid
            rowid = (
                after
                if isinstance(before, int) and not _keeps_rowid(world, table, rowid)
                else rowid
            )
        world.sql(change, before, rowid)


def _keeps_rowid(world: World, table: str, rowid: int) -> bool:
    with sqlite3.connect(world.settings.database.path) as reading:
        found = reading.execute(f"SELECT 1 FROM {table} WHERE rowid = ?", (rowid,)).fetchone()
    reading.close()
    return found is not None


def other(value: Any) -> Any:
    if isinstance(value, int):
        return value + 1
    return "7" if value is None else f"{value}7"


async def code_of(work: Any) -> Code:
    with pytest.raises(WalletError) as caught:
        await work
    return caught.value.code


async def asked(world: World, amount: int = INSTANT) -> Code | str:
    """What a request gets: a refusal's code, or the tier it was given."""
    try:
        return (await world.ask(amount)).transaction.tier.value
    except WalletError as refusal:
        return refusal.code


async def claimed(world: World) -> str:
    """A token of a fresh session, which is the world's from now on."""
    limits = {EVM.native.key: 10**30}
    _, code = await world.app.sessions.create(
        world.wallet.id, name="agent", limits=limits, source="host", actor="host"
    )
    world.session, token = await world.app.sessions.claim(code)
    return token


async def test_every_column_of_an_authority_row_is_under_its_proof(world: World) -> None:
    for cover in COVERS:
        known = {*columns(world, cover.table.name)} - {"mac"}
        moving = {*cover.moving}
        assert known - moving == {*cover.columns} - {"mac"} - moving, cover.table.name
    assert {"status", "attempt", "fee", "error"} <= {*TRANSACTIONS.moving}


async def test_a_bent_wallet_pays_nothing_and_shows_no_address(world: World) -> None:
    assert await asked(world) == "INSTANT"
    await world.quiet()
    signed = len(world.vault.signed)
    for column in columns(world, "wallets"):
        with bent(world, "wallets", column):
            assert isinstance(await asked(world), Code), column
            assert await code_of(world.app.operations.wallets.get(world.wallet.id)) in (
                Code.AUTHORITY_UNPROVED,
                Code.WALLET_NOT_FOUND,
            ), column
            lines = (await world.app.queries.status()).wallets
            assert all(line.wallet.address == "" for line in lines), column
    assert len(world.vault.signed) == signed
    assert await asked(world) == "INSTANT"


async def test_a_bent_session_opens_nothing(world: World) -> None:
    token = await claimed(world)
    await world.pay()
    for column in columns(world, "sessions"):
        to = {"transactions": 0, "revoked_at": 1}.get(column)
        with bent(world, "sessions", column, 2, to):
            if column != "frozen_at":  # freezing only forbids, so it is believed without a proof
                with pytest.raises(WalletError):
                    world.app.sessions.authenticate(token)
            assert isinstance(await asked(world), Code), column
    world.app.sessions.authenticate(token)


async def test_what_a_session_spent_cannot_be_taken_back(world: World) -> None:
    paid = await world.pay()
    await world.settled(paid.id)
    with bent(world, "sessions", "spent", to="{}"):
        assert await asked(world) is Code.AUTHORITY_UNPROVED
    with bent(world, "sessions", "spent", to="not json"):
        assert await asked(world) is Code.AUTHORITY_UNPROVED
    assert await asked(world) == "INSTANT"


async def test_a_revocation_cannot_be_undone(world: World) -> None:
    token = await claimed(world)
    await world.app.sessions.revoke(world.session.id, actor="host", reason="test")
    world.sql("UPDATE sessions SET revoked_at = NULL, revoked_reason = NULL")
    with pytest.raises(WalletError) as refused:
        world.app.sessions.authenticate(token)
    assert refused.value.code is Code.AUTHORITY_UNPROVED


async def test_a_revocation_while_locked_cannot_be_undone_either(world: World) -> None:
    token = await claimed(world)
    await world.restart(unlocked=False)
    await world.app.sessions.revoke(world.session.id, actor="host", reason="test")
    with pytest.raises(WalletError) as ended:
        world.app.sessions.authenticate(token)
    assert ended.value.code is Code.SESSION_REVOKED
    await world.app.unlocking.unlock(PASSWORD)
    await world.app.sessions.list()
    assert world.database.unproved() == []
    world.sql("UPDATE sessions SET revoked_at = NULL, revoked_reason = NULL")
    with pytest.raises(WalletError) as refused:
        world.app.sessions.authenticate(token)
    assert refused.value.code is Code.AUTHORITY_UNPROVED


async def test_a_bent_claim_code_claims_nothing(world: World) -> None:
    for column in columns(world, "claims"):
        _, code = await world.app.sessions.create(
            world.wallet.id, name="a", limits={EVM.native.key: 1}, source="host", actor="host"
        )
        world.sql(
            f'UPDATE claims SET "{column}" = ? WHERE used_at IS NULL',
            {"expires_at": 2**50, "used_at": 1}.get(column, "x"),
        )
        assert await code_of(world.app.sessions.claim(code)) is Code.CLAIM_INVALID, column


async def test_a_bent_owner_releases_nothing(world: World) -> None:
    row = await world.pay(APPROVAL)
    assert await world.app.operations.approvals.factor_needed(row.id) is Factor.TAP
    for column in columns(world, "owner"):
        with bent(world, "owner", column):
            assert isinstance(await asked(world, NOTIFY), Code), column
            factor = await world.app.operations.approvals.factor_needed(row.id)
            assert factor is Factor.HOST, column
    huge = '{"evm-local/native":["9999999999999999999999","9999999999999999999999"]}'
    with bent(world, "owner", "bands", to=huge):
        refused = world.app.operations.owner.set_bands({EVM.native.key: Band(1, 2)}, "host")
        assert await code_of(refused) is Code.AUTHORITY_UNPROVED


@pytest.mark.parametrize("table", ["policies", "policy_sets"])
async def test_bent_rules_deny(world: World, table: str) -> None:
    assert await asked(world) == "INSTANT"
    for column in columns(world, table):
        row = 1 if table == "policies" else 2
        with bent(world, table, column, row):
            assert await asked(world) is Code.AUTHORITY_UNPROVED, column
    assert await asked(world) == "INSTANT"


@pytest.mark.parametrize(
    "theft",
    [
        "DELETE FROM policies WHERE type = 'CUMULATIVE_LIMIT'",
        "DELETE FROM policies",
        "DELETE FROM policy_sets",
        "UPDATE policies SET wallet_id = NULL WHERE type = 'SPENDING_LIMIT'",
    ],
)
async def test_a_rule_taken_away_or_moved_loosens_nothing(world: World, theft: str) -> None:
    world.sql(theft)
    assert await asked(world) is Code.AUTHORITY_UNPROVED


async def test_bent_rules_are_set_anew_by_taking_all_of_them_away(world: World) -> None:
    world.sql("UPDATE policies SET rules = '{}' WHERE type = 'CUMULATIVE_LIMIT'")
    tiers = {"instant_max": str(ETHER), "notify_max": str(ETHER), "delay_max": str(ETHER)}
    rule = {"assets": {EVM.native.key: tiers}, "delay_seconds": 60}
    assert await code_of(world.set_rule("SPENDING_LIMIT", rule)) is Code.AUTHORITY_UNPROVED
    for stored in await world.app.operations.policies.list(world.wallet.id):
        await world.app.operations.policies.remove(str(stored["id"]), "host")
    assert await asked(world) is Code.POLICY_DENIED
    await world.set_rule("SPENDING_LIMIT", rule)
    assert await asked(world) == "INSTANT"


async def test_a_bent_auto_stop_rule_counts_as_the_default(world: World) -> None:
    autostop, kind = world.app.operations.autostop, StopRule.CONSECUTIVE_FAILURES

    async def counting() -> Any:
        lines = await autostop.list(world.wallet.id)
        return next((one.is_default, one.rules["threshold"]) for one in lines if one.kind is kind)

    await autostop.put(kind, {"threshold": 9}, None, actor="host", proved=True)
    assert await counting() == (False, 9)
    for column in columns(world, "autostop_rules"):
        with bent(world, "autostop_rules", column, 2):
            assert await counting() == (True, 3), column
    assert await counting() == (False, 9)
    off = '{"action":"WARN","enabled":false,"threshold":20}'
    with bent(world, "autostop_rules", "body", 2, to=off):
        for _ in range(3):
            world.chain.simulation_fails = True
            await world.pay()
            world.chain.simulation_fails = False
        assert await asked(world) is Code.SESSION_FROZEN
        await world.app.upkeep.report_unproved()
        assert "AUTHORITY_UNPROVED" in await world.alerts()
        await autostop.reset(kind, None, actor="host", proved=False)
    assert await counting() == (True, 3)


async def test_auto_stop_rules_are_not_set_while_nothing_can_be_proved(world: World) -> None:
    autostop, kind = world.app.operations.autostop, StopRule.HOURLY_RATE
    await autostop.put(kind, {"enabled": True, "max_per_hour": 9}, None, actor="host", proved=True)
    await world.restart(unlocked=False)
    autostop = world.app.operations.autostop
    tighter = autostop.put(kind, {"max_per_hour": 5}, None, actor="host", proved=False)
    assert await code_of(tighter) is Code.KEYSTORE_LOCKED
    assert await code_of(autostop.reset(kind, None, actor="host", proved=True)) is (
        Code.KEYSTORE_LOCKED
    )
    await world.app.unlocking.unlock(PASSWORD)
    lines = await autostop.list(None)
    assert [one.rules["max_per_hour"] for one in lines if one.kind is kind] == [9]


async def test_a_bent_payment_is_not_made(world: World) -> None:
    for column in {*columns(world, "transactions")} - {*TRANSACTIONS.moving, "id"}:
        row = await world.pay(DELAY)
        with sqlite3.connect(world.settings.database.path) as reading:
            found = reading.execute(
                f'SELECT "{column}" FROM transactions WHERE id = ?', (row.id,)
            ).fetchone()
        reading.close()
        readable = {"tier": "INSTANT", "due_at": 1, "amount": "1", "wanted": "CANCEL"}
        to = {**readable, "offered_ceiling": "1"}.get(column, other(found[0]))
        world.sql(f'UPDATE transactions SET "{column}" = ? WHERE id = ?', to, row.id)
        world.sql("UPDATE transactions SET status = 'PENDING' WHERE id = ?", row.id)
        await world.tick()
        after = await world.row(row.id)
        assert after.status in (Status.CANCELLED, Status.EXPIRED, Status.PENDING), column
        world.sql("UPDATE transactions SET status = 'CANCELLED' WHERE id = ?", row.id)
        assert world.vault.signed == [], column


@pytest.mark.parametrize("status", ["PENDING", "QUEUED", "EXECUTING"])
async def test_an_ended_payment_put_back_is_not_made(world: World, status: str) -> None:
    paid = await world.settled((await world.pay()).id)
    cancelled = await world.pay(DELAY)
    await world.app.operations.transactions.cancel(cancelled.id, actor="host", reason="no")
    assert len(world.vault.signed) == 1
    world.sql("UPDATE transactions SET status = ?, due_at = 1, consent_at = 1", status)
    await world.tick()
    await world.passes(1)
    assert len(world.vault.signed) == 1
    for row in (paid, cancelled):
        assert (await world.row(row.id)).status is not Status.SUBMITTED


async def test_a_row_put_back_whole_is_not_signed_twice(world: World) -> None:
    """Its old proof is valid, but bytes were signed for it."""
    world.chain.down = True
    row = await world.pay()
    path = world.settings.database.path
    with sqlite3.connect(path) as reading:
        (mac,) = reading.execute("SELECT mac FROM transactions WHERE id = ?", (row.id,)).fetchone()
    reading.close()
    world.chain.down = False
    await world.passes(1)
    await world.settled(row.id)
    assert len(world.vault.signed) == 1
    world.sql("UPDATE transactions SET status = 'PENDING', mac = ? WHERE id = ?", mac, row.id)
    await world.passes(1)
    assert len(world.vault.signed) == 1


async def approve(world: World, row: Transaction, factor: Factor = Factor.TAP) -> Any:
    return await world.app.operations.approvals.approve(
        row.id, digest=row.digest, factor=factor, actor="owner"
    )


async def test_consent_written_by_a_stranger_pays_nothing(world: World) -> None:
    row = await world.pay(APPROVAL)
    world.sql(
        "UPDATE transactions SET consent_at = ?, consent_factor = 'HOST', execute_by = ?",
        world.clock.now(),
        world.clock.now() + 60_000,
    )
    await world.tick()
    after = await world.row(row.id)
    assert (after.status, after.error) == (Status.CANCELLED, Code.AUTHORITY_UNPROVED)
    assert world.vault.signed == []


async def test_a_bent_or_missing_approval_gives_no_room_to_a_tap(world: World) -> None:
    await world.pair({EVM.native.key: Band(7 * ETHER, 20 * ETHER)})
    first = await world.pay(APPROVAL)
    await approve(world, first)
    await world.quiet()
    second = await world.pay(APPROVAL)
    needed = world.app.operations.approvals.factor_needed
    assert await needed(second.id) is Factor.HOST
    for column in columns(world, "approvals"):
        to = {"at": 1, "amount": "1"}.get(column)
        with bent(world, "approvals", column, to=to):
            assert await needed(second.id) is Factor.HOST, column
    world.sql("DELETE FROM approvals")
    assert await needed(second.id) is Factor.HOST
    with bent(world, "numbers", "value", 2, to=0):
        assert await needed(second.id) is Factor.HOST


async def test_bent_counts_of_wrong_codes_give_no_more_tries(world: World) -> None:
    world.vault.enrolled = True
    check = world.app.operations.approvals.check_code
    for _ in range(5):
        await code_of(check("999999"))
    for theft in (
        "UPDATE failure_counters SET count = 0 WHERE name = 'totp'",
        "UPDATE failure_counters SET locked_until = 0 WHERE name = 'totp'",
        "DELETE FROM failure_counters",
    ):
        world.sql(theft)
        assert await code_of(check(code_at(world.clock.now()))) is Code.FACTOR_LOCKED


@pytest.mark.parametrize(
    "theft",
    [
        "UPDATE numbers SET value = 0 WHERE name = 'totp_step'",
        "DELETE FROM numbers WHERE name = 'totp_step'",
    ],
)
async def test_a_used_code_does_not_count_again(world: World, theft: str) -> None:
    world.vault.enrolled = True
    code = code_at(world.clock.now())
    await world.app.operations.approvals.require_current_code(code)
    world.sql(theft)
    again = world.app.operations.approvals.require_current_code(code)
    assert await code_of(again) is Code.AUTHORITY_UNPROVED


@pytest.mark.parametrize(
    "theft",
    [
        "UPDATE failure_counters SET count = 0 WHERE name = 'telegram_frozen'",
        "DELETE FROM failure_counters WHERE name = 'telegram_frozen'",
    ],
)
async def test_a_freeze_of_telegram_is_not_lifted_in_the_database(
    world: World, theft: str
) -> None:
    await world.app.console.freeze("POLLER_CONFLICT", {})
    world.sql(theft)
    assert await world.app.console.is_frozen()


async def test_a_reset_written_by_a_stranger_asks_for_the_code_all_the_same(world: World) -> None:
    world.vault.enrolled = True
    world.sql(
        "INSERT INTO failure_counters (name, count, locked_until) VALUES ('factor_reset', 1, 1)"
    )
    refused = world.app.operations.approvals.require_current_code(None)
    assert await code_of(refused) is Code.FACTOR_REQUIRED


async def test_a_bent_row_is_audited_and_alarmed_once_and_nothing_crashes(world: World) -> None:
    world.sql("UPDATE sessions SET max_transactions = max_transactions + 1")
    for _ in range(3):
        assert await asked(world) is Code.AUTHORITY_UNPROVED
        await world.app.upkeep.report_unproved()
    await world.restart()
    assert await asked(world) is Code.AUTHORITY_UNPROVED
    await world.app.upkeep.report_unproved()
    assert (await world.facts()).count(Fact.AUTHORITY_UNPROVED) == 1
    assert (await world.alerts()).count("AUTHORITY_UNPROVED") == 1


@pytest.mark.parametrize("nonsense", ["SIDEWAYS", 5, b"\xff"])
async def test_a_row_that_cannot_be_read_stops_only_itself(world: World, nonsense: Any) -> None:
    victim = await world.pay(DELAY)
    world.sql("UPDATE transactions SET tier = ? WHERE id = ?", nonsense, victim.id)
    paid = await world.pay()
    assert (await world.settled(paid.id)).status is Status.CONFIRMED
    await world.tick()
    assert await code_of(world.app.operations.transactions.get(None, victim.id)) is (
        Code.AUTHORITY_UNPROVED
    )


async def test_a_settlement_while_locked_leaves_the_session_usable(world: World) -> None:
    token = await claimed(world)
    paid = await world.pay()
    await world.restart(unlocked=False)
    await world.tick()
    assert (await world.settled(paid.id)).status is Status.CONFIRMED
    await world.app.unlocking.unlock(PASSWORD)
    session, _ = world.app.sessions.authenticate(token)
    assert session.spent[EVM.native.key] > INSTANT
    assert await asked(world) == "INSTANT"


async def test_a_stop_while_locked_can_be_recovered_from(world: World) -> None:
    await world.restart(unlocked=False)
    await world.app.safety.halt("test", "host")
    await world.app.safety.begin_recovery(PASSWORD, "host")
    await world.passes(86_401)
    wallet = await world.app.operations.wallets.get(world.wallet.id)
    assert wallet.status is WalletStatus.ACTIVE
    world.session = await world.new_session(world.wallet)
    assert await asked(world) == "INSTANT"


async def test_a_payment_asked_for_while_locked_leaves_after_the_unlock(world: World) -> None:
    await world.restart(unlocked=False)
    instant, delayed = await world.pay(), await world.pay(DELAY)
    await world.app.unlocking.unlock(PASSWORD)
    await world.quiet()
    await world.passes(301)
    for row in (instant, delayed):
        assert (await world.settled(row.id)).status is Status.CONFIRMED


async def test_a_payment_that_another_locked_process_stored_is_not_believed(world: World) -> None:
    await world.restart(unlocked=False)
    row = await world.pay()
    await world.restart()
    await world.quiet()
    after = await world.row(row.id)
    assert (after.status, after.error) == (Status.CANCELLED, Code.AUTHORITY_UNPROVED)
    assert world.database.unproved() == []


async def test_rules_bent_while_locked_pay_nothing_after_the_unlock(world: World) -> None:
    await world.restart(unlocked=False)
    with bent(world, "policies", "rules", to=loose()):
        assert await asked(world, APPROVAL) == "INSTANT"
    await world.app.unlocking.unlock(PASSWORD)
    await world.quiet()
    (row,) = await world.database.read(lambda unit: unit.transactions.in_status(*Status))
    assert (row.status, row.error) == (Status.CANCELLED, Code.AUTHORITY_UNPROVED)
    assert world.vault.signed == []


async def test_a_delay_bent_while_locked_is_no_shorter_after_the_unlock(world: World) -> None:
    """The tier is the one of the proved rules, and what it waits is not."""
    await world.restart(unlocked=False)
    tiers = {"instant_max": "1", "notify_max": "1", "delay_max": str(100 * ETHER)}
    hasty = json.dumps({"assets": {EVM.native.key: tiers}, "delay_seconds": 1})
    with bent(world, "policies", "rules", to=hasty):
        row = await world.pay(DELAY)
    await world.app.unlocking.unlock(PASSWORD)
    await world.passes(2)
    after = await world.row(row.id)
    assert (after.status, after.error) == (Status.CANCELLED, Code.AUTHORITY_UNPROVED)
    assert world.vault.signed == []


async def test_what_is_held_is_not_let_go_while_locked(world: World) -> None:
    """Nothing could prove it, and a row that is let go without a proof allows nothing ever after."""
    holds = world.app.operations.holds
    await holds.freeze_session(world.session.id, actor="host", reason="x")
    await holds.suspend_wallet(world.wallet.id, actor="host", reason="x")
    await world.restart(unlocked=False)
    holds = world.app.operations.holds
    for resume in (
        holds.resume_session(world.session.id, actor="host"),
        holds.resume_wallet(world.wallet.id, actor="host"),
    ):
        assert await code_of(resume) is Code.KEYSTORE_LOCKED
    await world.app.unlocking.unlock(PASSWORD)
    await holds.resume_session(world.session.id, actor="host")
    await holds.resume_wallet(world.wallet.id, actor="host")
    assert await asked(world) == "INSTANT"


def loose() -> str:
    most = str(100 * ETHER)
    return (
        f'{{"assets":{{"{EVM.native.key}":{{"instant_max":"{most}","notify_max":"{most}",'
        f'"delay_max":"{most}"}}}},"delay_seconds":60}}'
    )


async def test_nothing_that_needs_a_proof_is_written_while_locked(world: World) -> None:
    await world.restart(unlocked=False)
    operations = world.app.operations
    create = world.app.sessions.create(
        world.wallet.id, name="a", limits={EVM.native.key: 1}, source="host", actor="host"
    )
    for work in (
        create,
        world.set_rule("RATE_LIMIT", {"max_tx_per_hour": 1, "max_tx_per_day": 1}),
        operations.policies.remove("any", "host"),
        operations.owner.start_pairing("host"),
        operations.owner.confirm_pairing("host", 7),
        operations.owner.set_bands({}, "host"),
        operations.reset.start("host"),
        world.new_wallet("second"),
    ):
        assert await code_of(work) is Code.KEYSTORE_LOCKED


async def test_rows_that_cannot_be_read_do_not_keep_a_stop_from_ending_everything(
    world: World,
) -> None:
    token = await claimed(world)
    row = await world.pay(DELAY)
    world.sql("UPDATE owner SET bands = 'no'")
    with bent(world, "sessions", "spent", 2, to="no"):
        await world.app.safety.halt("test", "host")
    assert (await world.row(row.id)).status is Status.CANCELLED
    with pytest.raises(WalletError) as ended:
        world.app.sessions.authenticate(token)
    assert ended.value.code is Code.SESSION_REVOKED


async def test_a_state_that_cannot_be_read_is_a_stop(world: World) -> None:
    world.sql("UPDATE system_state SET state = 'SIDEWAYS'")
    assert await asked(world) is Code.SYSTEM_LOCKED
    await world.restart()
    assert not world.gate.is_normal
    await world.app.safety.begin_recovery(PASSWORD, "host")
    await world.passes(86_401)
    assert world.gate.is_normal
