"""The master password: counted in the database, exchanged for a short ticket."""

import asyncio
from typing import Any

import pytest

from tests.support.vault import PASSWORD
from tests.support.world import World
from wallet.errors import Code, WalletError


async def code_of(work: Any) -> Code:
    with pytest.raises(WalletError) as caught:
        await work
    return caught.value.code


async def test_five_wrong_passwords_lock_it_for_half_an_hour_across_restarts(world: World) -> None:
    for _ in range(5):
        wrong = world.app.operations.password.require("wrong")
        assert await code_of(wrong) is Code.INVALID_MASTER_PASSWORD
    await world.restart()
    password = world.app.operations.password
    assert await code_of(password.require(PASSWORD)) is Code.MASTER_PASSWORD_LOCKED
    world.clock.advance(1_799)
    assert await code_of(password.require(PASSWORD)) is Code.MASTER_PASSWORD_LOCKED
    world.clock.advance(1)
    await password.require(PASSWORD)


async def test_passwords_tried_at_once_get_no_more_tries(world: World) -> None:
    require = world.app.operations.password.require
    answers = await asyncio.gather(*(require("wrong") for _ in range(9)), return_exceptions=True)
    codes = [a.code for a in answers if isinstance(a, WalletError)]
    assert codes.count(Code.INVALID_MASTER_PASSWORD) == 5
    assert codes.count(Code.MASTER_PASSWORD_LOCKED) == 4


async def test_a_right_password_clears_the_count(world: World) -> None:
    require = world.app.operations.password.require
    for _ in range(3):
        for _ in range(4):
            await code_of(require("wrong"))
        await require(PASSWORD)


async def test_a_ticket_stands_for_the_password_for_ten_minutes(world: World) -> None:
    password = world.app.operations.password
    ticket, expires_at = await password.ticket(PASSWORD)
    assert expires_at == world.clock.now() + 600_000
    await password.require(None, ticket=ticket)
    world.clock.advance(600)
    assert await code_of(password.require(None, ticket=ticket)) is Code.MASTER_PASSWORD_REQUIRED
    assert await code_of(password.require(None, ticket="other")) is Code.MASTER_PASSWORD_REQUIRED
    assert await code_of(password.require(None)) is Code.MASTER_PASSWORD_REQUIRED


async def test_a_clock_that_is_set_back_keeps_no_ticket(world: World) -> None:
    password = world.app.operations.password
    ticket, _ = await password.ticket(PASSWORD)
    world.clock.set_back(86_400)
    world.clock.advance(600)
    assert await code_of(password.require(None, ticket=ticket)) is Code.MASTER_PASSWORD_REQUIRED


async def test_a_ticket_from_before_an_unlock_ends_with_it(world: World) -> None:
    """Locked, the keystore in the directory may be anybody's; the unlock proves that it is the wallets' own."""
    await world.restart(unlocked=False)
    password = world.app.operations.password
    ticket, _ = await password.ticket(PASSWORD)
    await password.require(None, ticket=ticket)

    await world.app.unlocking.unlock(PASSWORD)

    assert await code_of(password.require(None, ticket=ticket)) is Code.MASTER_PASSWORD_REQUIRED
    after, _ = await password.ticket(PASSWORD)
    await password.require(None, ticket=after)
