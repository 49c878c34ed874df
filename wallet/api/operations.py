"""What the doors call: the use cases, seen from HTTP. Times are epoch milliseconds, amounts base units."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from wallet.domain.audit_chain import Head, Verdict
from wallet.domain.autostop import StopRule
from wallet.domain.chains import Network
from wallet.domain.loosenings import Loosening
from wallet.domain.owner import Band, Factor, Owner
from wallet.domain.safety import SystemState
from wallet.domain.sessions import Session
from wallet.domain.transactions import Status, Transaction
from wallet.domain.wallets import Wallet
from wallet.operations.ledger import LedgerReport
from wallet.operations.policies import Changed
from wallet.operations.rehearsal import Proposal, RehearsalReport
from wallet.operations.replacements import Offer, Order
from wallet.operations.transactions import SendBody
from wallet.ports.chain import Balance


class Sent(Protocol):
    @property
    def transaction(self) -> Transaction: ...
    @property
    def replayed(self) -> bool: ...


class Transactions(Protocol):
    async def send(
        self, session: Session, wallet: Wallet, body: SendBody, key: str | None
    ) -> Sent: ...

    async def get(self, wallet_id: str | None, transaction_id: str) -> Transaction: ...

    async def page(
        self,
        wallet_id: str | None,
        statuses: Sequence[Status] | None,
        *,
        limit: int,
        cursor: str | None = None,
        descending: bool = True,
    ) -> tuple[list[Transaction], bool]: ...

    async def outcome(self, transaction_id: str, seconds: float) -> Transaction: ...
    async def cancel(self, transaction_id: str, *, actor: str, reason: str) -> Transaction: ...


class Approvals(Protocol):
    async def factor_needed(self, transaction_id: str) -> Factor: ...

    async def approve(
        self,
        transaction_id: str,
        *,
        digest: str,
        factor: Factor,
        actor: str,
        totp_step: int | None = None,
    ) -> Transaction: ...

    async def check_code(self, code: str) -> int: ...
    async def require_current_code(self, code: str | None) -> None: ...
    async def wants_code(self, needed: Factor) -> bool: ...
    async def require_for_session(self, limits: Mapping[str, int], code: str | None) -> None: ...


class Sessions(Protocol):
    async def create(
        self,
        wallet_id: str,
        *,
        name: str,
        limits: Mapping[str, int],
        max_transactions: int | None = None,
        ttl_seconds: int | None = None,
        source: str,
        actor: str,
    ) -> tuple[Session, str]: ...

    async def claim(self, code: str) -> tuple[Session, str]: ...
    async def renew(self, session: Session, presented_token: str) -> tuple[Session, str]: ...
    async def revoke(self, session_id: str, *, actor: str, reason: str) -> Session: ...
    async def list(self, wallet_id: str | None = None) -> list[Session]: ...
    async def get(self, session_id: str) -> Session: ...
    def authenticate(self, token: str) -> tuple[Session, Wallet]: ...


class Wallets(Protocol):
    async def create(self, name: str, network: str, *, preset: str, actor: str) -> Wallet: ...
    async def list(self) -> list[Wallet]: ...
    async def get(self, wallet_id: str) -> Wallet: ...
    async def balance(self, wallet: Wallet) -> Balance: ...
    def network(self, name: str) -> Network: ...


class Policies(Protocol):
    async def list(self, wallet_id: str | None = None) -> Sequence[Mapping[str, Any]]: ...

    async def put(
        self,
        rule_type: str,
        rules: Mapping[str, Any],
        wallet_id: str | None,
        rule_id: str | None,
        actor: str,
        *,
        code: str | None = None,
    ) -> Changed: ...

    async def remove(self, rule_id: str, actor: str, *, code: str | None = None) -> Changed: ...


class Loosenings(Protocol):
    async def list(self, wallet_id: str | None = None) -> Sequence[Loosening]: ...
    async def cancel(self, loosening_id: str, actor: str) -> Loosening: ...


class Rehearsal(Protocol):
    async def run(
        self, proposals: Sequence[Proposal], *, days: int, examples: int
    ) -> RehearsalReport: ...


class StopRuleLine(Protocol):
    @property
    def kind(self) -> StopRule: ...
    @property
    def wallet_id(self) -> str | None: ...
    @property
    def is_default(self) -> bool: ...
    @property
    def rules(self) -> Mapping[str, Any]: ...


class AutoStop(Protocol):
    async def list(self, wallet_id: str | None = None) -> Sequence[StopRuleLine]: ...

    async def put(
        self,
        kind: StopRule,
        given: Mapping[str, Any],
        wallet_id: str | None,
        *,
        actor: str,
        proved: bool,
        code: str | None = None,
    ) -> StopRuleLine: ...

    async def reset(
        self,
        kind: StopRule,
        wallet_id: str | None,
        *,
        actor: str,
        proved: bool,
        code: str | None = None,
    ) -> StopRuleLine: ...


class Holds(Protocol):
    async def freeze_session(self, session_id: str, *, actor: str, reason: str) -> Session: ...
    async def suspend_wallet(self, wallet_id: str, *, actor: str, reason: str) -> Wallet: ...
    async def resume_session(self, session_id: str, *, actor: str) -> Session: ...
    async def resume_wallet(self, wallet_id: str, *, actor: str) -> Wallet: ...


class ClockWatch(Protocol):
    async def trust(self, actor: str) -> None: ...


class OwnerDesk(Protocol):
    async def start_pairing(self, actor: str) -> str: ...
    async def pairing_status(self) -> Mapping[str, Any]: ...
    async def void_pairing(self, actor: str) -> None: ...
    async def confirm_pairing(
        self, actor: str, user_id: int, bands: Mapping[str, Band] | None = None
    ) -> Owner: ...
    async def owner(self) -> Owner | None: ...
    async def set_bands(self, bands: Mapping[str, Band], actor: str) -> object: ...
    async def enrol_totp(self) -> str: ...
    async def confirm_totp(self, code: str) -> None: ...


class Replacements(Protocol):
    async def offer(self, transaction_id: str) -> Offer: ...
    async def order(self, transaction_id: str, order: Order) -> Transaction: ...


class FactorReset(Protocol):
    async def start(self, actor: str) -> int: ...
    async def cancel(self, actor: str, *, from_chat: bool) -> None: ...


class StopReport(Protocol):
    @property
    def sessions_revoked(self) -> int: ...
    @property
    def transactions_cancelled(self) -> int: ...
    @property
    def wallets_suspended(self) -> int: ...
    @property
    def exposure(self) -> Sequence[Transaction]: ...
    @property
    def stored(self) -> bool: ...


class Safety(Protocol):
    async def halt(self, reason: str, actor: str) -> StopReport: ...

    async def begin_recovery(
        self, password: str, actor: str, code: str | None = None
    ) -> SystemState: ...

    async def cancel_recovery(self, actor: str, *, from_chat: bool) -> SystemState: ...
    async def state(self) -> SystemState: ...


class WalletLine(Protocol):
    @property
    def wallet(self) -> Wallet: ...
    @property
    def balance(self) -> Balance | None: ...
    @property
    def error(self) -> str | None: ...


class MemoryGuards(Protocol):
    @property
    def daemon(self) -> Mapping[str, Any]: ...
    @property
    def signer(self) -> Mapping[str, Any] | None: ...


class HeldLine(Protocol):
    @property
    def kind(self) -> str: ...
    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def by(self) -> str: ...
    @property
    def since(self) -> int | None: ...


class StatusView(Protocol):
    @property
    def state(self) -> SystemState: ...
    @property
    def locked(self) -> bool: ...
    @property
    def frozen(self) -> bool: ...
    @property
    def owner(self) -> Owner | None: ...
    @property
    def wallets(self) -> Sequence[WalletLine]: ...
    @property
    def waiting(self) -> int: ...
    @property
    def open(self) -> int: ...
    @property
    def sessions(self) -> int: ...
    @property
    def held(self) -> Sequence[HeldLine]: ...
    @property
    def clock_doubt(self) -> str: ...
    @property
    def audit_head(self) -> str: ...
    @property
    def bot(self) -> Mapping[str, Any]: ...
    @property
    def jobs(self) -> Mapping[str, Any]: ...
    @property
    def memory(self) -> MemoryGuards: ...
    @property
    def started_at(self) -> int: ...
    @property
    def version(self) -> str: ...


class Queries(Protocol):
    async def status(self) -> StatusView: ...
    async def pending(self) -> Sequence[Transaction]: ...


class Walked(Protocol):
    @property
    def verdict(self) -> Verdict: ...
    @property
    def done(self) -> bool: ...


class AuditLog(Protocol):
    async def page(
        self, after: int, limit: int, transaction_id: str | None = None
    ) -> Sequence[Mapping[str, Any]]: ...

    async def walk(
        self, head: Head, *, limit: int, known: Mapping[int, str] | None = None
    ) -> Walked: ...


class Ledger(Protocol):
    async def check(
        self, *, with_chains: bool, funded: Mapping[str, int] | None = None
    ) -> LedgerReport: ...


class MasterPassword(Protocol):
    async def require(self, password: str | None, *, ticket: str | None = None) -> None: ...
    async def ticket(self, password: str | None) -> tuple[str, int]: ...


class Unlocking(Protocol):
    async def unlock(self, password: str) -> None: ...


class Gate(Protocol):
    @property
    def is_normal(self) -> bool: ...
    @property
    def state(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Operations:
    """Everything the doors can ask for."""

    transactions: Transactions
    approvals: Approvals
    sessions: Sessions
    wallets: Wallets
    policies: Policies
    loosenings: Loosenings
    rehearsal: Rehearsal
    autostop: AutoStop
    holds: Holds
    clock_watch: ClockWatch
    owner: OwnerDesk
    reset: FactorReset
    replacements: Replacements
    safety: Safety
    queries: Queries
    audit: AuditLog
    ledger: Ledger
    password: MasterPassword
    unlocking: Unlocking
    gate: Gate
    doctor: Callable[[], Awaitable[Mapping[str, Any]]]
    shutdown: Callable[[], None]


@dataclass(frozen=True, slots=True)
class DaemonFacts:
    """How far the daemon is. ``started_at`` in epoch ms."""

    started_at: int
    version: str
    ready: bool
    locked: bool
    degraded: bool = False
