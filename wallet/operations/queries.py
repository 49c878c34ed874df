"""What the owner looks at: status, waiting payments, limits. Nothing here changes anything."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from wallet.domain.audit_chain import short
from wallet.domain.loosenings import Loosening
from wallet.domain.owner import Owner
from wallet.domain.rules import Context
from wallet.domain.safety import SystemState
from wallet.domain.sessions import Session
from wallet.domain.transactions import OPEN, Status, Transaction
from wallet.domain.wallets import Wallet, WalletStatus
from wallet.errors import Code, WalletError
from wallet.operations.freezing import is_frozen
from wallet.operations.rule_changes import EVERY_WALLET, name_of
from wallet.operations.rule_words import LimitLine, Place, WaitingRule, in_words, lines_of
from wallet.operations.wallets import Wallets
from wallet.ports.chain import Balance
from wallet.ports.store import Store, Unit
from wallet.ports.world import Clock
from wallet.wire.policies import parse_rule

BALANCE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class WalletLine:
    wallet: Wallet
    balance: Balance | None
    error: str | None


@dataclass(frozen=True, slots=True)
class MemoryGuards:
    """What keeps secrets inside the two processes; ``signer`` None while there is none."""

    daemon: Mapping[str, Any]
    signer: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class HeldLine:
    """A frozen session or a suspended wallet. ``by``: OWNER, KILL_SWITCH or an auto-stop rule; epoch ms."""

    kind: str  # session, wallet
    id: str
    name: str
    by: str
    since: int | None


@dataclass(frozen=True, slots=True)
class StatusView:
    """Everything on one page. ``bot`` and ``jobs`` are what those doors say of themselves."""

    state: SystemState
    locked: bool
    frozen: bool  # nothing is released by Telegram until the host lifts it
    owner: Owner | None
    wallets: tuple[WalletLine, ...]
    waiting: int  # QUEUED
    open: int  # not terminal
    sessions: int  # usable now
    held: tuple[HeldLine, ...]  # what nobody can pay with until the owner resumes it
    clock_doubt: str
    audit_head: str
    bot: Mapping[str, Any]
    jobs: Mapping[str, Any]
    memory: MemoryGuards
    started_at: int
    version: str


@dataclass(frozen=True, slots=True)
class Sources:
    """What only the running daemon knows."""

    locked: Callable[[], bool]
    bot: Callable[[], Mapping[str, Any]]
    jobs: Callable[[], Mapping[str, Any]]
    memory: Callable[[], Awaitable[MemoryGuards]]
    started_at: int
    version: str
    clock_doubt: Callable[[], str] = lambda: ""  # why the time is in doubt; empty while it is not
    as_it_counts: Callable[[SystemState], SystemState] = lambda stored: (
        stored
    )  # with a stop not stored yet


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
            head = await unit.audit.head()
            sessions = await unit.sessions.all()
            return (
                await unit.authority.state(),
                await unit.authority.owner(),
                await is_frozen(unit),
                await unit.wallets.all(),
                len(await unit.transactions.in_status(Status.QUEUED)),
                len(await unit.transactions.in_status(*OPEN)),
                [s for s in sessions if s.revoked_at is None and now < s.expires_at],
                short(head),
            )

        found = await self._store.read(body)
        state, owner, frozen, wallets, waiting, open_, sessions, head = found
        lines = await asyncio.gather(*(self._line(wallet) for wallet in wallets))
        return StatusView(
            state=self._sources.as_it_counts(state),
            locked=self._sources.locked(),
            frozen=frozen,
            owner=owner,
            wallets=tuple(lines),
            waiting=waiting,
            open=open_,
            sessions=sum(1 for session in sessions if session.frozen_at is None),
            held=_held(wallets, sessions),
            clock_doubt=self._sources.clock_doubt(),
            audit_head=head,
            bot=self._sources.bot(),
            jobs=self._sources.jobs(),
            memory=await self._sources.memory(),
            started_at=self._sources.started_at,
            version=self._sources.version,
        )

    async def pending(self) -> list[Transaction]:
        """Everything that waits for time or for the owner, oldest first."""
        return await self._store.read(lambda unit: unit.transactions.in_status(Status.QUEUED))

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

    async def waiting_rules(self) -> list[WaitingRule]:
        """Changes of rules that wait, the next to count first. One without a valid proof never counts."""

        async def body(unit: Unit) -> list[WaitingRule]:
            return [
                WaitingRule(
                    one.id,
                    wallet := await name_of(unit, one.wallet_id),
                    one.type,
                    self._in_words(one, wallet),
                    one.counts_at,
                )
                for one in await unit.loosenings.all()
                if not one.proof.is_broken
            ]

        return await self._store.read(body)

    def _in_words(self, waiting: Loosening, wallet: str) -> str | None:
        if waiting.body is None:
            return None
        try:
            rule = parse_rule(waiting.type, waiting.body)
        except WalletError:  # bent, while nobody can prove it
            return "cannot be read"
        return in_words(rule, wallet, self._wallets.networks())

    async def _line(self, wallet: Wallet) -> WalletLine:
        if wallet.proof.is_broken:  # whoever reads this may pay to that address
            bare = replace(wallet, address="", public_key="")
            return WalletLine(bare, None, Code.AUTHORITY_UNPROVED.value)
        try:
            async with asyncio.timeout(BALANCE_SECONDS):
                return WalletLine(wallet, await self._wallets.balance(wallet), None)
        except WalletError as error:
            return WalletLine(wallet, None, error.code.value)
        except TimeoutError:
            return WalletLine(wallet, None, "TIMEOUT")


def _held(wallets: Sequence[Wallet], sessions: Sequence[Session]) -> tuple[HeldLine, ...]:
    suspended = [
        HeldLine("wallet", wallet.id, wallet.name, wallet.suspended_by or "", None)
        for wallet in wallets
        if wallet.status is WalletStatus.SUSPENDED
    ]
    frozen = [
        HeldLine("session", one.id, one.name, one.frozen_by or "", one.frozen_at)
        for one in sessions
        if one.frozen_at is not None
    ]
    return (*suspended, *frozen)
