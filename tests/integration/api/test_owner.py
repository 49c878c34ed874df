"""The owner's app: what each route needs, and what it does."""

from dataclasses import replace
from typing import Any

import httpx
import pytest

from tests.support.doors import FakeDaemon, owner_client
from tests.support.operations import (
    LOOSENING,
    NOW,
    SESSION,
    SOL,
    TICKET,
    WALLET,
    transaction,
    uuid,
)
from wallet.api.owner import owner_rows
from wallet.api.routes import Needs
from wallet.domain.owner import Band, Factor
from wallet.domain.safety import StopState
from wallet.domain.tiers import Tier
from wallet.domain.transactions import Status
from wallet.errors import Code, ConflictError, KeystoreError

KEY = SOL.native.key
TX = f"/v1/transactions/{uuid(1)}"
BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", "/v1/wallets"): {"name": "a", "network": "solana-devnet"},
    ("POST", "/v1/sessions"): {"walletId": WALLET.id, "name": "a", "limits": {KEY: "5"}},
    ("PUT", "/v1/policies"): {
        "type": "WHITELIST",
        "rules": {"allowed_addresses": ["abc"], "otherwise": "deny"},
    },
    ("POST", "/v1/policies/test"): {
        "changes": [
            {"type": "WHITELIST", "rules": {"allowed_addresses": ["abc"], "otherwise": "deny"}}
        ]
    },
    ("PUT", "/v1/autostop"): {"type": "HOURLY_RATE", "rules": {"enabled": False}},
    ("PUT", "/v1/bands"): {"bands": {KEY: {"tapMax": "1", "codeMax": "2"}}},
    ("POST", "/v1/factor/totp/confirm"): {"code": "123456"},
    ("POST", "/v1/pairing/confirm"): {"userId": 7},
}
TAKES_TICKETS = (Needs.PASSWORD, Needs.CURRENT_FACTOR, Needs.PASSWORD_TO_LOOSEN)
NAMES = {
    "/v1/autostop/{id}": "HOURLY_RATE",
    "/v1/wallets/{id}": WALLET.id,
    "/v1/sessions/{id}": SESSION.id,
    "/v1/policies/{id}": "0199-rule",
}


@pytest.fixture(autouse=True)
def waiting(daemon: FakeDaemon) -> None:
    daemon.transactions.rows[uuid(1)] = transaction(1, status=Status.QUEUED, tier=Tier.APPROVAL)


def every_route() -> list[tuple[str, str, Needs, int]]:
    door = FakeDaemon().door(frozenset())
    return [(row.method, row.path, row.needs, row.status) for row in owner_rows(door)]


def body_of(method: str, path: str) -> dict[str, Any]:
    return BODIES.get((method, path.removesuffix("/{id}")), {})


async def ask(client: httpx.AsyncClient, method: str, path: str, **more: Any) -> httpx.Response:
    url = path.replace("{id}", NAMES.get(path, uuid(1)))
    body = body_of(method, path)
    return await client.request(method, url, json=body or None, **more)


@pytest.mark.parametrize(("method", "path", "needs", "status"), every_route())
async def test_each_route_opens_with_what_the_table_says(
    daemon: FakeDaemon, method: str, path: str, needs: Needs, status: int
) -> None:
    async with owner_client(daemon, "correct horse") as owner:
        full = await ask(owner, method, path)
    async with owner_client(daemon) as holder:
        bare = await ask(holder, method, path)
        ticket = await ask(holder, method, path, headers={"X-Ticket": TICKET})
        guess = await ask(holder, method, path, headers={"X-Master-Password": "guess"})

    is_free = needs in (Needs.NOTHING, Needs.SOCKET)
    assert full.status_code == status
    assert bare.status_code == (status if is_free else 401)
    assert ticket.status_code == (status if is_free or needs in TAKES_TICKETS else 401)
    assert guess.status_code == (status if is_free else 401)


