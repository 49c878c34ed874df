"""The audit log of a running daemon: verified, guarded at start and unlock, sealed, and told once a day."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.support.vault import PASSWORD
from tests.support.world import World
from wallet.domain.audit_chain import START, Head, Verdict, short
from wallet.domain.facts import Fact
from wallet.domain.safety import StopState
from wallet.errors import Code, WalletError
from wallet.operations.audit import DAILY_HEAD, TAIL_ROWS

DAY = 86_400


async def walked(world: World, known: Mapping[int, str] | None = None) -> Verdict:
    answer = await world.app.operations.audit.walk(START, limit=100_000, known=known)
    assert answer.done
    return answer.verdict


async def rows(world: World) -> list[Mapping[str, Any]]:
    return list(await world.app.operations.audit.page(0, 10_000))


async def head_of(world: World) -> Head:
    return await world.database.read(lambda unit: unit.audit.head())


async def last(world: World, fact: Fact) -> Mapping[str, Any]:
    return [row for row in await rows(world) if row["fact"] == fact][-1]


async def note_start(world: World) -> None:
    """A fact as a daemon writes it before anybody unlocked it."""
    about = {"actor": "system", "at": world.clock.now(), "details": {"version": "1"}}
    await world.database.run(lambda unit: unit.audit.append(Fact.DAEMON_STARTED, **about))


def tamper(world: World, statement: str) -> None:
    world.sql("DROP TRIGGER IF EXISTS audit_refuses_update")
    world.sql("DROP TRIGGER IF EXISTS audit_refuses_delete")
    world.sql(statement)


async def test_an_untouched_log_is_proved_and_its_plain_rows_sealed(world: World) -> None:
    await world.restart(unlocked=False)
    await note_start(world)
    await world.app.unlocking.unlock(PASSWORD)
    verdict = await walked(world)
    assert verdict.is_sound
    assert verdict.sealed >= 1
    assert (verdict.open, verdict.unproved) == (0, ())
    assert verdict.proved + verdict.sealed == verdict.head[0] == (await rows(world))[-1]["number"]


async def test_parts_of_a_walk_add_up_to_the_whole(world: World) -> None:
    await world.pay()
    walk = world.app.operations.audit.walk
    total, done, head = None, False, START
    while not done:
        part = await walk(head, limit=3)
        total = part.verdict if total is None else total.then(part.verdict)
        head, done = part.verdict.head, part.done
    assert total == await walked(world)


async def test_without_the_key_it_says_which_rows_it_could_not_prove(world: World) -> None:
    world.keyring.clear()
    await note_start(world)
    verdict = await walked(world)
    plain = [row["number"] for row in await rows(world) if row["chaining"] == "plain"]
    assert verdict.unproved == ((1, plain[0] - 1),)
    assert verdict.checked == len(plain)
    assert verdict.is_sound


async def test_a_noted_head_names_a_rewritten_log_and_a_cut_end(world: World) -> None:
    head = await head_of(world)
    assert (await walked(world, {head[0]: head[1][:8]})).is_sound
    rewritten = await walked(world, {head[0]: "00000000"})
    assert rewritten.first_bad == head[0]
    assert "noted" in str(rewritten.reason)
    cut = await walked(world, {head[0] + 5: "abcdef01"})
    assert (cut.first_bad, cut.reason) == (
        head[0] + 1,
        f"the log ends at row {head[0]}, and row {head[0] + 5} was known: the end was cut off",
    )


async def test_the_daily_heads_are_remembered_and_show_a_cut_end(world: World) -> None:
    world.clock.advance(DAY)
    await world.app.upkeep.tell_audit_head()
    number, _ = await head_of(world)
    tamper(world, f"DELETE FROM audit WHERE number >= {number}")
    verdict = await walked(world)
    assert verdict.first_bad == number


async def test_details_that_are_no_json_are_named_and_do_not_stop_the_walk(world: World) -> None:
    tamper(world, "UPDATE audit SET details = 'x' WHERE number = 2")
    assert (await walked(world)).first_bad == 2


# ---- at start and unlock


async def test_an_unlock_says_which_plain_rows_it_sealed(world: World) -> None:
    await world.restart(unlocked=False)
    await world.database.run(
        lambda unit: unit.audit.append(Fact.DAEMON_STARTED, details={"version": "1"})
    )
    number, _ = await head_of(world)
    await world.app.unlocking.unlock(PASSWORD)
    unlocked = await last(world, Fact.KEYSTORE_UNLOCKED)
    assert unlocked["details"] == {"sealedFrom": str(number), "sealedTo": str(number)}
    verdict = await walked(world)
    assert (verdict.open, verdict.is_sound) == (0, True)
    tamper(world, f"UPDATE audit SET actor = 'b' WHERE number = {number}")
    assert (await walked(world)).first_bad == number


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET actor = 'b' WHERE fact = 'WALLET_CREATED'",
        "DELETE FROM audit WHERE fact = 'WALLET_CREATED'",
        "UPDATE audit SET chaining = 'plain' WHERE fact = 'WALLET_CREATED'",
    ],
)
async def test_a_changed_log_stops_everything_at_unlock(world: World, statement: str) -> None:
    bad = (await last(world, Fact.WALLET_CREATED))["number"]
    tamper(world, statement)
    await world.restart(unlocked=False)
    with pytest.raises(WalletError) as refused:
        await world.app.unlocking.unlock(PASSWORD)
    assert refused.value.code is Code.SYSTEM_LOCKED
    assert f"row {bad}" in refused.value.message
    assert not world.gate.is_normal
    assert not world.keyring.is_open
    assert not world.vault.alive
    assert (await world.app.safety.state()).state is StopState.ACTIVATED
    assert (await last(world, Fact.AUDIT_UNTRUSTED))["details"]["firstBad"] == str(bad)
    assert "KILL_SWITCH_ACTIVATED" in await world.alerts()


async def test_a_recovery_accepts_the_log_and_a_verification_still_names_the_row(
    world: World,
) -> None:
    bad = (await last(world, Fact.WALLET_CREATED))["number"]
    tamper(world, "UPDATE audit SET actor = 'b' WHERE fact = 'WALLET_CREATED'")
    await world.restart(unlocked=False)
    with pytest.raises(WalletError):
        await world.app.unlocking.unlock(PASSWORD)
    await world.app.safety.begin_recovery(PASSWORD, "host")
    await world.passes(DAY + 1)
    assert world.gate.is_normal
    await world.restart()
    assert world.gate.is_normal
    assert world.keyring.is_open
    assert (await walked(world)).first_bad == bad


async def test_a_changed_plain_row_stops_a_locked_start(world: World) -> None:
    await world.restart(unlocked=False)
    await world.database.run(
        lambda unit: unit.audit.append(Fact.DAEMON_STARTED, details={"version": "1"})
    )
    tamper(world, "UPDATE audit SET details = '{}' WHERE number = (SELECT max(number) FROM audit)")
    with pytest.raises(WalletError):
        await world.app.guard.require_sound_tail(None)
    assert not world.gate.is_normal


async def test_only_the_newest_rows_are_looked_at_when_starting(world: World) -> None:
    async def fill(unit: Any) -> None:
        for _ in range(TAIL_ROWS):
            await unit.audit.append(Fact.DAEMON_STARTED, details={"version": "1"})

    await world.database.run(fill)
    tamper(world, "UPDATE audit SET actor = 'b' WHERE number = 2")
    await world.restart()
    assert world.gate.is_normal
    assert (await walked(world)).first_bad == 2


# ---- what is written of locks and wallets


async def test_a_stop_and_a_recovery_tell_of_keys_and_wallets(world: World) -> None:
    await world.app.safety.halt("test", "host")
    await world.app.safety.begin_recovery(PASSWORD, "host")
    await world.app.safety.cancel_recovery("host")
    await world.app.safety.begin_recovery(PASSWORD, "host")
    await world.passes(DAY + 1)
    facts = await world.facts()
    start = facts.index(Fact.WALLET_SUSPENDED)
    assert facts[start:] == [
        Fact.WALLET_SUSPENDED,
        Fact.KEYSTORE_LOCKED,
        Fact.KILL_SWITCH_ACTIVATED,
        Fact.KEYSTORE_UNLOCKED,
        Fact.KILL_SWITCH_RECOVERY_STARTED,
        Fact.KEYSTORE_LOCKED,
        Fact.KILL_SWITCH_RECOVERY_CANCELLED,
        Fact.KEYSTORE_UNLOCKED,
        Fact.KILL_SWITCH_RECOVERY_STARTED,
        Fact.WALLET_RESUMED,
        Fact.KILL_SWITCH_RECOVERED,
    ]
    assert (await walked(world)).is_sound


# ---- the daily head


async def heads(world: World) -> list[Mapping[str, str]]:
    found = await world.database.read(lambda unit: unit.console.alerts_of(DAILY_HEAD))
    return [alert.payload for alert in found]


async def test_the_head_is_told_once_a_utc_day_also_across_restarts(world: World) -> None:
    assert not await world.app.upkeep.tell_audit_head()
    world.clock.advance(DAY)
    head = await head_of(world)
    assert await world.app.upkeep.tell_audit_head()
    assert not await world.app.upkeep.tell_audit_head()
    await world.restart()
    assert not await world.app.upkeep.tell_audit_head()
    (told,) = await heads(world)
    assert (told["head"], told["hash"]) == (short(head), head[1])
    world.clock.advance(DAY)
    assert await world.app.upkeep.tell_audit_head()
    assert len(await heads(world)) == 2


async def test_nobody_paired_is_told_no_head(world: World) -> None:
    world.sql("DELETE FROM owner")
    world.clock.advance(DAY)
    assert not await world.app.upkeep.tell_audit_head()
    assert await heads(world) == []
