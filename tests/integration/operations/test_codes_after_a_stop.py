"""New claim codes after a stop are granted on what carries a proof, and on what is known of the last day."""

import json
from typing import Any

import pytest

from tests.integration.operations.test_safety import code_of, halt, recover
from tests.support.chain import ETHER, EVM
from tests.support.vault import PASSWORD, code_at
from tests.support.world import World
from wallet.domain.owner import Band, Factor
from wallet.domain.sessions import Session
from wallet.errors import Code

LIMIT = {EVM.native.key: ETHER}
HUGE = str(10**30)


@pytest.fixture
async def ended(world: World) -> World:
    """A session of 1 ETH was ended by a stop, and the recovery is over. A tap releases 2 ETH a day."""
    await world.app.sessions.revoke(world.session.id, actor="host", reason="no more")
    world.session = await world.new_session(world.wallet, limits=LIMIT)
    await world.pair({EVM.native.key: Band(2 * ETHER, 4 * ETHER)})
    await halt(world)
    await recover(world)
    return world


async def stop_of(world: World) -> str:
    found = await world.database.read(lambda unit: unit.console.alerts_of("KILL_SWITCH_RECOVERED"))
    return found[-1].payload["stoppedAt"]


async def given(world: World) -> Any:
    return await world.app.console.codes.give(await stop_of(world), Factor.TAP, "owner:telegram")


async def fresh(world: World) -> list[Session]:
    return [one for one in await world.app.sessions.list() if one.revoked_at is None]


async def test_what_a_tap_may_release_is_granted_anew(ended: World) -> None:
    await given(ended)

    (session,) = await fresh(ended)
    assert session.limits == ended.session.limits


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("amount_limits", json.dumps({EVM.native.key: str(2 * ETHER)})),
        ("ttl_seconds", 604_800),
        ("max_transactions", 10**6),
        ("wallet_id", "another"),
    ],
    ids=["limits", "lifetime", "payments", "wallet"],
)
async def test_an_ended_session_that_was_bent_is_not_granted_anew(
    ended: World, column: str, value: str | int
) -> None:
    ended.sql("PRAGMA foreign_keys = OFF")
    ended.sql(f'UPDATE sessions SET "{column}" = ? WHERE id = ?', value, ended.session.id)

    assert await code_of(given(ended)) is Code.FACTOR_REQUIRED
    assert await fresh(ended) == []


async def test_a_session_that_the_owner_ended_is_not_made_one_of_the_stops(ended: World) -> None:
    """The first session was worth more than any tap, and was revoked before the stop."""
    ended.sql(
        "UPDATE sessions SET amount_limits = ?, revoked_reason = 'KILL_SWITCH', revoked_at = ?"
        " WHERE id != ?",
        json.dumps({EVM.native.key: "1"}),
        int(await stop_of(ended)),
        ended.session.id,
    )

    await given(ended)

    (session,) = await fresh(ended)
    assert session.limits == ended.session.limits


@pytest.mark.parametrize(
    ("column", "value"),
    [("bands", json.dumps({EVM.native.key: [HUGE, HUGE]})), ("chat_id", 666), ("user_id", 666)],
    ids=["bands", "chat", "account"],
)
async def test_a_bent_owner_is_granted_nothing(
    ended: World, column: str, value: str | int
) -> None:
    """Also where the limits lie within the bands as the owner set them: nobody knows who taps."""
    ended.sql(f'UPDATE owner SET "{column}" = ?', value)

    assert await code_of(given(ended)) is Code.FACTOR_REQUIRED
    assert await fresh(ended) == []


async def test_while_locked_nothing_is_granted_and_after_the_unlock_it_still_can_be(
    ended: World,
) -> None:
    await ended.restart(unlocked=False)
    assert await code_of(given(ended)) is Code.KEYSTORE_LOCKED
    assert await fresh(ended) == []

    await ended.app.unlocking.unlock(PASSWORD)
    await given(ended)

    (session,) = await fresh(ended)
    assert not session.proof.is_broken


async def test_for_a_day_after_a_database_was_behind_the_chat_grants_nothing(ended: World) -> None:
    """What the factors released in the last day is in what it forgot."""
    ended.vault.enrolled = True
    await ended.app.safety.stop_behind("a test")
    await recovered_by_code(ended)
    ended.session = await ended.new_session(ended.wallet, limits=LIMIT)
    await halt(ended)
    await recovered_by_code(ended)

    assert await code_of(given(ended)) is Code.FACTOR_REQUIRED
    assert [one.id for one in await fresh(ended)] == []


async def recovered_by_code(world: World) -> None:
    world.clock.advance(60)  # codes of the moment of the stop may have been used before
    await world.app.safety.begin_recovery(PASSWORD, "host", code_at(world.clock.now()))
    await world.passes(1_801)
    assert world.gate.is_normal


async def test_a_clock_in_doubt_grants_nothing(ended: World) -> None:
    """Else a leap would empty the day that the tap band counts."""
    ended.clock.leap(2 * 86_400)

    assert await code_of(given(ended)) is Code.CLOCK_UNTRUSTED
    assert await fresh(ended) == []


async def test_bands_without_proof_spare_a_session_on_the_host_no_code(world: World) -> None:
    await world.pair({EVM.native.key: Band(10**30, 10**30)})
    world.vault.enrolled = True
    require = world.app.operations.approvals.require_for_session
    await require(LIMIT, None)
    world.sql("UPDATE owner SET name = 'Mallory'")
    assert await code_of(require(LIMIT, None)) is Code.FACTOR_REQUIRED
