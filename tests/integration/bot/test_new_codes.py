"""After a recovery the chat offers new claim codes for the sessions that the stop ended, once."""

from typing import Any

from tests.support.console_chat import Chat, button
from tests.support.console_world import CODE, ETHER, SUBKEYS
from wallet.domain.safety import StopState, SystemState
from wallet.domain.sessions import Session
from wallet.ports.store import Unit

LINE = "shopper · main · at most 100 ETH, 100 payments, for 1 h"
COMMAND = "waiaas session create main --limit 100 --name shopper --max-transactions 100 --ttl 3600"


async def recovered(chat: Chat, *, tap: int = ETHER, code: int = 10 * ETHER) -> dict[str, Any]:
    """A stop ended the session, and a recovery is over; the message that says so."""
    world = chat.world
    await world.set_bands(tap, code)
    await world.safety.halt("a drill", "owner:telegram")
    stopped = await world.safety.state()
    world.vault.alive, world.vault.locked = True, False
    world.keyring.fill(SUBKEYS)
    normal = SystemState(StopState.NORMAL, stopped.version + 1)
    facts = {"state": "NORMAL", "reason": "", "stoppedAt": str(stopped.activated_at)}

    async def body(unit: Unit) -> None:
        assert await unit.authority.save_state(normal, expected_version=stopped.version)
        await unit.console.alert("R", "KILL_SWITCH_RECOVERED", facts, world.clock.now())

    await world.database.run(body)
    world.outbox.wake()
    return await chat.card("Running again")


async def fresh(chat: Chat) -> list[Session]:
    return [one for one in await chat.world.sessions.list() if one.revoked_at is None]


async def now_shows(chat: Chat, offer: dict[str, Any], label: str | None) -> dict[str, Any]:
    def fits(message: dict[str, Any]) -> bool:
        shown = bool(button(message, label)) if label else not message["buttons"]
        return message["message_id"] == offer["message_id"] and shown

    return await chat.owner.sees(fits)


async def test_two_taps_grant_the_same_sessions_and_show_their_codes(chat: Chat) -> None:
    offer = await recovered(chat, tap=1000 * ETHER, code=1000 * ETHER)
    assert offer["text"].startswith("🟢 Running again")
    assert LINE in offer["text"]
    assert "takes two taps" in offer["text"]
    first = button(offer, "New claim codes") or ""

    asked = await chat.owner.presses(offer["message_id"], first)
    assert asked["answer"] == "Press Confirm within 60 seconds."
    assert await fresh(chat) == []
    confirm = button(await now_shows(chat, offer, "Confirm"), "Confirm") or ""
    given = await chat.owner.presses(offer["message_id"], confirm)

    assert "New claim codes follow" in given["answer"]
    codes = await chat.card("Give each code to its agent")
    assert "shopper · main" in codes["text"]
    assert "wai_sess_" not in codes["text"]
    (session,) = await fresh(chat)
    old = chat.world.session
    assert (session.name, session.wallet_id, session.limits, session.ttl_seconds) == (
        old.name, old.wallet_id, old.limits, old.ttl_seconds,
    )  # fmt: skip
    assert (session.claimed_at, session.token_hash, dict(session.spent)) == (None, None, {})
    await now_shows(chat, offer, None)
    rows = await chat.world.database.read(lambda unit: unit.audit.rows())
    (made,) = [row for row in rows if row["fact"] == "SESSION_CREATED"]
    assert (made["actor"], made["details"]["factor"]) == ("owner:telegram", "TAP")


async def test_pressing_again_creates_nothing_again(chat: Chat) -> None:
    offer = await recovered(chat, tap=1000 * ETHER, code=1000 * ETHER)
    first = button(offer, "New claim codes") or ""
    await chat.owner.presses(offer["message_id"], first)
    confirm = button(await now_shows(chat, offer, "Confirm"), "Confirm") or ""
    await chat.owner.presses(offer["message_id"], confirm)
    await chat.card("Give each code to its agent")

    for data in (confirm, first, confirm):
        again = await chat.owner.presses(offer["message_id"], data)
        assert "given before" in again["answer"]

    assert len(await fresh(chat)) == 1


async def test_a_code_is_asked_for_where_the_limits_need_one(chat: Chat) -> None:
    offer = await recovered(chat, code=1000 * ETHER)
    assert "asks for your 6-digit code" in offer["text"]

    asked = await chat.owner.presses(offer["message_id"], button(offer, "New claim") or "")
    assert "6-digit code" in asked["answer"]
    await chat.reply("000000", "Tries left: 4")
    assert await fresh(chat) == []
    await chat.reply(CODE, "New claim codes follow")

    assert len(await fresh(chat)) == 1
    await chat.card("Give each code to its agent")
    await now_shows(chat, offer, None)


async def test_what_is_too_large_for_the_chat_gets_its_host_command(chat: Chat) -> None:
    offer = await recovered(chat)

    assert offer["buttons"] == []
    assert COMMAND in offer["text"]
    assert "Too large to grant here" in offer["text"]


async def test_back_offers_it_again(chat: Chat) -> None:
    offer = await recovered(chat, tap=1000 * ETHER, code=1000 * ETHER)
    await chat.owner.presses(offer["message_id"], button(offer, "New claim codes") or "")

    back = button(await now_shows(chat, offer, "Back"), "Back") or ""
    await chat.owner.presses(offer["message_id"], back)

    assert button(await now_shows(chat, offer, "New claim codes"), "Dismiss")
    assert await fresh(chat) == []


async def test_bands_that_were_lowered_meanwhile_count(chat: Chat) -> None:
    offer = await recovered(chat, tap=1000 * ETHER, code=1000 * ETHER)
    await chat.owner.presses(offer["message_id"], button(offer, "New claim codes") or "")
    confirm = button(await now_shows(chat, offer, "Confirm"), "Confirm") or ""
    await chat.world.set_bands(1, 1)

    refused = await chat.owner.presses(offer["message_id"], confirm)

    assert "Too large to grant here" in refused["answer"]
    assert await fresh(chat) == []


async def test_a_forged_offer_freezes_and_grants_nothing(chat: Chat) -> None:
    offer = await recovered(chat, tap=1000 * ETHER, code=1000 * ETHER)
    data = button(offer, "New claim codes") or ""

    forged = await chat.owner.presses(offer["message_id"], data, stale_text="Claim your prize")
    frozen = await chat.owner.presses(offer["message_id"], data)

    assert forged["alert"]
    assert "waiaas pair" in frozen["answer"]
    assert await fresh(chat) == []


async def test_claim_codes_do_not_stay_in_the_store(chat: Chat) -> None:
    offer = await recovered(chat, tap=1000 * ETHER, code=1000 * ETHER)
    await chat.owner.presses(offer["message_id"], button(offer, "New claim codes") or "")
    confirm = button(await now_shows(chat, offer, "Confirm"), "Confirm") or ""
    await chat.owner.presses(offer["message_id"], confirm)
    said = await chat.card("Give each code to its agent")
    code = next(line for line in said["text"].splitlines() if len(line) == 10 and line.isalnum())

    async def kept() -> list[str]:
        def look(unit: Any) -> Any:
            return unit.console.alerts_due(chat.world.clock.now() + 10**9, 100)

        return [str(one.payload) for one in await chat.world.database.read(look)]

    assert all(code not in payload for payload in await kept())
