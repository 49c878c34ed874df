"""The agent's payments on the wire."""

import json
from typing import Any

import httpx
import pytest

from tests.support.doors import FakeDaemon
from tests.support.operations import NOW, SESSION, WALLET, transaction, uuid
from wallet.domain.money import U64_MAX
from wallet.domain.tiers import Tier
from wallet.domain.transactions import Status
from wallet.errors import ChainError, Code, LimitedError, RefusedError, UnavailableError

SEND = "/v1/transactions/send"
GOOD = {"to": "PayeeAddress111", "amount": "500000000"}


async def test_a_payment_answers_201_with_what_a_client_needs(
    agent: httpx.AsyncClient, daemon: FakeDaemon
) -> None:
    answer = await agent.post(SEND, json=GOOD)

    body = answer.json()
    assert answer.status_code == 201
    assert body["id"] == body["transactionId"] == uuid(1)
    assert (body["status"], body["tier"], body["createdAt"]) == ("PENDING", "INSTANT", NOW // 1000)
    assert (body["amount"], body["formatted"]) == ("500000000", "0.5 SOL")
    assert (body["walletId"], body["sessionId"]) == (WALLET.id, SESSION.id)
    assert answer.headers["location"] == f"/v1/transactions/{uuid(1)}"
    assert "idempotency-replayed" not in answer.headers


async def test_a_human_amount_is_taken_and_echoed_in_both_forms(
    agent: httpx.AsyncClient, daemon: FakeDaemon
) -> None:
    answer = await agent.post(SEND, json={"to": "x", "humanAmount": "0.25", "type": "TRANSFER"})

    assert answer.status_code == 201
    assert (answer.json()["amount"], answer.json()["formatted"]) == ("250000000", "0.25 SOL")


async def test_a_key_sent_twice_answers_the_same_transaction_and_says_so(
    agent: httpx.AsyncClient, daemon: FakeDaemon
) -> None:
    first = await agent.post(SEND, json=GOOD, headers={"Idempotency-Key": "order-1"})
    second = await agent.post(SEND, json=GOOD, headers={"Idempotency-Key": "order-1"})

    assert first.json()["id"] == second.json()["id"]
    assert (second.status_code, second.headers["idempotency-replayed"]) == (201, "true")


@pytest.mark.parametrize("key", ["", "a b", "x" * 129, "k\u00e9y"])
async def test_a_key_that_is_not_visible_ascii_is_refused(
    agent: httpx.AsyncClient, daemon: FakeDaemon, key: str
) -> None:
    answer = await agent.post(SEND, json=GOOD, headers=[(b"Idempotency-Key", key.encode())])

    assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_ERROR")
    assert daemon.transactions.calls == []


@pytest.mark.parametrize(
    ("prefer", "applied"),
    [("wait=5", 5), ("respond-async, wait=30", 30), ("wait=99", 30), ("wait=0", 0)],
)
async def test_a_caller_who_waits_gets_the_outcome(
    agent: httpx.AsyncClient, daemon: FakeDaemon, prefer: str, applied: int
) -> None:
    answer = await agent.post(SEND, json=GOOD, headers={"Prefer": prefer})

    assert answer.status_code == 201
    assert answer.headers["preference-applied"] == f"wait={applied}"
    assert (answer.json()["status"], answer.json()["txHash"]) == ("CONFIRMED", "5ig")


@pytest.mark.parametrize("prefer", ["wait=abc", "wait", "await=5", "wait=-1", ""])
async def test_a_preference_nobody_understands_is_ignored(
    agent: httpx.AsyncClient, prefer: str
) -> None:
    answer = await agent.post(SEND, json=GOOD, headers={"Prefer": prefer})

    assert (answer.status_code, answer.json()["status"]) == (201, "PENDING")
    assert "preference-applied" not in answer.headers


async def test_trouble_while_waiting_does_not_hide_a_stored_payment(
    agent: httpx.AsyncClient, daemon: FakeDaemon
) -> None:
    daemon.transactions.fails["outcome"] = UnavailableError(Code.STORAGE_BUSY, "busy")

    answer = await agent.post(SEND, json=GOOD, headers={"Prefer": "wait=5"})

    assert (answer.status_code, answer.json()["status"]) == (201, "PENDING")


@pytest.mark.parametrize(
    "amount",
    ["-5", "0", "1e3", " 5", "5 ", "\u0665", "1_000", "+5", "0.5", "", "007", str(U64_MAX + 1),
     "9" * 79, 5, 5.0, True, None, [], {}],
)  # fmt: skip
async def test_an_amount_that_is_no_base_units_is_refused(
    agent: httpx.AsyncClient, daemon: FakeDaemon, amount: object
) -> None:
    answer = await agent.post(SEND, json={"to": "x", "amount": amount})

    body = answer.json()
    assert (answer.status_code, body["code"], body["retryable"]) == (400, "INVALID_AMOUNT", False)
    assert body["details"]["issues"][0]["path"] in ("amount", "body")
    assert daemon.transactions.calls == []


@pytest.mark.parametrize(
    "amount",
    ["0", "0.0", "-1", "1e3", ".5", "5.", "1,5", "0.0000000001", "1_0", 0.5, "99999999999999"],
)
async def test_a_human_amount_that_is_not_exact_is_refused(
    agent: httpx.AsyncClient, daemon: FakeDaemon, amount: object
) -> None:
    answer = await agent.post(SEND, json={"to": "x", "humanAmount": amount})

    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_AMOUNT")
    assert daemon.transactions.calls == []


async def test_both_amounts_at_once_are_refused(agent: httpx.AsyncClient) -> None:
    answer = await agent.post(SEND, json={**GOOD, "humanAmount": "1"})

    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_AMOUNT")


async def test_every_mistake_of_a_body_is_named_at_once(
    agent: httpx.AsyncClient, daemon: FakeDaemon
) -> None:
    answer = await agent.post(SEND, json={"amount": 5, "gasCondition": {}, "memo": 1})

    paths = {issue["path"] for issue in answer.json()["details"]["issues"]}
    assert answer.status_code == 400
    assert paths == {"to", "amount", "memo", "gasCondition"}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({**GOOD, "type": "TOKEN_TRANSFER", "token": {"address": "x"}}, "UNSUPPORTED_TYPE"),
        ({**GOOD, "type": "TOKEN_TRANSFER"}, "UNSUPPORTED_TYPE"),
        ({**GOOD, "type": "CONTRACT_CALL"}, "UNSUPPORTED_TYPE"),
        ({**GOOD, "type": "APPROVE"}, "UNSUPPORTED_TYPE"),
        ({**GOOD, "type": "transfer"}, "UNSUPPORTED_TYPE"),
        ({**GOOD, "token": {}}, "VALIDATION_ERROR"),
        ({**GOOD, "human_amount": "1"}, "VALIDATION_ERROR"),
        ({**GOOD, "network": "ethereum-sepolia"}, "NETWORK_MISMATCH"),
        ({**GOOD, "memo": "x" * 257}, "INVALID_MEMO"),
        ({**GOOD, "memo": "\u20ac" * 86}, "INVALID_MEMO"),
        ({**GOOD, "memo": "a\0b"}, "INVALID_MEMO"),
        ({**GOOD, "to": ""}, "VALIDATION_ERROR"),
        ({**GOOD, "to": 5}, "VALIDATION_ERROR"),
        ({}, "VALIDATION_ERROR"),
        ({"to": "x"}, "INVALID_AMOUNT"),
    ],
)
async def test_a_body_outside_the_contract_is_refused_by_code(
    agent: httpx.AsyncClient, daemon: FakeDaemon, body: dict[str, Any], code: str
) -> None:
    answer = await agent.post(SEND, json=body)

    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert daemon.transactions.calls == []


