"""The store port: one unit of work is one short write transaction, safe under cancellation.

No network, no key derivation and no waiting inside a unit. Every write a use case needs happens in one unit:
the move, its audit fact, the reservation change, the card that must be redrawn.
"""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Protocol, TypeVar

from wallet.domain.sessions import Session
from wallet.domain.wallets import Wallet
from wallet.ports.history import History
from wallet.ports.loosenings import Loosenings
from wallet.ports.repositories import (
    Attempts,
    Audit,
    Authority,
    AutoStop,
    Console,
    Ledger,
    Policies,
    Sessions,
    Transactions,
    Wallets,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Unproved:
    """An authority row that was met without a valid proof. ``fingerprint`` tells its contents apart."""

    table: str
    row_id: str
    fingerprint: str


class Unit(Protocol):
    """One write transaction."""

    wallets: Wallets
    sessions: Sessions
    policies: Policies
    loosenings: Loosenings
    transactions: Transactions
    attempts: Attempts
    ledger: Ledger
    audit: Audit
    authority: Authority
    autostop: AutoStop
    console: Console


class Reads(Protocol):
    """What can be read without being able to write."""

    async def read(self, body: Callable[[Unit], Awaitable[T]]) -> T:
        """Run a body that only reads; it never waits for a lock of another process."""
        ...


class Store(Reads, Protocol):
    """Opens units of work."""

    async def run(self, body: Callable[[Unit], Awaitable[T]]) -> T:
        """Run ``body`` in one BEGIN IMMEDIATE transaction and commit.

        A cancelled caller does not cancel the unit: it commits or rolls back as a whole. An exception
        from ``body`` rolls back and is raised. STORAGE_BUSY after ``busy_timeout_ms``.
        """
        ...

    async def survey(self, body: Callable[[History], T]) -> T:
        """Run a long, synchronous body over one snapshot, in a thread of its own. Nobody waits for it.

        SHUTTING_DOWN when the store is closed meanwhile.
        """
        ...

    def unproved(self) -> list[Unproved]:
        """Authority rows that were met without a valid proof, each content once, until they are told."""
        ...

    def told_unproved(self, found: Collection[Unproved]) -> None:
        """They were audited and the owner was alarmed."""
        ...

    async def checkpoint(self) -> None: ...
    async def close(self) -> None:
        """Wait for running units, then close."""
        ...


class SessionReader(Protocol):
    """Authenticating reads on their own read-only connection: they see every commit and wait for nobody."""

    def session_by_hash(self, token_hash: str) -> Session | None:
        """The session whose current token, or renewed-away token still in grace, has this hash."""
        ...

    def session(self, session_id: str) -> Session | None: ...
    def wallet(self, wallet_id: str) -> Wallet | None: ...
