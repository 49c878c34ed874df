"""What loosens a rule waits once an agent pays by it, can be cancelled meanwhile, and counts exactly once."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.chain import ETHER, EVM, SOL
from tests.support.loosening_walk import AFTER, BEFORE
from tests.support.vault import PASSWORD, code_at
from tests.support.world import World, built
from wallet.domain.facts import Fact
from wallet.domain.loosenings import Drop, Effect, Loosening
from wallet.domain.safety import StopState
from wallet.errors import Code, WalletError
from wallet.operations.policies import Changed
from wallet.persistence.loosenings import LOOSENINGS

ROOT = Path(__file__).parents[3]
ASSET = EVM.native.key
WAIT = 3600
QUEUED, APPLIED = Fact.POLICY_LOOSENING_QUEUED, Fact.POLICY_LOOSENING_APPLIED
CANCELLED, DROPPED = Fact.POLICY_LOOSENING_CANCELLED, Fact.POLICY_LOOSENING_DROPPED


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    async with built(folder, loosening_wait=WAIT) as found:
        yield found


def tiers(instant: int) -> dict[str, Any]:
    bounds = {"instant_max": instant, "notify_max": ETHER, "delay_max": 5 * ETHER}
    return {
        "assets": {ASSET: {name: str(units) for name, units in bounds.items()}},
        "delay_seconds": 300,
    }


async def sets(
    world: World, rules: Mapping[str, Any], rule_type: str = "SPENDING_LIMIT", **more: Any
) -> Changed:
    """Replace the wallet's rule of that type, or add one."""
    known = await world.app.operations.policies.list(world.wallet.id)
    ids = [str(rule["id"]) for rule in known if rule["type"] == rule_type]
    rule_id = ids[0] if ids else None
    put = world.app.operations.policies.put
    return await put(rule_type, rules, world.wallet.id, rule_id, "host", **more)


async def instant(world: World) -> int:
    """Up to what the wallet pays at once."""
    known = await world.app.operations.policies.list(world.wallet.id)
    rule = next(rule for rule in known if rule["type"] == "SPENDING_LIMIT")
    return int(rule["rules"]["assets"][ASSET]["instant_max"])


async def waiting(world: World) -> list[Loosening]:
    return [*await world.app.operations.loosenings.list(None)]


async def told(world: World) -> list[tuple[Fact, str]]:
    """Facts about loosenings, with the reason of a drop."""
    rows = await world.database.read(lambda unit: unit.audit.rows(limit=100_000))
    return [
        (Fact(row["fact"]), row["details"].get("reason", ""))
        for row in rows
        if row["fact"].startswith("POLICY_LOOSENING")
    ]


async def code_of(call: Any) -> Code | None:
    try:
        await call
    except WalletError as error:
        return error.code
    return None


async def test_what_tightens_counts_at_once(world: World) -> None:
    changed = await sets(world, tiers(5))
    assert (changed.effect, await instant(world)) == (Effect.AT_ONCE, 5)
    assert await told(world) == []


async def test_what_loosens_counts_after_its_wait_and_once(world: World) -> None:
    before = await instant(world)
    changed = await sets(world, tiers(ETHER))
    assert changed.effect is Effect.QUEUED
    assert changed.waiting is not None
    assert changed.waiting.counts_at == world.clock.now() + WAIT * 1000
    assert changed.rule["rules"] == tiers(ETHER)
    await world.passes(WAIT - 1)
    assert await instant(world) == before
    await world.passes(1)
    assert await instant(world) == ETHER
    assert await waiting(world) == []
    await sets(world, tiers(7))
    await world.passes(WAIT)
    assert await instant(world) == 7  # it does not count a second time
    assert await told(world) == [(QUEUED, ""), (APPLIED, "")]
    assert {"POLICY_LOOSENING_QUEUED", "POLICY_LOOSENING_APPLIED"} <= {*await world.alerts()}