async def test_everything_that_moves_money_or_widens_limits_needs_the_password() -> None:
    free = {(method, path) for method, path, needs, _ in every_route() if needs is Needs.SOCKET}

    assert {row for row in free if row[0] != "GET"} == {
        ("POST", "/v1/transactions/{id}/reject"),
        ("POST", "/v1/transactions/{id}/cancel"),
        ("DELETE", "/v1/sessions/{id}"),
        ("DELETE", "/v1/policies/queued/{id}"),
        ("POST", "/v1/policies/test"),  # judges the past and changes nothing
        ("POST", "/v1/sessions/{id}/freeze"),
        ("POST", "/v1/wallets/{id}/suspend"),
        ("POST", "/v1/kill-switch"),
        ("POST", "/v1/recover/cancel"),
        ("POST", "/v1/factor/reset/cancel"),
        ("DELETE", "/v1/pairing"),
    }


async def test_a_refused_password_says_what_is_missing(
    holder: httpx.AsyncClient, daemon: FakeDaemon
) -> None:
    bare = await holder.post("/v1/shutdown")
    wrong = await holder.post("/v1/shutdown", headers={"X-Master-Password": "x"})
    locked = await holder.post("/v1/shutdown", headers={"X-Master-Password": "locked"})

    assert bare.json()["code"] == "MASTER_PASSWORD_REQUIRED"
    assert wrong.json()["code"] == "INVALID_MASTER_PASSWORD"
    assert (locked.status_code, locked.headers["retry-after"]) == (429, "1800")
    assert "www-authenticate" not in wrong.headers
    assert daemon.shutdowns == 0


async def test_a_password_is_read_as_utf8(holder: httpx.AsyncClient, daemon: FakeDaemon) -> None:
    answer = await holder.post(
        "/v1/shutdown", headers=[(b"X-Master-Password", "p\u00e4ss".encode())]
    )

    assert answer.json()["code"] == "INVALID_MASTER_PASSWORD"


async def test_only_the_sockets_own_host_name_is_served(owner: httpx.AsyncClient) -> None:
    for host in ("localhost", "127.0.0.1:3100", "waiaas:80"):
        answer = await owner.get("/v1/status", headers={"Host": host})
        assert (answer.status_code, answer.json()["code"]) == (403, "INVALID_HOST")
    answer = await owner.get("/v1/status", headers={"Origin": "http://waiaas"})
    assert answer.json()["code"] == "INVALID_ORIGIN"


async def test_the_status_page_shows_wallets_that_answer_and_one_that_does_not(
    holder: httpx.AsyncClient,
) -> None:
    body = (await holder.get("/v1/status")).json()

    assert body["state"]["state"] == "NORMAL"
    assert [line["balance"] for line in body["wallets"]] == ["1", None]
    assert body["wallets"][1]["error"] == "down"
    assert body["owner"]["bands"] == {KEY: {"tapMax": "1", "codeMax": "2"}}
    assert body["auditHead"] == "5:abcdef01"


async def test_approving_names_the_digest_that_is_on_the_row(
    owner: httpx.AsyncClient, daemon: FakeDaemon
) -> None:
    await owner.post(f"{TX}/approve")
    await owner.post(f"{TX}/approve", json={"digest": "ab" * 32})

    calls = [call for call in daemon.approvals.calls if call[0] == "approve"]
    assert calls == [
        ("approve", uuid(1), "d1" * 32, Factor.HOST, "host", None),
        ("approve", uuid(1), "ab" * 32, Factor.HOST, "host", None),
    ]


async def test_a_band_that_asks_for_a_code_gets_one(
    owner: httpx.AsyncClient, daemon: FakeDaemon
) -> None:
    daemon.approvals.needed = Factor.CODE

    without = await owner.post(f"{TX}/approve")
    wrong = await owner.post(f"{TX}/approve", json={"totpCode": "000000"})
    right = await owner.post(f"{TX}/approve", json={"totpCode": "123456"})

    assert (without.status_code, without.json()["code"]) == (403, "FACTOR_REQUIRED")
    assert without.json()["details"] == {"factor": "CODE"}
    assert (wrong.status_code, wrong.json()["code"]) == (403, "FACTOR_INVALID")
    assert right.status_code == 200
    assert [call for call in daemon.approvals.calls if call[0] == "approve"] == [
        ("approve", uuid(1), "d1" * 32, Factor.CODE, "host", 59)
    ]


async def test_no_code_is_looked_at_before_the_password(
    holder: httpx.AsyncClient, daemon: FakeDaemon
) -> None:
    for path in (f"{TX}/approve", "/v1/recover"):
        answer = await holder.post(path, json={"totpCode": "000000"})
        assert answer.status_code == 401
    assert daemon.approvals.calls == []


