"""The owner's yes: bound to what was shown, proved by enough, given once."""

import asyncio
from typing import Any

import pytest

from tests.support.chain import ETHER, EVM
from tests.support.vault import PASSWORD, code_at
from tests.support.world import APPROVAL, DELAY, World
from wallet.domain.facts import Fact
from wallet.domain.owner import Band, Factor
from wallet.domain.transactions import Status, Transaction
from wallet.errors import Code, WalletError
from wallet.ports.store import Unit


async def code_of(work: Any) -> Code:
    with pytest.raises(WalletError) as caught:
        await work
    return caught.value.code


async def approve(world: World, row: Transaction, **changes: Any) -> Transaction:
    asked = {"digest": row.digest, "factor": Factor.TAP, "actor": "owner"} | changes
    return await world.app.operations.approvals.approve(row.id, **asked)


async def cancel(world: World, row: Transaction) -> Transaction:
    return await world.app.operations.transactions.cancel(row.id, actor="owner", reason="no")


async def test_a_yes_to_another_digest_approves_nothing(world: World) -> None:
    row = await world.pay(APPROVAL)
    assert await code_of(approve(world, row, digest="0" * 64)) is Code.CARD_MISMATCH
    assert (await world.row(row.id)).consent_at is None


async def test_bands_say_which_factor_an_amount_needs(world: World) -> None:
    world.vault.enrolled = True
    needed = world.app.operations.approvals.factor_needed
    await world.pair({EVM.native.key: Band(APPROVAL, APPROVAL + 1)})
    amounts = {APPROVAL: Factor.TAP, APPROVAL + 1: Factor.CODE, APPROVAL + 2: Factor.HOST}
    for amount, factor in amounts.items():
        assert await needed((await world.pay(amount)).id) is factor
    world.vault.enrolled = False
    row = await world.pay(APPROVAL + 1)
    assert await needed(row.id) is Factor.HOST


async def test_what_taps_released_in_a_day_counts_against_the_band(world: World) -> None:
    await world.pair({EVM.native.key: Band(2 * APPROVAL - 1, 2 * APPROVAL - 1)})
    first, second = await world.pay(APPROVAL), await world.pay(APPROVAL)
    await approve(world, first)
    assert await code_of(approve(world, second)) is Code.FACTOR_REQUIRED
    await approve(world, second, factor=Factor.HOST)
    third = await world.pay(APPROVAL)
    world.clock.advance(86_000)
    assert await code_of(approve(world, third)) is Code.FACTOR_REQUIRED


async def test_an_asset_without_a_band_needs_the_strongest_factor(world: World) -> None:
    await world.pair({})
    row = await world.pay(APPROVAL)
    needed = world.app.operations.approvals.factor_needed
    assert await needed(row.id) is Factor.HOST
    world.vault.enrolled = True
    assert await needed(row.id) is Factor.CODE


async def test_a_code_answers_one_payment(world: World) -> None:
    world.vault.enrolled = True
    approvals = world.app.operations.approvals
    first, second = await world.pay(APPROVAL), await world.pay(APPROVAL)
    step = await approvals.check_code(code_at(world.clock.now()))
    await approve(world, first, factor=Factor.CODE, totp_step=step)
    again = approve(world, second, factor=Factor.CODE, totp_step=step)
    assert await code_of(again) is Code.FACTOR_INVALID
    assert await code_of(approve(world, second, factor=Factor.CODE)) is Code.FACTOR_INVALID
    assert (await world.row(second.id)).consent_at is None


async def test_a_refused_approval_spends_no_code(world: World) -> None:
    row = await world.pay(APPROVAL)
    wrong = approve(world, row, factor=Factor.CODE, totp_step=5, digest="0" * 64)
    assert await code_of(wrong) is Code.CARD_MISMATCH
    await approve(world, row, factor=Factor.CODE, totp_step=5)


