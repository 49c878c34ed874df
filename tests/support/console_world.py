"""The owner's side of the wallet over a real database: payments that wait, the console, the outbox.

The real operations stand on a real SQLite file; what would sign or send is a recorder.
"""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from tests.support.new_file import lay_down
from wallet.domain.chains import ChainName, Network
from wallet.domain.console import Card
from wallet.domain.owner import Band, Factor, Owner
from wallet.domain.safety import StopState, SystemState
from wallet.domain.sessions import Session, SessionLimits
from wallet.domain.spending import Reservation
from wallet.domain.tiers import Tier
from wallet.domain.transactions import Status, Transaction
from wallet.domain.wallets import Wallet
from wallet.notifications.outbox import Outbox
from wallet.operations.approvals import Approvals
from wallet.operations.console import Console
from wallet.operations.factor_reset import FactorReset
from wallet.operations.inbox import Inbox
from wallet.operations.keys import Keys
from wallet.operations.loosenings import Loosenings
from wallet.operations.new_codes import NewCodes
from wallet.operations.owner import OwnerDesk
from wallet.operations.queries import MemoryGuards, Queries, Sources
from wallet.operations.replacements import Replacements
from wallet.operations.rule_checks import Minima, RuleChecks
from wallet.operations.safety import Safety, Told, Waits
from wallet.operations.sessions import Sessions
from wallet.operations.transactions import Transactions
from wallet.persistence.database import Database
from wallet.pipeline.outcomes import Outcomes
from wallet.ports.chain import Balance
from wallet.ports.owner_channel import OwnerChannel
from wallet.ports.vault import KeyVault, Subkeys
from wallet.safety.gate import Gate
from wallet.safety.halt_file import HaltFile
from wallet.safety.keyring import Keyring

NETWORK = Network(
    "evm-local", ChainName.ETHEREUM, "31337", "ETH", 18, 10**16, explorer="https://scan.test"
)
NATIVE = NETWORK.native.key
ETHER = 10**18
ADDRESS = "0x52908400098527886E0F7030069857D2E4169EE7"
RECIPIENT = "0x8617E340B3D01FA5F11F306F4090FD50E238070D"
CODE = "123456"
SUBKEYS = Subkeys(b"r" * 32, b"a" * 32, b"j" * 32, b"p" * 32)


class HandClock:
    """Stands still until told to move; ``runs`` makes it follow the real one."""

    def __init__(self, *, runs: bool = False) -> None:
        self.at = time.time_ns() // 1_000_000
        self._runs = runs

    def now(self) -> int:
        return time.time_ns() // 1_000_000 if self._runs else self.at

    def monotonic(self) -> float:
        return self.now() / 1000

    def passes(self, seconds: float) -> None:
        self.at += int(seconds * 1000)


class CountedIds:
    def __init__(self) -> None:
        self._next = 0

    def new(self) -> str:
        self._next += 1
        return f"01900000-0000-7000-8000-{self._next:012x}"

    def secret(self, size: int) -> bytes:
        self._next += 1
        return hashlib.sha256(str(self._next).encode()).digest()[:size]

    def below(self, bound: int) -> int:
        self._next += 1
        return self._next % bound


@dataclass
class CodeVault:
    """The part of a signer that the console needs: one right code per time step, and being killed."""

    enrolled: bool = True
    alive: bool = True
    locked: bool = False
    step: int = 1

    async def totp_enrolled(self) -> bool:
        return self.enrolled

    async def totp_check(self, code: str, now_ms: int) -> int | None:
        return self.step if code == CODE else None

    async def guards(self) -> Mapping[str, Any]:
        return {}

    def kill(self) -> None:
        self.alive, self.locked = False, True


@dataclass
class Submitted:
    """Where approved payments go."""

    ids: list[str] = field(default_factory=list)

    def submit(self, transaction_id: str) -> None:
        self.ids.append(transaction_id)


class Allowing:
    """Rules that refuse nothing: what they say is tested where payments are signed."""

    async def refusal(self, *_: Any) -> None:
        return None


class Balances:
    """The part of the wallets that queries need: every wallet holds 5 ETH."""

    async def balance(self, wallet: Wallet) -> Balance:
        return Balance(5 * ETHER, 1)

    def networks(self) -> list[Network]:
        return [NETWORK]