async def test_what_waits_is_shown_with_what_would_release_it(holder: httpx.AsyncClient) -> None:
    (line,) = (await holder.get("/v1/approvals")).json()["items"]

    assert line["transaction"]["id"] == uuid(1)
    assert (line["fingerprint"], line["factorNeeded"]) == ("d1d1 d1d1", "TAP")


async def test_rejecting_hands_on_the_reason(
    holder: httpx.AsyncClient, daemon: FakeDaemon
) -> None:
    answer = await holder.post(f"{TX}/reject", json={"reason": "not mine"})
    await holder.post(f"{TX}/cancel")

    reasons = [call[3] for call in daemon.transactions.calls if call[0] == "cancel"]
    assert answer.json()["status"] == "CANCELLED"
    assert reasons == ["not mine", "cancelled by the owner"]


async def test_what_cannot_be_changed_any_more_is_a_conflict(
    holder: httpx.AsyncClient, daemon: FakeDaemon
) -> None:
    daemon.transactions.fails["cancel"] = ConflictError(Code.TX_ALREADY_PROCESSED, "Too late.")
    late = await holder.post(f"{TX}/cancel")
    daemon.transactions.fails["cancel"] = ConflictError(Code.TX_EXPIRED, "Too late.")
    expired = await holder.post(f"{TX}/cancel")

    assert (late.status_code, expired.status_code) == (409, 410)


async def test_an_order_about_a_sent_payment_is_bound_to_what_was_shown(
    owner: httpx.AsyncClient, daemon: FakeDaemon
) -> None:
    offer = (await owner.get(f"{TX}/replacement")).json()
    assert (offer["feeCeiling"], offer["factorNeeded"]) == ("10000000", "HOST")
    digest = offer["transaction"]["digest"]
    shown = {"digest": digest, "feeCeiling": offer["feeCeiling"]}

    answers = [
        await owner.post(f"{TX}/{verb}", json=shown) for verb in ("speed-up", "cancel-sent")
    ]

    orders = [call[2] for call in daemon.replacements.calls if call[0] == "order"]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert [order.purpose for order in orders] == ["SPEED_UP", "CANCEL"]
    assert {(order.digest, order.ceiling, order.factor) for order in orders} == {
        (digest, 10_000_000, Factor.HOST)
    }


async def test_an_order_about_a_sent_payment_asks_for_the_code_of_its_amount(
    owner: httpx.AsyncClient, daemon: FakeDaemon
) -> None:
    daemon.replacements.factor = Factor.CODE
    bare = await owner.post(f"{TX}/speed-up", json={})
    wrong = await owner.post(f"{TX}/speed-up", json={"totpCode": "000000"})
    right = await owner.post(f"{TX}/speed-up", json={"totpCode": "123456"})

    assert (bare.status_code, bare.json()["code"]) == (403, "FACTOR_REQUIRED")
    assert wrong.json()["code"] == "FACTOR_INVALID"
    assert right.status_code == 200
    (order,) = [call[2] for call in daemon.replacements.calls if call[0] == "order"]
    assert order.factor is Factor.CODE


async def test_a_new_session_shows_its_claim_code_once(
    owner: httpx.AsyncClient, daemon: FakeDaemon
) -> None:
    answer = await owner.post(
        "/v1/sessions",
        json={"walletId": WALLET.id, "name": "shop", "limits": {KEY: "5"}, "ttlSeconds": 3600},
    )
    later = (await owner.get(f"/v1/sessions/{SESSION.id}")).json()

    assert answer.status_code == 201
    assert (answer.json()["claimCode"], answer.json()["status"]) == ("ABCDE12345", "WAITING")
    assert "claimCode" not in later
    assert later["status"] == "ACTIVE"
    (call,) = [call for call in daemon.sessions.calls if call[0] == "create"]
    assert call[2]["limits"] == {KEY: 5}
    assert (call[2]["ttl_seconds"], call[2]["max_transactions"]) == (3600, None)


