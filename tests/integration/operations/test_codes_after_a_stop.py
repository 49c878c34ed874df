"""What the chat may grant anew after a recovery is judged as an approval is: by proved bands, the day and the clock."""

import pytest

from tests.integration.operations.test_safety import code_of
from tests.support.chain import ETHER, EVM
from tests.support.vault import PASSWORD
from tests.support.world import World
from wallet.domain.owner import Band, Factor
from wallet.domain.sessions import Session
from wallet.errors import Code

DAY = 86_400


async def offered(world: World, limit: int = ETHER) -> str:
    """A session that a stop ended, and a recovery that is over; the subject of the offer."""
    await world.pair({EVM.native.key: Band(2 * ETHER, 20 * ETHER)})
    await world.app.sessions.revoke(world.session.id, actor="owner", reason="test")
    await world.new_session(world.wallet, limits={EVM.native.key: limit}, ttl_seconds=7 * DAY)
    await world.app.safety.halt("test", "host")
    stopped = await world.app.safety.state()
    await world.app.safety.begin_recovery(PASSWORD, "host")
    await world.passes(DAY + 1)
    assert world.gate.is_normal
    return str(stopped.activated_at)


async def fresh(world: World) -> list[Session]:
    return [one for one in await world.app.sessions.list() if one.revoked_at is None]


async def test_what_lies_within_the_tap_band_is_granted_by_a_tap(world: World) -> None:
    subject = await offered(world)
    await world.app.console.codes.give(subject, Factor.TAP, "owner:telegram")
    assert len(await fresh(world)) == 1


async def test_bands_that_somebody_wrote_into_the_file_grant_nothing(world: World) -> None:
    subject = await offered(world, limit=100 * ETHER)
    bands = f'{{"{EVM.native.key}":["{10**30}","{10**30}"]}}'
    world.sql("UPDATE owner SET bands = ?", bands)
    give = world.app.console.codes.give(subject, Factor.TAP, "owner:telegram")
    assert await code_of(give) is Code.FACTOR_REQUIRED
    assert await fresh(world) == []


async def test_a_clock_in_doubt_grants_nothing(world: World) -> None:
    """Else a leap would empty the day that the tap band counts."""
    subject = await offered(world)
    world.clock.leap(2 * DAY)
    give = world.app.console.codes.give(subject, Factor.TAP, "owner:telegram")
    assert await code_of(give) is Code.CLOCK_UNTRUSTED
    assert await fresh(world) == []


@pytest.mark.parametrize(("after", "granted"), [(DAY - 1, 0), (DAY + 1, 1)])
async def test_a_database_behind_the_world_knows_no_day(
    world: World, after: int, granted: int
) -> None:
    """What taps released in what it forgot is not known, so for a day the host alone grants."""
    subject = await offered(world)
    behind_at = world.clock.now()
    world.sql("UPDATE system_state SET behind_at = ?", behind_at)
    world.clock.advance(after)
    give = world.app.console.codes.give(subject, Factor.TAP, "owner:telegram")
    if granted:
        await give
    else:
        assert await code_of(give) is Code.FACTOR_REQUIRED
    assert len(await fresh(world)) == granted


async def test_bands_without_proof_spare_a_session_on_the_host_no_code(world: World) -> None:
    await world.pair({EVM.native.key: Band(10**30, 10**30)})
    world.vault.enrolled = True
    require = world.app.operations.approvals.require_for_session
    await require({EVM.native.key: ETHER}, None)
    world.sql("UPDATE owner SET name = 'Mallory'")
    assert await code_of(require({EVM.native.key: ETHER}, None)) is Code.FACTOR_REQUIRED
