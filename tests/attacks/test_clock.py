"""A clock that leaps: nothing ripens by it, and nothing is forgotten, until the world agrees."""

import pytest

from tests.attacks.catalogue import scenario
from tests.attacks.test_sessions import answered
from tests.support.chain import ETHER
from tests.support.house import House, window
from tests.support.world import PAYEE

DAY = 86_400


async def agree(home: House) -> None:
    """A chain's newest block says that the clock is right."""
    home.world.chain.block_time = home.world.clock.now()
    home.world.clock.advance(2)
    await home.world.app.upkeep.watch_clock()
    assert home.world.gate.has_time


@scenario("S-16", "R-25")
async def test_a_day_forward_releases_nothing(home: House) -> None:
    token = await home.token(ttlSeconds=604_800)
    row = await home.paid(token, 10 * ETHER)

    home.world.clock.leap(DAY)
    await home.world.tick()

    assert (await home.sees(token, row))["status"] == "QUEUED"
    assert home.world.chain.received(PAYEE) == 0
    assert answered(await home.sends(token, 1)) == (503, "CLOCK_UNTRUSTED")


@scenario("R-25")
@pytest.mark.parametrize("seconds", [DAY, -DAY])
async def test_a_leap_empties_no_window(home: House, seconds: int) -> None:
    await home.rule("CUMULATIVE_LIMIT", window(ETHER))
    token = await home.token(ttlSeconds=604_800)
    await home.world.settled(await home.paid(token, ETHER // 2))

    home.world.clock.leap(seconds)
    assert answered(await home.sends(token, ETHER // 2)) == (503, "CLOCK_UNTRUSTED")
    home.world.clock.leap(-seconds)
    await agree(home)

    assert answered(await home.sends(token, ETHER // 2)) == (403, "CUMULATIVE_LIMIT_EXCEEDED")