async def test_five_wrong_codes_lock_codes_for_doubling_waits(world: World) -> None:
    world.vault.enrolled = True
    check = world.app.operations.approvals.check_code
    for _ in range(5):
        assert await code_of(check("999999")) is Code.FACTOR_INVALID
    for wait in (30, 60, 120):
        assert await code_of(check(code_at(world.clock.now()))) is Code.FACTOR_LOCKED
        world.clock.advance(wait - 1)
        assert await code_of(check(code_at(world.clock.now()))) is Code.FACTOR_LOCKED
        world.clock.advance(1)
        assert await code_of(check("999999")) is Code.FACTOR_INVALID
    assert (await world.facts()).count(Fact.FACTOR_FAILED) == 8


async def test_twenty_wrong_codes_freeze_codes_until_the_host_enrols_again(world: World) -> None:
    world.vault.enrolled = True
    check = world.app.operations.approvals.check_code
    for _ in range(20):
        await code_of(check("999999"))
        world.clock.advance(2**20)
    assert await code_of(check(code_at(world.clock.now()))) is Code.FACTOR_LOCKED
    await world.restart()
    check = world.app.operations.approvals.check_code
    assert await code_of(check(code_at(world.clock.now()))) is Code.FACTOR_LOCKED
    await world.app.operations.owner.enrol_totp()
    await world.app.operations.owner.confirm_totp(code_at(world.clock.now()))
    world.clock.advance(30)
    assert await check(code_at(world.clock.now())) == world.clock.now() // 30_000


async def test_wrong_codes_at_once_get_no_more_tries_than_one_after_another(world: World) -> None:
    world.vault.enrolled = True
    check = world.app.operations.approvals.check_code
    answers = await asyncio.gather(*(check("999999") for _ in range(12)), return_exceptions=True)
    codes = [a.code for a in answers if isinstance(a, WalletError)]
    assert codes.count(Code.FACTOR_INVALID) == 5
    assert codes.count(Code.FACTOR_LOCKED) == 7


async def test_a_code_that_was_used_buys_no_further_guesses(world: World) -> None:
    """Whoever saw one typed knows a right code for a minute."""
    world.vault.enrolled = True
    approvals = world.app.operations.approvals
    seen = code_at(world.clock.now())
    await approvals.require_current_code(seen)
    refused = []
    for _ in range(3):
        refused += [await code_of(approvals.check_code("999999")) for _ in range(4)]
        refused.append(await code_of(approvals.require_current_code(seen)))
    assert (
        refused.count(Code.FACTOR_LOCKED) == len(refused) - 6
    )  # five wrong ones and the used one

    world.clock.advance(30)
    await approvals.require_current_code(code_at(world.clock.now()))
    for _ in range(5):
        assert await code_of(approvals.check_code("999999")) is Code.FACTOR_INVALID


async def test_an_unanswered_approval_expires_and_a_late_yes_is_refused(world: World) -> None:
    row = await world.pay(APPROVAL)
    world.clock.advance(86_400)
    assert await code_of(approve(world, row)) is Code.TX_EXPIRED
    await world.tick()
    assert (await world.row(row.id)).status is Status.EXPIRED
    assert await code_of(approve(world, row)) is Code.TX_EXPIRED
    assert await world.reserved() == 0


@pytest.mark.parametrize(
    "others", [("approve", "approve"), ("approve", "cancel"), ("cancel", "approve")]
)
async def test_of_two_answers_at_once_exactly_one_counts(
    world: World, others: tuple[str, str]
) -> None:
    row = await world.pay(APPROVAL)
    acts = {"approve": approve, "cancel": cancel}
    answers = await asyncio.gather(*(acts[o](world, row) for o in others), return_exceptions=True)
    await world.quiet()
    after = await world.settled(row.id)
    won = [not isinstance(answer, BaseException) for answer in answers]
    # A cancel may follow a yes that nobody executed yet; a yes never follows a cancel.
    if after.status is Status.CANCELLED:
        assert world.vault.signed == []
    else:
        assert after.status is Status.CONFIRMED
        assert sum(won) == 1


