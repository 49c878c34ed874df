"""The endpoints of one network: which to ask, which to leave alone, and proof that each is the right chain.

It knows no chain: a client is any object that talks to one URL. An endpoint is used only after it
proved its identity, again after every failure and at least once an hour. Reads go to the next
endpoint when one fails; what may be sent twice is the adapter's business.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar
from urllib.parse import urlsplit

from wallet.errors import ChainError, Code
from wallet.ports.world import Clock

C = TypeVar("C")
T = TypeVar("T")

PROOF_SECONDS: Final = 3600.0
FIRST_REST_SECONDS: Final = 0.5
LONGEST_REST_SECONDS: Final = 30.0


class EndpointError(Exception):
    """One endpoint gave no usable answer. The text never holds its URL: URLs carry keys."""


class ForeignEndpointError(EndpointError):
    """The endpoint belongs to another chain; nothing is read from it or sent to it."""


@dataclass(slots=True)
class Endpoint(Generic[C]):
    """One URL's client and what we know of it. ``label`` is the host and port alone."""

    label: str
    client: C
    proved_at: float | None = None
    failures: int = 0
    rests_until: float = 0.0
    proving: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof(Generic[C]):
    """How an endpoint shows which chain it serves: ``ask`` must answer ``expected``."""

    expected: str
    ask: Callable[[C], Awaitable[str]]


class Endpoints(Generic[C]):
    """The endpoints of one network, in the owner's order of preference.

    ``failures`` are the client's exceptions that mean "no usable answer" beside EndpointError,
    OSError and TimeoutError. Every use is bounded by ``timeout_seconds``.
    """

    def __init__(
        self,
        endpoints: Sequence[Endpoint[C]],
        *,
        network: str,
        proof: Proof[C],
        clock: Clock,
        timeout_seconds: float,
        failures: tuple[type[Exception], ...] = (),
    ) -> None:
        if not endpoints:
            raise ValueError("a network needs at least one endpoint")
        self._endpoints = tuple(endpoints)
        self._network = network
        self._proof = proof
        self._clock = clock
        self._timeout = timeout_seconds
        self._failures: tuple[type[Exception], ...] = (OSError, TimeoutError, *failures)

    @property
    def clients(self) -> tuple[C, ...]:
        return tuple(endpoint.client for endpoint in self._endpoints)

    def candidates(self) -> tuple[Endpoint[C], ...]:
        """Every endpoint, the ones that lately failed behind the others."""
        now = self._clock.monotonic()
        return tuple(sorted(self._endpoints, key=lambda endpoint: endpoint.rests_until > now))

    async def connect(self) -> None:
        """Prove all endpoints.

        Raises CHAIN_IDENTITY_MISMATCH when any serves another chain, CHAIN_UNAVAILABLE when none
        answers. An endpoint that does not answer is proved when it is first used.
        """
        outcomes = await asyncio.gather(
            *(self._reached(endpoint) for endpoint in self._endpoints), return_exceptions=True
        )
        for outcome in outcomes:
            if isinstance(outcome, BaseException) and not isinstance(outcome, EndpointError):
                raise outcome
        errors = [outcome for outcome in outcomes if isinstance(outcome, EndpointError)]
        foreign = [error for error in errors if isinstance(error, ForeignEndpointError)]
        if foreign or len(errors) == len(self._endpoints):
            raise self._unavailable(foreign or errors)

    async def read(self, ask: Callable[[C], Awaitable[T]]) -> T:
        """Ask one endpoint after the other until one answers.

        Only for questions that change nothing. Raises ChainError(CHAIN_UNAVAILABLE) when nobody
        answered; a ChainError raised by ``ask`` is an answer and comes through.
        """
        errors: list[EndpointError] = []
        for endpoint in self.candidates():
            try:
                return await self.use(endpoint, ask)
            except EndpointError as error:
                errors.append(error)
        raise self._unavailable(errors)

    async def use(self, endpoint: Endpoint[C], ask: Callable[[C], Awaitable[T]]) -> T:
        """Ask this endpoint, after its proof. Raises EndpointError; marks failures."""
        await self._reached(endpoint)
        answer = await self._guarded(endpoint, ask)
        endpoint.failures = 0
        endpoint.rests_until = 0.0
        return answer

    async def use_proved_anew(self, endpoint: Endpoint[C], ask: Callable[[C], Awaitable[T]]) -> T:
        """Like ``use``, after a fresh proof: for what would be a conclusion if another chain said it."""
        endpoint.proved_at = None
        return await self.use(endpoint, ask)

    async def _reached(self, endpoint: Endpoint[C]) -> None:
        if self._is_proved(endpoint):
            return
        failures = endpoint.failures
        async with endpoint.proving:
            if self._is_proved(endpoint):
                return
            if endpoint.failures > failures:
                # Somebody asked while we queued: one silence is enough for everybody waiting.
                raise EndpointError(f"{endpoint.label}: did not prove its identity")
            await self._prove(endpoint)

    def _is_proved(self, endpoint: Endpoint[C]) -> bool:
        proved_at = endpoint.proved_at
        return proved_at is not None and self._clock.monotonic() - proved_at < PROOF_SECONDS

    async def _prove(self, endpoint: Endpoint[C]) -> None:
        identity = await self._guarded(endpoint, self._proof.ask)
        if identity != self._proof.expected:
            self._mark(endpoint)
            raise ForeignEndpointError(
                f"{endpoint.label} serves {identity[:64]}, not {self._proof.expected}"
            )
        endpoint.proved_at = self._clock.monotonic()

    async def _guarded(self, endpoint: Endpoint[C], ask: Callable[[C], Awaitable[T]]) -> T:
        try:
            async with asyncio.timeout(self._timeout):
                return await ask(endpoint.client)
        except EndpointError:
            self._mark(endpoint)
            raise
        except self._failures as error:
            self._mark(endpoint)
            # The library's exception may spell out the URL, so it is not chained.
            raise EndpointError(f"{endpoint.label}: {type(error).__name__}") from None

    def _mark(self, endpoint: Endpoint[C]) -> None:
        endpoint.proved_at = None
        rest = min(FIRST_REST_SECONDS * 2 ** min(endpoint.failures, 10), LONGEST_REST_SECONDS)
        endpoint.failures += 1
        endpoint.rests_until = self._clock.monotonic() + rest

    def _unavailable(self, errors: Sequence[EndpointError]) -> ChainError:
        foreign = all(isinstance(error, ForeignEndpointError) for error in errors)
        reasons = [str(error) for error in errors]
        if foreign:
            return ChainError(
                Code.CHAIN_IDENTITY_MISMATCH,
                f"An endpoint of {self._network} serves another chain.",
                details={"network": self._network, "endpoints": reasons},
                hint="Correct the endpoint's URL or the network's chain id or genesis hash.",
            )
        return ChainError(
            Code.CHAIN_UNAVAILABLE,
            f"No endpoint of {self._network} answered.",
            retryable=True,
            details={"network": self._network, "endpoints": reasons},
        )


def label_of(url: str) -> str:
    """Host and port of a URL: what may be shown of it."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)
