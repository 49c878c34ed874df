"""A store over a real file, and rows to put in it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

from tests.support.new_file import lay_down
from wallet.domain.sessions import Session, SessionLimits
from wallet.domain.spending import Reservation
from wallet.domain.tiers import Tier
from wallet.domain.transactions import Attempt, Purpose, Status, Transaction
from wallet.domain.wallets import Wallet
from wallet.persistence.database import Database
from wallet.ports.store import Unit
from wallet.wire.policies import parse_rule

ETH = "evm-local/native"


class HandClock:
    """A clock that moves when told to."""

    def __init__(self, at: int = 1_000_000) -> None:
        self.at = at

    def now(self) -> int:
        return self.at

    def monotonic(self) -> float:
        return self.at / 1000


class CountedIds:
    """Identifiers in order, and nothing random."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def new(self) -> str:
        return f"id-{next(self._numbers):012d}"

    def secret(self, size: int) -> bytes:
        return bytes(size)

    def below(self, bound: int) -> int:
        return next(self._numbers) % bound


@dataclass
class World:
    """What a store is opened with. ``key`` and ``row_key`` are its keys while "unlocked"."""

    clock: HandClock = field(default_factory=HandClock)
    ids: CountedIds = field(default_factory=CountedIds)
    key: bytes | None = None
    row_key: bytes | None = bytes(32)

    async def open(self, path: Path, *, busy_timeout_ms: int = 5000) -> Database:
        return await Database.open(
            path,
            busy_timeout_ms=busy_timeout_ms,
            ids=self.ids,
            clock=self.clock,
            parse_rule=parse_rule,
            audit_key=lambda: self.key,
            row_key=lambda: self.row_key,
        )


@asynccontextmanager
async def opened(
    path: Path, world: World | None = None, *, from_nothing: bool = False, **options: Any
) -> AsyncIterator[Database]:
    """A store over ``path``; ``from_nothing`` lets it build the schema itself."""
    if not from_nothing:
        await lay_down(path)
    store = await (world or World()).open(path, **options)
    try:
        yield store
    finally:
        await store.close()


def a_wallet(**changes: Any) -> Wallet:
    return replace(
        Wallet("w1", "first", "ethereum", "evm-local", "0xAa", "04aa", created_at=1), **changes
    )


def a_session(**changes: Any) -> Session:
    return replace(
        Session(
            id="s1",
            wallet_id="w1",
            name="agent",
            source="cli",
            limits=SessionLimits({ETH: 10**30}, max_transactions=100, max_renewals=3),
            ttl_seconds=3600,
            created_at=1,
            expires_at=10_000_000,
            absolute_expires_at=20_000_000,
            spent={},
        ),
        **changes,
    )


def a_transaction(identifier: str = "t1", **changes: Any) -> Transaction:
    return replace(
        Transaction(
            id=identifier,
            wallet_id="w1",
            session_id="s1",
            network="evm-local",
            chain="ethereum",
            type="TRANSFER",
            to="0xBb",
            amount=5,
            asset=ETH,
            memo=None,
            request="{}",
            request_hash="a" * 64,
            digest="b" * 64,
            fee_ceiling=7,
            tier=Tier.INSTANT,
            status=Status.PENDING,
            rule_id="r1",
            policy_version=1,
            created_at=1,
        ),
        **changes,
    )


def an_attempt(attempt_hash: str = "0x01", **changes: Any) -> Attempt:
    return replace(
        Attempt(
            transaction_id="t1",
            number=1,
            purpose=Purpose.PAY,
            network="evm-local",
            address="0xAa",
            hash=attempt_hash,
            raw=b"\x00\xff",
            nonce=0,
            last_valid_height=None,
            signing_height=None,
            max_cost=12,
            created_at=5,
        ),
        **changes,
    )


def a_reservation(transaction_id: str = "t1", **changes: Any) -> Reservation:
    return replace(
        Reservation(
            transaction_id, "w1", "s1", ETH, 5, ETH, 7, owner_approved=False, created_at=1
        ),
        **changes,
    )


async def put_wallet_and_session(unit: Unit) -> None:
    await unit.authority.begin()
    await unit.policies.open_scope(None)
    await unit.wallets.add(a_wallet())
    await unit.policies.open_scope("w1")
    await unit.sessions.add(a_session())


async def put_transactions(unit: Unit, *transactions: Transaction) -> None:
    for transaction in transactions:
        await unit.transactions.add(transaction)
