"""Requests drawn from the OpenAPI documents, and what every answer must be, whoever asked for whatever.

Schemathesis makes the data, fitting and not; what else can be wrong with a request (its encoding, its headers, its
credentials) is drawn here. The apps run in this process over a real wallet.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpx
import requests
import schemathesis
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import content_type_conformance, response_schema_conformance
from schemathesis.generation.feedback import NO_FEEDBACK
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import negative_data_rejection, status_code_conformance

from tests.support.chain import ETHER
from tests.support.doors import FakeDaemon
from tests.support.house import AGENT_HOST, House, bearer
from tests.support.vault import PASSWORD
from wallet.api import bodies
from wallet.api.agent import agent_rows
from wallet.api.errors import STATUS
from wallet.api.openapi import openapi
from wallet.api.owner import HOST, owner_rows
from wallet.api.routes import Row
from wallet.errors import Code, InputError

_NO_DAEMON = FakeDaemon().door(frozenset())
ROWS: Mapping[str, Sequence[Row]] = {
    "agent": agent_rows(_NO_DAEMON),
    "owner": owner_rows(_NO_DAEMON),
}
URLS = {"agent": f"http://{AGENT_HOST}", "owner": f"http://{HOST}"}
CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
UNAVAILABLE = {
    code for code, status in STATUS.items() if status == httpx.codes.SERVICE_UNAVAILABLE
}
ERROR_KEYS = {"code", "message", "retryable", "requestId"}
# What relates fields to each other, is arithmetic, or is about Unicode; and a whole number written 5.0, which JSON
# schemas take for an integer.
BEYOND_A_SCHEMA = ("must not be above", "is above any chain's range", "should be a valid integer")
SECONDS_BETWEEN = 7  # so that the limits per minute do not answer everything
COIN = "evm-local/native"
# Values that lead further into the product than random ones.
USUAL: Mapping[str, Sequence[Any]] = {
    "network": ["evm-local", "all", "sol-local"],
    "to": ["payee", "somebody"],
    "amount": ["1", str(ETHER), str(7 * ETHER), str(50 * ETHER)],
    "humanAmount": ["0.5", "2", "1000"],
    "userId": [7, 8],
    "limits": [{COIN: str(ETHER)}],
    "bands": [{COIN: {"tapMax": "1", "codeMax": "2"}}],
    "hash": ["0" * 64],
    "Prefer": ["wait=0", "respond-async, wait=00;x=1"],
    "Idempotency-Key": ["one", "two"],
}
TIERS = {"instant_max": "5", "notify_max": "6", "delay_max": "7"}
RULES: Sequence[Mapping[str, Any]] = [
    {"type": "SPENDING_LIMIT", "rules": {"assets": {COIN: TIERS}, "delay_seconds": 900}},
    {
        "type": "RATE_LIMIT",
        "rules": {"max_tx_per_hour": 5, "max_tx_per_day": 9, "over": "all_wallets"},
    },
    {"type": "WHITELIST", "rules": {"allowed_addresses": ["payee"], "otherwise": "ask"}},
    {"type": "FEE_LIMIT", "rules": {"assets": {COIN: {"max_fee": "0"}}}},
]
# Bodies that must be right as a whole to lead anywhere.
WHOLE: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "/v1/policies": RULES,
    "/v1/policies/{id}": RULES,
    "/v1/wallets": [{"name": f"new {number}", "network": "evm-local"} for number in range(9)],
    "/v1/transactions/{id}/approve": [{}],
    "/v1/transactions/{id}/speed-up": [{}],
    "/v1/transactions/{id}/cancel-sent": [{}],
    "/v1/pairing/confirm": [{"userId": 8}],
    "/v1/recover": [{}],
}
# The only answers that may hold a token or a ticket: those that hand one out.
HANDS_OUT = {"/v1/sessions/{id}/renew", "/v1/sessions/claim", "/v1/ticket"}


@cache
def document(door: str) -> BaseSchema:
    """The door's own document, as schemathesis reads it. Credentials are ours to add."""
    schema = schemathesis.openapi.from_dict(openapi(door, "1", ROWS[door]))
    schema.config.generation.with_security_parameters = False
    return schema


