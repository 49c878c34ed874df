"""What the owner looks at: status, waiting payments, limits. Nothing here changes anything."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from wallet.domain.owner import Owner
from wallet.domain.rules import Context
from wallet.domain.safety import SystemState
from wallet.domain.transactions import OPEN, Status, Transaction
from wallet.domain.wallets import Wallet
from wallet.errors import WalletError
from wallet.operations.rule_words import EVERY_WALLET, LimitLine, Place, lines_of
from wallet.operations.wallets import Wallets
from wallet.ports.chain import Balance
from wallet.ports.store import Store, Unit
from wallet.ports.world import Clock

BALANCE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class WalletLine:
    wallet: Wallet
    balance: Balance | None
    error: str | None


@dataclass(frozen=True, slots=True)
class StatusView:
    """Everything on one page. ``bot`` and ``jobs`` are what those doors say of themselves."""

    state: SystemState
    locked: bool
    owner: Owner | None
    wallets: tuple[WalletLine, ...]
    waiting: int  # QUEUED
    open: int  # not terminal
    sessions: int  # usable now
    audit_head: str
    bot: Mapping[str, Any]
    jobs: Mapping[str, Any]
    started_at: int
    version: str


@dataclass(frozen=True, slots=True)
class Sources:
    """What only the running daemon knows."""

    locked: Callable[[], bool]
    bot: Callable[[], Mapping[str, Any]]
    jobs: Callable[[], Mapping[str, Any]]
    started_at: int
    version: str


class Queries:
    """Reads over the store, the chains and the daemon."""

    def __init__(self, store: Store, clock: Clock, wallets: Wallets, sources: Sources) -> None:
        self._store = store
        self._clock = clock
        self._wallets = wallets
        self._sources = sources

    async def status(self) -> StatusView:
        now = self._clock.now()

        async def body(unit: Unit) -> tuple[Any, ...]:
            number, head = await unit.audit.head()
            sessions = await unit.sessions.all()
            return (
                await unit.authority.state(),
                await unit.authority.owner(),
                await unit.wallets.all(),
                len(await unit.transactions.in_status(Status.QUEUED)),
                len(await unit.transactions.in_status(*OPEN)),
                sum(1 for s in sessions if s.revoked_at is None and now < s.expires_at),
                f"{number}:{head[:8]}",
            )

        state, owner, wallets, waiting, open_, sessions, head = await self._store.read(body)
        lines = await asyncio.gather(*(self._line(wallet) for wallet in wallets))
        return StatusView(
            state=state,
            locked=self._sources.locked(),
            owner=owner,
            wallets=tuple(lines),
            waiting=waiting,
            open=open_,
            sessions=sessions,
            audit_head=head,
            bot=self._sources.bot(),
            jobs=self._sources.jobs(),
            started_at=self._sources.started_at,
            version=self._sources.version,
        )

    async def pending(self) -> list[Transaction]:
        """Everything that waits for time or for the owner, oldest first."""
        return await self._store.read(lambda unit: unit.transactions.in_status(Status.QUEUED))

    async def audit(self, after: int, limit: int) -> list[Mapping[str, Any]]:
        return await self._store.read(lambda unit: unit.audit.rows(after=after, limit=limit))

    async def limits(self) -> list[LimitLine]:
        """Every rule with its use, for a person."""
        now = self._clock.now()

        async def body(unit: Unit) -> list[LimitLine]:
            names = {wallet.id: wallet.name for wallet in await unit.wallets.all()}
            applied = await unit.policies.applied(None)
            window_ms = max((a.rule.window_ms for a in applied), default=0)
            buckets = await unit.ledger.buckets(now - window_ms) if window_ms else []
            held = await unit.ledger.reservations()
            lines: list[LimitLine] = []
            for rule in applied:
                wallet = rule.wallet_id or ""
                place = Place(names.get(wallet, EVERY_WALLET), self._wallets.networks())
                context = Context(
                    now, wallet, owner_paired=True, buckets=buckets, reservations=held
                )
                lines += lines_of(rule.rule, place, context)
            return lines

        return await self._store.read(body)

    async def _line(self, wallet: Wallet) -> WalletLine:
        try:
            async with asyncio.timeout(BALANCE_SECONDS):
                return WalletLine(wallet, await self._wallets.balance(wallet), None)
        except WalletError as error:
            return WalletLine(wallet, None, error.code.value)
        except TimeoutError:
            return WalletLine(wallet, None, "TIMEOUT")
