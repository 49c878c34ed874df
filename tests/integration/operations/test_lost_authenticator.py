"""A lost authenticator app can be replaced, but only slowly, in the open, and with a way to stop it."""

from typing import Any

import pytest

from tests.support.vault import code_at
from tests.support.world import World
from wallet.errors import Code, WalletError

DAY = 86_400


async def code_of(work: Any) -> Code:
    with pytest.raises(WalletError) as caught:
        await work
    return caught.value.code


@pytest.fixture
def lost(world: World) -> World:
    world.vault.enrolled = True
    return world


async def test_a_proof_is_changed_only_with_a_fresh_code_of_the_present_app(lost: World) -> None:
    require = lost.app.operations.approvals.require_current_code
    assert await code_of(require(None)) is Code.FACTOR_REQUIRED
    assert await code_of(require("999999")) is Code.FACTOR_INVALID
    code = code_at(lost.clock.now())
    await require(code)
    assert await code_of(require(code)) is Code.FACTOR_INVALID


async def test_without_the_app_a_day_must_pass(lost: World) -> None:
    require = lost.app.operations.approvals.require_current_code
    ready_at = await lost.app.operations.reset.start("host")
    assert ready_at == lost.clock.now() + DAY * 1000
    assert await lost.app.operations.reset.start("host") == ready_at
    lost.clock.advance(DAY - 1)
    assert await code_of(require(None)) is Code.FACTOR_REQUIRED
    lost.clock.advance(1)
    await require(None)


async def test_a_cancelled_reset_opens_nothing_and_the_chat_cancels_once(lost: World) -> None:
    reset = lost.app.operations.reset
    await reset.start("host")
    await reset.cancel("owner", from_chat=True)
    lost.clock.advance(2 * DAY)
    require = lost.app.operations.approvals.require_current_code
    assert await code_of(require(None)) is Code.FACTOR_REQUIRED
    await reset.start("host")
    assert await code_of(reset.cancel("owner", from_chat=True)) is Code.FACTOR_REQUIRED
    await reset.cancel("host", from_chat=False)
    assert await code_of(reset.cancel("host", from_chat=False)) is Code.NOT_FOUND


async def test_a_reset_ends_with_the_new_app(lost: World) -> None:
    await lost.app.operations.reset.start("host")
    lost.clock.advance(DAY)
    await lost.app.operations.owner.confirm_totp(code_at(lost.clock.now()))
    require = lost.app.operations.approvals.require_current_code
    assert await code_of(require(None)) is Code.FACTOR_REQUIRED


async def test_there_is_nothing_to_reset_without_an_app(world: World) -> None:
    assert await code_of(world.app.operations.reset.start("host")) is Code.NOT_FACTOR_ENROLLED