async def test_a_yes_and_the_expiry_at_once_leave_one_answer(world: World) -> None:
    row = await world.pay(APPROVAL)
    world.clock.advance(86_399.999)
    late = asyncio.gather(approve(world, row), return_exceptions=True)
    world.clock.advance(0.001)
    await world.app.upkeep.expire_overdue()
    (answer,) = await late
    await world.quiet()
    after = await world.row(row.id)
    assert isinstance(answer, WalletError) is (after.status is Status.EXPIRED)
    assert bool(world.vault.signed) is (after.status is not Status.EXPIRED)


async def test_a_yes_waits_for_the_keystore_because_nobody_else_can_prove_the_owner(
    world: World,
) -> None:
    row = await world.pay(APPROVAL)
    await world.restart(unlocked=False)
    assert await code_of(approve(world, row)) is Code.KEYSTORE_LOCKED
    assert (await world.row(row.id)).consent_at is None
    await world.app.unlocking.unlock(PASSWORD)
    await approve(world, row)
    await world.quiet()
    assert (await world.settled(row.id)).status is Status.CONFIRMED


async def test_a_yes_that_could_not_be_carried_out_in_ten_minutes_lapses(world: World) -> None:
    row = await world.pay(APPROVAL)
    world.chain.down = True
    await approve(world, row)
    await world.quiet()
    await world.restart(unlocked=False)
    await world.passes(601)
    assert (await world.row(row.id)).status is Status.EXPIRED
    assert await world.reserved() == 0


async def test_only_what_waits_for_the_owner_can_be_approved(world: World) -> None:
    for row in (await world.pay(), await world.pay(DELAY)):
        assert await code_of(approve(world, row)) is Code.TX_ALREADY_PROCESSED
    missing = world.app.operations.approvals.approve(
        "nothing", digest="", factor=Factor.HOST, actor="owner"
    )
    assert await code_of(missing) is Code.TX_NOT_FOUND


async def test_nothing_is_approved_while_stopped(world: World) -> None:
    row = await world.pay(APPROVAL)
    await world.app.safety.halt("test", "host")
    assert await code_of(approve(world, row)) is Code.SYSTEM_LOCKED


async def test_what_the_owner_approved_counts_for_limits_but_escalates_nothing(
    world: World,
) -> None:
    await world.set_rule(
        "CUMULATIVE_LIMIT",
        {
            "assets": {EVM.native.key: {"limit": str(7 * ETHER), "notify_above": str(ETHER)}},
            "window_seconds": 3600,
            "over": "each_wallet",
            "otherwise": "deny",
        },
        await world.rule_of("CUMULATIVE_LIMIT"),
    )
    row = await world.pay(APPROVAL)
    await approve(world, row)
    await world.quiet()
    assert (await world.settled(row.id)).status is Status.CONFIRMED
    assert (await world.pay(ETHER // 20)).tier == "INSTANT"
    assert await code_of(world.ask(ETHER)) is Code.CUMULATIVE_LIMIT_EXCEEDED


async def test_a_yes_in_time_outlives_the_sweep_that_had_not_seen_it(world: World) -> None:
    """Both wait for the writer: the yes was given a moment before the time ran out, the sweep looked after it."""
    row = await world.pay(APPROVAL)
    assert row.expires_at is not None
    world.clock.advance((row.expires_at - 1 - world.clock.now()) / 1000)
    free = asyncio.Event()

    async def writes(_: Unit) -> None:
        await free.wait()

    writing = asyncio.create_task(world.database.run(writes))
    yes = asyncio.create_task(approve(world, row))
    await turns()
    world.clock.advance(0.001)
    sweep = asyncio.create_task(world.app.upkeep.expire_overdue())
    await turns()
    free.set()
    await asyncio.gather(writing, yes, sweep)
    await world.quiet()

    assert (await world.settled(row.id)).status is Status.CONFIRMED
    assert Fact.TX_EXPIRED not in await world.facts(row.id)


async def turns() -> None:
    """Everything that can go on without the writer has gone on."""
    for _ in range(50):
        await asyncio.sleep(0)
