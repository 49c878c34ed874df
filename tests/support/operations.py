"""Small operations behind the doors: they keep what they were told and answer plausible values."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from wallet.domain.audit_chain import Head, Verdict
from wallet.domain.autostop import StopRule
from wallet.domain.chains import ChainName, Network
from wallet.domain.loosenings import Loosening
from wallet.domain.owner import Band, Factor, Owner
from wallet.domain.safety import StopState, SystemState
from wallet.domain.sessions import Session, SessionLimits
from wallet.domain.tiers import Tier
from wallet.domain.transactions import Status, Transaction
from wallet.domain.violations import Invariant, Violation
from wallet.domain.wallets import Wallet, WalletStatus
from wallet.errors import AuthError, Code, LimitedError, NotFoundError
from wallet.operations.audit import Walked
from wallet.operations.autostop import StopRuleLine
from wallet.operations.cascade import StopReport
from wallet.operations.ledger import LedgerReport
from wallet.operations.policies import Changed
from wallet.operations.queries import HeldLine, MemoryGuards, StatusView, WalletLine
from wallet.operations.rehearsal import Proposal, RehearsalReport
from wallet.operations.replacements import Offer, Order
from wallet.operations.transactions import SendBody
from wallet.pipeline.admission import Admitted
from wallet.ports.chain import Balance

NOW = 1_790_000_000_123
TOKEN = "wai_sess_good"
PASSWORD = "correct horse"
TICKET = "a-ticket"
SOL = Network("solana-devnet", ChainName.SOLANA, "EtWT", "SOL", 9, 10_000_000)
WALLET = Wallet(
    "0199-wallet", "main", "solana", "solana-devnet", "PayerAddress111", "ab" * 32, NOW
)
SESSION = Session(
    id="0199-session",
    wallet_id=WALLET.id,
    name="shopper",
    source="host",
    limits=SessionLimits({SOL.native.key: 5_000_000_000}, 1000, 30),
    ttl_seconds=86_400,
    created_at=NOW,
    expires_at=NOW + 86_400_000,
    absolute_expires_at=NOW + 30 * 86_400_000,
    claimed_at=NOW,
    spent={SOL.native.key: 7},
)
RULE = {
    "id": "0199-rule",
    "walletId": WALLET.id,
    "type": "WHITELIST",
    "rules": {"allowed_addresses": ["abc"], "otherwise": "ask"},
    "version": 3,
    "createdAt": NOW,
    "updatedAt": NOW,
}


LOOSENING = Loosening(
    id="0199-loosening",
    rule_id="0199-rule",
    wallet_id=WALLET.id,
    type="WHITELIST",
    rules='{"allowed_addresses":["abc","def"],"otherwise":"ask"}',
    base_version=3,
    queued_at=NOW,
    counts_at=NOW + 3_600_000,
    actor="host",
)


def uuid(number: int) -> str:
    return f"01990000-0000-7000-8000-{number:012d}"


def transaction(number: int = 1, **changes: Any) -> Transaction:
    row = Transaction(
        id=uuid(number),
        wallet_id=WALLET.id,
        session_id=SESSION.id,
        network="solana-devnet",
        chain="solana",
        type="TRANSFER",
        to="PayeeAddress111",
        amount=500_000_000,
        asset=SOL.native.key,
        memo=None,
        request="{}",
        request_hash="aa",
        digest="d1" * 32,
        fee_ceiling=10_000_000,
        tier=Tier.INSTANT,
        status=Status.PENDING,
        rule_id=None,
        policy_version=1,
        created_at=NOW,
    )
    return replace(row, **changes)


class _Scripted:
    """``fails[name]`` is raised by the operation of that name; ``calls`` keeps what was asked."""

    def __init__(self) -> None:
        self.fails: dict[str, Exception] = {}
        self.calls: list[tuple[Any, ...]] = []

    def met(self, name: str, *arguments: Any) -> None:
        self.calls.append((name, *arguments))
        if name in self.fails:
            raise self.fails[name]


class FakeTransactions(_Scripted):
    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[str, Transaction] = {}
        self.keys: dict[str, str] = {}
        self.after_wait: dict[str, Any] = {"status": Status.CONFIRMED, "hash": "5ig"}

    async def send(
        self, session: Session, wallet: Wallet, body: SendBody, key: str | None
    ) -> Admitted:
        self.met("send", body, key)
        if key in self.keys:
            return Admitted(self.rows[self.keys[key]], replayed=True)
        row = transaction(len(self.rows) + 1, to=body.to, amount=body.amount, memo=body.memo)
        self.rows[row.id] = row
        if key is not None:
            self.keys[key] = row.id
        return Admitted(row, replayed=False)

    async def get(self, wallet_id: str | None, transaction_id: str) -> Transaction:
        self.met("get", wallet_id, transaction_id)
        row = self.rows.get(transaction_id)
        if row is None or wallet_id not in (None, row.wallet_id):
            raise NotFoundError(Code.TX_NOT_FOUND, "There is no such transaction.")
        return row

    async def page(
        self,
        wallet_id: str | None,
        statuses: Sequence[Status] | None,
        *,
        limit: int,
        cursor: str | None = None,
        descending: bool = True,
    ) -> tuple[list[Transaction], bool]:
        self.met("page", wallet_id, statuses, limit, cursor, descending)
        rows = sorted(self.rows.values(), key=lambda row: row.id, reverse=descending)
        rows = [row for row in rows if statuses is None or row.status in statuses]
        if cursor is not None:
            rows = [row for row in rows if (row.id < cursor) is descending and row.id != cursor]
        return rows[:limit], len(rows) > limit

    async def outcome(self, transaction_id: str, seconds: float) -> Transaction:
        self.met("outcome", transaction_id, seconds)
        await asyncio.sleep(0)
        return replace(self.rows[transaction_id], **self.after_wait)

    async def cancel(self, transaction_id: str, *, actor: str, reason: str) -> Transaction:
        self.met("cancel", transaction_id, actor, reason)
        return replace(await self.get(None, transaction_id), status=Status.CANCELLED)


class FakeApprovals(_Scripted):
    def __init__(self, transactions: FakeTransactions) -> None:
        super().__init__()
        self.needed = Factor.TAP
        self._transactions = transactions

    async def factor_needed(self, transaction_id: str) -> Factor:
        self.met("factor_needed", transaction_id)
        return self.needed

    async def approve(
        self,
        transaction_id: str,
        *,
        digest: str,
        factor: Factor,
        actor: str,
        totp_step: int | None = None,
    ) -> Transaction:
        self.met("approve", transaction_id, digest, factor, actor, totp_step)
        return replace(self._transactions.rows[transaction_id], consent_at=NOW)

    async def check_code(self, code: str) -> int:
        self.met("check_code", code)
        if code != "123456":
            raise AuthError(Code.FACTOR_INVALID, "That code is not right.")
        return 59

    async def wants_code(self, needed: Factor) -> bool:
        return needed is Factor.CODE

    async def require_for_session(self, limits: Mapping[str, int], code: str | None) -> None:
        await self.require_current_code(code)

    async def require_current_code(self, code: str | None) -> None:
        self.met("require_current_code", code)
        if code not in (None, "123456"):
            raise AuthError(Code.FACTOR_INVALID, "That code is not right.")


class FakeSessions(_Scripted):
    def authenticate(self, token: str) -> tuple[Session, Wallet]:
        self.met("authenticate", token)
        if token != TOKEN:
            raise AuthError(Code.INVALID_TOKEN, "The session token is missing or not valid.")
        return SESSION, WALLET

    async def create(self, wallet_id: str, **named: Any) -> tuple[Session, str]:
        self.met("create", wallet_id, named)
        return replace(SESSION, claimed_at=None, name=named["name"]), "ABCDE12345"

    async def claim(self, code: str) -> tuple[Session, str]:
        self.met("claim", code)
        if code != "ABCDE12345":
            raise AuthError(Code.CLAIM_INVALID, "That claim code is not valid.")
        return SESSION, TOKEN

    async def renew(self, session: Session, presented_token: str) -> tuple[Session, str]:
        self.met("renew", session.id, presented_token)
        return replace(session, renewals=1), "wai_sess_new"

    async def revoke(self, session_id: str, *, actor: str, reason: str) -> Session:
        self.met("revoke", session_id, actor, reason)
        return replace(SESSION, revoked_at=NOW, revoked_reason=reason)

    async def list(self, wallet_id: str | None = None) -> list[Session]:
        self.met("list", wallet_id)
        return [SESSION]

    async def get(self, session_id: str) -> Session:
        if session_id != SESSION.id:
            raise NotFoundError(Code.SESSION_NOT_FOUND, "There is no such session.")
        return SESSION


class FakeWallets(_Scripted):
    async def create(self, name: str, network: str, *, preset: str, actor: str) -> Wallet:
        self.met("create", name, network, preset, actor)
        return replace(WALLET, name=name)

    async def list(self) -> list[Wallet]:
        return [WALLET]

    async def get(self, wallet_id: str) -> Wallet:
        if wallet_id != WALLET.id:
            raise NotFoundError(Code.WALLET_NOT_FOUND, "There is no such wallet.")
        return WALLET

    async def balance(self, wallet: Wallet) -> Balance:
        self.met("balance", wallet.id)
        return Balance(1_500_000_000, 42)

    def network(self, name: str) -> Network:
        return SOL


class FakePolicies(_Scripted):
    """Changes count at once, or are queued as ``waiting``."""

    waiting: Loosening | None = None

    async def list(self, wallet_id: str | None = None) -> list[Mapping[str, Any]]:
        self.met("list", wallet_id)
        return [RULE]

    async def put(
        self,
        rule_type: str,
        rules: Mapping[str, Any],
        wallet_id: str | None,
        rule_id: str | None,
        actor: str,
        *,
        code: str | None = None,
    ) -> Changed:
        self.met("put", rule_type, rules, wallet_id, rule_id, actor, code)
        rule = {**RULE, "type": rule_type, "rules": rules, "walletId": wallet_id}
        return Changed(rule, self.waiting)

    async def remove(self, rule_id: str, actor: str, *, code: str | None = None) -> Changed:
        self.met("remove", rule_id, actor, code)
        return Changed(RULE, self.waiting)


class FakeRehearsal(_Scripted):
    async def run(
        self, proposals: Sequence[Proposal], *, days: int, examples: int
    ) -> RehearsalReport:
        self.met("run", list(proposals), days, examples)
        return RehearsalReport(NOW, loosens=False, requests=3)


class FakeLoosenings(_Scripted):
    async def list(self, wallet_id: str | None = None) -> list[Loosening]:
        self.met("list", wallet_id)
        return [LOOSENING]

    async def cancel(self, loosening_id: str, actor: str) -> Loosening:
        self.met("cancel", loosening_id, actor)
        return LOOSENING


def _require_proved(*, proved: bool) -> None:
    """Every change of this fake loosens."""
    if not proved:
        raise AuthError(Code.MASTER_PASSWORD_REQUIRED, "This loosens the rule.")


class FakeAutoStop(_Scripted):
    LINE = StopRuleLine(
        StopRule.HOURLY_RATE,
        None,
        is_default=True,
        rules={"enabled": True, "max_per_hour": 50, "action": "FREEZE_SESSION"},
    )

    async def list(self, wallet_id: str | None = None) -> Sequence[StopRuleLine]:
        self.met("list", wallet_id)
        return [self.LINE]

    async def put(
        self,
        kind: StopRule,
        given: Mapping[str, Any],
        wallet_id: str | None,
        *,
        actor: str,
        proved: bool,
        code: str | None = None,
    ) -> StopRuleLine:
        self.met("put", kind, given, wallet_id, actor, proved, code)
        _require_proved(proved=proved)
        return StopRuleLine(kind, wallet_id, is_default=False, rules=given)

    async def reset(
        self,
        kind: StopRule,
        wallet_id: str | None,
        *,
        actor: str,
        proved: bool,
        code: str | None = None,
    ) -> StopRuleLine:
        self.met("reset", kind, wallet_id, actor, proved, code)
        _require_proved(proved=proved)
        return self.LINE


class FakeClockWatch(_Scripted):
    async def trust(self, actor: str) -> None:
        self.met("trust", actor)


class FakeHolds(_Scripted):
    async def freeze_session(self, session_id: str, *, actor: str, reason: str) -> Session:
        self.met("freeze_session", session_id, actor, reason)
        return replace(SESSION, frozen_at=NOW, frozen_by="OWNER")

    async def suspend_wallet(self, wallet_id: str, *, actor: str, reason: str) -> Wallet:
        self.met("suspend_wallet", wallet_id, actor, reason)
        return replace(WALLET, status=WalletStatus.SUSPENDED, suspended_by="OWNER")

    async def resume_session(self, session_id: str, *, actor: str) -> Session:
        self.met("resume_session", session_id, actor)
        return SESSION

    async def resume_wallet(self, wallet_id: str, *, actor: str) -> Wallet:
        self.met("resume_wallet", wallet_id, actor)
        return WALLET


class FakeOwner(_Scripted):
    OWNER = Owner(7, 7, "Ada", None, NOW, {SOL.native.key: Band(1, 2)})

    async def start_pairing(self, actor: str) -> str:
        self.met("start_pairing", actor)
        return "PAIR123456"

    async def pairing_status(self) -> Mapping[str, Any]:
        return {"state": "WAITING", "candidate": None, "expires_at": NOW + 600_000}

    async def void_pairing(self, actor: str) -> None:
        self.met("void_pairing", actor)

    async def confirm_pairing(
        self, actor: str, user_id: int, bands: Mapping[str, Band] | None = None
    ) -> Owner:
        self.met("confirm_pairing", actor, user_id, bands)
        return self.OWNER

    async def owner(self) -> Owner | None:
        return self.OWNER

    async def set_bands(self, bands: Mapping[str, Band], actor: str) -> Owner:
        self.met("set_bands", bands, actor)
        return replace(self.OWNER, bands=bands)

    async def enrol_totp(self) -> str:
        self.met("enrol_totp")
        return "otpauth://totp/waiaas"

    async def confirm_totp(self, code: str) -> None:
        self.met("confirm_totp", code)


class FakeReplacements(_Scripted):
    """Offers any payment that is known, at a ceiling of 0.01, for the factor that it is given."""

    def __init__(self, transactions: FakeTransactions) -> None:
        super().__init__()
        self._transactions = transactions
        self.factor = Factor.HOST

    async def offer(self, transaction_id: str) -> Offer:
        self.met("offer", transaction_id)
        row = await self._transactions.get(None, transaction_id)
        return Offer(row, 10**7, self.factor)

    async def order(self, transaction_id: str, order: Order) -> Transaction:
        self.met("order", transaction_id, order)
        return replace((await self.offer(transaction_id)).transaction, cancelling_at=NOW)


class FakeReset(_Scripted):
    async def start(self, actor: str) -> int:
        self.met("start", actor)
        return NOW + 86_400_000

    async def cancel(self, actor: str, *, from_chat: bool) -> None:
        self.met("cancel", actor, from_chat)


class FakeSafety(_Scripted):
    ACTIVATED = SystemState(StopState.ACTIVATED, 2, "why", "host", NOW)

    async def halt(self, reason: str, actor: str) -> StopReport:
        self.met("halt", reason, actor)
        return StopReport(1, 2, 3, (transaction(9, status=Status.SUBMITTED),))

    async def begin_recovery(
        self, password: str, actor: str, code: str | None = None
    ) -> SystemState:
        self.met("begin_recovery", actor, code)
        return replace(self.ACTIVATED, state=StopState.RECOVERING, recovery_at=NOW + 5000)

    async def cancel_recovery(self, actor: str, *, from_chat: bool) -> SystemState:
        self.met("cancel_recovery", actor, from_chat)
        return self.ACTIVATED

    async def state(self) -> SystemState:
        return self.ACTIVATED


class FakeQueries(_Scripted):
    async def status(self) -> StatusView:
        return StatusView(
            state=SystemState(StopState.NORMAL, 1),
            frozen=False,
            locked=False,
            owner=FakeOwner.OWNER,
            wallets=(WalletLine(WALLET, Balance(1, 1), None), WalletLine(WALLET, None, "down")),
            waiting=1,
            open=2,
            sessions=3,
            clock_doubt="",
            held=(HeldLine("session", SESSION.id, "shopper", "HOURLY_RATE", NOW),),
            audit_head="5:abcdef01",
            bot={"polling": True},
            jobs={},
            memory=MemoryGuards(
                {"no_core_dumps": True, "not_traceable": True},
                {"no_core_dumps": True, "not_traceable": True, "key_memory": "GUARDED"},
            ),
            started_at=NOW,
            version="1.0",
        )

    async def pending(self) -> list[Transaction]:
        return [transaction(1, status=Status.QUEUED, tier=Tier.APPROVAL)]


class FakeAudit(_Scripted):
    ROW: Mapping[str, Any] = {
        "at": NOW,
        "fact": "TX_REQUESTED",
        "actor": "x",
        "wallet_id": None,
        "session_id": None,
        "transaction_id": None,
        "details": {},
        "chaining": "hmac",
        "hash": "h",
    }

    async def page(
        self, after: int, limit: int, transaction_id: str | None = None
    ) -> list[Mapping[str, Any]]:
        self.met("page", after, limit, transaction_id)
        return [{**self.ROW, "number": after + n} for n in range(1, 1 + min(limit, 3))]

    async def walk(
        self, head: Head, *, limit: int, known: Mapping[int, str] | None = None
    ) -> Walked:
        self.met("walk", head, limit, known)
        return Walked(Verdict(4, 2, 1, ((8, 9),), (9, "ab" * 32)), done=True)


class FakeLedger(_Scripted):
    async def check(
        self, *, with_chains: bool, funded: Mapping[str, int] | None = None
    ) -> LedgerReport:
        self.met("check", with_chains, funded)
        return LedgerReport(5, 3, 1, [Violation(Invariant.BUCKET, "b", "wrong")], ["devnet"])


class FakePassword(_Scripted):
    async def require(self, password: str | None, *, ticket: str | None = None) -> None:
        self.met("require", password is not None, ticket)
        if password is None and ticket == TICKET:
            return
        if password is None:
            raise AuthError(Code.MASTER_PASSWORD_REQUIRED, "This needs the master password.")
        if password == "locked":
            raise LimitedError(
                Code.MASTER_PASSWORD_LOCKED, "Too many.", details={"retryAfter": 1800}
            )
        if password != PASSWORD:
            raise AuthError(Code.INVALID_MASTER_PASSWORD, "The master password is wrong.")

    async def ticket(self, password: str | None) -> tuple[str, int]:
        await self.require(password)
        return TICKET, NOW + 600_000


class FakeUnlocking(_Scripted):
    async def unlock(self, password: str) -> None:
        self.met("unlock")
