"""The real pipeline and operations over a real SQLite file, with a hand-driven clock, chain and vault.

Nothing runs by itself: ``quiet`` waits for what was started, ``poll`` asks the chains once, ``tick`` runs the
periodic sweeps once. So every test decides the order of things.
"""

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from tests.support.chain import ETHER, EVM, SOL, LedgerChain
from tests.support.clock import SettableClock
from tests.support.ids import DeterministicIds
from tests.support.new_file import lay_down
from tests.support.prices import FakePrices
from tests.support.vault import PASSWORD, MemoryVault
from wallet.bootstrap.compose import App, compose
from wallet.bootstrap.ground import Ground
from wallet.domain.facts import Fact
from wallet.domain.owner import Band, Owner
from wallet.domain.sessions import Session
from wallet.domain.spending import Bucket
from wallet.domain.transactions import Attempt, Transaction
from wallet.domain.vocabulary import DETAILS
from wallet.domain.wallets import Wallet
from wallet.keystore.files import make_private_directory
from wallet.operations.setup import Birth, give_birth
from wallet.operations.transactions import SendBody
from wallet.persistence.database import Database
from wallet.pipeline.admission import Admitted
from wallet.safety.clock_guard import ClockGuard
from wallet.safety.gate import Gate
from wallet.safety.keyring import Keyring
from wallet.settings import Settings, load
from wallet.signer.client import KeyVault
from wallet.wire.policies import parse_rule

# With the "normal" preset of an EVM wallet: one amount of each tier.
INSTANT = ETHER // 100
NOTIFY = ETHER // 2
DELAY = 2 * ETHER
APPROVAL = 6 * ETHER
PAYEE = "payee"


class Interrupts:
    """Checkpoints that call back: ``at`` maps a step's name to what happens there, once."""

    def __init__(self) -> None:
        self.at: dict[str, Callable[[], None]] = {}

    def reached(self, name: str) -> None:
        act = self.at.pop(name, None)
        if act is not None:
            act()


