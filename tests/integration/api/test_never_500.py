"""Whatever bytes arrive, the answer is one of ours and never a 500."""

import json
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.doors import FakeDaemon, agent_client, owner_client
from tests.support.operations import PASSWORD, transaction, uuid

JSON = {"Content-Type": "application/json"}
WORDS = st.sampled_from(
    ["to", "amount", "humanAmount", "human_amount", "memo", "network", "type", "id", "rules",
     "walletId", "limits", "bands", "totpCode", "digest", "reason", "code", "name"]
)  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text() | WORDS, inner, max_size=3)
    ),
    max_leaves=6,
)
OBJECTS = st.dictionaries(WORDS | st.text(), VALUES, max_size=5)
BODIES = st.binary(max_size=200) | OBJECTS.map(lambda found: json.dumps(found).encode())
TEXTS = st.binary(max_size=60).filter(lambda text: b"\r" not in text and b"\n" not in text)
RELAXED = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
POSTS = [
    ("POST", "/v1/sessions"), ("POST", "/v1/wallets"), ("PUT", "/v1/policies"), ("PUT", "/v1/bands"),
    ("POST", "/v1/policies/test"),
    ("POST", f"/v1/transactions/{uuid(1)}/approve"), ("POST", "/v1/kill-switch"),
]  # fmt: skip


def is_ours(answer: httpx.Response) -> bool:
    body = answer.json()
    return answer.status_code < 500 and (answer.status_code < 400 or "code" in body)


@RELAXED
@given(body=BODIES)
async def test_any_body_of_a_send(body: bytes) -> None:
    async with agent_client(FakeDaemon()) as agent:
        assert is_ours(await agent.post("/v1/transactions/send", content=body, headers=JSON))


@pytest.mark.parametrize(("method", "path"), POSTS)
@RELAXED
@given(body=BODIES)
async def test_any_body_of_the_owner(method: str, path: str, body: bytes) -> None:
    daemon = FakeDaemon()
    daemon.transactions.rows[uuid(1)] = transaction(1)
    async with owner_client(daemon, PASSWORD) as owner:
        assert is_ours(await owner.request(method, path, content=body, headers=JSON))


@RELAXED
@given(
    name=st.sampled_from(
        [b"host", b"origin", b"authorization", b"content-type", b"idempotency-key", b"prefer",
         b"x-request-id", b"content-length", b"x-forwarded-for"]
    ),
    value=TEXTS,
)  # fmt: skip
async def test_any_header(name: bytes, value: bytes) -> None:
    request: dict[str, Any] = {"content": b'{"to":"x","amount":"5"}'}
    async with agent_client(FakeDaemon()) as agent:
        headers = [(b"content-type", b"application/json")] if name != b"content-type" else []
        headers.append((name, value))
        answer = await agent.post("/v1/transactions/send", headers=headers, **request)

    assert is_ours(answer)


@RELAXED
@given(
    query=st.lists(
        st.tuples(st.sampled_from(["limit", "cursor", "status", "x"]), st.text()), max_size=4
    ),
    path=st.text(max_size=40),
    tail=st.sampled_from(["", "&", "=", "%", "%ff", "%zz", "&&limit", "+"]),
)
async def test_any_path_and_query(query: list[tuple[str, str]], path: str, tail: str) -> None:
    text = "&".join(f"{name}={quote(value, errors='replace')}" for name, value in query) + tail
    async with agent_client(FakeDaemon()) as agent:
        assert is_ours(await agent.get(f"/v1/transactions?{text}"))
        assert is_ours(
            await agent.get(f"/v1/transactions/{quote(path, safe='', errors='replace')}")
        )
