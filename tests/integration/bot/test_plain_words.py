"""What the chat says when something ended, was used up, or cannot be done here."""

from pathlib import Path

import pytest

from tests.support.console_chat import Chat, app_for, button, recovering, visitors
from tests.support.console_world import CODE, ETHER, console_world, eventually, running
from tests.support.telegram_sandbox import TelegramSandbox
from wallet.domain.tiers import Tier
from wallet.errors import ConflictError


async def test_a_rejected_payment_says_rejected_and_our_reason_is_no_quotation(
    chat: Chat,
) -> None:
    await chat.world.payment(Tier.APPROVAL)
    await chat.world.payment(Tier.DELAY)
    await chat.taps("Reject", "Approve this payment?")
    await chat.taps("Cancel", "Payment on hold")

    rejected = (await chat.card("Reason: Rejected in Telegram"))["text"]
    cancelled = (await chat.card("Reason: Cancelled in Telegram"))["text"]

    assert rejected.startswith("🚫 Rejected")
    assert cancelled.startswith("🚫 Cancelled")
    assert "“" not in rejected + cancelled


async def test_what_only_the_host_can_approve_has_no_approve_button(chat: Chat) -> None:
    row = await chat.world.payment(Tier.APPROVAL, amount=11 * ETHER)
    card = await chat.card()
    assert [b["text"] for r in card["buttons"] for b in r] == ["Reject"]
    assert f"waiaas approve {row.id}" in card["text"]

    await chat.world.owner_desk.set_bands({row.asset: chat.world.owner.bands[row.asset]}, "host")
    await chat.settled(row)
    await chat.taps("Reject", "Too large to approve here")
    await chat.card("🚫 Rejected")


async def test_a_used_code_is_called_used_and_costs_no_try(chat: Chat) -> None:
    rows = [await chat.world.payment(Tier.APPROVAL, amount=2 * ETHER) for _ in range(2)]
    await chat.taps("Approve", rows[0].id)
    await chat.reply(CODE, "Approved.")
    await chat.taps("Approve", rows[1].id)

    await chat.reply(CODE, "used before")
    await chat.reply("000000", "Tries left: 4")

    assert (await chat.world.row(rows[1].id)).consent_at is None


async def test_a_code_for_a_decided_payment_is_not_even_looked_at(chat: Chat) -> None:
    row = await chat.world.payment(Tier.APPROVAL, amount=2 * ETHER)
    await chat.taps("Approve", row.id)
    await chat.world.transactions.cancel(row.id, actor="host", reason="no")

    await chat.reply("000000", "No payment waits for a code")

    assert await chat.world.database.read(lambda unit: unit.authority.counter("totp")) == (0, 0)


async def test_a_freeze_names_the_way_to_lift_it(chat: Chat) -> None:
    await chat.world.payment(Tier.APPROVAL)
    card = await chat.card()

    forged = await chat.owner.presses(
        card["message_id"], button(card, "Approve") or "", stale_text="Pay Mallory"
    )

    assert "waiaas pair" in forged["answer"]


async def test_killswitch_says_how_things_stand_while_stopped(chat: Chat) -> None:
    await chat.world.safety.halt("a drill", "host")
    stopped = await chat.reply("/killswitch", "🛑 Stopped already")
    assert stopped["buttons"] == []
    assert "waiaas recover" in stopped["text"]

    await recovering(chat.world)
    shown = await chat.reply("/killswitch", "🛑 Stopped, and recovering")
    assert "Payments start again at 20" in shown["text"]
    await chat.owner.presses(shown["message_id"], button(shown, "Cancel recovery") or "")

    assert (await chat.world.safety.state()).recovery_cancelled_by_chat
    assert not any("Stop everything?" in m["text"] for m in await chat.owner.messages())


async def test_a_chat_that_cancelled_once_is_not_offered_it_again(chat: Chat) -> None:
    safety = chat.world.safety
    await safety.halt("a drill", "host")
    await safety._store_recovery(chat.world.clock.now() + 10**7, "host", None)
    chat.world.outbox.wake()
    await chat.taps("Cancel recovery", "Recovery started")

    await safety._store_recovery(chat.world.clock.now() + 10**7, "host", None)
    chat.world.outbox.wake()

    again = await chat.card("Recovery started again")
    assert again["buttons"] == []
    assert "waiaas recover --cancel" in again["text"]
    shown = await chat.reply("/killswitch", "🛑 Stopped, and recovering")
    assert shown["buttons"] == []
    assert "waiaas recover --cancel" in shown["text"]


async def test_a_button_for_a_recovery_that_is_over_goes_away(chat: Chat) -> None:
    await recovering(chat.world)
    notice = await chat.card("Recovery started")
    data = button(notice, "Cancel recovery") or ""
    await chat.world.safety.cancel_recovery("host")

    answer = await chat.owner.presses(notice["message_id"], data)

    assert "No recovery is running" in answer["answer"]
    await chat.owner.sees(lambda m: m["message_id"] == notice["message_id"] and not m["buttons"])


async def test_every_button_carries_a_handle(chat: Chat) -> None:
    await recovering(chat.world)
    await chat.world.payment(Tier.APPROVAL)
    await chat.card("Recovery started")
    await chat.card()

    data = [b["data"] for m in await chat.owner.messages() for row in m["buttons"] for b in row]

    assert len(data) == 4
    assert all(one.startswith("a:") and len(one) == 24 for one in data)


async def test_the_owner_before_is_told_and_what_waits_is_asked_of_the_new_one(
    tmp_path: Path, sandbox: TelegramSandbox
) -> None:
    async with (
        visitors(sandbox) as (owner, stranger),
        console_world(tmp_path, owner_id=sandbox.owner_id, runs=True) as world,
    ):
        app = app_for(world, sandbox)
        async with running(app.run, world.outbox.run):
            row = await world.payment(Tier.APPROVAL)
            await owner.sees(lambda m: button(m, "Approve"))
            code = await world.owner_desk.start_pairing("host")
            await stranger.says(f"/start {code}")
            await stranger.sees(lambda m: "The code is right" in m["text"])
            candidate = (await world.owner_desk.pairing_status())["candidate"]
            await world.owner_desk.confirm_pairing("host", candidate["id"])
            world.outbox.wake()

            told = await owner.sees(lambda m: "no longer belongs to the owner" in m["text"])
            assert "waiaas kill" in told["text"]
            await stranger.sees(lambda m: row.id in m["text"] and button(m, "Approve"))
            await owner.sees(lambda m: row.id in m["text"] and not m["buttons"])


async def test_a_sender_whom_the_host_did_not_name_is_not_paired(
    tmp_path: Path, sandbox: TelegramSandbox
) -> None:
    async with (
        visitors(sandbox) as (_, stranger),
        console_world(tmp_path, owner_id=sandbox.owner_id, runs=True) as world,
    ):
        app, desk = app_for(world, sandbox), world.owner_desk
        async with running(app.run, world.outbox.run):
            code = await desk.start_pairing("host")
            await stranger.says(f"/start {code}")

            async def arrived() -> bool:
                return bool((await desk.pairing_status())["state"] == "CANDIDATE")

            await eventually(arrived)
            sender = (await desk.pairing_status())["candidate"]["id"]
            with pytest.raises(ConflictError, match="was sent by"):
                await desk.confirm_pairing("host", sandbox.owner_id)
            await desk.void_pairing("host")

            assert (await desk.pairing_status())["state"] == "VOID"
            with pytest.raises(Exception, match="No pairing is open"):
                await desk.confirm_pairing("host", sender)
            assert (await desk.owner()) == world.owner