@pytest.mark.parametrize(
    "body",
    [
        {"walletId": "w", "name": "a"},
        {"walletId": "w", "name": "a", "limits": {}},
        {"walletId": "w", "name": "a", "limits": {KEY: 5}},
        {"walletId": "w", "name": "a", "limits": {KEY: "5"}, "ttlSeconds": 299},
        {"walletId": "w", "name": "a", "limits": {KEY: "5"}, "ttlSeconds": 604_801},
        {"walletId": "w", "name": "a", "limits": {KEY: "5"}, "maxTransactions": 0},
        {"walletId": "w", "name": "a", "limits": {KEY: "5"}, "max_transactions": 5},
        {"walletId": "w", "name": "", "limits": {KEY: "5"}},
        {"walletId": "w", "name": "a", "limits": {"everything": "5"}},
    ],
)
async def test_a_session_without_proper_limits_is_refused(
    owner: httpx.AsyncClient, daemon: FakeDaemon, body: dict[str, Any]
) -> None:
    answer = await owner.post("/v1/sessions", json=body)

    assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_ERROR")
    assert daemon.sessions.calls == []


async def test_sessions_show_how_they_ended(holder: httpx.AsyncClient, daemon: FakeDaemon) -> None:
    revoked = (await holder.delete(f"/v1/sessions/{SESSION.id}")).json()
    daemon.clock.seconds += 86_400
    (expired,) = (await holder.get("/v1/sessions")).json()["items"]

    assert (revoked["status"], revoked["revokedReason"]) == ("REVOKED", "ended by the owner")
    assert expired["status"] == "EXPIRED"


async def test_a_rule_is_put_as_it_was_sent(owner: httpx.AsyncClient, daemon: FakeDaemon) -> None:
    rules = {"allowed_addresses": ["abc"], "otherwise": "ask"}
    body = {"type": "WHITELIST", "rules": rules, "walletId": WALLET.id}

    added = await owner.put("/v1/policies", json=body)
    replaced = await owner.put("/v1/policies/0199-rule", json=body)
    crossed = await owner.put("/v1/policies/0199-rule", json={**body, "id": "another"})

    assert added.json()["rules"] == rules
    assert replaced.status_code == 200
    assert crossed.status_code == 400
    calls = [call for call in daemon.policies.calls if call[0] == "put"]
    assert [call[4] for call in calls] == [None, "0199-rule"]
    assert [added.json()[name] for name in ("effect", "countsAt", "queuedId")] == [
        "AT_ONCE", None, None,
    ]  # fmt: skip


