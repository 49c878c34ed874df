"""What every request passes before it is looked at. Bare ASGI, because they run on every call."""

import logging
import re
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wallet.api.bodies import DisconnectedError
from wallet.api.errors import (
    STATUS,
    Headers,
    error_body,
    error_headers,
    internal_error,
    routing_error,
)
from wallet.api.operations import DaemonFacts, Operations
from wallet.api.routes import KEY, Call, write
from wallet.errors import Code, InputError, RefusedError, UnavailableError, WalletError, bad_field
from wallet.ports.world import Ids

log = logging.getLogger(__name__)

_REQUEST_ID = re.compile(rb"[0-9A-Za-z._-]{1,128}")
_SECURITY: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-xss-protection", b"0"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
]
# A request that gives one of these twice means different things to different readers.
_SINGLE = frozenset(
    {
        b"host", b"origin", b"authorization", b"content-type", b"content-length", b"idempotency-key",
        b"x-master-password", b"x-ticket", b"x-request-id",
    }
)  # fmt: skip
_BODILESS = frozenset({"GET", "HEAD", "OPTIONS"})
PROBES = frozenset({"/health", "/ready"})


class RequestLine:
    """The outermost guard: a request id, security headers, and a flat answer to everything raised."""

    def __init__(self, app: ASGIApp, ids: Ids) -> None:
        self._app = app
        self._ids = ids

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"")
        if _REQUEST_ID.fullmatch(given) is None:
            given = b"req_" + self._ids.secret(11).hex().encode()
        call = scope[KEY] = Call(scope, headers, given.decode())
        extra = [(b"x-request-id", given), *_SECURITY]

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *extra]
            await send(message)

        await self._answer(call, receive, dressed)

    async def _answer(self, call: Call, receive: Receive, send: Send) -> None:
        try:
            _require_single(call)
            await self._app(call.scope, receive, send)
        except WalletError as error:
            await _write_error(send, error, call)
        except DisconnectedError:
            return
        except Exception:
            log.exception("request %s failed", call.request_id)
            await _write_error(send, internal_error(), call)


class HostGuard:
    """Only the hosts we serve, exactly: a foreign name that resolves to loopback is somebody's trap."""

    def __init__(self, app: ASGIApp, hosts: frozenset[str]) -> None:
        self._app = app
        bare = {host.removesuffix(":80") for host in hosts if host.endswith(":80")}
        self._hosts = frozenset(host.encode() for host in hosts | bare)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            call: Call = scope[KEY]
            if call.headers.get(b"host", b"").lower() not in self._hosts:
                raise RefusedError(
                    Code.INVALID_HOST,
                    "This host name is not served here.",
                    hint="Call the exact address that waiaas status shows.",
                )
        await self._app(scope, receive, send)


class OriginGuard:
    """No web page but our own may call."""

    def __init__(self, app: ASGIApp, origins: frozenset[str]) -> None:
        self._app = app
        self._origins = frozenset(origin.encode() for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            call: Call = scope[KEY]
            origin = call.headers.get(b"origin")
            if origin is not None and origin not in self._origins:
                raise RefusedError(
                    Code.INVALID_ORIGIN,
                    "Web pages may not call this service.",
                    hint="Call it from a program, without an Origin header.",
                )
        await self._app(scope, receive, send)


class BodyGuard:
    """Bodies are JSON and small, announced or not."""

    def __init__(self, app: ASGIApp, largest: int) -> None:
        self._app = app
        self._largest = largest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = scope[KEY].headers
        announced = headers.get(b"content-length", b"0")
        if not announced.isdigit():
            raise bad_field("content-length", "is not a number")
        if len(announced) > len(str(self._largest)) or int(announced) > self._largest:
            raise self._too_large()
        if scope["method"] not in _BODILESS:
            if announced != b"0" or b"transfer-encoding" in headers:
                _require_json(headers.get(b"content-type", b""))
            receive = self._counted(receive)
        await self._app(scope, receive, send)

    def _counted(self, receive: Receive) -> Receive:
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._largest:
                raise self._too_large()
            return message

        return counted

    def _too_large(self) -> InputError:
        return InputError(Code.BODY_TOO_LARGE, f"A body has at most {self._largest} bytes.")


class StartingGate:
    """Until the daemon is ready only the probes answer."""

    def __init__(self, app: ASGIApp, facts: Callable[[], DaemonFacts]) -> None:
        self._app = app
        self._facts = facts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in PROBES and not self._facts().ready:
            raise UnavailableError(
                Code.STARTING,
                "The wallet service is starting.",
                retryable=True,
                details={"retryAfter": 1},
            )
        await self._app(scope, receive, send)


class StopGate:
    """While the kill switch is not at NORMAL no agent gets past here, known or not."""

    def __init__(self, app: ASGIApp, operations: Callable[[], Operations]) -> None:
        self._app = app
        self._operations = operations

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in PROBES:
            gate = self._operations().gate
            if not gate.is_normal:
                raise UnavailableError(
                    Code.SYSTEM_LOCKED,
                    "The owner stopped this wallet service.",
                    details={"state": str(gate.state)},
                    hint="Nothing can be sent until the owner recovers it.",
                )
        await self._app(scope, receive, send)


async def on_http_error(request: Request, error: Exception) -> Response:
    """The router's own refusals, raised on as ours so that one place answers them."""
    allow = (getattr(error, "headers", None) or {}).get("Allow", "")
    status = getattr(error, "status_code", 400)
    raise routing_error(status, request.scope["path"], allow) from None


def _require_single(call: Call) -> None:
    pairs = call.scope["headers"]
    if len(call.headers) == len(pairs):
        return
    seen: set[bytes] = set()
    for name, _ in pairs:
        if name in seen and name in _SINGLE:
            raise bad_field(name.decode("latin-1"), "is given twice")
        seen.add(name)


def _require_json(content_type: bytes) -> None:
    if content_type.partition(b";")[0].strip().lower() != b"application/json":
        raise InputError(
            Code.UNSUPPORTED_MEDIA_TYPE, "Bodies are JSON: send Content-Type: application/json."
        )


async def _write_error(send: Send, error: WalletError, call: Call) -> None:
    body = error_body(error, call.request_id)
    await write(send, STATUS[error.code], body, error_headers(error))
