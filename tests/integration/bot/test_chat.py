"""The real bot against a local Telegram: what the owner sees, taps and types, and what faults do to it."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot.poller import Pace
from tests.support.console_chat import Chat, app_for, button, recovering, visitors
from tests.support.console_world import (
    CODE,
    ETHER,
    RECIPIENT,
    ConsoleWorld,
    console_world,
    eventually,
    running,
)
from tests.support.telegram_sandbox import TelegramSandbox
from wallet.domain.loosenings import Loosening
from wallet.domain.safety import StopState
from wallet.domain.tiers import Tier
from wallet.domain.transactions import Event, Status, Transaction
from wallet.operations.rule_changes import queue
from wallet.pipeline.moves import Cause, move
from wallet.ports.store import Unit


async def test_a_payment_is_approved_with_two_taps_on_one_message(chat: Chat) -> None:
    row = await chat.world.payment(Tier.APPROVAL, memo="for the\nmilk")
    card = await chat.card()
    assert RECIPIENT in card["text"]
    assert card["text"].endswith("“for the\\u{a}milk”")

    first = await chat.taps("Approve", "Approve this payment?")
    assert first == {
        "answer": "Press Confirm within 60 seconds.",
        "alert": False,
        "answered": True,
    }
    second = await chat.taps("Confirm", "Confirm this payment")
    assert second == {"answer": "Approved.", "alert": False, "answered": True}

    after = await chat.card("Approved, about to be sent")
    assert (after["message_id"], after["buttons"]) == (card["message_id"], [])
    assert (await chat.world.row(row.id)).consent_factor == "TAP"
    assert chat.world.executor.ids == [row.id]


async def test_back_takes_the_first_tap_back(chat: Chat) -> None:
    row = await chat.world.payment(Tier.APPROVAL)

    await chat.taps("Approve", "Approve this payment?")
    await chat.taps("Back", "Confirm this payment")

    message = await chat.card("Approve this payment?")
    assert button(message, "Reject")
    assert (await chat.world.row(row.id)).consent_at is None


async def test_a_payment_is_rejected_and_a_delayed_one_cancelled(chat: Chat) -> None:
    asked = await chat.world.payment(Tier.APPROVAL)
    held = await chat.world.payment(Tier.DELAY)

    await chat.taps("Reject", "Approve this payment?")
    await chat.taps("Cancel", "Payment on hold")

    await chat.card("Rejected in Telegram")
    await chat.card("Cancelled in Telegram")
    for row in (asked, held):
        assert (await chat.world.row(row.id)).status is Status.CANCELLED


async def happens(world: ConsoleWorld, row: Transaction, event: Event, **changes: Any) -> None:
    before, cause = await world.row(row.id), Cause("test", world.clock.now())

    async def body(unit: Unit) -> None:
        await move(unit, before, event, cause, **changes)

    await world.database.run(body)
    world.outbox.wake()


async def test_a_card_follows_its_payment_to_the_chain(chat: Chat) -> None:
    row = await chat.world.payment(Tier.NOTIFY)
    card = await chat.card("Payment accepted")

    now = chat.world.clock.now()
    await happens(chat.world, row, Event.START)
    await happens(chat.world, row, Event.SIGN, hash="0xabc123", submitted_at=now)
    await happens(chat.world, row, Event.CONFIRM, fee=21 * 10**12, executed_at=now)

    paid = await chat.card("✅ Paid")
    assert paid["message_id"] == card["message_id"]
    assert "Fee 0.000021 ETH" in paid["text"]
    assert "https://scan.test/tx/0xabc123" in paid["html"]


async def test_a_code_is_asked_for_used_and_deleted(chat: Chat) -> None:
    row = await chat.world.payment(Tier.APPROVAL, amount=2 * ETHER)

    asked = await chat.taps("Approve", "Approve this payment?")
    assert "6-digit code" in asked["answer"]
    await chat.reply("000000", "Tries left: 4")
    await chat.reply(CODE, "Approved.")

    assert (await chat.world.row(row.id)).consent_factor == "CODE"
    typed = [m["text"] for m in await chat.owner.messages() if m["from"] == "owner"]
    assert not {"000000", CODE} & set(typed)


async def test_a_code_that_nobody_asked_for_is_deleted_too(chat: Chat) -> None:
    await chat.reply("654 321", "No payment waits for a code")

    assert "654 321" not in [m["text"] for m in await chat.owner.messages()]


async def test_a_forged_text_freezes_approving(chat: Chat) -> None:
    row = await chat.world.payment(Tier.APPROVAL)
    card = await chat.card()
    data = button(card, "Approve") or ""

    answer = await chat.owner.presses(card["message_id"], data, stale_text="Pay 1 ETH to Mallory")

    assert answer["alert"]
    await chat.card("did not match the card")
    frozen = await chat.owner.presses(card["message_id"], data)
    assert "frozen" in frozen["answer"]
    await chat.taps("Reject", "Approve this payment?")
    assert (await chat.world.row(row.id)).status is Status.CANCELLED


async def test_a_dead_button_says_so(chat: Chat) -> None:
    await chat.world.payment(Tier.APPROVAL)
    card = await chat.card()
    data = button(card, "Reject") or ""
    await chat.owner.presses(card["message_id"], data)
    await chat.card("Rejected in Telegram")

    for old in (data, "a:" + "x" * 22, "a:", "what is this", "a:1:2:3"):
        answer = await chat.owner.presses(card["message_id"], old)
        assert answer["answer"] == "This button is out of date."


async def test_a_stranger_gets_silence(chat: Chat) -> None:
    await chat.world.payment(Tier.DELAY)
    card = await chat.card("Payment on hold")
    for words in ("/start", "/status", "/killswitch", "hello", "123456", "/start 0123456789"):
        await chat.stranger.says(words)

    pressed = asyncio.create_task(
        chat.stranger.presses(card["message_id"], button(card, "Cancel") or "")
    )
    await chat.reply("/help", "What you can do here")
    assert not (await pressed)["answered"]

    assert all(m["from"] == "stranger" for m in await chat.stranger.messages())
    stored = await chat.world.database.read(lambda unit: unit.console.next_update_offset())
    assert stored > 0
    assert (await chat.settled(await first_row(chat))).shown == 1


async def first_row(chat: Chat) -> Transaction:
    (row, *_) = await chat.world.queries.pending()
    return row


async def test_the_kill_switch_is_one_command_and_one_tap_away(chat: Chat) -> None:
    row = await chat.world.payment(Tier.DELAY)
    await chat.owner.says("/killswitch")

    answer = await chat.taps("Confirm", "Stop everything?")

    assert answer["alert"]
    assert "Waiting payments cancelled: 1" in answer["answer"]
    assert (await chat.world.safety.state()).state is StopState.ACTIVATED
    assert (await chat.world.row(row.id)).status is Status.CANCELLED
    await chat.card("Kill switch active")
    await chat.reply("/status", "🛑 Stopped")


async def test_a_running_recovery_is_cancelled_from_the_chat(chat: Chat) -> None:
    await recovering(chat.world)

    await chat.taps("Cancel recovery", "Recovery started")

    await chat.card("🛑 Recovery cancelled")
    assert (await chat.world.safety.state()).state is StopState.ACTIVATED


async def test_a_recovery_notice_can_be_put_aside(chat: Chat) -> None:
    await recovering(chat.world)

    await chat.taps("Dismiss", "Recovery started")

    await chat.owner.sees(lambda m: "Recovery started" in m["text"] and not m["buttons"])
    assert (await chat.world.safety.state()).state is StopState.RECOVERING


async def test_a_session_is_ended_from_the_chat(chat: Chat) -> None:
    await chat.reply("/sessions", "Live sessions: 1")
    await chat.owner.says("/revoke")
    await chat.taps("Revoke", "End this session?")

    await chat.card("✅ Session ended")
    assert (await chat.world.sessions.get(chat.world.session.id)).revoked_at is not None


async def test_an_offer_can_be_put_aside(chat: Chat) -> None:
    await chat.owner.says("/killswitch")
    await chat.taps("Dismiss", "Stop everything?")

    async def gone() -> bool:
        return not any("Stop everything?" in m["text"] for m in await chat.owner.messages())

    await eventually(gone)
    assert chat.world.safety.is_normal


async def test_a_rule_that_will_be_loosened_is_announced_shown_and_kept_from_the_chat(
    chat: Chat,
) -> None:
    now = chat.world.clock.now()
    rules = '{"max_tx_per_day":9,"max_tx_per_hour":5,"over":"all_wallets"}'
    waiting = [
        Loosening(f"l{n}", f"r{n}", None, "RATE_LIMIT", body, 1, now, now + 60_000, "host")
        for n, body in enumerate([rules, None])
    ]
    for one in waiting:
        await chat.world.database.run(partial(queue, waiting=one, words={"then": "5 an hour"}))
    chat.world.outbox.wake()
    announced = await chat.card("If this was not you, press Cancel change.")
    assert "Then: 5 an hour." in announced["text"]
    assert button(announced, "Cancel change")

    await chat.reply("/limits", "The rule is taken away.")
    await chat.taps("Cancel change", "Then: 5 an hour, 9 a day")

    await chat.card("🚫 Change cancelled")
    left = await chat.world.database.read(lambda unit: unit.loosenings.all())
    assert [one.id for one in left] == ["l1"]


async def test_commands_answer(chat: Chat) -> None:
    await chat.world.payment(Tier.APPROVAL)

    await chat.reply("/pending", "Waiting: 1")
    status = await chat.reply("/status", "🟢 Running")
    assert "5 ETH" in status["text"]
    await chat.reply("/limits", "No rules yet")
    await chat.reply("what?", "I did not understand")
    commands = await chat.owner.calls("setMyCommands")
    assert "killswitch" in str(commands)


@pytest.mark.parametrize(
    ("kind", "method"),
    [
        ("429", "sendMessage"),
        ("502", "sendMessage"),
        ("429", "getUpdates"),
        ("409", "getUpdates"),
        ("502", "getUpdates"),
        ("429", "answerCallbackQuery"),
        ("502", "editMessageText"),
        ("drop_answer", "getUpdates"),
    ],
)
async def test_faults_lose_nothing(chat: Chat, kind: str, method: str) -> None:
    await chat.owner.plants(kind, method=method, count=1, retry_after=1)
    row = await chat.world.payment(Tier.APPROVAL)

    await chat.card()
    await chat.taps("Reject", "Approve this payment?")
    await chat.card("Rejected in Telegram")
    await chat.reply("/pending", "Nothing is waiting")

    assert (await chat.world.row(row.id)).status is Status.CANCELLED
    assert not await chat.world.console.is_frozen()


async def test_another_listener_that_stays_freezes_approving(chat: Chat) -> None:
    await chat.owner.plants("409", method="getUpdates", count=8)

    await chat.card("Somebody else uses this bot's token")

    assert await chat.world.console.is_frozen()


async def test_a_webhook_that_is_not_ours_freezes_approving_and_is_taken_away(chat: Chat) -> None:
    url = f"{chat.sandbox.api}/bot{chat.sandbox.token}/setWebhook"
    async with httpx.AsyncClient() as http:
        (await http.post(url, json={"url": "https://evil.test/hook"})).raise_for_status()

    await chat.card("Somebody else uses this bot's token")

    assert await chat.world.console.is_frozen()
    await chat.reply("/help", "What you can do here")


async def test_a_bot_that_polls_says_so_before_anything_happens(
    tmp_path: Path, sandbox: TelegramSandbox
) -> None:
    async with console_world(tmp_path, owner_id=sandbox.owner_id, runs=True) as world:
        app = app_for(world, sandbox, Pace(poll=60))
        async with running(app.run):

            async def polling() -> bool:
                return app.status.state == "POLLING"

            await eventually(polling, seconds=20)
            assert app.status.last_poll_at is not None


async def test_a_refused_token_ends_polling_and_nothing_else(
    tmp_path: Path, sandbox: TelegramSandbox
) -> None:
    async with console_world(tmp_path, owner_id=sandbox.owner_id, runs=True) as world:
        sandbox_with_old_token = TelegramSandbox(
            sandbox.api, sandbox.chat, "123456:revoked", sandbox.owner_id, "", sandbox.process
        )
        app = app_for(world, sandbox_with_old_token)
        async with running(app.run, world.outbox.run):

            async def refused() -> bool:
                return app.status.state == "REFUSED"

            await eventually(refused)
        assert app.status.as_dict()["lastError"] == "TelegramUnauthorizedError"


async def test_pairing_goes_through_the_chat_and_ends_on_the_host(
    tmp_path: Path, sandbox: TelegramSandbox
) -> None:
    async with (
        visitors(sandbox) as (owner, stranger),
        console_world(tmp_path, owner_id=555, runs=True) as world,
    ):
        code = await world.owner_desk.start_pairing("host")
        app = app_for(world, sandbox)
        async with running(app.run, world.outbox.run):
            await stranger.says("/start AAAAAAAAAA")
            await stranger.sees(lambda m: "not valid" in m["text"])
            await owner.says(f"/start {code}")
            await owner.sees(lambda m: "The code is right" in m["text"])

            await world.owner_desk.confirm_pairing("host", sandbox.owner_id)
            world.outbox.wake()
            await owner.sees(lambda m: "now belongs to the owner" in m["text"])
            assert (await world.owner_desk.owner()).user_id == sandbox.owner_id  # type: ignore[union-attr]


async def test_what_was_stored_is_handled_after_a_restart(
    tmp_path: Path, sandbox: TelegramSandbox
) -> None:
    async with (
        visitors(sandbox) as (owner, _),
        console_world(tmp_path, owner_id=sandbox.owner_id, runs=True) as world,
    ):
        first = app_for(world, sandbox)
        async with running(first.run):
            await owner.sees(lambda m: "belongs to the wallet's owner" in m["text"])
        await owner.says("/help")
        second = app_for(world, sandbox)
        async with running(second.run):
            await owner.sees(lambda m: "What you can do here" in m["text"])
        third = app_for(world, sandbox)
        async with running(third.run):
            await owner.says("/pending")
            await owner.sees(lambda m: "Nothing is waiting" in m["text"])

        replies = [m["text"] for m in await owner.messages() if m["from"] == "bot"]
        assert len([text for text in replies if "What you can do here" in text]) == 1
