"""Sessions: claimed once, renewed by rotation, ended at will, proved by their hash while locked."""

import asyncio
from typing import Any

import pytest

from tests.support.chain import EVM
from tests.support.world import APPROVAL, DELAY, World
from wallet.domain.facts import Fact
from wallet.domain.sessions import Session
from wallet.domain.transactions import Status
from wallet.errors import Code, UnavailableError, WalletError
from wallet.sessions.tokens import mint, token_hash

ETH = EVM.native.key


async def code_of(work: Any) -> Code:
    with pytest.raises(WalletError) as caught:
        await work
    return caught.value.code


def refusal(world: World, token: str) -> Code:
    with pytest.raises(WalletError) as caught:
        world.app.sessions.authenticate(token)
    return caught.value.code


async def created(world: World, **more: Any) -> tuple[Session, str]:
    asked: dict[str, Any] = {
        "name": "a",
        "limits": {ETH: 10**18},
        "source": "host",
        "actor": "host",
    }
    return await world.app.sessions.create(world.wallet.id, **asked | more)


async def claimed(world: World, **more: Any) -> tuple[Session, str]:
    _, code = await created(world, **more)
    return await world.app.sessions.claim(code)


async def test_a_claim_code_becomes_a_token_that_authenticates(world: World) -> None:
    session, token = await claimed(world)
    found, wallet = world.app.sessions.authenticate(token)
    assert (found.id, wallet.id) == (session.id, world.wallet.id)


async def test_codes_are_read_as_people_type_them(world: World) -> None:
    _, code = await created(world)
    typed = f" {code[:5].lower()}-{code[5:].replace('0', 'o').replace('1', 'l')} "
    await world.app.sessions.claim(typed)


async def test_a_second_use_of_a_claim_code_ends_the_session_and_alarms(world: World) -> None:
    session, code = await created(world)
    _, token = await world.app.sessions.claim(code)
    assert await code_of(world.app.sessions.claim(code)) is Code.CLAIM_INVALID
    assert refusal(world, token) is Code.SESSION_REVOKED
    assert "CLAIM_REUSED" in await world.alerts()
    assert Fact.SESSION_CLAIM_REUSED in await world.facts()
    assert (await world.app.sessions.get(session.id)).was_revoked


async def test_of_many_claims_at_once_at_most_one_gets_a_token(world: World) -> None:
    _, code = await created(world)
    claims = (world.app.sessions.claim(code) for _ in range(5))
    answers = await asyncio.gather(*claims, return_exceptions=True)
    assert sum(not isinstance(answer, BaseException) for answer in answers) == 1


async def test_a_claim_code_lives_ten_minutes(world: World) -> None:
    _, code = await created(world)
    world.clock.advance(600)
    assert await code_of(world.app.sessions.claim(code)) is Code.CLAIM_INVALID


@pytest.mark.parametrize("code", ["", "0" * 10, "x" * 500, "\u0665" * 10])
async def test_an_unknown_code_claims_nothing(world: World, code: str) -> None:
    assert await code_of(world.app.sessions.claim(code)) is Code.CLAIM_INVALID


async def test_a_stop_ends_claim_codes(world: World) -> None:
    _, code = await created(world)
    await world.app.safety.halt("test", "host")
    assert await code_of(world.app.sessions.claim(code)) in (
        Code.CLAIM_INVALID,
        Code.KEYSTORE_LOCKED,
    )


@pytest.mark.parametrize(
    "bad",
    [
        {"limits": {}},
        {"limits": {ETH: 0}},
        {"limits": {ETH: -1}},
        {"limits": {"other/native": 5}},
        {"max_transactions": 0},
        {"ttl_seconds": 299},
        {"ttl_seconds": 604_801},
    ],
)
async def test_a_session_without_sensible_limits_is_not_created(
    world: World, bad: dict[str, Any]
) -> None:
    assert await code_of(created(world, **bad)) is Code.VALIDATION_ERROR


async def test_a_renewal_rotates_and_the_old_token_ends_with_the_first_use_of_the_new(
    world: World,
) -> None:
    session, old = await claimed(world)
    world.clock.advance(43_200)
    _, new = await world.app.sessions.renew(session, old)
    world.app.sessions.authenticate(old)
    world.app.sessions.authenticate(new)
    await world.quiet()
    assert refusal(world, old) is Code.INVALID_TOKEN
    world.app.sessions.authenticate(new)


async def test_the_old_token_lives_at_most_a_minute(world: World) -> None:
    session, old = await claimed(world)
    world.clock.advance(43_200)
    await world.app.sessions.renew(session, old)
    world.clock.advance(59.999)
    world.app.sessions.authenticate(old)
    world.clock.advance(0.001)
    assert refusal(world, old) is Code.INVALID_TOKEN


async def test_a_session_is_renewed_after_half_its_life_and_not_before(world: World) -> None:
    session, token = await claimed(world)
    world.clock.advance(43_199.999)
    assert await code_of(world.app.sessions.renew(session, token)) is Code.RENEWAL_TOO_EARLY
    world.clock.advance(0.001)
    await world.app.sessions.renew(session, token)


async def test_of_two_renewals_at_once_one_wins(world: World) -> None:
    session, token = await claimed(world)
    world.clock.advance(43_200)
    renewals = (world.app.sessions.renew(session, token) for _ in range(2))
    answers = await asyncio.gather(*renewals, return_exceptions=True)
    refused = [a for a in answers if isinstance(a, WalletError)]
    assert [r.code for r in refused] == [Code.RENEWAL_CONFLICT]


