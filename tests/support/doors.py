"""Both doors over the small operations, with a clock that is moved by hand."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.support.operations import (
    NOW,
    TOKEN,
    FakeApprovals,
    FakeAudit,
    FakeAutoStop,
    FakeClockWatch,
    FakeHolds,
    FakeLedger,
    FakeLoosenings,
    FakeOwner,
    FakePassword,
    FakePolicies,
    FakeQueries,
    FakeRehearsal,
    FakeReplacements,
    FakeReset,
    FakeSafety,
    FakeSessions,
    FakeTransactions,
    FakeUnlocking,
    FakeWallets,
    uuid,
)
from wallet.api.agent import Door, agent_app
from wallet.api.limits import Limits
from wallet.api.operations import DaemonFacts, Operations
from wallet.api.owner import HOST, owner_app
from wallet.domain.safety import StopState
from wallet.safety.gate import Gate

HOSTS = frozenset({"127.0.0.1:3100", "localhost:3100"})


class TickingClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> int:
        return NOW + int(self.seconds * 1000)

    def monotonic(self) -> float:
        return 1000.0 + self.seconds


class CountingIds:
    def __init__(self) -> None:
        self.count = 0

    def new(self) -> str:
        self.count += 1
        return uuid(self.count)

    def secret(self, size: int) -> bytes:
        self.count += 1
        return self.count.to_bytes(size, "big")

    def below(self, bound: int) -> int:
        return 0


@dataclass
class FakeDaemon:
    """Both doors over the same small operations."""

    limits: Limits = field(default_factory=Limits)
    facts: DaemonFacts = field(
        default_factory=lambda: DaemonFacts(NOW - 65_000, "1.0", ready=True, locked=False)
    )

    def __post_init__(self) -> None:
        self.clock, self.ids, self.gate = TickingClock(), CountingIds(), Gate()
        self.gate.set(StopState.NORMAL)
        self.transactions = FakeTransactions()
        self.approvals = FakeApprovals(self.transactions)
        self.autostop, self.holds = FakeAutoStop(), FakeHolds()
        self.clock_watch = FakeClockWatch()
        self.sessions, self.wallets, self.policies = FakeSessions(), FakeWallets(), FakePolicies()
        self.loosenings, self.rehearsal = FakeLoosenings(), FakeRehearsal()
        self.owner, self.reset = FakeOwner(), FakeReset()
        self.replacements = FakeReplacements(self.transactions)
        self.safety, self.queries = FakeSafety(), FakeQueries()
        self.audit, self.ledger = FakeAudit(), FakeLedger()
        self.password, self.unlocking = FakePassword(), FakeUnlocking()
        self.shutdowns = 0
        self.agent = agent_app(self.door(HOSTS))
        self.owner_app = owner_app(self.door(frozenset({HOST})))

    def door(self, hosts: frozenset[str]) -> Door:
        return Door(
            version="1.0",
            hosts=hosts,
            facts=lambda: self.facts,
            operations=self.operations,
            clock=self.clock,
            ids=self.ids,
            limits=self.limits,
        )

    def operations(self) -> Operations:
        if not self.facts.ready:
            raise AssertionError("asked before the daemon was ready")
        return Operations(
            transactions=self.transactions,
            approvals=self.approvals,
            sessions=self.sessions,
            wallets=self.wallets,
            policies=self.policies,
            loosenings=self.loosenings,
            rehearsal=self.rehearsal,
            autostop=self.autostop,
            holds=self.holds,
            clock_watch=self.clock_watch,
            owner=self.owner,
            reset=self.reset,
            replacements=self.replacements,
            safety=self.safety,
            queries=self.queries,
            audit=self.audit,
            ledger=self.ledger,
            password=self.password,
            unlocking=self.unlocking,
            gate=self.gate,
            doctor=self._doctor,
            shutdown=self._shutdown,
        )

    async def _doctor(self) -> Mapping[str, Any]:
        return {"disk": "ok"}

    def _shutdown(self) -> None:
        self.shutdowns += 1


def agent_client(daemon: FakeDaemon, token: str | None = TOKEN) -> httpx.AsyncClient:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(daemon.agent),
        base_url="http://127.0.0.1:3100",
        headers=headers,
    )


def owner_client(daemon: FakeDaemon, password: str | None = None) -> httpx.AsyncClient:
    headers = {} if password is None else {"X-Master-Password": password}
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(daemon.owner_app), base_url=f"http://{HOST}", headers=headers
    )
