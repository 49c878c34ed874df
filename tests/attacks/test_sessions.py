"""SEC-01: what a session token must not be able to do."""

import base64
import hashlib
import json
from typing import Any

import jwt
import pytest

from tests.attacks.catalogue import scenario
from tests.support.chain import ETHER
from tests.support.house import SEND, House, bearer
from wallet.domain.sessions import TOKEN_PREFIX

PATHS = ("/v1/wallet/address", "/v1/transactions", "/v1/connect-info")
OPEN = ("/health", "/ready", "/openapi.json")


def answered(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def claims_of(token: str) -> dict[str, Any]:
    return dict(jwt.decode(token.removeprefix(TOKEN_PREFIX), options={"verify_signature": False}))


def forged(token: str, key: bytes) -> str:
    return TOKEN_PREFIX + jwt.encode(claims_of(token), key, algorithm="HS256")


@scenario("SEC-01-01")
async def test_a_token_signed_by_somebody_else_is_nobodys(home: House) -> None:
    token = await home.token()
    other = forged(token, hashlib.sha256(b"another daemon").digest())

    assert answered(await home.sends(other, ETHER // 100)) == (401, "INVALID_TOKEN")


@scenario("SEC-01-01")
async def test_a_token_without_a_signature_is_nobodys(home: House) -> None:
    header = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
    body = base64.urlsafe_b64encode(json.dumps(claims_of(await home.token())).encode())
    unsigned = f"{TOKEN_PREFIX}{header}.{body.rstrip(b'=').decode()}."

    assert answered(await home.sends(unsigned, ETHER // 100)) == (401, "INVALID_TOKEN")


@scenario("SEC-01-01")
async def test_a_stored_hash_is_not_enough_without_our_signature(home: House) -> None:
    """Somebody who can write the database still has no key to sign a token with."""
    session = home.world.session
    forgery = forged(await home.token(), hashlib.sha256(b"another daemon").digest())
    home.world.sql(
        "UPDATE sessions SET token_hash = ? WHERE id = ?",
        hashlib.sha256(forgery.encode()).hexdigest(),
        session.id,
    )

    assert answered(await home.sends(forgery, ETHER // 100))[0] == 401


@scenario("SEC-01-02", "SEC-05-EXPIRY")
async def test_a_token_ends_exactly_at_its_expiry(home: House) -> None:
    token = await home.token(ttlSeconds=300)
    left = claims_of(token)["exp"] * 1000 - home.world.clock.now()

    home.world.clock.advance(left / 1000 - 0.001)
    assert (await home.agent.get(PATHS[0], headers=bearer(token))).status_code == 200
    home.world.clock.advance(0.001)
    assert answered(await home.agent.get(PATHS[0], headers=bearer(token))) == (
        401,
        "TOKEN_EXPIRED",
    )
    home.world.clock.advance(1)
    assert answered(await home.sends(token, 1)) == (401, "TOKEN_EXPIRED")


@scenario("SEC-01-03")
async def test_a_revoked_session_is_dead_with_its_very_next_request(home: House) -> None:
    token = await home.token()
    session = claims_of(token)["sid"]
    assert (await home.agent.get(PATHS[0], headers=bearer(token))).status_code == 200

    assert (await home.holder("DELETE", f"/v1/sessions/{session}")).is_success

    assert answered(await home.sends(token, 1)) == (401, "SESSION_REVOKED")


@scenario("SEC-01-04")
async def test_an_agent_sees_and_moves_only_what_its_own_session_may(home: House) -> None:
    mine = await home.token()
    other_wallet = await home.new_wallet("other")
    theirs = await home.token(other_wallet)
    row = await home.paid(mine, ETHER // 100)

    assert answered(await home.agent.get(f"/v1/transactions/{row}", headers=bearer(theirs))) == (
        404,
        "TX_NOT_FOUND",
    )
    listed = (await home.agent.get("/v1/transactions", headers=bearer(theirs))).json()["items"]
    assert listed == []
    networks = await home.agent.get(
        f"/v1/wallets/{home.world.wallet.id}/networks", headers=bearer(theirs)
    )
    assert networks.status_code in (403, 404)
    renewed = await home.agent.put(
        f"/v1/sessions/{claims_of(mine)['sid']}/renew", json={}, headers=bearer(theirs)
    )
    assert renewed.status_code in (403, 404)
    address = (await home.agent.get(PATHS[0], headers=bearer(theirs))).json()["address"]
    assert address == other_wallet.address


@scenario("SEC-01-05", "SEC-05-SESSION")
async def test_one_payment_above_what_is_left_of_the_session_is_refused(home: House) -> None:
    fee = 10**15
    token = await home.token(limits={"evm-local/native": str(ETHER // 10 + fee)})

    over = await home.sends(token, ETHER // 10 + 1)
    assert answered(over) == (403, "SESSION_LIMIT_EXCEEDED")
    assert over.json()["details"]["remaining"] == str(ETHER // 10 + fee)
    assert (await home.sends(token, ETHER // 10)).status_code == 201


@scenario("SEC-01-06", "SEC-05-SESSION")
async def test_the_session_total_is_exact_to_the_last_unit(home: House) -> None:
    """Fees are spend: what a payment did not use of its fee ceiling comes back when it is final."""
    token = await home.token(limits={"evm-local/native": str(ETHER // 10)})
    first = await home.paid(token, ETHER // 20)
    settled = await home.world.settled(first)
    assert settled.fee is not None
    left = ETHER // 10 - ETHER // 20 - settled.fee - home.world.chain.network.fee_ceiling

    assert answered(await home.sends(token, left + 1)) == (403, "SESSION_LIMIT_EXCEEDED")
    assert (await home.sends(token, left)).status_code == 201


@scenario("SEC-01-07", "SEC-05-SESSION")
async def test_the_count_of_payments_is_a_limit(home: House) -> None:
    token = await home.token(maxTransactions=3)
    for _ in range(3):
        await home.paid(token, 1)

    assert answered(await home.sends(token, 1)) == (403, "SESSION_LIMIT_EXCEEDED")


@scenario("SEC-01-08")
@pytest.mark.parametrize(
    "kind", ["TOKEN_TRANSFER", "CONTRACT_CALL", "APPROVE", "BATCH", "SIGN", "transfer", ""]
)
async def test_a_type_that_no_session_has_is_refused_before_anything_is_stored(
    home: House, kind: str
) -> None:
    token = await home.token()
    before = len(await home.world.facts())

    answer = await home.sends(token, 1, type=kind)

    assert (answer.status_code, answer.json()["retryable"]) == (400, False)
    assert len(await home.world.facts()) == before


@scenario("SEC-01-10")
async def test_a_claim_code_works_once_in_its_ten_minutes_and_refusals_look_alike(
    home: House,
) -> None:
    body = {
        "walletId": home.world.wallet.id,
        "name": "agent",
        "limits": {"evm-local/native": "1000"},
    }
    codes = [(await home.host("POST", "/v1/sessions", body)).json()["claimCode"] for _ in "ab"]
    claim = "/v1/sessions/claim"

    assert (await home.agent.post(claim, json={"code": codes[0]})).is_success
    again = await home.agent.post(claim, json={"code": codes[0]})
    home.world.clock.advance(600)
    late = await home.agent.post(claim, json={"code": codes[1]})
    guessed = await home.agent.post(claim, json={"code": "0" * 10})

    assert {answered(a) for a in (again, late, guessed)} == {(401, "CLAIM_INVALID")}
    assert len({a.json()["message"] for a in (again, late, guessed)}) == 1


@scenario("SEC-01-11")
@pytest.mark.parametrize(
    "value",
    [
        "wai_sess_x", "Basic wai_sess_x", "Bearer", "Bearer ", "Bearer x", "Token wai_sess_x.y.z",
        "Bearer wai_own_x.y.z", "Bearer wai_sess_", "Bearer wai_sess_" + "a" * 2000,
        "Bearer wai_sess_\u00e9",
    ],
)  # fmt: skip
async def test_what_does_not_look_like_a_token_is_refused(home: House, value: str) -> None:
    headers = [(b"authorization", value.encode())]

    assert answered(await home.agent.get(PATHS[0], headers=headers)) == (401, "INVALID_TOKEN")


@scenario("SEC-01-12")
async def test_without_a_token_only_the_open_paths_answer(home: House) -> None:
    for path in PATHS:
        assert answered(await home.agent.get(path)) == (401, "INVALID_TOKEN")
    assert answered(await home.agent.post(SEND, json={})) == (401, "INVALID_TOKEN")
    for path in OPEN:
        assert (await home.agent.get(path)).status_code == 200


@scenario("SEC-01-12")
async def test_every_route_but_the_open_ones_needs_a_token(home: House) -> None:
    spec = (await home.agent.get("/openapi.json")).json()
    walked = 0
    for path, methods in spec["paths"].items():
        for method in methods:
            answer = await home.agent.request(method, path.replace("{id}", "x"), json={})
            open_path = path in (*OPEN, "/v1/sessions/claim")
            assert (answer.status_code == 401) is not open_path or path.endswith("claim"), path
            walked += 1
    assert walked > 10


@scenario("SEC-05-LIFETIME")
@pytest.mark.parametrize(
    ("seconds", "status"), [(299, 400), (300, 201), (604_800, 201), (604_801, 400)]
)
async def test_a_session_lives_five_minutes_to_a_week(
    home: House, seconds: int, status: int
) -> None:
    body = {
        "walletId": home.world.wallet.id,
        "name": "agent",
        "limits": {"evm-local/native": "1000"},
        "ttlSeconds": seconds,
    }

    assert (await home.host("POST", "/v1/sessions", body)).status_code == status


@scenario("S-19", "N-07")
async def test_a_local_caller_without_proof_can_only_look_and_stop(home: House) -> None:
    """Every route of the owner's app, called by somebody who has the socket and no password."""
    spec = (await home.owner.get("/openapi.json")).json()
    protective = {
        ("post", "/v1/kill-switch"),
        ("post", "/v1/recover/cancel"),
        ("post", "/v1/transactions/{id}/reject"),
        ("post", "/v1/transactions/{id}/cancel"),
        ("delete", "/v1/sessions/{id}"),
        ("post", "/v1/factor/reset/cancel"),
        ("delete", "/v1/pairing"),
        ("post", "/v1/sessions/{id}/freeze"),
        ("post", "/v1/wallets/{id}/suspend"),
        ("delete", "/v1/autostop/{id}"),  # judged as the change back to the default that it is
        ("delete", "/v1/policies/queued/{id}"),  # the rule stays as it is
        ("post", "/v1/policies/test"),  # only looks
    }
    tightening = {  # the socket may make these stricter, and no looser
        ("put", "/v1/autostop"): {"type": "CONSECUTIVE_FAILURES", "rules": {"enabled": False}},
    }
    walked = 0
    for path, methods in spec["paths"].items():
        for method in methods:
            if method == "get" or (method, path) in protective:
                continue
            body = tightening.get((method, path))
            answer = await home.holder(method.upper(), path.replace("{id}", "x"), body)
            assert answer.status_code == 401, (method, path, answer.text)
            walked += 1
    assert walked > 10