@dataclass
class Known:
    """What exists in a house, by the name under which requests speak of it."""

    token: str
    ticket: str
    values: Mapping[str, Sequence[Any]]
    secrets: Sequence[str]

    def instead(self, name: str, at: str) -> Sequence[Any]:
        """What could stand in a field or parameter ``name`` of a route below ``/v1/{at}``."""
        return self.values.get(at if name == "id" else name, ())


@dataclass
class Sending:
    """A request as bytes. ``case`` is what it was made from; ``bent`` when the bytes are not what it says."""

    case: Case[Any]
    method: str
    url: str
    headers: list[tuple[str, str]]
    content: bytes
    bent: list[str] = field(default_factory=list)

    @property
    def is_negative(self) -> bool:
        return self.case.meta is not None and self.case.meta.generation.mode.is_negative


# ---- drawing


def drawn(door: str, row: Row, known: Known) -> st.SearchStrategy[Sending]:
    """Requests of one route: data that fits or does not, known things named, the bytes bent now and then."""
    operation = document(door)[row.path][row.method]
    modes = [GenerationMode.POSITIVE]
    if row.body or row.query or "{" in row.path or row.idempotent:
        modes.append(GenerationMode.NEGATIVE)
    kinds = [operation.as_strategy(mode, feedback=NO_FEEDBACK) for mode in modes]

    @st.composite
    def request(draw: st.DrawFn) -> Sending:
        case = draw(st.one_of(kinds))
        if case.meta is None or case.meta.generation.mode.is_positive:
            _name_what_exists(draw, case, row, known)
        sending = _as_bytes(case, URLS[door])
        bend = draw(st.sampled_from([_not, _not, _not, *BENDS]))
        bend(draw, sending)
        return sending

    return request()


def _name_what_exists(draw: st.DrawFn, case: Case[Any], row: Row, known: Known) -> None:
    """Random identifiers lead nowhere, so most of the time something takes their place that is there."""
    at = row.path.split("/")[2] if row.path.count("/") > 1 else ""
    if row.body is not None and row.path in WHOLE and draw(st.booleans()):
        case.body = dict(draw(st.sampled_from(WHOLE[row.path])))
    for container in (case.path_parameters, case.query, case.body, case.headers):
        if not isinstance(container, dict) and container is not case.headers:
            continue
        for name in list(container):
            found = known.instead(name, at)
            is_taken: bool = draw(st.sampled_from([True, True, True, False]))
            if found and is_taken:
                container[name] = draw(st.sampled_from(list(found)))


def _as_bytes(case: Case[Any], url: str) -> Sending:
    prepared = requests.Request(**case.as_transport_kwargs(base_url=url)).prepare()
    body = prepared.body or b""
    headers = [
        (name, str(value))
        for name, value in prepared.headers.items()
        if name.lower() not in {"content-length", "user-agent", "accept", "cookie"}
    ]
    content = body if isinstance(body, bytes) else str(body).encode()
    return Sending(case, str(prepared.method), str(prepared.url), headers, content)


def _not(draw: st.DrawFn, sending: Sending) -> None:
    """Most requests stay as they are."""


def _other_content_type(draw: st.DrawFn, sending: Sending) -> None:
    kinds = [
        "text/plain", "application/json; charset=utf-16", "application/jsonx", "multipart/form-data", "", "*/*",
        "application/json\t;x", "APPLICATION/JSON",
    ]  # fmt: skip
    sending.headers = [h for h in sending.headers if h[0].lower() != "content-type"]
    sending.headers += [("Content-Type", draw(st.sampled_from(kinds)))]
    sending.bent.append("content type")


def _other_encoding(draw: st.DrawFn, sending: Sending) -> None:
    codec = draw(st.sampled_from(["utf-16", "utf-8-sig", "utf-32", "utf-7", "cp037"]))
    text = sending.content.decode("utf-8", "replace")
    sending.content = text.encode(codec, "replace")
    sending.bent.append(codec)


