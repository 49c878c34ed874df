"""Rates: token buckets in memory, and what they stand in front of."""

import math
from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send

from wallet.api.routes import KEY, Call
from wallet.errors import AuthError, Code, LimitedError
from wallet.ports.world import Clock

CLAIM_PATH = "/v1/sessions/claim"
SEND_PATH = "/v1/transactions/send"
KEYS_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class Limits:
    """Requests a minute; ``body_bytes`` is the largest body."""

    session_rpm: int = 6000
    send_rpm: int = 600
    claim_rpm: int = 10
    failed_auth_ip_rpm: int = 100
    body_bytes: int = 262_144


class Rate:
    """``per_minute`` a minute per key, all of it at once if need be. Forgets the idlest keys first."""

    def __init__(self, per_minute: int, clock: Clock) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, key: str) -> None:
        """Count one; LimitedError(RATE_LIMIT_EXCEEDED) with ``retryAfter`` seconds when none is left."""
        now = self._clock.monotonic()
        tokens, since = self._buckets.pop(key, (float(self._per_minute), now))
        tokens = min(self._per_minute, tokens + (now - since) * self._per_minute / 60)
        is_within = tokens >= 1
        self._buckets[key] = (tokens - 1 if is_within else tokens, now)
        if len(self._buckets) > KEYS_KEPT:
            del self._buckets[next(iter(self._buckets))]
        if not is_within:
            raise self._exceeded(tokens)

    def _exceeded(self, tokens: float) -> LimitedError:
        seconds = max(1, math.ceil((1 - tokens) * 60 / self._per_minute))
        return LimitedError(
            Code.RATE_LIMIT_EXCEEDED,
            f"More than {self._per_minute} requests a minute.",
            retryable=True,  # refused before anything was stored
            details={"limit": self._per_minute, "window": "1m", "retryAfter": seconds},
        )


class FailedAuthLimit:
    """Counts failed proofs per address, and answers 429 instead of 401 once there are too many.

    A valid token is never refused here: every local agent shares one address, and one that guesses
    must not shut the others out.
    """

    def __init__(self, app: ASGIApp, rate: Rate) -> None:
        self._app = app
        self._rate = rate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except AuthError:
            call: Call = scope[KEY]
            try:
                self._rate.take(call.client_ip)
            except LimitedError as error:
                error.retryable = False  # the same proof will not do better later
                raise
            raise


class SessionLimits:
    """Per session: all requests, and sends on their own. Per address: claims."""

    def __init__(self, app: ASGIApp, session: Rate, sends: Rate, claims: Rate) -> None:
        self._app = app
        self._session = session
        self._sends = sends
        self._claims = claims

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self._count(scope[KEY], scope["path"])
        await self._app(scope, receive, send)

    def _count(self, call: Call, path: str) -> None:
        if call.session is not None:
            self._session.take(call.session.id)
            if path == SEND_PATH:
                self._sends.take(call.session.id)
        elif path == CLAIM_PATH:
            self._claims.take(call.client_ip)
