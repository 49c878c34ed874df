"""What every request passes before it is looked at."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from tests.support.doors import HOSTS, FakeDaemon, agent_client
from tests.support.operations import TOKEN
from wallet.api.agent import agent_app
from wallet.api.limits import Limits
from wallet.domain.safety import StopState

SEND = "/v1/transactions/send"
GOOD = {"to": "PayeeAddress111", "amount": "500000000"}


async def test_a_request_id_is_echoed_or_made(agent: httpx.AsyncClient) -> None:
    given = await agent.get("/health", headers={"X-Request-ID": "abc-1"})
    made = await agent.get("/health")
    odd = await agent.get("/health", headers={"X-Request-ID": "a b<script>"})

    assert given.headers["x-request-id"] == "abc-1"
    assert made.headers["x-request-id"].startswith("req_")
    assert len(made.headers["x-request-id"]) == 26
    assert odd.headers["x-request-id"].startswith("req_")


async def test_every_answer_carries_the_security_headers(
    agent: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    for answer in (await agent.get("/health"), await stranger.get("/v1/wallet/address")):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["cache-control"] == "no-store"
        assert "server" not in answer.headers


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1", "localhost", "127.0.0.1:3101", "127.0.0.1:3100.", "127.0.0.1:03100",
     "[::1]:3100", "waiaas", "", "127.0.0.1:3100@evil.example"],
)  # fmt: skip
async def test_a_host_that_is_not_ours_is_refused_first(
    agent: httpx.AsyncClient, daemon: FakeDaemon, host: str
) -> None:
    answer = await agent.get("/v1/wallet/address", headers={"Host": host})

    assert (answer.status_code, answer.json()["code"]) == (403, "INVALID_HOST")
    assert daemon.sessions.calls == []


async def test_a_bare_host_is_served_where_the_port_is_the_schemes_own(daemon: FakeDaemon) -> None:
    agent = daemon.door(frozenset({"127.0.0.1:80"}))

    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(agent_app(agent)), base_url="http://127.0.0.1"
    ) as client:
        answer = await client.get("/health")

    assert answer.status_code == 200


@pytest.mark.parametrize(
    "origin", ["null", "http://evil.example", "https://127.0.0.1:3100", "http://127.0.0.1", ""]
)
async def test_a_foreign_web_page_may_not_call(agent: httpx.AsyncClient, origin: str) -> None:
    answer = await agent.get("/v1/wallet/address", headers={"Origin": origin})

    assert (answer.status_code, answer.json()["code"]) == (403, "INVALID_ORIGIN")


async def test_our_own_origin_may(agent: httpx.AsyncClient) -> None:
    for host in HOSTS:
        answer = await agent.get("/health", headers={"Origin": f"http://{host}"})
        assert answer.status_code == 200


@pytest.mark.parametrize(
    "name", ["Host", "Authorization", "Idempotency-Key", "Content-Length", "Origin"]
)
async def test_a_header_given_twice_is_refused(daemon: FakeDaemon, name: str) -> None:
    headers = [
        (b"host", b"127.0.0.1:3100"),
        (name.lower().encode(), b"1"),
        (name.lower().encode(), b"2"),
    ]

    status, _ = await raw(daemon, "GET", "/health", headers)

    assert status == 400


async def test_a_body_over_the_limit_is_refused_announced_or_not(
    agent: httpx.AsyncClient, daemon: FakeDaemon
) -> None:
    large = b'{"to":"' + b"x" * 262_144 + b'"}'

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(large), 65_536):
            yield large[start : start + 65_536]

    kind = {"Content-Type": "application/json"}
    announced = await agent.post(SEND, content=large, headers=kind)
    chunked = await agent.post(SEND, content=chunks(), headers=kind)
    huge = await agent.get("/health", headers={"Content-Length": "9" * 40})

    for answer in (announced, chunked, huge):
        assert (answer.status_code, answer.json()["code"]) == (413, "BODY_TOO_LARGE")
    assert daemon.transactions.calls == []


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "", "json"])
async def test_a_body_that_is_not_json_is_refused(agent: httpx.AsyncClient, kind: str) -> None:
    answer = await agent.post(SEND, content=b"{}", headers={"Content-Type": kind})

    assert (answer.status_code, answer.json()["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")


async def test_a_charset_is_no_reason_to_refuse(agent: httpx.AsyncClient) -> None:
    answer = await agent.post(
        SEND,
        content=b'{"to":"x","amount":"5"}',
        headers={"Content-Type": "Application/JSON; charset=utf-8"},
    )

    assert answer.status_code == 201


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", f"Basic {TOKEN}", TOKEN, "Bearer wrong", f"Bearer {TOKEN}x",
     "Bearer \u00e9"],
)  # fmt: skip
async def test_no_valid_token_no_entrance(
    stranger: httpx.AsyncClient, authorization: str | None
) -> None:
    headers = [] if authorization is None else [(b"Authorization", authorization.encode())]

    answer = await stranger.get("/v1/wallet/address", headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (401, "INVALID_TOKEN")
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_what_is_not_known_needs_a_token_as_well(
    agent: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    known = await agent.get("/v1/nothing")
    unknown = await stranger.get("/v1/nothing")

    assert (known.status_code, known.json()["code"]) == (404, "NOT_FOUND")
    assert unknown.status_code == 401


async def test_a_wrong_method_says_which_are_right(agent: httpx.AsyncClient) -> None:
    answer = await agent.delete("/v1/transactions")

    assert (answer.status_code, answer.json()["code"]) == (405, "METHOD_NOT_ALLOWED")
    assert "GET" in answer.headers["allow"]


async def test_head_answers_like_get(agent: httpx.AsyncClient) -> None:
    answer = await agent.head("/v1/wallet/address")

    assert answer.status_code == 200


async def test_a_trailing_slash_is_another_path(agent: httpx.AsyncClient) -> None:
    answer = await agent.get("/v1/wallet/address/")

    assert answer.status_code == 404


async def test_until_it_is_ready_only_the_probes_answer(
    agent: httpx.AsyncClient, daemon: FakeDaemon
) -> None:
    daemon.facts = replace(daemon.facts, ready=False)

    answer = await agent.post(SEND, json=GOOD)
    health = await agent.get("/health")

    assert (answer.status_code, answer.json()["code"]) == (503, "STARTING")
    assert answer.json()["retryable"] is True
    assert answer.headers["retry-after"] == "1"
    assert health.status_code == 200


@pytest.mark.parametrize("state", [StopState.ACTIVATED, StopState.RECOVERING])
async def test_while_stopped_nobody_is_even_recognised(
    agent: httpx.AsyncClient, stranger: httpx.AsyncClient, daemon: FakeDaemon, state: StopState
) -> None:
    daemon.gate.set(state)

    for client in (agent, stranger):
        for path in ("/v1/wallet/address", "/openapi.json", "/v1/nothing"):
            answer = await client.get(path)
            assert (answer.status_code, answer.json()["code"]) == (503, "SYSTEM_LOCKED")
            assert answer.json()["retryable"] is False
    assert daemon.sessions.calls == []
    assert (await agent.get("/health")).json()["status"] == "stopped"
    assert (await agent.get("/ready")).status_code == 200


async def test_a_session_over_its_rate_waits_and_then_goes_on() -> None:
    daemon = FakeDaemon(limits=Limits(session_rpm=60, send_rpm=2))

    async with agent_client(daemon) as agent:
        sends = [await agent.post(SEND, json=GOOD) for _ in range(3)]
        reads = [(await agent.get("/v1/wallet/address")).status_code for _ in range(58)]
        daemon.clock.seconds += 1
        later = await agent.get("/v1/wallet/address")

    assert [answer.status_code for answer in sends] == [201, 201, 429]
    assert sends[2].headers["retry-after"] == "30"
    assert (sends[2].json()["code"], sends[2].json()["retryable"]) == ("RATE_LIMIT_EXCEEDED", True)
    assert (reads[:57], reads[57]) == ([200] * 57, 429)
    assert later.status_code == 200


async def test_guessing_is_slowed_down_but_shuts_nobody_else_out() -> None:
    daemon = FakeDaemon(limits=Limits(failed_auth_ip_rpm=3))

    async with agent_client(daemon, "wrong") as guesser, agent_client(daemon) as agent:
        guesses = [await guesser.get("/v1/wallet/address") for _ in range(5)]
        good = await agent.get("/v1/wallet/address")

    assert [answer.status_code for answer in guesses] == [401, 401, 401, 429, 429]
    assert guesses[4].json()["retryable"] is False
    assert good.status_code == 200


async def test_claims_are_limited_by_address() -> None:
    daemon = FakeDaemon(limits=Limits(claim_rpm=2))

    async with agent_client(daemon, None) as stranger:
        codes = [
            (await stranger.post("/v1/sessions/claim", json={"code": "X"})).status_code
            for _ in range(3)
        ]

    assert codes == [401, 401, 429]
    assert len([call for call in daemon.sessions.calls if call[0] == "claim"]) == 2


async def test_a_caller_who_hangs_up_leaves_nothing_behind(
    daemon: FakeDaemon, caplog: pytest.LogCaptureFixture
) -> None:
    headers = [
        (b"host", b"127.0.0.1:3100"),
        (b"authorization", f"Bearer {TOKEN}".encode()),
        (b"content-type", b"application/json"),
        (b"content-length", b"50"),
    ]

    status, _ = await raw(daemon, "POST", SEND, headers, [{"type": "http.disconnect"}])

    assert status is None
    assert daemon.transactions.calls == []
    assert caplog.records == []


async def raw(
    daemon: FakeDaemon,
    method: str,
    path: str,
    headers: list[tuple[bytes, bytes]],
    messages: list[dict[str, Any]] | None = None,
) -> tuple[int | None, list[Any]]:
    """One request exactly as given, past what an HTTP client would mend."""
    waiting = list(messages or [{"type": "http.request", "body": b""}])
    sent: list[Any] = []

    async def receive() -> Any:
        await asyncio.sleep(0)
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method,
        "scheme": "http", "path": path, "raw_path": path.encode(), "query_string": b"",
        "root_path": "", "headers": headers, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 3100),
    }  # fmt: skip
    await daemon.agent(scope, receive, send)
    return (sent[0]["status"] if sent else None), sent