@dataclass
class World:
    """Parts and shorthands. ``wallet`` is an EVM wallet, ``session`` a generous session on it."""

    folder: Path
    settings: Settings
    clock: SettableClock
    ids: DeterministicIds
    vault: MemoryVault
    chains: Mapping[str, LedgerChain]
    checkpoints: Interrupts = field(default_factory=Interrupts)
    prices: FakePrices = field(default_factory=FakePrices)
    database: Database = field(init=False)
    app: App = field(init=False)
    gate: Gate = field(init=False)
    clock_guard: ClockGuard = field(init=False)
    keyring: Keyring = field(init=False)
    wallet: Wallet = field(init=False)
    session: Session = field(init=False)
    crashes: list[BaseException] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def chain(self) -> LedgerChain:
        return self.chains[EVM.name]

    @property
    def halt_file(self) -> Path:
        return self.folder / "HALT"

    async def open(self) -> None:
        """Compose everything over the file as a starting daemon does, still locked."""
        self.clock_guard = ClockGuard(self.clock)
        self.gate, self.keyring = Gate(self.clock_guard), Keyring()
        await lay_down(self.settings.database.path)
        self.database = await Database.open(
            self.settings.database.path,
            ids=self.ids,
            clock=self.clock,
            parse_rule=parse_rule,
            audit_key=self.keyring.audit_key,
            row_key=self.keyring.row_key,
        )
        self.app = compose(self._ground())

    async def start(self) -> None:
        """What a daemon does at start with a password."""
        await self.app.clock_watch.load()
        await self.app.freshness.look()
        await self.app.safety.load()
        if self.gate.is_normal:
            await self.app.unlocking.unlock(PASSWORD)
        await self.app.executor.carry_on()

    async def restart(self, *, unlocked: bool = True) -> None:
        """Everything in memory is gone; file, chains and keys stay."""
        await self.close()
        await self.vault.restart()
        await self.open()
        if unlocked:
            await self.start()
        else:
            await self.app.clock_watch.load()
            await self.app.freshness.look()
            await self.app.safety.load()

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.database.close()

    def spawn(self, work: Coroutine[Any, Any, None]) -> object:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    async def quiet(self, *, but: int = 0) -> None:
        """Wait until no more than ``but`` started tasks are left."""
        async with asyncio.timeout(10):
            while len(self._tasks) > but:
                await asyncio.wait(set(self._tasks), return_when=asyncio.FIRST_COMPLETED)

    async def poll(self) -> None:
        """Ask every chain for evidence once, and let what follows from it finish."""
        await self.quiet()
        for name, desk in self.app.settlement._desks.items():
            await self.app.settlement._poll(name, desk)
        await self.quiet()

    async def tick(self) -> None:
        """Run every periodic sweep once."""
        await self.app.upkeep.finish_halt()
        await self.app.upkeep.release_due()
        await self.app.upkeep.expire_overdue()
        await self.app.upkeep.carry_on()
        await self.app.upkeep.recover()
        await self.app.upkeep.apply_loosenings()
        await self.quiet()

    async def passes(self, seconds: float) -> None:
        self.clock.advance(seconds)
        await self.tick()

    async def ask(self, amount: int = INSTANT, to: str = PAYEE, **more: Any) -> Admitted:
        """A payment request of ``session``; what it starts is not waited for."""
        key = more.pop("key", None)
        session, wallet = more.pop("session", self.session), more.pop("wallet", self.wallet)
        send = self.app.operations.transactions.send
        return cast(Admitted, await send(session, wallet, SendBody(to, amount, **more), key))

    async def pay(self, amount: int = INSTANT, to: str = PAYEE, **more: Any) -> Transaction:
        """A payment request, carried as far as it goes without another block."""
        admitted = await self.ask(amount, to, **more)
        await self.quiet()
        return await self.row(admitted.transaction.id)

    async def settled(self, transaction_id: str) -> Transaction:
        """The row after the chain was final and asked."""
        for chain in self.chains.values():
            chain.finalize()
        await self.poll()
        return await self.row(transaction_id)

    async def row(self, transaction_id: str) -> Transaction:
        found = await self.database.read(lambda unit: unit.transactions.get(transaction_id))
        assert found is not None
        return found

    async def attempts(self, transaction_id: str) -> list[Attempt]:
        return await self.database.read(lambda unit: unit.attempts.of(transaction_id))

    async def reserved(self) -> int:
        """What is set aside of every asset, fees included."""
        held = await self.database.read(lambda unit: unit.ledger.reservations())
        return sum(r.of(r.native_asset) for r in held)

    async def facts(self, transaction_id: str | None = None) -> list[Fact]:
        rows = await self.database.read(lambda unit: unit.audit.rows(limit=100_000))
        return [
            Fact(row["fact"])
            for row in rows
            if transaction_id is None or row["transaction_id"] == transaction_id
        ]

    async def require_known_details(self) -> None:
        """Whatever was written to the audit log holds only what its fact may hold."""
        rows = await self.database.read(lambda unit: unit.audit.rows(limit=100_000))
        strange = [
            (row["fact"], sorted(row["details"].keys() - set(DETAILS[Fact(row["fact"])])))
            for row in rows
            if row["fact"] in set(Fact) and isinstance(row["details"], dict)
        ]
        assert [one for one in strange if one[1]] == []

    async def alerts(self) -> list[str]:
        found = await self.database.read(
            lambda unit: unit.console.alerts_due(self.clock.now() + 10**12, 1000)
        )
        return [alert.kind for alert in found]

    async def set_rule(
        self, rule_type: str, rules: Mapping[str, Any], rule_id: str | None = None
    ) -> str:
        put = self.app.operations.policies.put
        return str((await put(rule_type, rules, self.wallet.id, rule_id, "host")).rule["id"])

    async def buckets(self) -> list[Bucket]:
        return await self.database.read(lambda unit: unit.ledger.buckets(0))

    async def rule_of(self, rule_type: str) -> str:
        """The id of the wallet's rule of a type."""
        rules = await self.app.operations.policies.list(self.wallet.id)
        return next(str(rule["id"]) for rule in rules if rule["type"] == rule_type)

    async def new_wallet(self, name: str, network: str = EVM.name) -> Wallet:
        create = self.app.operations.wallets.create
        return await create(name, network, preset="normal", actor="host")

    async def new_session(self, wallet: Wallet, **changes: Any) -> Session:
        """A claimed session; generous unless told otherwise."""
        limits = changes.pop("limits", {f"{wallet.network}/native": 10**30})
        session, code = await self.app.sessions.create(
            wallet.id, name="agent", limits=limits, source="host", actor="host", **changes
        )
        claimed, _ = await self.app.sessions.claim(code)
        assert claimed.id == session.id
        return claimed

    async def pair(self, bands: Mapping[str, Band] | None = None) -> Owner:
        given = {EVM.native.key: Band(10 * ETHER, 20 * ETHER)} if bands is None else bands
        owner = Owner(7, 7, "Olga", None, self.clock.now(), given)
        await self.database.run(lambda unit: unit.authority.save_owner(owner))
        return owner

    def sql(self, statement: str, *values: Any) -> None:
        """Write behind the daemon's back, as somebody with the file would."""
        with sqlite3.connect(self.settings.database.path, timeout=10) as connection:
            connection.execute(statement, values)
        connection.close()

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.crashes.append(error)

    def _ground(self) -> Ground:
        async def doctor() -> Mapping[str, Any]:
            return {}

        return Ground(
            settings=self.settings,
            clock=self.clock,
            ids=self.ids,
            checkpoints=self.checkpoints,
            database=self.database,
            vault=cast(KeyVault, self.vault),
            keyring=self.keyring,
            gate=self.gate,
            clock_guard=self.clock_guard,
            is_sandbox=False,
            chains=self.chains,
            spawn=self.spawn,
            started_at=self.clock.now(),
            stop=lambda: None,
            bot=dict,
            jobs=dict,
            doctor=doctor,
            prices=self.prices,
        )


@asynccontextmanager
async def built(
    folder: Path, *, loosening_wait: int = 0, paired: bool = True
) -> AsyncIterator[World]:
    """A world born as a sandbox, unlocked, paired, with one EVM wallet and a session. Fails on crashed tasks.

    Changes of rules count at once unless ``loosening_wait`` (seconds) says otherwise.
    """
    make_private_directory(folder)
    clock = SettableClock()
    found = load(folder, {})
    policy = replace(found.policy, loosening_wait_seconds=loosening_wait)
    settings = replace(found, networks={}, policy=policy)
    chains = {network.name: LedgerChain(network) for network in (EVM, SOL)}
    world = World(folder, settings, clock, DeterministicIds(), MemoryVault(clock), chains)
    await world.open()
    try:
        birth = Birth("sandbox", "CHEAPEST", PASSWORD)
        await give_birth(world.database, world.vault, clock, birth, world.keyring)
        await world.app.freshness.note()
        await world.start()
        if paired:
            await world.pair()
        world.wallet = await world.new_wallet("main")
        world.session = await world.new_session(world.wallet)
        yield world
        await world.require_known_details()
    finally:
        await world.close()
        with suppress(FileNotFoundError):
            shutil.rmtree(folder)
    assert not world.crashes, world.crashes