def _unknown_key(draw: st.DrawFn, sending: Sending) -> None:
    try:
        found = json.loads(sending.content or b"{}")
    except ValueError:
        return
    if isinstance(found, dict):
        name = draw(
            st.sampled_from(["wallet_id", "__proto__", "amount ", "Amount", "\u0000", "é"])
        )
        sending.content = json.dumps(
            found | {name: draw(st.sampled_from([1, None, {}, "x"]))}
        ).encode()
        sending.bent.append("unknown key")


def _repeated_key(draw: st.DrawFn, sending: Sending) -> None:
    if sending.content.startswith(b'{"'):
        key = sending.content[1:].split(b":", 1)[0]
        sending.content = b"{" + key + b":1," + sending.content[1:]
        sending.bent.append("repeated key")


def _cut(draw: st.DrawFn, sending: Sending) -> None:
    sending.content = sending.content[: draw(st.integers(0, max(0, len(sending.content) - 1)))]
    sending.bent.append("cut")


def _deep(draw: st.DrawFn, sending: Sending) -> None:
    depth = draw(st.sampled_from([20, 499, 501, 40_000]))
    sending.content = b'{"memo":' + b"[" * depth + b"]" * depth + b"}"
    sending.bent.append("deep")


def _more_headers(draw: st.DrawFn, sending: Sending) -> None:
    more = draw(
        st.sampled_from(
            [
                ("Prefer", "wait=0"), ("Prefer", "wait=x"), ("Prefer", "respond-async, wait=0;x=1"),
                ("Idempotency-Key", "same"), ("Idempotency-Key", ""), ("Idempotency-Key", "a" * 129),
                ("Idempotency-Key", "sp ace"), ("X-Request-Id", "mine"), ("X-Request-Id", "<b>" * 99),
                ("Content-Encoding", "gzip"), ("Transfer-Encoding", "chunked"), ("Content-Length", "-1"),
                ("Content-Length", "9" * 40), ("Origin", "https://example.com"), ("Host", "example.com"),
                ("Expect", "100-continue"), ("X-TOTP-Code", "000000"), ("X-HTTP-Method-Override", "DELETE"),
                ("Authorization", "Basic eDp5"), ("Cookie", "a=b"), ("Range", "bytes=0-1"),
            ]
        )
    )  # fmt: skip
    sending.headers.append(more)
    sending.bent.append(more[0])


def _other_method(draw: st.DrawFn, sending: Sending) -> None:
    sending.method = draw(
        st.sampled_from(["HEAD", "OPTIONS", "PATCH", "TRACE", "PUT", "get", "X"])
    )
    sending.bent.append("method")


Bend = Callable[[st.DrawFn, Sending], None]
BENDS: Sequence[Bend] = (
    _other_content_type, _other_encoding, _unknown_key, _repeated_key, _cut, _deep, _more_headers, _other_method,
)  # fmt: skip