def test_a_death_at_any_statement_lets_it_count_exactly_once(tmp_path: Path) -> None:
    """SIGKILL while it is being applied: a restarted daemon finds it waiting whole, or counting whole."""
    command = [sys.executable, "-m", "tests.support.loosening_walk", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr
    waits = [BEFORE, 1, [QUEUED], [QUEUED]]
    counts = [AFTER, 0, [QUEUED, APPLIED], [QUEUED, APPLIED]]

    *killed, whole = json.loads(done.stdout)

    assert len(killed) > 15
    assert killed == [[waits, counts]] * len(killed)  # the commit is the last statement
    assert whole == [counts, counts]


async def test_before_an_agent_came_in_nothing_waits(world: World) -> None:
    other = await world.new_wallet("other")
    put = world.app.operations.policies.put
    rules = await world.app.operations.policies.list(other.id)
    own = next(rule["id"] for rule in rules if rule["type"] == "SPENDING_LIMIT")
    first = await put("SPENDING_LIMIT", tiers(ETHER), other.id, own, "host")
    everywhere = await put("SPENDING_LIMIT", tiers(1), None, None, "host")
    assert (first.effect, everywhere.effect) == (Effect.AT_ONCE, Effect.QUEUED)
    await world.app.sessions.revoke(world.session.id, actor="host", reason="over")
    again = await put("SPENDING_LIMIT", tiers(1), None, None, "host")
    assert again.effect is Effect.QUEUED  # ending the session lets nobody through the wait


async def test_a_session_that_was_taken_out_of_the_database_was_claimed_all_the_same(
    world: World,
) -> None:
    world.sql("UPDATE sessions SET claimed_at = NULL")
    assert (await sets(world, tiers(ETHER))).effect is Effect.QUEUED
    world.sql("PRAGMA foreign_keys = OFF")
    world.sql("DELETE FROM sessions")
    assert (await sets(world, tiers(ETHER))).effect is Effect.QUEUED


async def test_a_cancelled_loosening_never_counts(world: World) -> None:
    before = await instant(world)
    changed = await sets(world, tiers(ETHER))
    assert changed.waiting is not None
    cancel = world.app.operations.loosenings.cancel
    await cancel(changed.waiting.id, "host")
    assert await code_of(cancel(changed.waiting.id, "host")) is Code.POLICY_NOT_FOUND
    await world.passes(2 * WAIT)
    assert await instant(world) == before
    assert await told(world) == [(QUEUED, ""), (CANCELLED, "")]
    assert "POLICY_LOOSENING_CANCELLED" in await world.alerts()


async def test_it_dies_when_its_rule_is_tightened_meanwhile(world: World) -> None:
    await sets(world, tiers(ETHER))
    await sets(world, tiers(3))
    assert await waiting(world) == []
    await world.passes(2 * WAIT)
    assert await instant(world) == 3
    assert await told(world) == [(QUEUED, ""), (DROPPED, Drop.RULE_CHANGED)]
    assert "POLICY_LOOSENING_DROPPED" in await world.alerts()


async def test_a_later_loosening_of_the_same_rule_takes_its_place_and_waits_anew(
    world: World,
) -> None:
    await sets(world, tiers(ETHER))
    await world.passes(WAIT - 1)
    await sets(world, tiers(ETHER // 2))
    await world.passes(WAIT - 1)
    assert await instant(world) == ETHER // 10
    await world.passes(1)
    assert await instant(world) == ETHER // 2
    assert (DROPPED, Drop.REPLACED) in await told(world)


async def test_taking_a_rule_away_and_adding_one_that_allows_wait_as_well(world: World) -> None:
    policies = world.app.operations.policies
    window = await world.rule_of("CUMULATIVE_LIMIT")
    removed = await policies.remove(window, "host")
    added = await sets(world, {"tokens": [f"{EVM.name}/Token1"]}, "ALLOWED_TOKENS")
    assert (removed.effect, added.effect) == (Effect.QUEUED, Effect.QUEUED)
    assert [one.base_version for one in await waiting(world)] == [removed.rule["version"], 0]
    await world.passes(WAIT)
    types = {rule["type"] for rule in await policies.list(world.wallet.id)}
    assert types == {"SPENDING_LIMIT", "ALLOWED_TOKENS"}


async def test_a_loosening_needs_a_code_once_an_app_is_enrolled_and_a_tightening_none(
    world: World,
) -> None:
    operations = world.app.operations
    await operations.owner.enrol_totp()
    await operations.owner.confirm_totp(code_at(world.clock.now()))
    world.clock.advance(60)
    assert await code_of(sets(world, tiers(ETHER))) is Code.FACTOR_REQUIRED
    assert await code_of(operations.policies.remove(await world.rule_of("CUMULATIVE_LIMIT"), "host")) is Code.FACTOR_REQUIRED  # fmt: skip
    assert await waiting(world) == []
    assert (await sets(world, tiers(5))).effect is Effect.AT_ONCE
    code = code_at(world.clock.now())
    assert (await sets(world, tiers(ETHER), code=code)).effect is Effect.QUEUED
    assert await code_of(sets(world, tiers(ETHER // 2), code=code)) is Code.FACTOR_INVALID
    assert len(await waiting(world)) == 1


async def test_a_stop_ends_what_waits(world: World) -> None:
    before = await instant(world)
    await sets(world, tiers(ETHER))
    await world.app.safety.halt("a look", "host")
    assert await waiting(world) == []
    assert (DROPPED, Drop.KILL_SWITCH) in await told(world)
    await world.app.safety.begin_recovery(PASSWORD, "host")
    assert await code_of(sets(world, tiers(ETHER))) is Code.SYSTEM_LOCKED
    assert (await sets(world, tiers(before - 1))).effect is Effect.AT_ONCE
    await world.passes(86_400)
    assert (await world.app.safety.state()).state is StopState.NORMAL
    await world.passes(WAIT)
    assert await instant(world) == before - 1


async def test_a_database_behind_the_world_forgets_what_waits(world: World) -> None:
    await sets(world, tiers(ETHER))
    await world.app.operations.policies.remove(await world.rule_of("CUMULATIVE_LIMIT"), "host")
    world.sql("UPDATE loosenings SET rules = '[]' WHERE rules IS NULL")  # which nobody can read
    await world.app.safety.stop_behind("a test")
    assert await world.database.read(lambda unit: unit.loosenings.ids()) == []


async def test_while_locked_it_waits_on_and_can_be_cancelled(world: World) -> None:
    await sets(world, tiers(ETHER))
    removed = await world.app.operations.policies.remove(
        await world.rule_of("CUMULATIVE_LIMIT"), "host"
    )
    assert removed.waiting is not None
    await world.restart(unlocked=False)
    await world.passes(WAIT)
    assert len(await waiting(world)) == 2
    await world.app.operations.loosenings.cancel(removed.waiting.id, "host")
    await world.app.unlocking.unlock(PASSWORD)
    await world.tick()
    assert await instant(world) == ETHER
    assert await world.rule_of("CUMULATIVE_LIMIT")


async def test_while_the_clock_is_in_doubt_it_waits_on(world: World) -> None:
    before = await instant(world)
    await sets(world, tiers(ETHER))
    world.clock_guard.doubt("a leap")
    await world.passes(WAIT)
    assert await instant(world) == before
    assert await code_of(sets(world, tiers(ETHER // 2))) is Code.CLOCK_UNTRUSTED


async def test_a_bent_one_is_dropped_and_told_whatever_was_bent(world: World) -> None:
    before = await instant(world)
    for column in LOOSENINGS.columns:
        await sets(world, tiers(ETHER))
        to = "[]" if column == "rules" else "7" if column in ("base_version", "mac") else "x"
        world.sql(f"UPDATE loosenings SET {column} = ?", to)
        await world.tick()
        assert await waiting(world) == [], column
        assert (await told(world))[-1] == (DROPPED, Drop.UNPROVED)
    await world.app.upkeep.report_unproved()
    assert "AUTHORITY_UNPROVED" in await world.alerts()
    await world.passes(WAIT)
    assert await instant(world) == before


async def test_a_rule_that_the_settings_know_no_more_is_dropped(world: World) -> None:
    await sets(world, {"tokens": [f"{EVM.name}/Token1"]}, "ALLOWED_TOKENS")
    world.chains = {SOL.name: world.chains[SOL.name]}
    await world.restart()
    await world.passes(WAIT)
    assert await waiting(world) == []
    assert (DROPPED, Drop.INVALID) in await told(world)