@dataclass
class ConsoleWorld:
    database: Database
    clock: HandClock
    ids: CountedIds
    vault: CodeVault
    executor: Submitted
    transactions: Transactions
    approvals: Approvals
    sessions: Sessions
    safety: Safety
    console: Console
    inbox: Inbox
    outbox: Outbox
    owner_desk: OwnerDesk
    queries: Queries
    owner: Owner
    wallet: Wallet
    session: Session
    keyring: Keyring

    async def payment(self, tier: Tier, status: Status | None = None, **more: Any) -> Transaction:
        """Store a payment of this tier with its card; waiting unless ``status`` says otherwise."""
        status = status or (Status.QUEUED if tier.waits else Status.PENDING)
        row = self._row(tier, status, more)

        async def body(unit: Any) -> None:
            await unit.transactions.add(row)
            await unit.ledger.reserve(
                Reservation(row.id, row.wallet_id, row.session_id, NATIVE, row.amount, NATIVE, row.fee_ceiling, owner_approved=False, created_at=row.created_at)
            )  # fmt: skip
            await unit.console.want_card(row.id, self.owner.chat_id)

        await self.database.run(body)
        self.outbox.wake()
        return row

    def _row(self, tier: Tier, status: Status, more: dict[str, Any]) -> Transaction:
        now, transaction_id = self.clock.now(), self.ids.new()
        digest = hashlib.sha256(transaction_id.encode()).hexdigest()
        row = Transaction(
            id=transaction_id, wallet_id=self.wallet.id, session_id=self.session.id,
            network=NETWORK.name, chain="ethereum", type="TRANSFER", to=RECIPIENT,
            amount=ETHER // 2, asset=NATIVE, memo=None, request="{}", request_hash=digest,
            digest=digest, fee_ceiling=NETWORK.fee_ceiling, tier=tier, status=status, rule_id="rule-0001",
            policy_version=1, created_at=now,
            due_at=now + 300_000 if tier is Tier.DELAY else None,
            approval_seconds=43_200 if tier is Tier.APPROVAL else None,
        )  # fmt: skip
        return replace(row, **more)

    async def row(self, transaction_id: str) -> Transaction:
        row = await self.database.read(lambda unit: unit.transactions.get(transaction_id))
        assert row is not None
        return row

    async def card(self, transaction_id: str) -> Card:
        card = await self.database.read(lambda unit: unit.console.card(transaction_id))
        assert card is not None
        return card

    async def facts(self) -> list[str]:
        rows = await self.database.read(lambda unit: unit.audit.rows())
        return [str(row["fact"]) for row in rows]

    async def alerts(self) -> list[str]:
        due = await self.database.read(
            lambda unit: unit.console.alerts_due(self.clock.now() + 10**9, 100)
        )
        return [alert.kind for alert in due]

    async def set_bands(self, tap: int, code: int) -> None:
        owner = replace(self.owner, bands={NATIVE: Band(tap, code)})
        await self.database.run(lambda unit: unit.authority.save_owner(owner))

    async def factor_of(self, transaction_id: str) -> Factor | None:
        return await self.approvals.factor_needed(transaction_id)


@asynccontextmanager
async def console_world(
    folder: Path, *, channel: OwnerChannel | None = None, owner_id: int = 1001, runs: bool = False
) -> AsyncIterator[ConsoleWorld]:
    """A paired owner, one wallet, one session; payments up to 1 ETH with a tap, 10 with a code."""
    clock, ids = HandClock(runs=runs), CountedIds()
    keyring = Keyring()
    keyring.fill(SUBKEYS)
    parse = cast(Any, dict)
    await lay_down(folder / "wallet.db")
    database = await Database.open(
        folder / "wallet.db",
        ids=ids,
        clock=clock,
        parse_rule=parse,
        audit_key=keyring.audit_key,
        row_key=keyring.row_key,
    )
    try:
        yield await _furnish(database, clock, ids, folder, keyring, channel, owner_id)
    finally:
        await database.close()