async def furnished(house: House, path: str = "") -> Known:
    """One payment in each state that a request could meet, everything's name, and what ``path`` needs to act on."""
    world = house.world
    token, other = await house.token(), await house.token()
    paid = await house.paid(token, ETHER // 2)
    await world.settled(paid)
    world.chain.mines = False
    rows = [paid, *[await house.paid(token, n * ETHER) for n in (1, 10, 30)]]
    world.chain.mines = True
    ticket = (await house.host("POST", "/v1/ticket")).json()["ticket"]
    body = {"walletId": world.wallet.id, "name": "c", "limits": {COIN: "5"}}
    code = (await house.host("POST", "/v1/sessions", body)).json()["claimCode"]
    held = (await world.new_wallet("held")).id
    values = {
        "transactions": rows,
        "transactionId": rows,
        "cursor": rows,
        "sessions": await _ids(house, "/v1/sessions"),
        "policies": await _ids(house, "/v1/policies"),
        "wallets": [world.wallet.id, held],
        "walletId": [world.wallet.id, held],
        "autostop": ["HOURLY_RATE", "CONSECUTIVE_FAILURES", "DAILY_LIMIT_THRESHOLD"],
        "digest": [(await world.row(row)).digest for row in rows],
        "code": [code, "000000"],
        **USUAL,
    }
    await _set_the_scene(house, path, held, values["sessions"][-1])
    return Known(token, ticket, values, [PASSWORD, token, other, ticket])


async def _set_the_scene(house: House, path: str, wallet: str, session: str) -> None:
    """What some routes can act on only after something else happened."""
    desk: Any = house.world.app.operations.owner
    match path:
        case "/v1/recover" | "/v1/recover/cancel":
            await house.holder("POST", "/v1/kill-switch")
            if path.endswith("cancel"):
                await house.host("POST", "/v1/recover")
        case "/v1/sessions/{id}/renew":
            house.world.clock.advance(50_000)
        case "/v1/sessions/{id}/resume":
            await house.holder("POST", f"/v1/sessions/{session}/freeze")
        case "/v1/wallets/{id}/resume":
            await house.holder("POST", f"/v1/wallets/{wallet}/suspend")
        case "/v1/pairing/confirm":
            await desk.offer_pairing(await desk.start_pairing("host"), 8, 8, "Eve", None)
        case "/v1/factor/reset" | "/v1/factor/reset/cancel":
            house.world.vault.enrolled = True
            if path.endswith("cancel"):
                await house.host("POST", "/v1/factor/reset")
        case _:
            pass


async def _ids(house: House, path: str) -> list[str]:
    return [one["id"] for one in (await house.holder("GET", path)).json()["items"]]


# ---- sending


async def sent(
    house: House, door: str, sending: Sending, proof: Mapping[str, str]
) -> httpx.Response:
    """The answer, once what it started is done."""
    client = house.agent if door == "agent" else house.owner
    headers = [*proof.items(), *sending.headers]
    request = client.build_request(
        sending.method, sending.url, headers=headers, content=sending.content
    )
    answer = await client.send(request)
    await house.world.quiet()
    house.world.clock.advance(SECONDS_BETWEEN)
    return answer


def proofs(door: str, known: Known) -> st.SearchStrategy[Mapping[str, str]]:
    """Who asks: mostly those who may."""
    if door == "agent":
        may, others = [bearer(known.token)], [{}, bearer(known.token[:-1]), bearer("x")]
    else:
        may = [{"X-Master-Password": PASSWORD}, {"X-Ticket": known.ticket}]
        others = [{}, {"X-Ticket": "none"}]
    return st.sampled_from([*may * (12 // len(may)), *others])


# ---- judging


def require_ours(row: Row, sending: Sending, answer: httpx.Response, known: Known) -> None:
    """Never a crash, always what the document says, always our error, never a secret."""
    shown = f"{sending.case.as_curl_command()} bent {sending.bent}: {answer.status_code} {answer.text[:500]}"
    found = {} if sending.method == "HEAD" else answer.json()
    code = found.get("code") if answer.is_error else None
    assert answer.status_code < 500 or code in UNAVAILABLE, shown
    if answer.is_error and sending.method != "HEAD":
        assert STATUS[Code(str(code))] == answer.status_code, shown
        assert found.keys() >= ERROR_KEYS, shown
        assert found.keys() <= ERROR_KEYS | {"details", "hint"}, shown
        assert found["requestId"] == answer.headers["x-request-id"], shown
    text = answer.text + str(answer.headers)
    kept = known.secrets if row.path not in HANDS_OUT else [PASSWORD]
    assert not any(secret in text for secret in kept), shown
    if not sending.bent:
        sending.case.validate_response(answer, checks=list(CHECKS))
        _require_a_whole_document(row, sending, found, shown)


def _require_a_whole_document(
    row: Row, sending: Sending, found: Mapping[str, Any], shown: str
) -> None:
    """What the document allows is not refused for its form, but for what no schema can say."""
    if sending.is_negative or found.get("code") != Code.VALIDATION_ERROR:
        return
    try:
        if row.body is not None:
            bodies.parse(row.body, sending.content)
        if row.query is not None:
            bodies.parse_query(row.query, httpx.URL(sending.url).query)
    except InputError as error:
        for issue in error.details["issues"]:
            assert any(words in issue["message"] for words in BEYOND_A_SCHEMA), shown
