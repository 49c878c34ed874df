"""A database behind the world: an old copy put back starts stopped, pays nothing again and fills every window."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.support.chain import ETHER, EVM
from tests.support.vault import PASSWORD, code_at
from tests.support.world import APPROVAL, DELAY, PAYEE, World
from wallet.domain.facts import Fact
from wallet.domain.owner import Factor
from wallet.domain.safety import StopState
from wallet.domain.transactions import Status
from wallet.errors import Code, WalletError
from wallet.persistence.anchor import ANCHOR, BEHIND, AnchorFile

DAY = 86_400
RATE = {"max_tx_per_hour": 10, "max_tx_per_day": 100, "over": "each_wallet"}


async def code_of(work: Any) -> Code:
    with pytest.raises(WalletError) as caught:
        await work
    return caught.value.code


async def stopped(world: World) -> None:
    """A clean stop, as the daemon makes it."""
    await world.app.freshness.note()
    await world.close()


async def starts(world: World) -> None:
    await world.vault.restart()
    await world.open()
    await world.start()


async def kept_copy(world: World) -> Path:
    await stopped(world)
    copy = world.folder.parent / "old.db"
    shutil.copy(world.settings.database.path, copy)
    await starts(world)
    return copy


async def put_back(world: World, copy: Path) -> None:
    """The old database in place of the new one; the rest of the directory stays."""
    await stopped(world)
    shutil.copy(copy, world.settings.database.path)
    await starts(world)


async def recover(world: World) -> None:
    await world.app.safety.begin_recovery(PASSWORD, "host")
    await world.passes(DAY + 1)
    assert world.gate.is_normal
    world.session = await world.new_session(world.wallet)


async def windows(world: World, otherwise: str = "deny", seconds: int = 7 * DAY) -> None:
    await world.set_rule(
        "CUMULATIVE_LIMIT",
        {
            "assets": {EVM.native.key: {"limit": str(1000 * ETHER)}},
            "window_seconds": seconds,
            "over": "each_wallet",
            "otherwise": otherwise,
        },
        await world.rule_of("CUMULATIVE_LIMIT"),
    )


async def state(world: World) -> StopState:
    return (await world.app.safety.state()).state


async def test_an_old_copy_put_back_starts_stopped_and_pays_nothing_again(world: World) -> None:
    await windows(world)
    delayed = await world.pay(DELAY)
    copy = await kept_copy(world)
    await world.passes(301)
    assert (await world.settled(delayed.id)).status is Status.CONFIRMED
    received = world.chain.received(PAYEE)

    await put_back(world, copy)

    stop = await world.app.safety.state()
    assert stop.state is StopState.ACTIVATED
    assert "behind the world" in str(stop.reason)
    assert (await world.row(delayed.id)).status is Status.CANCELLED
    assert (await world.app.sessions.get(world.session.id)).was_revoked
    assert world.vault.locked
    assert Fact.DATABASE_BEHIND in await world.facts()
    assert "DATABASE_BEHIND" in await world.alerts()
    await recover(world)
    with pytest.raises(WalletError) as full:
        await world.ask()
    assert full.value.code is Code.CUMULATIVE_LIMIT_EXCEEDED
    resets_at = full.value.details["resetsAt"]
    assert resets_at == (stop.behind_at or 0) // 1000 + 7 * DAY
    assert world.chain.received(PAYEE) == received
    world.clock.advance(6 * DAY)
    world.session = await world.new_session(world.wallet)
    assert (await world.ask()).transaction.tier == "INSTANT"


async def test_a_window_of_its_own_length_counts_as_full_and_no_longer(world: World) -> None:
    await windows(world, seconds=2 * DAY)
    await world.set_rule("RATE_LIMIT", RATE)
    copy = await kept_copy(world)
    await world.pay()
    await put_back(world, copy)
    await recover(world)
    assert await code_of(world.ask()) is Code.CUMULATIVE_LIMIT_EXCEEDED
    world.clock.advance(DAY - 2)
    assert await code_of(world.ask()) is Code.CUMULATIVE_LIMIT_EXCEEDED
    world.clock.advance(2)
    world.session = await world.new_session(world.wallet)
    assert (await world.ask()).transaction.tier == "INSTANT"


async def test_a_rate_counts_as_full_too(world: World) -> None:
    await world.app.operations.policies.remove(await world.rule_of("CUMULATIVE_LIMIT"), "host")
    await world.set_rule("RATE_LIMIT", RATE)
    AnchorFile(world.folder).suspect("restored from a backup")
    await world.restart()
    state_before = await world.app.safety.state()
    await world.app.safety.begin_recovery(PASSWORD, "host", code=None)
    behind_at = state_before.behind_at
    assert behind_at is not None
    await world.passes(DAY + 1)
    world.clock.at = behind_at + DAY * 1000 - 1
    world.session = await world.new_session(world.wallet)
    assert await code_of(world.ask()) is Code.TX_RATE_EXCEEDED


async def test_where_the_rule_asks_the_owner_only_the_host_can_answer_for_a_day(
    world: World,
) -> None:
    copy = await kept_copy(world)
    await world.pay()
    await put_back(world, copy)
    behind_at = (await world.app.safety.state()).behind_at
    assert behind_at is not None
    await recover(world)
    world.clock.at = behind_at + DAY * 1000 - 1
    world.session = await world.new_session(world.wallet)
    row = (await world.ask()).transaction
    assert (row.tier, row.status) == ("APPROVAL", Status.QUEUED)
    needed = world.app.operations.approvals.factor_needed
    assert await needed(row.id) is Factor.HOST
    world.clock.advance(0.001)
    assert await needed(row.id) is Factor.TAP


async def test_a_database_with_another_row_at_the_anchor_is_behind(world: World) -> None:
    """As many rows as this node has seen, but not the same ones."""
    copy = await kept_copy(world)
    await world.pay()
    await stopped(world)
    mark = AnchorFile(world.folder).read()
    assert mark is not None
    shutil.copy(copy, world.settings.database.path)
    await world.open()
    while (await world.database.read(lambda unit: unit.audit.head()))[0] < mark.number:
        await world.database.run(lambda unit: unit.audit.append(Fact.DAEMON_STOPPED))
    await world.close()
    await starts(world)
    assert await state(world) is StopState.ACTIVATED


@pytest.mark.parametrize("content", [None, b"", b"waiaas-anchor/1 x deadbeef\n", b"\xff" * 20])
async def test_without_an_anchor_nobody_knows_how_old_it_is(
    world: World, content: bytes | None
) -> None:
    await stopped(world)
    anchor = world.folder / ANCHOR
    anchor.unlink()
    if content is not None:
        anchor.write_bytes(content)
        anchor.chmod(0o600)
    await starts(world)
    assert await state(world) is StopState.ACTIVATED


async def test_a_restore_is_believed_to_be_behind_once(world: World) -> None:
    anchor = AnchorFile(world.folder)
    anchor.suspect("restored from a backup")
    await world.restart()
    found = await world.app.safety.state()
    assert found.state is StopState.ACTIVATED
    assert "restored from a backup" in str(found.reason)
    assert not (world.folder / BEHIND).exists()
    await recover(world)
    await world.restart()
    assert world.gate.is_normal


async def test_a_start_that_dies_before_the_anchor_moved_stops_again(world: World) -> None:
    copy = await kept_copy(world)
    for _ in range(40):
        await world.database.run(lambda unit: unit.audit.append(Fact.DAEMON_STOPPED))
    await stopped(world)
    anchor = (world.folder / ANCHOR).read_bytes()
    shutil.copy(copy, world.settings.database.path)
    await starts(world)
    first = await world.app.safety.state()
    await world.close()
    (world.folder / ANCHOR).write_bytes(anchor)
    world.clock.advance(5)
    await starts(world)
    second = await world.app.safety.state()
    assert second.state is StopState.ACTIVATED
    assert (second.behind_at or 0) > (first.behind_at or 0)


async def test_an_old_copy_in_the_middle_of_a_recovery_does_not_complete_it(world: World) -> None:
    await world.app.safety.halt("test", "host")
    await world.app.safety.begin_recovery(PASSWORD, "host")
    copy = await kept_copy(world)
    await world.app.safety.cancel_recovery("host")
    await put_back(world, copy)
    assert await state(world) is StopState.ACTIVATED
    await world.passes(DAY + 1)
    assert not world.gate.is_normal


async def test_a_code_of_before_the_restore_does_not_count_again(world: World) -> None:
    world.vault.enrolled = True
    copy = await kept_copy(world)
    code = code_at(world.clock.now())
    await world.app.operations.approvals.require_current_code(code)
    await put_back(world, copy)
    again = world.app.safety.begin_recovery(PASSWORD, "host", code)
    assert await code_of(again) is Code.FACTOR_INVALID
    assert await state(world) is StopState.ACTIVATED


async def test_an_approval_of_an_old_copy_is_asked_for_anew(world: World) -> None:
    row = await world.pay(APPROVAL)
    copy = await kept_copy(world)
    await world.pay()
    await put_back(world, copy)
    assert (await world.row(row.id)).status is Status.CANCELLED


async def test_a_crash_is_not_taken_for_an_old_copy(world: World) -> None:
    """The anchor never runs ahead of what is committed."""
    for _ in range(3):
        await world.pay()
        await world.app.upkeep.note_anchor()
        await world.pay()
        await world.restart()
        assert world.gate.is_normal
    assert (world.folder / ANCHOR).stat().st_mode & 0o777 == 0o600