async def test_a_memo_of_exactly_256_bytes_and_the_right_network_pass(
    agent: httpx.AsyncClient,
) -> None:
    answer = await agent.post(SEND, json={**GOOD, "memo": "x" * 256, "network": "solana-devnet"})

    assert (answer.status_code, answer.json()["memo"]) == (201, "x" * 256)


@pytest.mark.parametrize(
    "text",
    [
        b'{"to":"x","amount":"5","amount":"6"}',
        b'{"to":"x","amount":"5","x":{"a":1,"a":2}}',
        b'{"to":"x","amount":NaN}',
        b'["to"]',
        b'"to"',
        b"null",
        b"{",
        b"\xff\xfe{}",
        b'{"to":"\\ud800","amount":"5"}',
        b"[" * 100_000,
        b'{"a":' * 40_000,
        b'{"amount":' + b"9" * 5000 + b"}",
    ],
)
async def test_json_that_readers_disagree_about_is_refused(
    agent: httpx.AsyncClient, daemon: FakeDaemon, text: bytes
) -> None:
    answer = await agent.post(SEND, content=text, headers={"Content-Type": "application/json"})

    assert answer.status_code == 400
    assert daemon.transactions.calls == []


async def test_a_denial_is_explained(agent: httpx.AsyncClient, daemon: FakeDaemon) -> None:
    details = {"rule": "WHITELIST", "ruleId": "r", "remaining": None, "ownerCanHelp": True}
    daemon.transactions.fails["send"] = RefusedError(
        Code.WHITELIST_DENIED, "Denied.", details=details, hint="Use a listed recipient."
    )

    answer = await agent.post(SEND, json=GOOD)

    body = answer.json()
    assert answer.status_code == 403
    assert (body["code"], body["details"], body["retryable"]) == (
        "WHITELIST_DENIED",
        details,
        False,
    )
    assert body["hint"] == "Use a listed recipient."
    assert body["requestId"] == answer.headers["x-request-id"]


