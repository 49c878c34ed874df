"""Settings, a store and a vault in; everything the doors call out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from wallet import __version__
from wallet.api.operations import Operations
from wallet.bootstrap.ground import Ground
from wallet.domain.owner import Factor
from wallet.errors import KeystoreError, WalletError
from wallet.keystore.files import BOT_TOKEN
from wallet.notifications.outbox import Outbox
from wallet.operations.approvals import Approvals
from wallet.operations.audit import AuditGuard, AuditLog
from wallet.operations.autostop import AutoStop
from wallet.operations.clock_watch import ClockWatch, World
from wallet.operations.console import Console
from wallet.operations.factor_reset import FactorReset
from wallet.operations.freshness import Freshness
from wallet.operations.holds import Holds
from wallet.operations.inbox import Inbox
from wallet.operations.keys import Keys
from wallet.operations.ledger import Ledger
from wallet.operations.loosenings import Loosenings
from wallet.operations.new_codes import NewCodes
from wallet.operations.owner import OwnerDesk
from wallet.operations.password import MasterPassword
from wallet.operations.policies import Hurdles, Policies
from wallet.operations.queries import MemoryGuards, Queries, Sources
from wallet.operations.rehearsal import Rehearsal
from wallet.operations.replacements import Replacements
from wallet.operations.room import Room
from wallet.operations.rule_checks import Minima, RuleChecks
from wallet.operations.safety import Safety, Told, Waits
from wallet.operations.sessions import Defaults, Sessions
from wallet.operations.transactions import Transactions
from wallet.operations.unlocking import Unlocking
from wallet.operations.upkeep import RuleSweeps, Upkeep, Watches
from wallet.operations.wallets import Wallets
from wallet.persistence.anchor import AnchorFile
from wallet.pipeline.admission import Admission, Windows
from wallet.pipeline.denials import Denials
from wallet.pipeline.execution import Execution
from wallet.pipeline.executor import Executor
from wallet.pipeline.locks import AddressLocks
from wallet.pipeline.outcomes import Outcomes
from wallet.pipeline.readings import Readings
from wallet.pipeline.recheck import Recheck
from wallet.pipeline.repair import Repair
from wallet.pipeline.settlement import Settlement
from wallet.pipeline.siblings import Siblings
from wallet.pipeline.signing import Signing
from wallet.pipeline.stuck import Stuck
from wallet.safety.halt_file import HaltFile
from wallet.settings import KNOWN_NETWORKS
from wallet.signer.hardening import guards


@dataclass(frozen=True, slots=True)
class App:
    """The parts that run, and the operations behind every door."""

    operations: Operations
    safety: Safety
    guard: AuditGuard
    freshness: Freshness
    unlocking: Unlocking
    clock_watch: ClockWatch
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
        readings=Readings(clock, ground.prices, ground.chains),
    )
    transactions = Transactions(
        store,
        clock,
        admission=admission,
        executor=executor,
        outcomes=outcomes,
        chains=ground.chains,
        room=Room(settings.data_dir, store, clock),
    )
    approvals = Approvals(
        store,
        clock,
        vault=ground.vault,
        keyring=ground.keyring,
        executor=executor,
        checkpoints=ground.checkpoints,
        execute_within_ms=settings.execution.approval_seconds * 1000,
        gate=ground.gate,
    )

    password = MasterPassword(
        store,
        clock,
        ids,
        vault=ground.vault,
        attempts=settings.safety.password_attempts,
        lockout_seconds=settings.safety.lockout_seconds,
    )

    def resumed() -> None:
        ground.spawn(executor.carry_on())
        executor.retry_all()

    safety = Safety(
        store,
        clock,
        gate=ground.gate,
        keys=Keys(store, clock, ground.vault, ground.keyring),
        halt_file=HaltFile(settings.data_dir / "HALT"),
        waits=Waits(
            settings.safety.recovery_wait_seconds, settings.safety.recovery_wait_tap_seconds
        ),
        check_code=approvals.check_code,
        told=Told(stopped=password.forget_tickets, resumed=resumed),
    )
    guard = AuditGuard(store, clock, safety)
    unlocking = Unlocking(
        store,
        clock,
        vault=ground.vault,
        keyring=ground.keyring,
        safety=safety,
        guard=guard,
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
        gate=ground.gate,
    )
    minima = Minima(settings.policy.min_delay_seconds, settings.policy.min_approval_seconds)
    rule_checks = RuleChecks(ground.chains, minima)
    policies = Policies(
        store,
        clock,
        ids,
        checks=rule_checks,
        keyring=ground.keyring,
        hurdles=Hurdles(
            approvals.require_current_code, settings.policy.loosening_wait_seconds, ground.gate
        ),
        changed=denials.forget,
    )
    loosenings = Loosenings(
        store,
        clock,
        checks=rule_checks,
        keyring=ground.keyring,
        gate=ground.gate,
        changed=denials.forget,
    )
    wallets = Wallets(
        store,
        clock,
        ids,
        vault=ground.vault,
        chains=ground.chains,
        keyring=ground.keyring,
    )

    async def memory() -> MemoryGuards:
        try:
            signer: Mapping[str, Any] | None = await ground.vault.guards()
        except KeystoreError:  # killed by a stop, or just now
            signer = None
        return MemoryGuards(guards().to_json(), signer)

    owner = OwnerDesk(store, clock, ids, ground.vault, keyring=ground.keyring, gate=ground.gate)
    queries = Queries(
        store,
        clock,
        wallets,
        Sources(
            locked=lambda: unlocking.is_locked,
            bot=ground.bot,
            jobs=ground.jobs,
            memory=memory,
            clock_doubt=lambda: "" if ground.gate.has_time else ground.clock_guard.reason,
            as_it_counts=safety.as_it_counts,
            started_at=ground.started_at,
            version=__version__,
        ),
    )

    replacements = Replacements(
        store,
        clock,
        vault=ground.vault,
        keyring=ground.keyring,
        gate=ground.gate,
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

    day = settings.safety.recovery_wait_tap_seconds
    reset = FactorReset(store, clock, ground.vault, ground.keyring, ground.gate, day)
    codes = NewCodes(
        store, clock, ids, ground.vault, ground.keyring, ground.gate, networks=networks
    )
    outbox = Outbox(
        store, clock, ids, None, networks=networks, factor_of=factor_of, recovered=codes
    )
    console = Console(
        store,
        clock,
        ids,
        transactions,
        approvals,
        sessions,
        safety,
        reset,
        codes,
        replacements,
        loosenings,
        outbox.wake,
    )
    clock_watch = ClockWatch(
        store, clock, ground.clock_guard, _clock_world(ground), executor.retry_all
    )
    freshness = Freshness(store, AnchorFile(settings.data_dir), safety)
    upkeep = Upkeep(
        store,
        clock,
        gate=ground.gate,
        safety=safety,
        watches=Watches(guard, freshness, clock_watch),
        executor=executor,
        outcomes=outcomes,
        rules=RuleSweeps(denials, loosenings),
        checkpoints=ground.checkpoints,
    )
    operations = Operations(
        transactions=transactions,
        approvals=approvals,
        sessions=sessions,
        wallets=wallets,
        policies=policies,
        loosenings=loosenings,
        rehearsal=Rehearsal(store, clock, rule_checks),
        autostop=AutoStop(store, clock, ground.keyring, approvals.require_current_code),
        holds=Holds(store, clock, ground.keyring),
        clock_watch=clock_watch,
        owner=owner,
        reset=reset,
        replacements=replacements,
        audit=AuditLog(store, ground.keyring),
        ledger=Ledger(store, ground.chains),
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
        guard=guard,
        freshness=freshness,
        unlocking=unlocking,
        clock_watch=clock_watch,
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


def _clock_world(ground: Ground) -> World:
    """Who may know the time: the chains, and Telegram where there is a bot."""
    local = {name for name in ground.chains if name.endswith(("-local", "-localnet"))}
    public = (frozenset(ground.chains) & KNOWN_NETWORKS.keys()) - local
    has_bot = (ground.settings.data_dir / BOT_TOKEN).exists()
    outside = bool(public) or has_bot
    return World(ground.chains, public, has_reference=outside and not ground.is_sandbox)
