"""Who may answer for the owner: factors, bands, pairing, claim codes and renewals."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.attacks.catalogue import scenario
from tests.attacks.test_sessions import answered, claims_of
from tests.attacks.test_stop import stop
from tests.support.chain import ETHER
from tests.support.chat import OWNER_ID, Chat, chat_of
from tests.support.house import House, bearer, house, tiers
from tests.support.vault import PASSWORD, code_at
from wallet.domain.facts import Fact
from wallet.ports.world import TAPPED

CLAIM = "/v1/sessions/claim"


async def enrol(home: House) -> None:
    assert (await home.host("POST", "/v1/factor/totp")).status_code == 201
    body = {"code": code_at(home.world.clock.now())}
    assert (await home.host("POST", "/v1/factor/totp/confirm", body)).is_success
    home.world.clock.advance(30)


async def approve(home: House, row: str, **body: Any) -> httpx.Response:
    return await home.host("POST", f"/v1/transactions/{row}/approve", body)


async def bands(home: House, tap: int, code: int) -> None:
    body = {"bands": {"evm-local/native": {"tapMax": str(tap), "codeMax": str(code)}}}
    assert (await home.host("PUT", "/v1/bands", body)).is_success


@scenario("N-10")
async def test_without_an_owner_nothing_above_instant_is_even_stored(tmp_path: Path) -> None:
    """Until one was paired, by a code in the chat and a yes on the host."""
    async with house(tmp_path / "ownerless", paired=False) as home, chat_of(home) as chat:
        token = await home.token()
        for amount in (2 * ETHER, 10 * ETHER, 60 * ETHER):
            assert answered(await home.sends(token, amount)) == (403, "OWNER_NOT_CONNECTED")
        assert (await home.sends(token, ETHER)).status_code == 201

        code = (await home.host("POST", "/v1/pairing")).json()["code"]
        await chat.asks(f"/start {code}", "The code is right.")
        assert answered(await home.sends(token, 2 * ETHER)) == (403, "OWNER_NOT_CONNECTED")
        confirm = {"userId": OWNER_ID}
        assert (await home.host("POST", "/v1/pairing/confirm", confirm)).is_success
        assert (await home.sends(token, 2 * ETHER)).status_code == 201


@scenario("R-18")
async def test_a_band_bounds_a_day_and_not_only_one_approval(home: House, chat: Chat) -> None:
    """What taps released counts together; above it the code is asked for, above that the host."""
    token = await home.token()
    await home.rule("SPENDING_LIMIT", tiers(1, 2, 3))
    await bands(home, 10 * ETHER, 12 * ETHER)
    await enrol(home)
    payees = [f"Payee{number}" for number in range(4)]
    rows = [
        await home.paid(token, amount * ETHER, payee)
        for amount, payee in zip((4, 4, 4, 9), payees, strict=True)
    ]
    hoarded = await chat.finds(payees[3], button="Approve")  # while a tap would do

    for payee in payees[:2]:
        assert (await chat.approves(payee))["answer"] == "Approved."
    asked = await chat.taps(await chat.finds(payees[2], button="Approve"), "Approve")
    assert "6-digit code" in asked["answer"]
    assert (await home.world.row(rows[2])).consent_at is None
    assert answered(await approve(home, rows[2])) == (403, "FACTOR_REQUIRED")
    await chat.asks(code_at(home.world.clock.now()), "Approved.")
    await home.world.quiet()

    refused = await chat.taps(hoarded, "Approve")
    assert f"waiaas approve {rows[3]}" in refused["answer"]
    assert (await home.world.row(rows[3])).consent_at is None
    received = [home.world.chain.received(payee) for payee in payees]
    assert received == [4 * ETHER, 4 * ETHER, 4 * ETHER, 0]


@scenario("R-18")
async def test_the_password_alone_releases_in_a_day_what_taps_do_and_no_more(home: House) -> None:
    """Stolen from a file, it says yes to many small payments no longer than a tap would."""
    token = await home.token()
    await bands(home, 50 * ETHER, 90 * ETHER)
    await enrol(home)
    first, second, third = [await home.paid(token, 21 * ETHER, f"p{n}") for n in range(3)]

    assert (await approve(home, first)).is_success
    assert (await approve(home, second)).is_success
    assert answered(await approve(home, third)) == (403, "FACTOR_REQUIRED")
    assert (await home.world.row(third)).consent_at is None
    code = code_at(home.world.clock.now())
    assert (await approve(home, third, totpCode=code)).is_success


@scenario("R-18", "OA-03")
async def test_a_code_works_once_and_for_one_payment(home: House) -> None:
    token = await home.token()
    await bands(home, 0, 90 * ETHER)
    await enrol(home)
    first, second = await home.paid(token, 21 * ETHER), await home.paid(token, 22 * ETHER)
    code = code_at(home.world.clock.now())

    assert (await approve(home, first, totpCode=code)).is_success
    again = await approve(home, second, totpCode=code)

    assert answered(again) == (403, "FACTOR_INVALID")
    assert (await home.world.row(second)).consent_at is None


@scenario("R-18")
async def test_guessing_codes_is_counted_also_at_once_and_across_a_restart(home: House) -> None:
    token = await home.token()
    await bands(home, 0, 90 * ETHER)
    await enrol(home)
    row = await home.paid(token, 21 * ETHER)
    wrong = "000000" if code_at(home.world.clock.now()) != "000000" else "111111"

    answers = await asyncio.gather(*(approve(home, row, totpCode=wrong) for _ in range(9)))
    assert sum(a.status_code == 429 for a in answers) >= 3
    await home.world.restart()
    right = await approve(home, row, totpCode=code_at(home.world.clock.now()))

    assert answered(right) == (429, "FACTOR_LOCKED")
    assert (await home.world.row(row)).consent_at is None


@scenario("R-14", "C-01", "C-02")
async def test_what_proves_the_owner_changes_only_with_what_proved_him_before(home: House) -> None:
    await enrol(home)
    changes: list[tuple[str, str, Any]] = [
        ("PUT", "/v1/bands", {"bands": {"evm-local/native": {"tapMax": "9", "codeMax": "9"}}}),
        ("POST", "/v1/pairing", {}),
        ("POST", "/v1/factor/totp", {}),
    ]
    for method, path, body in changes:
        assert (await home.holder(method, path, body)).status_code == 401
        assert answered(await home.host(method, path, body)) == (403, "FACTOR_REQUIRED")

    headers = {
        "X-Master-Password": PASSWORD,
        "X-TOTP-Code": code_at(home.world.clock.now()),
    }
    paired = await home.owner.post("/v1/pairing", json={}, headers=headers)
    assert paired.status_code == 201


@scenario("R-14")
async def test_bands_do_not_come_in_with_a_pairing_by_password_alone(
    home: House, chat: Chat
) -> None:
    """The owner pairs anew, with a code; somebody with the password says yes first, and to more."""
    await enrol(home)
    proofs = {"X-Master-Password": PASSWORD, "X-TOTP-Code": code_at(home.world.clock.now())}
    begun = await home.owner.post("/v1/pairing", json={}, headers=proofs)
    await chat.asks(f"/start {begun.json()['code']}", "The code is right.", who=chat.stranger)
    new = chat.telegram.state.people["stranger"].id
    wide = {"evm-local/native": {"tapMax": str(10**30), "codeMax": str(10**30)}}
    confirm = ("POST", "/v1/pairing/confirm", {"userId": new, "bands": wide})

    assert answered(await home.host(*confirm)) == (403, "FACTOR_REQUIRED")

    home.world.clock.advance(30)
    proofs["X-TOTP-Code"] = code_at(home.world.clock.now())
    done = await home.owner.post(confirm[1], json=confirm[2], headers=proofs)
    assert done.json()["bands"] == wide
    assert Fact.BANDS_SET in await home.world.facts()


@scenario("R-14")
async def test_a_lost_app_is_replaced_after_a_day_that_the_chat_can_cancel(
    home: House, chat: Chat
) -> None:
    """Once: whoever took the account must not keep the owner out for ever."""
    await enrol(home)
    reset, anew = "/v1/factor/reset", "/v1/factor/totp"
    assert (await home.host("POST", reset)).status_code == 201
    first = await chat.finds(button="Cancel reset")
    assert "Your authenticator app stays" in (await chat.taps(first, "Cancel reset"))["answer"]
    home.world.clock.advance(86_400)
    assert answered(await home.host("POST", anew)) == (403, "FACTOR_REQUIRED")

    assert (await home.host("POST", reset)).status_code == 201
    second = await chat.finds(button="Cancel reset", after=first["message_id"])
    for message in (first, second):
        await chat.taps(message, "Cancel reset")
    home.world.clock.advance(86_399)
    assert answered(await home.host("POST", anew)) == (403, "FACTOR_REQUIRED")
    home.world.clock.advance(1)
    assert (await home.host("POST", anew)).status_code == 201


REFUSED = "This code is not valid."


@scenario("TG-c", "R-14")
async def test_a_pairing_code_dies_of_time_of_guesses_and_of_use(home: House, chat: Chat) -> None:
    """Somebody else sends codes to the bot; the owner, who may always write there, tries a used one."""

    async def fresh() -> str:
        answer = await home.host("POST", "/v1/pairing")
        return str(answer.json()["code"])

    async def shown() -> dict[str, Any]:
        return dict((await home.holder("GET", "/v1/pairing")).json())

    old = await fresh()
    home.world.clock.advance(600)
    await chat.stranger.says(
        f"/start {old}"
    )  # who is not even told that it is none: no code waits
    await chat.asks(f"/start {old}", REFUSED)

    guessed = await fresh()
    for number in range(5):
        await chat.asks(f"/start {number:010d}", REFUSED, who=chat.stranger)
    await chat.asks(f"/start {guessed}", REFUSED)
    assert (await shown())["state"] == "VOID"

    used = await fresh()
    await chat.asks(f"/start {used}", "The code is right.", who=chat.stranger)
    await chat.asks(f"/start {used}", REFUSED)
    thief = chat.telegram.state.people["stranger"].id
    found = await shown()
    assert (found["state"], found["candidate"]["id"]) == ("CANDIDATE", thief)
    said = [m["text"] for m in await chat.stranger.messages() if m["from"] == "bot"]
    assert len(said) == 6


@scenario("TG-c", "R-14")
async def test_who_sent_a_code_is_nobody_until_the_host_says_yes_to_that_very_account(
    home: House, chat: Chat
) -> None:
    code = (await home.host("POST", "/v1/pairing")).json()["code"]
    await chat.asks(f"/start {code}", "The code is right.", who=chat.stranger)
    new, confirm = chat.telegram.state.people["stranger"].id, "/v1/pairing/confirm"

    assert (await home.holder("POST", confirm, {"userId": new})).status_code == 401
    assert (await home.host("POST", confirm, {"userId": OWNER_ID})).status_code == 403
    await chat.stranger.says("/status")
    await chat.asks("/status", "Running")
    assert len(await chat.stranger.messages()) == 3  # the code, its answer, and silence

    assert (await home.host("POST", confirm, {"userId": new})).is_success
    await chat.finds("no longer belongs to the owner")
    await chat.owner.says("/killswitch")
    await chat.asks("/status", "Running", who=chat.stranger)
    assert (await chat.owner.messages())[-1]["text"] == "/killswitch"


@scenario("H-03")
async def test_while_stopped_nothing_is_released(home: House, chat: Chat) -> None:
    token = await home.token()
    await bands(home, 50 * ETHER, 60 * ETHER)
    row = await home.paid(token, 25 * ETHER)
    await chat.taps(await chat.finds("payee", button="Approve"), "Approve")
    hoarded = await chat.finds("payee", button="Confirm")
    await stop(home)

    assert (await chat.taps(hoarded, "Confirm"))["answer"] == "This button is out of date."
    assert (await approve(home, row)).status_code in {409, 410, 503}
    assert (await home.host("POST", "/v1/unlock")).status_code == 503
    assert home.world.chain.sent == []


@scenario("R-24")
async def test_a_claim_code_used_twice_ends_the_session_and_alarms(home: House) -> None:
    body = {
        "walletId": home.world.wallet.id,
        "name": "agent",
        "limits": {"evm-local/native": str(ETHER)},
    }
    code = (await home.host("POST", "/v1/sessions", body)).json()["claimCode"]
    thief = (await home.agent.post(CLAIM, json={"code": code})).json()["token"]

    owner_agent = await home.agent.post(CLAIM, json={"code": code})

    assert answered(owner_agent) == (401, "CLAIM_INVALID")
    assert answered(await home.sends(thief, 1)) == (401, "SESSION_REVOKED")
    assert "CLAIM_REUSED" in await home.world.alerts()


@scenario("R-24")
async def test_wrong_claim_codes_burn_nothing_and_are_slowed_down(home: House) -> None:
    body = {
        "walletId": home.world.wallet.id,
        "name": "agent",
        "limits": {"evm-local/native": str(ETHER)},
    }
    code = (await home.host("POST", "/v1/sessions", body)).json()["claimCode"]

    guesses = [await home.agent.post(CLAIM, json={"code": f"{n:010d}"}) for n in range(12)]
    assert {answered(g) for g in guesses} == {(401, "CLAIM_INVALID"), (429, "RATE_LIMIT_EXCEEDED")}
    home.world.clock.advance(60)
    assert (await home.agent.post(CLAIM, json={"code": code})).is_success


@scenario("R-24")
async def test_a_renewed_away_token_lives_until_the_new_one_is_used(home: House) -> None:
    old = await home.token(ttlSeconds=3600)
    session = claims_of(old)["sid"]
    home.world.clock.advance(1800)
    path = f"/v1/sessions/{session}/renew"
    new = (await home.agent.put(path, json={}, headers=bearer(old))).json()["token"]
    assert (await home.sends(old, 1)).status_code == 201

    assert (await home.sends(new, 1)).status_code == 201
    assert answered(await home.sends(old, 1)) == (401, "INVALID_TOKEN")


@scenario("R-24")
async def test_a_renewed_away_token_is_dead_after_a_minute_in_any_case(home: House) -> None:
    old = await home.token(ttlSeconds=3600)
    home.world.clock.advance(1800)
    path = f"/v1/sessions/{claims_of(old)['sid']}/renew"
    assert (await home.agent.put(path, json={}, headers=bearer(old))).is_success

    home.world.clock.advance(60)

    assert answered(await home.sends(old, 1)) == (401, "INVALID_TOKEN")


@scenario("R-20")
async def test_an_agent_cannot_bury_the_owner_in_questions(home: House) -> None:
    token = await home.token()
    await home.rule("SPENDING_LIMIT", tiers(1, 1, 1))
    for number in range(5):
        await home.paid(token, ETHER, f"p{number}")

    sixth = await home.sends(token, ETHER)

    assert answered(sixth) == (429, "TOO_MANY_APPROVALS")
    assert sixth.json()["retryable"] is False


@scenario("R-20")
async def test_a_flood_of_denials_writes_little(home: House) -> None:
    await home.rule("WHITELIST", {"allowed_addresses": ["Listed"], "otherwise": "deny"})
    token = await home.token()
    before = len(await home.world.facts())

    for number in range(200):
        assert (await home.sends(token, 1, f"p{number}")).status_code == 403

    assert len(await home.world.facts()) - before == 20
    home.world.clock.advance(60)
    await home.world.app.upkeep.clean_sessions()
    assert len(await home.world.facts()) - before <= 22


@scenario("S-2", "R-30")
@pytest.mark.parametrize("when", ["before the yes", "after the yes"])
@pytest.mark.parametrize(
    "change",
    [
        "wallets SET address = 'other'",
        "transactions SET fee_ceiling = '1'",
        "transactions SET digest = '00'",
        "transactions SET \"to\" = 'thief'",
        "transactions SET amount = '26000000000000000000'",
        "transactions SET request = '{}'",
    ],
)
async def test_an_approval_is_for_what_was_asked_and_for_nothing_that_was_changed(
    home: House, change: str, when: str
) -> None:
    """Neither what the request says, nor what only the digest covers: address, fee ceiling."""
    row = await home.paid(await home.token(), 25 * ETHER)

    def bend() -> None:
        home.world.sql(f"UPDATE {change}")

    if when == "before the yes":
        bend()
    else:
        home.world.checkpoints.at[TAPPED] = bend
    await approve(home, row)
    home.world.clock.advance(10)
    await home.world.tick()

    after = await home.world.row(row)
    if when == "before the yes" and change.startswith("transactions"):
        assert (after.status, after.consent_at) == ("QUEUED", None)  # refused: it proves nothing
    else:
        assert (after.status, after.error) == ("CANCELLED", "PAYLOAD_MISMATCH")
    assert home.world.vault.signed == []


@scenario("R-02")
async def test_a_session_above_the_tap_band_needs_the_code_too(home: House) -> None:
    """The master password alone, stolen from a file, lets no agent loose on large amounts."""
    await bands(home, ETHER, 50 * ETHER)
    await enrol(home)

    async def asked(limit: int, **more: str) -> httpx.Response:
        limits = {"evm-local/native": str(limit)}
        body = {"walletId": home.world.wallet.id, "name": "agent", "limits": limits, **more}
        return await home.host("POST", "/v1/sessions", body)

    assert (await asked(ETHER)).status_code == 201
    for limit in (ETHER + 1, 60 * ETHER):
        assert answered(await asked(limit)) == (403, "FACTOR_REQUIRED")
    most = json.dumps({"evm-local/native": [str(10**30), str(10**30)]})
    home.world.sql("UPDATE owner SET bands = ?", most)
    assert answered(await asked(1)) == (403, "FACTOR_REQUIRED")
    home.world.sql("DELETE FROM owner")
    assert answered(await asked(1)) == (403, "FACTOR_REQUIRED")
    right = code_at(home.world.clock.now())
    assert (await asked(60 * ETHER, totpCode=right)).status_code == 201
    assert answered(await asked(60 * ETHER, totpCode=right)) == (403, "FACTOR_INVALID")


@scenario("R-18")
async def test_above_every_band_the_host_needs_the_code_as_well(home: House) -> None:
    token = await home.token()
    row = await home.paid(token, 21 * ETHER)
    await bands(home, 1, 2)
    await enrol(home)

    assert answered(await approve(home, row)) == (403, "FACTOR_REQUIRED")
    assert (await home.world.row(row)).consent_at is None
    assert (await approve(home, row, totpCode=code_at(home.world.clock.now()))).is_success
