"""A door from its first moment: the probe answers while the app behind it is still being imported."""

import json
import secrets
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from wallet import __version__
from wallet.api.errors import STATUS, error_body, error_headers
from wallet.errors import Code, RefusedError, UnavailableError, WalletError

_HEADERS = [
    (b"content-type", b"application/json"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
]


class Doorway:
    """Serves `app` once it is there. ``now`` is the clock's, epoch ms; ``hosts`` are served exactly."""

    def __init__(self, hosts: frozenset[str], now: Callable[[], int]) -> None:
        self.app: ASGIApp | None = None
        self.hosts = hosts
        self._now = now
        self._started_at = now()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.app is not None:
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, send)

    async def _answer(self, scope: Scope, send: Send) -> None:
        request_id = f"req_{secrets.token_hex(11)}"
        refusal = self._refusal(scope)
        status, body, headers = 200, self._health(), _HEADERS
        if refusal is not None:
            status, body = STATUS[refusal.code], error_body(refusal, request_id)
            headers = [*_HEADERS, *error_headers(refusal)]
        length = (b"content-length", str(len(body)).encode())
        headers = [*headers, length, (b"x-request-id", request_id.encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _refusal(self, scope: Scope) -> WalletError | None:
        host = dict(scope["headers"]).get(b"host", b"").lower()
        if host.decode("latin-1") not in self.hosts:
            return RefusedError(Code.INVALID_HOST, "This host name is not served here.")
        if scope["path"] == "/health" and scope["method"] in ("GET", "HEAD"):
            return None
        return UnavailableError(
            Code.STARTING,
            "The wallet service is starting.",
            retryable=True,
            details={"retryAfter": 1},
        )

    def _health(self) -> bytes:
        now = self._now()
        view = {
            "status": "starting",
            "version": __version__,
            "uptime": max(0, now - self._started_at) // 1000,
            "timestamp": now // 1000,
        }
        return json.dumps(view, separators=(",", ":")).encode()