async def test_what_waits_is_answered_listed_and_ended(
    owner: httpx.AsyncClient, holder: httpx.AsyncClient, daemon: FakeDaemon
) -> None:
    daemon.policies.waiting = LOOSENING
    rules = {"allowed_addresses": ["abc", "def"], "otherwise": "ask"}
    body = {"type": "WHITELIST", "rules": rules, "walletId": WALLET.id, "totpCode": "123456"}

    put = (await owner.put("/v1/policies", json=body)).json()
    header = {"X-TOTP-Code": "123456"}
    removed = (await owner.delete("/v1/policies/0199-rule", headers=header)).json()
    listed = (await holder.get("/v1/policies")).json()
    ended = await holder.delete(f"/v1/policies/queued/{LOOSENING.id}")

    waits = {"effect": "QUEUED", "countsAt": NOW // 1000 + 3600, "queuedId": LOOSENING.id}
    assert waits.items() <= put.items()
    assert removed == {"ok": True, **waits}
    (queued,) = listed["queued"]
    assert queued["rules"] == rules
    assert (queued["change"], queued["ruleId"], queued["baseVersion"]) == ("SET", "0199-rule", 3)
    assert ended.json() == {"ok": True}
    assert [call[-1] for call in daemon.policies.calls if call[0] != "list"] == ["123456"] * 2
    assert daemon.loosenings.calls[-1] == ("cancel", LOOSENING.id, "host")


async def test_a_rule_that_is_not_valid_names_every_issue(
    owner: httpx.AsyncClient, daemon: FakeDaemon
) -> None:
    answer = await owner.put("/v1/policies", json={"type": "RATE_LIMIT", "rules": {"x": 1}})

    assert (answer.status_code, answer.json()["code"]) == (400, "POLICY_INVALID")
    assert {issue["path"] for issue in answer.json()["details"]["issues"]} == {
        "max_tx_per_hour", "max_tx_per_day", "over", "x"
    }  # fmt: skip
    assert daemon.policies.calls == []


async def test_stopping_reports_what_it_did(holder: httpx.AsyncClient, daemon: FakeDaemon) -> None:
    answer = await holder.post("/v1/kill-switch", json={"reason": "odd payments"})

    body = answer.json()
    assert body["state"] == "ACTIVATED"
    assert (body["sessionsRevoked"], body["transactionsCancelled"]) == (1, 2)
    assert [row["id"] for row in body["exposure"]] == [uuid(9)]
    assert daemon.safety.calls == [("halt", "odd payments", "host")]


async def test_the_owner_is_heard_while_everything_is_stopped(
    owner: httpx.AsyncClient, daemon: FakeDaemon
) -> None:
    daemon.gate.set(StopState.ACTIVATED)

    tap = await owner.post("/v1/recover")
    code = await owner.post("/v1/recover", json={"totpCode": "123456"})
    cancelled = await owner.post("/v1/recover/cancel")

    assert (tap.status_code, tap.json()["recoveryAt"]) == (200, (NOW + 5000) // 1000)
    assert code.json()["state"] == "RECOVERING"
    assert cancelled.json()["state"] == "ACTIVATED"
    assert daemon.safety.calls == [
        ("begin_recovery", "host", None),
        ("begin_recovery", "host", "123456"),
        ("cancel_recovery", "host", False),
    ]


async def test_unlocking_reports_a_damaged_keystore(
    owner: httpx.AsyncClient, daemon: FakeDaemon
) -> None:
    good = await owner.post("/v1/unlock")
    daemon.unlocking.fails["unlock"] = KeystoreError(Code.KEYSTORE_CORRUPTED, "Damaged.")
    bad = await owner.post("/v1/unlock")

    assert good.json() == {"ok": True}
    assert (bad.status_code, bad.json()["code"]) == (500, "KEYSTORE_CORRUPTED")


async def test_pairing_bands_and_factors_reach_the_desk(
    owner: httpx.AsyncClient, daemon: FakeDaemon
) -> None:
    started = await owner.post("/v1/pairing")
    bands = {KEY: {"tapMax": "1", "codeMax": "2"}}
    await owner.post("/v1/pairing/confirm", json={"userId": 7, "bands": bands})
    unseen = await owner.post("/v1/pairing/confirm", json={"bands": bands})
    await owner.delete("/v1/pairing")
    await owner.put("/v1/bands", json={"bands": bands})
    upside_down = await owner.put(
        "/v1/bands", json={"bands": {KEY: {"tapMax": "3", "codeMax": "2"}}}
    )

    assert started.json() == {"code": "PAIR123456", "expiresAt": (NOW + 600_000) // 1000}
    assert upside_down.status_code == unseen.status_code == 400
    assert daemon.owner.calls[1:] == [
        ("confirm_pairing", "host", 7, {KEY: Band(1, 2)}),
        ("void_pairing", "host"),
        ("set_bands", {KEY: Band(1, 2)}, "host"),
    ]


async def test_the_audit_log_is_read_page_by_page(holder: httpx.AsyncClient) -> None:
    first = (await holder.get("/v1/audit?limit=2")).json()
    last = (await holder.get("/v1/audit?after=2&limit=10")).json()
    wrong = await holder.get("/v1/audit?after=-1")

    assert ([row["number"] for row in first["items"]], first["nextAfter"]) == ([1, 2], 2)
    assert (last["items"][0]["at"], last["items"][0]["atMs"]) == (NOW // 1000, NOW)
    assert last["nextAfter"] is None
    assert wrong.status_code == 400


async def test_shutting_down_is_accepted(owner: httpx.AsyncClient, daemon: FakeDaemon) -> None:
    answer = await owner.post("/v1/shutdown")

    assert (answer.status_code, daemon.shutdowns) == (202, 1)


async def test_before_it_is_ready_the_owner_waits_too(
    owner: httpx.AsyncClient, daemon: FakeDaemon
) -> None:
    daemon.facts = replace(daemon.facts, ready=False)

    assert (await owner.get("/v1/status")).json()["code"] == "STARTING"
    assert (await owner.get("/health")).json()["status"] == "starting"