async def test_no_failed_send_invites_a_repeat_once_a_row_may_exist(
    agent: httpx.AsyncClient, daemon: FakeDaemon
) -> None:
    daemon.transactions.fails["send"] = ChainError(Code.CHAIN_UNAVAILABLE, "down", retryable=True)
    chain = await agent.post(SEND, json=GOOD)
    daemon.transactions.fails["send"] = LimitedError(
        Code.TOO_MANY_APPROVALS, "Five wait.", retryable=True, details={"retryAfter": 7}
    )
    limited = await agent.post(SEND, json=GOOD)

    assert (chain.status_code, chain.json()["retryable"]) == (503, False)
    assert (limited.status_code, limited.json()["retryable"]) == (429, True)
    assert limited.headers["retry-after"] == "7"


async def test_a_bug_shows_nothing_of_itself_and_is_logged_once(
    agent: httpx.AsyncClient, daemon: FakeDaemon, caplog: pytest.LogCaptureFixture
) -> None:
    daemon.transactions.fails["send"] = RuntimeError("the secret inside")

    answer = await agent.post(SEND, json=GOOD, headers={"X-Request-ID": "mine-1"})

    assert (answer.status_code, answer.json()["code"]) == (500, "INTERNAL_ERROR")
    assert "secret" not in answer.text
    assert answer.json()["retryable"] is False
    assert [r.getMessage() for r in caplog.records if r.levelname == "ERROR"] == [
        "request mine-1 failed"
    ]


async def test_the_detail_is_in_seconds_and_strings(
    agent: httpx.AsyncClient, daemon: FakeDaemon
) -> None:
    row = transaction(
        4, tier=Tier.APPROVAL, status=Status.QUEUED, expires_at=NOW + 9000, fee=5000, error="X"
    )
    daemon.transactions.rows[row.id] = row

    body = (await agent.get(f"/v1/transactions/{row.id}")).json()

    assert (body["queuedAt"], body["expiresAt"]) == (NOW // 1000, (NOW + 9000) // 1000)
    assert (body["fee"], body["error"], body["toAddress"]) == ("5000", "X", "PayeeAddress111")
    assert body["displayStatus"] == "waits for the owner's approval"


async def test_somebody_elses_transaction_does_not_exist(
    agent: httpx.AsyncClient, daemon: FakeDaemon
) -> None:
    daemon.transactions.rows[uuid(1)] = transaction(1, wallet_id="other")

    for path in (uuid(1), "nothing", "a%00b", "x" * 200):
        answer = await agent.get(f"/v1/transactions/{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "TX_NOT_FOUND")


async def test_pages_hand_on_a_cursor_until_the_end(
    agent: httpx.AsyncClient, daemon: FakeDaemon
) -> None:
    for number in range(1, 6):
        daemon.transactions.rows[uuid(number)] = transaction(number)
    seen: list[str] = []
    cursor: str | None = ""

    while cursor is not None:
        query = {"limit": "2", **({"cursor": cursor} if cursor else {})}
        body = (await agent.get("/v1/transactions", params=query)).json()
        seen += [item["id"] for item in body["items"]]
        assert body["cursor"] == body["nextCursor"]
        assert body["hasMore"] is (body["cursor"] is not None)
        cursor = body["cursor"]

    assert seen == [uuid(number) for number in (5, 4, 3, 2, 1)]


async def test_lists_filter_by_status_and_order(
    agent: httpx.AsyncClient, daemon: FakeDaemon
) -> None:
    daemon.transactions.rows = {
        uuid(1): transaction(1),
        uuid(2): transaction(2, status=Status.QUEUED, tier=Tier.DELAY),
    }

    queued = (await agent.get("/v1/transactions?status=QUEUED&order=asc")).json()
    pending = (await agent.get("/v1/transactions/pending")).json()

    assert [item["id"] for item in queued["items"]] == [uuid(2)]
    assert [item["id"] for item in pending["items"]] == [uuid(2)]
    assert pending["hasMore"] is False


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=101", "limit=x", "limit=1_0", "limit=%D9%A5", "cursor=abc", "order=up",
     "status=queued", "statsu=QUEUED", "limit=1&limit=2", "limit=", "cursor=%ff", "&".join(["a=1"] * 30)],
)  # fmt: skip
async def test_a_query_outside_the_contract_is_refused(
    agent: httpx.AsyncClient, daemon: FakeDaemon, query: str
) -> None:
    answer = await agent.get(f"/v1/transactions?{query}")

    assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_ERROR")
    assert daemon.transactions.calls == []


async def test_an_error_is_flat_json(agent: httpx.AsyncClient) -> None:
    answer = await agent.get("/v1/transactions/none")

    assert json.loads(answer.content).keys() >= {"code", "message", "retryable", "requestId"}
    assert answer.headers["content-type"] == "application/json"