async def _furnish(
    database: Database,
    clock: HandClock,
    ids: CountedIds,
    folder: Path,
    keyring: Keyring,
    channel: OwnerChannel | None,
    owner_id: int,
) -> ConsoleWorld:
    now = clock.now()
    bands = {NATIVE: Band(ETHER, 10 * ETHER)}
    owner = Owner(owner_id, owner_id, "Olga", "olga", now, bands)
    wallet = Wallet(ids.new(), "main", "ethereum", NETWORK.name, ADDRESS, "00", now)
    limits = SessionLimits({NATIVE: 100 * ETHER}, 100, 10)
    session = Session(
        ids.new(),
        wallet.id,
        "shopper",
        "CLI",
        limits,
        3600,
        now,
        now + 3_600_000,
        now + 10**9,
        spent={},
    )

    async def seed(unit: Any) -> None:
        await unit.authority.begin()
        await unit.authority.save_owner(owner)
        await unit.authority.save_state(SystemState(StopState.NORMAL, 1), expected_version=0)
        await unit.wallets.add(wallet)
        await unit.sessions.add(session)

    await database.run(seed)
    vault, executor, gate = CodeVault(), Submitted(), Gate()
    gate.set(StopState.NORMAL)
    nothing: Any = None
    transactions = Transactions(
        database, clock, admission=nothing, executor=cast(Any, executor), outcomes=Outcomes(),
        chains={}, room=nothing,
    )  # fmt: skip
    checkpoints = cast(Any, SimpleNamespace(reached=lambda _: None))
    approvals = Approvals(
        database, clock, vault=cast(KeyVault, vault), keyring=keyring, executor=cast(Any, executor),
        checkpoints=checkpoints, execute_within_ms=600_000, gate=gate,
    )  # fmt: skip
    sessions = Sessions(
        database,
        clock,
        ids,
        reader=database.reader,
        keyring=keyring,
        defaults=cast(Any, None),
        spawn=_never,
        gate=gate,
    )
    safety = Safety(
        database, clock, gate=gate, keys=Keys(database, clock, cast(KeyVault, vault), keyring),
        halt_file=HaltFile(folder / "HALT"), waits=Waits(5, 5),
        check_code=approvals.check_code, told=Told(lambda: None, lambda: None),
    )  # fmt: skip
    codes = NewCodes(
        database,
        clock,
        ids,
        cast(KeyVault, vault),
        keyring,
        gate,
        networks={NETWORK.name: NETWORK},
    )
    outbox = Outbox(
        database, clock, ids, channel,
        networks={NETWORK.name: NETWORK}, factor_of=approvals.factor_needed, recovered=codes,
    )  # fmt: skip
    owner_desk = OwnerDesk(database, clock, ids, cast(Any, vault), keyring=keyring, gate=gate)

    async def memory() -> MemoryGuards:
        return MemoryGuards({}, await vault.guards())

    sources = Sources(lambda: vault.locked, dict, dict, memory, now, "0.1.0")
    queries = Queries(database, clock, cast(Any, Balances()), sources)
    reset = FactorReset(database, clock, cast(KeyVault, vault), keyring, gate, 5)
    networks = {NETWORK.name: NETWORK}
    watched = SimpleNamespace(
        look_again=lambda _network, transaction_id: executor.submit(transaction_id)
    )
    replacements = Replacements(
        database, clock, vault=cast(KeyVault, vault), keyring=keyring, gate=gate,
        recheck=cast(Any, Allowing()),
        settlement=cast(Any, watched), checkpoints=checkpoints, networks=networks,
        execute_within_ms=600_000,
    )  # fmt: skip
    loosenings = Loosenings(
        database, clock, checks=RuleChecks({}, Minima(1, 1)), keyring=keyring, gate=gate,
        changed=lambda: None,
    )  # fmt: skip
    console = Console(
        database, clock, ids, transactions, approvals, sessions, safety, reset, codes,
        replacements, loosenings, outbox.wake,
    )  # fmt: skip
    return ConsoleWorld(
        database, clock, ids, vault, executor, transactions, approvals, sessions, safety, console,
        Inbox(database, clock, outbox.wake), outbox, owner_desk, queries, owner, wallet, session,
        keyring,
    )  # fmt: skip


def _never(work: Coroutine[Any, Any, None]) -> object:
    work.close()
    return None


@asynccontextmanager
async def running(*works: Callable[[asyncio.Event], Awaitable[None]]) -> AsyncIterator[None]:
    """Run works until the context ends, then ask them to stop and wait for it."""
    stopping = asyncio.Event()

    async def run(work: Callable[[asyncio.Event], Awaitable[None]]) -> None:
        await work(stopping)

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        for work in works:
            group.create_task(run(work))
        try:
            yield
        finally:
            stopping.set()


async def eventually(holds: Callable[[], Awaitable[Any]], seconds: float = 20) -> Any:
    """What ``holds`` returned as soon as it is true, waiting at most ``seconds``."""
    found: Any = None
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while not (found := await holds()):  # noqa: ASYNC110 - the fact has no event
                await asyncio.sleep(0.01)
    assert found, "it did not happen in time"
    return found
