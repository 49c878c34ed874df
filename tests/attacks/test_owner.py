"""Who may answer for the owner: factors, bands, pairing, claim codes and renewals."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from tests.attacks.catalogue import scenario
from tests.attacks.test_sessions import answered, claims_of
from tests.attacks.test_stop import stop
from tests.support.chain import ETHER
from tests.support.house import House, bearer, tiers
from tests.support.vault import PASSWORD, code_at
from wallet.domain.facts import Fact

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
async def test_without_an_owner_nothing_above_instant_is_even_stored(home: House) -> None:
    token = await home.token()
    home.world.sql("DELETE FROM owner")

    for amount in (2 * ETHER, 10 * ETHER, 60 * ETHER):
        assert answered(await home.sends(token, amount)) == (403, "OWNER_NOT_CONNECTED")
    assert (await home.sends(token, ETHER)).status_code == 201


@scenario("R-18")
async def test_a_band_bounds_a_day_and_not_only_one_approval(home: House) -> None:
    """What taps released counts together; above it the code is asked for, above that the host."""
    token = await home.token()
    await bands(home, 50 * ETHER, 60 * ETHER)
    await enrol(home)
    first, second, third = [await home.paid(token, 21 * ETHER, f"p{n}") for n in range(3)]
    desk = home.world.app.operations.approvals

    assert (await desk.factor_needed(first)).value == "TAP"
    for row in (first, second):
        row_digest = (await home.world.row(row)).digest
        await desk.approve(
            row, digest=row_digest, factor=(await desk.factor_needed(row)), actor="t"
        )
    assert (await desk.factor_needed(third)).value == "CODE"
    assert answered(await approve(home, third)) == (403, "FACTOR_REQUIRED")
    code = code_at(home.world.clock.now())
    assert (await approve(home, third, totpCode=code)).is_success


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
    assert (await home.world.app.operations.approvals.factor_needed(third)).value == "TAP"
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
async def test_bands_do_not_come_in_with_a_pairing_by_password_alone(home: House) -> None:
    """The owner pairs anew, with a code; somebody with the password says yes first, and to more."""
    await enrol(home)
    proofs = {"X-Master-Password": PASSWORD, "X-TOTP-Code": code_at(home.world.clock.now())}
    begun = await home.owner.post("/v1/pairing", json={}, headers=proofs)
    assert await home.world.app.owner.offer_pairing(begun.json()["code"], 8, 8, "Olga", None)
    wide = {"evm-local/native": {"tapMax": str(10**30), "codeMax": str(10**30)}}
    confirm = ("POST", "/v1/pairing/confirm", {"userId": 8, "bands": wide})

    assert answered(await home.host(*confirm)) == (403, "FACTOR_REQUIRED")

    home.world.clock.advance(30)
    proofs["X-TOTP-Code"] = code_at(home.world.clock.now())
    done = await home.owner.post(confirm[1], json=confirm[2], headers=proofs)
    assert done.json()["bands"] == wide
    assert Fact.BANDS_SET in await home.world.facts()


@scenario("R-14")
async def test_a_lost_app_is_replaced_after_a_day_that_the_chat_can_cancel(home: House) -> None:
    await enrol(home)
    assert (await home.host("POST", "/v1/factor/reset")).status_code == 201
    assert "FACTOR_RESET_STARTED" in await home.world.alerts()

    home.world.clock.advance(86_399)
    assert answered(await home.host("POST", "/v1/factor/totp")) == (403, "FACTOR_REQUIRED")
    home.world.clock.advance(1)
    assert (await home.host("POST", "/v1/factor/totp")).status_code == 201


@scenario("TG-c", "R-14")
async def test_a_pairing_code_dies_of_time_of_guesses_and_of_use(home: House) -> None:
    desk = home.world.app.owner

    async def fresh() -> str:
        answer = await home.host("POST", "/v1/pairing")
        return str(answer.json()["code"])

    old = await fresh()
    home.world.clock.advance(600)
    assert not await desk.offer_pairing(old, 9, 9, "Late", None)

    guessed = await fresh()
    for number in range(5):
        assert not await desk.offer_pairing(f"{number:010d}", 9, 9, "Guesser", None)
    assert not await desk.offer_pairing(guessed, 9, 9, "Guesser", None)

    used = await fresh()
    assert await desk.offer_pairing(used, 8, 8, "Olga", None)
    assert not await desk.offer_pairing(used, 9, 9, "Second", None)
    shown = (await home.holder("GET", "/v1/pairing")).json()
    assert (shown["state"], shown["candidate"]["id"]) == ("CANDIDATE", 8)
    confirm = "/v1/pairing/confirm"
    assert (await home.holder("POST", confirm, {"userId": 8})).status_code == 401
    assert (await home.host("POST", confirm, {"userId": 9})).status_code == 403
    assert (await home.world.app.owner.owner()).user_id == 7  # type: ignore[union-attr]
    assert (await home.host("POST", confirm, {"userId": 8})).is_success
    assert (await home.world.app.owner.owner()).user_id == 8  # type: ignore[union-attr]


@scenario("H-03")
async def test_while_stopped_nothing_is_released(home: House) -> None:
    token = await home.token()
    row = await home.paid(token, 25 * ETHER)
    await stop(home)

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


@pytest.mark.parametrize("change", ["address", "fee_ceiling", "digest"])
@scenario("R-30")
async def test_the_digest_of_an_approval_covers_what_the_request_does_not_say(
    home: House, change: str
) -> None:
    token = await home.token()
    row = await home.paid(token, 25 * ETHER)
    statement = {
        "address": "UPDATE wallets SET address = 'other'",
        "fee_ceiling": "UPDATE transactions SET fee_ceiling = '1'",
        "digest": f"UPDATE transactions SET digest = '{'00' * 32}'",
    }[change]
    home.world.sql(statement)

    await approve(home, row)

    assert home.world.chain.sent == []


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
