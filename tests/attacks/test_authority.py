"""A program that writes the wallet's database file: what it bends allows nothing, whichever door is asked."""

import hashlib
import json

import httpx
import pytest

from tests.attacks.catalogue import scenario
from tests.attacks.test_owner import approve, bands, enrol
from tests.attacks.test_sessions import answered, claims_of
from tests.support.chain import ETHER
from tests.support.house import House, bearer
from tests.support.vault import PASSWORD, code_at

ADDRESS = "/v1/wallet/address"
UNPROVED = (403, "AUTHORITY_UNPROVED")
HUGE = str(10**30)
WIDE = {
    "assets": {
        "evm-local/native": {"instant_max": HUGE, "notify_max": HUGE, "delay_max": HUGE},
    },
    "delay_seconds": 60,
}


@scenario("R-02")
@pytest.mark.parametrize(
    ("theft", "values"),
    [
        ("UPDATE policies SET rules = ? WHERE type = 'SPENDING_LIMIT'", [json.dumps(WIDE)]),
        ("DELETE FROM policies WHERE type = 'CUMULATIVE_LIMIT'", []),
        ("UPDATE wallets SET address = ?", ["thief"]),
        ("UPDATE sessions SET amount_limits = ?", [json.dumps({"evm-local/native": HUGE})]),
        ("UPDATE sessions SET spent = ?", ["{}"]),
    ],
    ids=["rule", "no-rule", "address", "limits", "spent"],
)
async def test_what_is_bent_in_the_file_pays_nothing(
    home: House, theft: str, values: list[str]
) -> None:
    token = await home.token()
    await home.world.settled(await home.paid(token, ETHER // 100))
    sent = len(home.world.chain.sent)
    home.world.sql(theft, *values)

    for amount in (1, 50 * ETHER):
        assert answered(await home.sends(token, amount)) == UNPROVED

    await home.world.passes(900)
    assert len(home.world.chain.sent) == sent


@scenario("R-02")
async def test_a_bent_address_is_shown_to_nobody(home: House) -> None:
    """Who asks where to pay in is refused, and so never pays a thief."""
    token = await home.token()
    before = await home.agent.get(ADDRESS, headers=bearer(token))
    assert before.json()["address"] == home.world.wallet.address
    home.world.sql("UPDATE wallets SET address = 'thief'")

    agent = await home.agent.get(ADDRESS, headers=bearer(token))
    host = await home.holder("GET", f"/v1/wallets/{home.world.wallet.id}")

    assert answered(agent) == UNPROVED
    assert answered(host) == UNPROVED


async def widened(home: House) -> httpx.Response:
    """The widest bands, by password and code, as a host would set them."""
    body = {"bands": {"evm-local/native": {"tapMax": HUGE, "codeMax": HUGE}}}
    proofs = {"X-Master-Password": PASSWORD, "X-Totp-Code": code_at(home.world.clock.now())}
    return await home.owner.put("/v1/bands", json=body, headers=proofs)


@scenario("R-02")
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("bands", json.dumps({"evm-local/native": [HUGE, HUGE]})),
        ("chat_id", 666),
        ("user_id", 666),
    ],
    ids=["bands", "chat", "account"],
)
async def test_a_bent_owner_lets_no_one_approve(
    home: House, column: str, value: str | int
) -> None:
    """With the bands as the owner set them the password is enough; nothing is released on bent ones."""
    token = await home.token()
    await bands(home, 50 * ETHER, 60 * ETHER)
    await enrol(home)
    fine, row = await home.paid(token, 21 * ETHER, "fine"), await home.paid(token, 22 * ETHER)
    assert (await approve(home, fine)).is_success
    home.world.sql(f'UPDATE owner SET "{column}" = ?', value)

    assert answered(await approve(home, row)) == (403, "FACTOR_REQUIRED")
    assert answered(await home.sends(token, 30 * ETHER)) == (403, "OWNER_NOT_CONNECTED")
    assert answered(await widened(home)) == UNPROVED

    assert (await home.world.row(row)).consent_at is None
    assert home.world.chain.received("payee") == 0


@scenario("R-02")
async def test_the_hash_of_one_sessions_token_opens_no_other_session(home: House) -> None:
    """The thief's own token, genuinely signed, written over a victim's."""
    stolen, victim = await home.token(), home.world.session
    digest = hashlib.sha256(stolen.encode()).hexdigest()
    home.world.sql("UPDATE sessions SET token_hash = NULL WHERE token_hash = ?", digest)
    home.world.sql("UPDATE sessions SET token_hash = ? WHERE id = ?", digest, victim.id)

    seen = await home.agent.get(ADDRESS, headers=bearer(stolen))
    paid = await home.sends(stolen, ETHER // 100)

    assert answered(seen) == (401, "INVALID_TOKEN")
    assert answered(paid) == (401, "INVALID_TOKEN")
    assert home.world.chain.sent == []


@scenario("R-02")
async def test_a_revocation_cannot_be_written_away(home: House) -> None:
    token = await home.token()
    assert (await home.holder("DELETE", f"/v1/sessions/{claims_of(token)['sid']}")).is_success
    home.world.sql("UPDATE sessions SET revoked_at = NULL, revoked_reason = NULL")

    assert answered(await home.agent.get(ADDRESS, headers=bearer(token))) == UNPROVED
    assert answered(await home.sends(token, ETHER // 100)) == UNPROVED
    assert home.world.chain.sent == []


@scenario("R-02")
async def test_an_auto_stop_rule_cannot_be_written_off(home: House) -> None:
    """What the file says of it without a proof is as if nobody had set it: the default counts."""
    rule = {"type": "CONSECUTIVE_FAILURES", "rules": {"threshold": 20}}
    assert (await home.host("PUT", "/v1/autostop", rule)).is_success
    token = await home.token()
    home.world.sql("UPDATE autostop_rules SET body = replace(body, 'true', 'false')")

    home.world.chain.simulation_fails = True
    for _ in range(3):
        assert (await home.sends(token, ETHER // 100)).is_success
        await home.world.quiet()

    assert answered(await home.sends(token, ETHER // 100)) == (403, "SESSION_FROZEN")
