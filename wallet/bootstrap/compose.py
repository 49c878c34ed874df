"""Settings, a store and a vault in; everything the doors call out."""

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

from wallet import __version__
from wallet.api.operations import Operations
from wallet.domain.owner import Factor
from wallet.errors import WalletError
from wallet.notifications.outbox import Outbox
from wallet.operations.approvals import Approvals
from wallet.operations.console import Console
from wallet.operations.factor_reset import FactorReset
from wallet.operations.inbox import Inbox
from wallet.operations.owner import OwnerDesk
from wallet.operations.password import MasterPassword
from wallet.operations.policies import Minima, Policies
from wallet.operations.queries import Queries, Sources
from wallet.operations.replacements import Replacements
from wallet.operations.room import Room
from wallet.operations.safety import Safety, Waits
from wallet.operations.sessions import Defaults, Sessions
from wallet.operations.transactions import Transactions
from wallet.operations.unlocking import Unlocking
from wallet.operations.upkeep import Upkeep
from wallet.operations.wallets import Wallets
from wallet.persistence.database import Database
from wallet.pipeline.admission import Admission, Windows
from wallet.pipeline.denials import Denials
from wallet.pipeline.execution import Execution
from wallet.pipeline.executor import Executor
from wallet.pipeline.locks import AddressLocks
from wallet.pipeline.outcomes import Outcomes
from wallet.pipeline.recheck import Recheck
from wallet.pipeline.repair import Repair
from wallet.pipeline.settlement import Settlement
from wallet.pipeline.siblings import Siblings
from wallet.pipeline.signing import Signing
from wallet.pipeline.stuck import Stuck
from wallet.ports.chain import Chain
from wallet.ports.world import Checkpoints, Clock, Ids
from wallet.safety.gate import Gate
from wallet.safety.keyring import Keyring
from wallet.settings import Settings
from wallet.signer.client import KeyVault

Spawn = Callable[[Coroutine[Any, Any, None]], object]


