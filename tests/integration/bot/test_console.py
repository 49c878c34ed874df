"""What a tap can do, walked whole: every button against every status, and everything that does not fit."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.console_world import CODE, ETHER, ConsoleWorld, console_world
from tests.support.stores import an_attempt
from wallet.domain.console import Action, Handle
from wallet.domain.loosenings import Loosening
from wallet.domain.safety import StopState
from wallet.domain.tiers import Tier
from wallet.domain.transactions import Purpose, Status, Transaction
from wallet.errors import WalletError
from wallet.operations.taps import Answer, AnswerKind, Press

CHAT = 1001
SHOWN = "the card"
CARD_ACTIONS = [Action.APPROVE, Action.CONFIRM_APPROVE, Action.BACK, Action.REJECT, Action.CANCEL]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[ConsoleWorld]:
    async with console_world(tmp_path) as made:
        yield made


async def shown(world: ConsoleWorld, row: Transaction, stage: str = "CARD") -> None:
    """The card stands in the chat as message 7."""
    card = await world.card(row.id)
    until = None if stage == "CARD" else world.clock.now() + 60_000
    seen = replace(card, message_id=7, renderings=(SHOWN,), stage=stage, stage_until=until)
    await world.database.run(lambda unit: unit.console.save_card(seen))


async def button(world: ConsoleWorld, action: Action, row: Transaction) -> str:
    word = f"{action}-{row.id}"
    handle = Handle(word, action, row.id, row.digest, 1, CHAT, 7, SHOWN, None)
    await world.database.run(lambda unit: unit.console.add_handle(handle))
    return word


async def tap(world: ConsoleWorld, word: str, **other: object) -> Answer:
    press = Press(word, CHAT, CHAT, 7, SHOWN)
    return await world.console.press(replace(press, **other))  # type: ignore[arg-type]


def legal(action: Action, tier: Tier, status: Status, stage: str) -> bool:
    if status is not Status.QUEUED:
        return False
    if tier is Tier.DELAY:
        return action is Action.CANCEL
    wanted = {
        Action.APPROVE: ("CARD",),
        Action.CONFIRM_APPROVE: ("CONFIRM",),
        Action.BACK: ("CONFIRM", "CODE"),
        Action.REJECT: ("CARD", "CONFIRM", "CODE"),
    }
    return tier is Tier.APPROVAL and stage in wanted.get(action, ())


async def test_only_the_legal_taps_have_an_effect(world: ConsoleWorld) -> None:
    for tier in Tier:
        for status in Status:
            for stage in ("CARD", "CONFIRM", "CODE"):
                for action in CARD_ACTIONS:
                    row = await world.payment(tier, status)
                    await shown(world, row, stage)
                    before = await world.row(row.id)

                    answer = await tap(world, await button(world, action, row))

                    case = f"{action} on {tier} {status} in {stage}"
                    after, card = await world.row(row.id), await world.card(row.id)
                    if not legal(action, tier, status, stage):
                        assert answer.kind is AnswerKind.OUT_OF_DATE, case
                        assert after == before, case
                        assert card.stage == stage, case
                    elif action in (Action.REJECT, Action.CANCEL):
                        assert after.status is Status.CANCELLED, case
                    elif action is Action.CONFIRM_APPROVE:
                        assert after.consent_factor == "TAP", case
                    else:
                        assert after == before, case
                        assert card.stage == ("CONFIRM" if action is Action.APPROVE else "CARD"), (
                            case
                        )
                        await world.transactions.cancel(row.id, actor="test", reason="make room")
    assert len(world.executor.ids) == 1


async def test_a_tap_counts_once(world: ConsoleWorld) -> None:
    row = await world.payment(Tier.APPROVAL)
    await shown(world, row, "CONFIRM")
    word = await button(world, Action.CONFIRM_APPROVE, row)

    kinds = [(await tap(world, word)).kind for _ in range(2)]

    assert kinds == [AnswerKind.APPROVED, AnswerKind.OUT_OF_DATE]
    assert world.executor.ids == [row.id]


@pytest.mark.parametrize("what", ["text", "message_id"])
async def test_a_tap_that_does_not_fit_freezes_approving_but_not_stopping(
    world: ConsoleWorld, what: str
) -> None:
    row = await world.payment(Tier.APPROVAL)
    await shown(world, row)
    approve = await button(world, Action.APPROVE, row)
    forged = {"text": "Pay 5 ETH to Mallory"} if what == "text" else {"message_id": 8}

    answer = await tap(world, approve, **forged)

    assert (answer.kind, answer.alert) == (AnswerKind.MISMATCH, True)
    assert await world.facts() == ["CARD_MISMATCH"]
    assert await world.alerts() == ["CARD_MISMATCH"]
    assert await world.console.is_frozen()
    assert (await tap(world, approve)).kind is AnswerKind.FROZEN
    assert (await tap(world, await button(world, Action.REJECT, row))).kind is AnswerKind.REJECTED


@pytest.mark.parametrize("who", [{"user_id": 5}, {"chat_id": 5}, {"user_id": 5, "chat_id": 5}])
async def test_nobody_else_can_use_the_owners_button(
    world: ConsoleWorld, who: dict[str, int]
) -> None:
    row = await world.payment(Tier.DELAY)
    await shown(world, row)

    answer = await tap(world, await button(world, Action.CANCEL, row), **who)

    assert answer.kind is AnswerKind.OUT_OF_DATE
    assert (await world.row(row.id)).status is Status.QUEUED


async def test_a_card_that_was_sent_just_before_a_crash_is_recognised(world: ConsoleWorld) -> None:
    row = await world.payment(Tier.APPROVAL)
    card = replace(await world.card(row.id), renderings=(SHOWN,))
    await world.database.run(lambda unit: unit.console.save_card(card))
    handle = Handle("lost", Action.REJECT, row.id, row.digest, 1, CHAT, None, None, None)
    await world.database.run(lambda unit: unit.console.add_handle(handle))

    answer = await tap(world, "lost")

    assert answer.kind is AnswerKind.REJECTED
    assert (await world.card(row.id)).message_id == 7


async def test_a_message_too_old_to_be_read_shows_its_card_anew(world: ConsoleWorld) -> None:
    row = await world.payment(Tier.DELAY)
    await shown(world, row)

    answer = await tap(world, await button(world, Action.CANCEL, row), text=None)

    assert answer.kind is AnswerKind.OUT_OF_DATE
    assert (await world.card(row.id)).message_id is None


async def test_a_lapsed_question_cannot_be_answered(world: ConsoleWorld) -> None:
    row = await world.payment(Tier.APPROVAL, expires_at=world.clock.now())
    await shown(world, row, "CONFIRM")

    answer = await tap(world, await button(world, Action.CONFIRM_APPROVE, row))

    assert answer.kind is AnswerKind.OUT_OF_DATE
    assert world.executor.ids == []


async def test_confirming_too_late_asks_again(world: ConsoleWorld) -> None:
    row = await world.payment(Tier.APPROVAL)
    await shown(world, row, "CONFIRM")
    world.clock.passes(60)

    answer = await tap(world, await button(world, Action.CONFIRM_APPROVE, row))

    assert answer.kind is AnswerKind.OUT_OF_DATE
    assert (await world.row(row.id)).consent_at is None


async def test_a_large_amount_needs_the_code(world: ConsoleWorld) -> None:
    row = await world.payment(Tier.APPROVAL, amount=2 * ETHER)
    await shown(world, row)

    assert (
        await tap(world, await button(world, Action.APPROVE, row))
    ).kind is AnswerKind.CODE_ASKED
    wrong = await world.console.typed_code(CHAT, "000000")
    assert (wrong.kind, wrong.params["left"]) == (AnswerKind.WRONG_CODE, "4")
    assert (await world.console.typed_code(CHAT, CODE)).kind is AnswerKind.APPROVED

    after = await world.row(row.id)
    assert (after.consent_factor, world.executor.ids) == ("CODE", [row.id])
    assert (await world.console.typed_code(CHAT, CODE)).kind is AnswerKind.NOT_WAITING


async def test_what_an_earlier_owner_asked_takes_no_code_of_the_next(world: ConsoleWorld) -> None:
    """A thief of the account pressed Approve; the owner pairs anew and types a code."""
    row = await world.payment(Tier.APPROVAL, amount=2 * ETHER)
    await shown(world, row)
    assert (
        await tap(world, await button(world, Action.APPROVE, row))
    ).kind is AnswerKind.CODE_ASKED
    code = await world.owner_desk.start_pairing("host")
    assert await world.owner_desk.offer_pairing(code, 2002, 2002, "Olga", None)
    await world.owner_desk.confirm_pairing("host", 2002)

    assert (await world.console.typed_code(2002, CODE)).kind is AnswerKind.NOT_WAITING
    assert (await world.row(row.id)).consent_at is None


async def test_one_code_answers_one_card(world: ConsoleWorld) -> None:
    rows = [await world.payment(Tier.APPROVAL, amount=2 * ETHER) for _ in range(2)]
    for row in rows:
        await shown(world, row)
        await tap(world, await button(world, Action.APPROVE, row))

    assert (await world.card(rows[0].id)).stage == "CARD"
    assert (await world.console.typed_code(CHAT, CODE)).kind is AnswerKind.APPROVED
    await tap(world, f"{Action.APPROVE}-{rows[0].id}")

    assert world.executor.ids == [rows[1].id]


async def test_a_code_is_not_taken_twice(world: ConsoleWorld) -> None:
    rows = [await world.payment(Tier.APPROVAL, amount=2 * ETHER) for _ in range(2)]
    for row in rows:
        await shown(world, row)
        await tap(world, await button(world, Action.APPROVE, row))
        await world.console.typed_code(CHAT, CODE)

    assert world.executor.ids == [rows[0].id]


async def test_a_code_that_comes_too_late_is_not_asked_for_any_more(world: ConsoleWorld) -> None:
    row = await world.payment(Tier.APPROVAL, amount=2 * ETHER)
    await shown(world, row)
    await tap(world, await button(world, Action.APPROVE, row))
    world.clock.passes(120)

    assert (await world.console.typed_code(CHAT, CODE)).kind is AnswerKind.NOT_WAITING


async def test_a_code_from_another_chat_is_nobodys(world: ConsoleWorld) -> None:
    row = await world.payment(Tier.APPROVAL, amount=2 * ETHER)
    await shown(world, row)
    await tap(world, await button(world, Action.APPROVE, row))

    assert (await world.console.typed_code(5, CODE)).kind is AnswerKind.NOT_WAITING


async def test_an_amount_above_every_band_is_approved_on_the_host_only(
    world: ConsoleWorld,
) -> None:
    row = await world.payment(Tier.APPROVAL, amount=11 * ETHER)
    await shown(world, row)

    answer = await tap(world, await button(world, Action.APPROVE, row))

    assert (answer.kind, answer.params["id"]) == (AnswerKind.HOST_NEEDED, row.id)
    assert (await world.card(row.id)).stage == "CARD"


async def test_a_confirmation_asks_for_the_code_when_taps_are_used_up(world: ConsoleWorld) -> None:
    row = await world.payment(Tier.APPROVAL)
    await shown(world, row, "CONFIRM")
    await world.set_bands(tap=1, code=10 * ETHER)

    answer = await tap(world, await button(world, Action.CONFIRM_APPROVE, row))

    assert answer.kind is AnswerKind.CODE_ASKED
    assert (await world.row(row.id)).consent_at is None


async def test_nothing_is_approved_while_stopped(world: ConsoleWorld) -> None:
    confirm, _ = await world.console.offer_kill(CHAT)
    answer = await tap(world, confirm.handle)
    assert (answer.kind, answer.params["sessions"]) == (AnswerKind.STOPPED, "1")
    assert (await world.safety.state()).state is StopState.ACTIVATED
    assert not world.vault.alive

    again, _ = await world.console.offer_kill(CHAT)
    with pytest.raises(WalletError, match="already active"):
        await tap(world, again.handle)


async def test_an_offer_is_bound_to_its_message_and_lapses(world: ConsoleWorld) -> None:
    buttons = await world.console.offer_revoke(CHAT, world.session.id)
    await world.console.bind(buttons, 9, "End this session?")

    forged = await tap(world, buttons[0].handle, message_id=9, text="Claim your prize")
    assert forged.kind is AnswerKind.MISMATCH
    real = await tap(world, buttons[0].handle, message_id=9, text="End this session?")
    assert real.kind is AnswerKind.REVOKED
    assert (await world.sessions.get(world.session.id)).revoked_at is not None

    late, _ = await world.console.offer_kill(CHAT)
    world.clock.passes(600)
    assert (await tap(world, late.handle)).kind is AnswerKind.OUT_OF_DATE


async def test_a_change_that_waits_is_cancelled_by_its_button_once(world: ConsoleWorld) -> None:
    now = world.clock.now()
    waiting = Loosening("l1", "r1", None, "RATE_LIMIT", None, 1, now, now + 60_000, "host")
    await world.database.run(lambda unit: unit.loosenings.add(waiting))
    cancel, _ = await world.console.offer_cancel_loosening(CHAT, "l1")
    again, _ = await world.console.offer_cancel_loosening(CHAT, "l1")

    assert (await tap(world, cancel.handle)).kind is AnswerKind.LOOSENING_CANCELLED
    assert await world.database.read(lambda unit: unit.loosenings.all()) == []
    assert "POLICY_LOOSENING_CANCELLED" in await world.alerts()
    assert (await tap(world, again.handle)).kind is AnswerKind.OUT_OF_DATE


async def test_an_update_that_fails_three_times_is_parked_and_shown(world: ConsoleWorld) -> None:
    await world.inbox.store_updates({41: "{}", 42: "secret"}, next_offset=43)
    await world.inbox.store_updates({42: "again"}, next_offset=43)
    for _ in range(3):
        (first, *_) = await world.inbox.waiting_updates()
        await world.inbox.fail_update(first)

    (left,) = await world.inbox.waiting_updates()
    assert (left.update_id, left.body) == (42, "secret")
    assert await world.alerts() == ["UPDATE_PARKED"]
    await world.inbox.finish_update(left)
    assert await world.inbox.waiting_updates() == []
    assert await world.inbox.next_offset() == 43


# ---- payments on their way


async def on_its_way(world: ConsoleWorld, **more: Any) -> Transaction:
    """A payment that was sent long ago, whose card offers to speed it up or cancel it."""
    now = world.clock.now()
    given = {"stuck_at": now, "offered_ceiling": 2 * 10**16, "submitted_at": now} | more
    row = await world.payment(Tier.NOTIFY, Status.SUBMITTED, **given)
    await world.database.run(
        lambda unit: unit.attempts.add(an_attempt(f"0x{row.id}", transaction_id=row.id))
    )
    return row


ORDERS = [
    (Action.SPEED_UP, Action.CONFIRM_SPEED_UP, "SPEED_UP", AnswerKind.SPEED_UP_ORDERED),
    (Action.CANCEL_SENT, Action.CONFIRM_CANCEL_SENT, "CANCEL", AnswerKind.CANCEL_ORDERED),
]
REPLACING = [action for ask, confirm, _, _ in ORDERS for action in (ask, confirm)]


@pytest.mark.parametrize(("ask", "confirm", "stage", "done"), ORDERS)
async def test_two_taps_order_something_about_a_sent_payment(
    world: ConsoleWorld, ask: Action, confirm: Action, stage: str, done: AnswerKind
) -> None:
    row = await on_its_way(world)
    await shown(world, row)

    assert (await tap(world, await button(world, ask, row))).kind is AnswerKind.CONFIRM_ASKED
    assert (await world.card(row.id)).stage == stage
    await shown(world, row, stage)
    word = await button(world, confirm, row)
    kinds = [(await tap(world, word)).kind for _ in range(2)]

    assert kinds == [done, AnswerKind.OUT_OF_DATE]
    after = await world.row(row.id)
    assert (after.status, after.wanted) == (Status.SUBMITTED, stage)
    assert (after.cancelling_at is not None) == (stage == "CANCEL")
    assert world.executor.ids == [row.id]


@pytest.mark.parametrize(("ask", "confirm", "stage", "done"), ORDERS)
async def test_a_large_sent_payment_needs_the_code(
    world: ConsoleWorld, ask: Action, confirm: Action, stage: str, done: AnswerKind
) -> None:
    row = await on_its_way(world, amount=2 * ETHER)
    await shown(world, row)

    assert (await tap(world, await button(world, ask, row))).kind is AnswerKind.CODE_ASKED
    assert (await world.card(row.id)).stage == f"{stage}_CODE"
    assert (await world.console.typed_code(CHAT, "000000")).kind is AnswerKind.WRONG_CODE
    assert (await world.console.typed_code(CHAT, CODE)).kind is done
    assert (await world.row(row.id)).wanted == stage
    assert (await world.card(row.id)).stage == "CARD"


async def test_a_sent_payment_above_every_band_is_replaced_on_the_host_only(
    world: ConsoleWorld,
) -> None:
    row = await on_its_way(world, amount=11 * ETHER)
    await shown(world, row)
    for ask, command in ((Action.SPEED_UP, "speed-up"), (Action.CANCEL_SENT, "cancel")):
        answer = await tap(world, await button(world, ask, row))
        assert (answer.kind, answer.params["command"]) == (AnswerKind.HOST_NEEDED, command)
    assert (await world.row(row.id)).wanted is None


async def test_a_freeze_covers_orders_about_sent_payments(world: ConsoleWorld) -> None:
    row = await on_its_way(world)
    await shown(world, row)
    await world.console.freeze("POLLER_CONFLICT", {"what": "another poller"})
    for action in (Action.SPEED_UP, Action.CANCEL_SENT):
        assert (await tap(world, await button(world, action, row))).kind is AnswerKind.FROZEN


async def test_orders_are_out_of_date_where_nothing_is_offered(world: ConsoleWorld) -> None:
    cases: list[dict[str, Any]] = [
        {"stuck_at": None},
        {"wanted": Purpose.SPEED_UP},
        {"cancelling_at": 5},
        {"chain": "solana"},
    ]
    for case in cases:
        for stage in ("CARD", "SPEED_UP", "CANCEL"):
            row = await on_its_way(world, **case)
            await shown(world, row, stage)
            for action in REPLACING:
                answer = await tap(world, await button(world, action, row))
                assert answer.kind is AnswerKind.OUT_OF_DATE, (case, stage, action)
    assert world.executor.ids == []


async def test_a_stage_of_another_button_confirms_nothing(world: ConsoleWorld) -> None:
    speed_up, cancel = Action.CONFIRM_SPEED_UP, Action.CONFIRM_CANCEL_SENT
    for stage, action in (("CANCEL", speed_up), ("SPEED_UP", cancel), ("CARD", speed_up)):
        row = await on_its_way(world)
        await shown(world, row, stage)
        answer = await tap(world, await button(world, action, row))
        assert answer.kind is AnswerKind.OUT_OF_DATE
        assert (await world.row(row.id)).wanted is None


async def test_back_takes_an_order_back(world: ConsoleWorld) -> None:
    row = await on_its_way(world)
    await shown(world, row, "SPEED_UP")
    assert (await tap(world, await button(world, Action.BACK, row))).kind is AnswerKind.BACK
    assert ((await world.card(row.id)).stage, (await world.row(row.id)).wanted) == ("CARD", None)