async def test_an_old_token_in_its_last_minute_renews_nothing(world: World) -> None:
    session, old = await claimed(world)
    world.clock.advance(43_200)
    await world.app.sessions.renew(session, old)
    found, _ = world.app.sessions.authenticate(old)
    world.clock.advance(0.5)
    assert await code_of(world.app.sessions.renew(found, old)) in (
        Code.RENEWAL_CONFLICT,
        Code.RENEWAL_TOO_EARLY,
    )


async def test_no_renewal_reaches_beyond_the_last_day(world: World) -> None:
    session, token = await claimed(world, ttl_seconds=604_800)
    for _ in range(20):
        world.clock.advance(302_400)
        if world.clock.now() >= session.expires_at:
            break
        session, token = await world.app.sessions.renew(session, token)
        assert session.expires_at <= session.absolute_expires_at
    world.clock.at = session.absolute_expires_at
    assert refusal(world, token) is Code.TOKEN_EXPIRED


async def test_a_session_is_renewed_at_most_thirty_times(world: World) -> None:
    session, token = await claimed(world, ttl_seconds=300)
    for _ in range(30):
        world.clock.advance(150)
        session, token = await world.app.sessions.renew(session, token)
    world.clock.advance(150)
    assert await code_of(world.app.sessions.renew(session, token)) is Code.RENEWAL_LIMIT_REACHED


async def test_revoking_cancels_what_waits_in_the_same_transaction(world: World) -> None:
    delayed, asked = await world.pay(DELAY), await world.pay(APPROVAL)
    world.sql(
        "CREATE TRIGGER broken BEFORE UPDATE ON transactions BEGIN SELECT RAISE(ABORT, 'no'); END"
    )
    with pytest.raises(Exception, match="no"):
        await world.app.sessions.revoke(world.session.id, actor="owner", reason="test")
    assert (await world.app.sessions.get(world.session.id)).revoked_at is None
    world.sql("DROP TRIGGER broken")
    await world.app.sessions.revoke(world.session.id, actor="owner", reason="test")
    for row in (delayed, asked):
        assert (await world.row(row.id)).status is Status.CANCELLED
    assert await world.reserved() == 0


async def test_expiry_cancels_nothing_but_revoking_afterwards_does(world: World) -> None:
    world.session = await world.new_session(world.wallet, ttl_seconds=300)
    asked = await world.pay(APPROVAL)
    world.clock.advance(301)
    await world.app.upkeep.clean_sessions()
    assert (await world.row(asked.id)).status is Status.QUEUED
    await world.app.sessions.revoke(world.session.id, actor="owner", reason="test")
    assert (await world.row(asked.id)).status is Status.CANCELLED


async def test_an_expired_token_says_so_before_and_after_the_sweep(world: World) -> None:
    _, token = await claimed(world, ttl_seconds=300)
    world.clock.advance(300)
    assert refusal(world, token) is Code.TOKEN_EXPIRED
    await world.app.upkeep.clean_sessions()
    assert refusal(world, token) is Code.TOKEN_EXPIRED


async def test_a_token_authenticates_while_the_keystore_is_locked(world: World) -> None:
    session, token = await claimed(world)
    await world.restart(unlocked=False)
    assert world.app.sessions.authenticate(token)[0].id == session.id
    assert refusal(world, token[:-1] + ("A" if token[-1] != "A" else "B")) is Code.INVALID_TOKEN


async def test_a_stored_hash_of_a_token_we_did_not_sign_opens_nothing(world: World) -> None:
    session, _ = await claimed(world)
    forged = mint(bytes(32), session, issued_at=world.clock.now())
    world.sql("UPDATE sessions SET token_hash = ? WHERE id = ?", token_hash(forged), session.id)
    assert refusal(world, forged) is Code.INVALID_TOKEN


async def test_a_token_of_one_session_opens_no_other(world: World) -> None:
    _, token = await claimed(world)
    victim, _ = await claimed(world)
    world.sql("UPDATE sessions SET token_hash = NULL WHERE token_hash = ?", token_hash(token))
    world.sql("UPDATE sessions SET token_hash = ? WHERE id = ?", token_hash(token), victim.id)
    assert refusal(world, token) is Code.INVALID_TOKEN


async def test_a_full_disk_while_a_token_rotates_ends_nothing(world: World) -> None:
    session, old = await claimed(world)
    world.clock.advance(43_200)
    _, new = await world.app.sessions.renew(session, old)

    async def full(_: Any) -> Any:
        raise UnavailableError(Code.STORAGE_FULL, "full")

    world.database.run = full  # type: ignore[assignment,method-assign]
    world.app.sessions.authenticate(new)
    await world.quiet()
    del world.database.run
    assert world.crashes == []


async def test_a_session_is_found_by_its_wallet(world: World) -> None:
    session, _ = await claimed(world)
    assert session.id in {found.id for found in await world.app.sessions.list(world.wallet.id)}
    assert await world.app.sessions.list("nobody") == []
    assert await code_of(world.app.sessions.get("nothing")) is Code.SESSION_NOT_FOUND
    missing = world.app.sessions.revoke("nothing", actor="owner", reason="test")
    assert await code_of(missing) is Code.SESSION_NOT_FOUND