@dataclass(frozen=True, slots=True)
class Ground:
    """What everything stands on. ``bot`` and ``jobs`` answer for /status what those parts say of themselves."""

    settings: Settings
    clock: Clock
    ids: Ids
    checkpoints: Checkpoints
    database: Database
    vault: KeyVault
    keyring: Keyring
    gate: Gate
    chains: Mapping[str, Chain]
    spawn: Spawn
    started_at: int
    stop: Callable[[], None]
    bot: Callable[[], Mapping[str, Any]]
    jobs: Callable[[], Mapping[str, Any]]
    doctor: Callable[[], Awaitable[Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class App:
    """The parts that run, and the operations behind every door."""

    operations: Operations
    safety: Safety
    unlocking: Unlocking
    upkeep: Upkeep
    executor: Executor
    settlement: Settlement
    outbox: Outbox
    console: Console
    inbox: Inbox
    owner: OwnerDesk
    queries: Queries
    sessions: Sessions


@dataclass(slots=True)
class _Late:
    """Calls into parts that are made after the parts which call them."""

    retry: Callable[[], None] = field(default=lambda: None)

    def __call__(self) -> None:
        self.retry()


def build_chains(settings: Settings, clock: Clock) -> dict[str, Chain]:
    """One adapter per configured network. Imports web3 and solana, so call it in a thread."""
    from wallet.chains.evm.adapter import EvmChain  # noqa: PLC0415 - heavy
    from wallet.chains.solana.adapter import SolanaChain  # noqa: PLC0415 - heavy
    from wallet.domain.chains import ChainName  # noqa: PLC0415 - beside its users

    chains: dict[str, Chain] = {}
    for name, one in settings.networks.items():
        timeout = float(settings.execution.simulate_seconds)
        if one.network.chain is ChainName.ETHEREUM:
            chains[name] = EvmChain(one.network, one.rpc, clock, timeout)
        else:
            chains[name] = SolanaChain(one.network, one.rpc, clock, one.commitment, timeout)
    return chains


def compose(ground: Ground) -> App:  # noqa: PLR0915 - a list of parts, each named once
    """Wire everything. No I/O."""
    settings, store, clock, ids = ground.settings, ground.database, ground.clock, ground.ids
    networks = {name: chain.network for name, chain in ground.chains.items()}
    outcomes, locks, late = Outcomes(), AddressLocks(), _Late()
    denials = Denials(store, clock)
    recheck = Recheck(store, clock, networks)
    signing = Signing(clock, ids, gate=ground.gate, keyring=ground.keyring, vault=ground.vault)
    execution = Execution(
        store,
        clock,
        ids,
        gate=ground.gate,
        signing=signing,
        chains=ground.chains,
        checkpoints=ground.checkpoints,
        locks=locks,
        recheck=recheck,
    )
    siblings = Siblings(
        store,
        signing=signing,
        chains=ground.chains,
        recheck=recheck,
        checkpoints=ground.checkpoints,
    )
    repair = Repair(
        store,
        clock,
        ids,
        signing=signing,
        siblings=siblings,
        chains=ground.chains,
        locks=locks,
        recheck=recheck,
    )
    stuck = Stuck(
        store,
        clock,
        execution=execution,
        repair=repair,
        checkpoints=ground.checkpoints,
        networks=networks,
        stuck_ms=settings.execution.stuck_seconds * 1000,
    )
    settlement = Settlement(
        store,
        clock,
        chains=ground.chains,
        checkpoints=ground.checkpoints,
        outcomes=outcomes,
        repair=repair,
        stuck=stuck,
        settled=late,
    )
    executor = Executor(
        store,
        clock,
        execution=execution,
        settlement=settlement,
        outcomes=outcomes,
        spawn=ground.spawn,
    )
    late.retry = executor.retry_for_money
    admission = Admission(
        store,
        clock,
        ids,
        gate=ground.gate,
        checkpoints=ground.checkpoints,
        denials=denials,
        networks=networks,
        windows=Windows(instant_ms=settings.execution.instant_seconds * 1000),
    )
    transactions = Transactions(
        store,
        clock,
        admission=admission,
        executor=executor,
        outcomes=outcomes,
        chains=ground.chains,
        room=Room(settings.data_dir, clock),
    )
    approvals = Approvals(
        store,
        clock,
        vault=ground.vault,
        executor=executor,
        checkpoints=ground.checkpoints,
        execute_within_ms=settings.execution.approval_seconds * 1000,
    )

    def resumed() -> None:
        ground.spawn(executor.carry_on())
        executor.retry_all()

    safety = Safety(
        store,
        clock,
        gate=ground.gate,
        keyring=ground.keyring,
        vault=ground.vault,
        halt_file=settings.data_dir / "HALT",
        waits=Waits(
            settings.safety.recovery_wait_seconds, settings.safety.recovery_wait_tap_seconds
        ),
        check_code=approvals.check_code,
        resumed=resumed,
    )
    unlocking = Unlocking(
        store,
        clock,
        vault=ground.vault,
        keyring=ground.keyring,
        safety=safety,
        unlocked=resumed,
    )
    sessions = Sessions(
        store,
        clock,
        ids,
        reader=ground.database.reader,
        keyring=ground.keyring,
        defaults=Defaults(
            settings.session.ttl_seconds,
            settings.session.max_transactions,
            settings.session.max_renewals,
        ),
        spawn=ground.spawn,
    )
    policies = Policies(
        store,
        clock,
        ids,
        chains=ground.chains,
        minima=Minima(settings.policy.min_delay_seconds, settings.policy.min_approval_seconds),
        changed=denials.forget,
    )
    wallets = Wallets(
        store, clock, ids, vault=ground.vault, chains=ground.chains, policies=policies
    )
    owner = OwnerDesk(store, clock, ids, ground.vault)
    queries = Queries(
        store,
        clock,
        wallets,
        Sources(
            locked=lambda: unlocking.is_locked,
            bot=ground.bot,
            jobs=ground.jobs,
            started_at=ground.started_at,
            version=__version__,
        ),
    )

    replacements = Replacements(
        store,
        clock,
        vault=ground.vault,
        recheck=recheck,
        settlement=settlement,
        checkpoints=ground.checkpoints,
        networks=networks,
        execute_within_ms=settings.execution.approval_seconds * 1000,
    )

    async def factor_of(transaction_id: str) -> Factor | None:
        row = await transactions.get(None, transaction_id)
        needed = replacements if row.is_replaceable else approvals
        try:
            return await needed.factor_needed(transaction_id)
        except WalletError:
            return None

    reset = FactorReset(store, clock, ground.vault, settings.safety.recovery_wait_tap_seconds)
    outbox = Outbox(store, clock, ids, None, networks=networks, factor_of=factor_of)
    console = Console(
        store,
        clock,
        ids,
        transactions,
        approvals,
        sessions,
        safety,
        reset,
        replacements,
        outbox.wake,
    )
    password = MasterPassword(
        store,
        clock,
        ids,
        vault=ground.vault,
        attempts=settings.safety.password_attempts,
        lockout_seconds=settings.safety.lockout_seconds,
    )
    upkeep = Upkeep(
        store,
        clock,
        gate=ground.gate,
        safety=safety,
        executor=executor,
        outcomes=outcomes,
        denials=denials,
        checkpoints=ground.checkpoints,
    )
    operations = Operations(
        transactions=transactions,
        approvals=approvals,
        sessions=sessions,
        wallets=wallets,
        policies=policies,
        owner=owner,
        reset=reset,
        replacements=replacements,
        safety=safety,
        queries=queries,
        password=password,
        unlocking=unlocking,
        gate=ground.gate,
        doctor=ground.doctor,
        shutdown=ground.stop,
    )
    return App(
        operations=operations,
        safety=safety,
        unlocking=unlocking,
        upkeep=upkeep,
        executor=executor,
        settlement=settlement,
        outbox=outbox,
        console=console,
        inbox=Inbox(store, clock, outbox.wake),
        owner=owner,
        queries=queries,
        sessions=sessions,
    )
