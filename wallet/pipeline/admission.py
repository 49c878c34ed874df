"""Admission: one short write transaction that judges a request, sets the money aside and stores the row.

Nothing here touches a network. What is not admitted changes nothing but the audit log.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from wallet.domain.authority import require_proof, unproved
from wallet.domain.chains import Network
from wallet.domain.decisions import Decision
from wallet.domain.facts import Fact
from wallet.domain.intents import Bounds, Intent, Transfer, approval_digest, request_hash
from wallet.domain.policy import Policy
from wallet.domain.prices import Quote, Worth, worth_of
from wallet.domain.rules import Context, Holding
from wallet.domain.safety import StopState
from wallet.domain.sessions import Session, SessionCharge, require_within_limits
from wallet.domain.spending import Reservation
from wallet.domain.tiers import Tier
from wallet.domain.transactions import Status, Transaction
from wallet.domain.wallets import Wallet, WalletStatus
from wallet.errors import Code, ConflictError, LimitedError, RefusedError, UnavailableError
from wallet.pipeline.autostop import Request, judge_request
from wallet.pipeline.denials import Denials, alarm_broken_rule, denial
from wallet.pipeline.moves import cancel_held, redraw
from wallet.pipeline.readings import Known, Readings
from wallet.ports.store import Store, Unit
from wallet.ports.world import ADMITTED, Checkpoints, Clock, Ids
from wallet.safety.gate import Gate

APPROVALS_PER_SESSION = 5
APPROVALS_IN_ALL = 20
LATENESS_FLOOR_MS = 3_600_000
APPROVAL_MAX_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Ask:
    """An authenticated, well-formed request."""

    session: Session
    wallet: Wallet
    intent: Transfer
    key: str | None


@dataclass(frozen=True, slots=True)
class Admitted:
    transaction: Transaction
    replayed: bool


@dataclass(frozen=True, slots=True)
class _Reading:
    """What was read of the world before the unit. Balances are read only where a rule asks for them."""

    quotes: Mapping[str, Quote]
    balances: Mapping[str, Holding] | None = None


class _BalanceWanted:
    """A rule asks for the balance, which was not read: nothing was written, and the unit runs again."""


@dataclass(frozen=True, slots=True)
class Windows:
    """How long an unsigned row may wait, milliseconds."""

    instant_ms: int


class Admission:
    """Judges and stores. Raises RefusedError (explained), LimitedError, ConflictError, UnavailableError."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        ids: Ids,
        *,
        gate: Gate,
        checkpoints: Checkpoints,
        denials: Denials,
        networks: Mapping[str, Network],
        windows: Windows,
        readings: Readings,
    ) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._gate = gate
        self._checkpoints = checkpoints
        self._denials = denials
        self._networks = networks
        self._windows = windows
        self._readings = readings

    async def admit(self, ask: Ask) -> Admitted:
        """Store a decided transaction, or answer the one that the idempotency key already names."""
        self._gate.require_normal()
        canonical = ask.intent.canonical()
        hashed = request_hash(canonical)
        remembered = self._denials.remembered(ask.session.id, hashed)
        if remembered is not None and not await self._is_known(ask):
            self._denials.count_unwritten(ask.session.id)
            raise remembered

        reading = _Reading(await self._readings.quotes(ask.intent))
        answer = await self._run(ask, canonical, hashed, reading)
        if isinstance(answer, _BalanceWanted):
            reading = replace(reading, balances=await self._readings.balances(ask.wallet))
            answer = await self._run(ask, canonical, hashed, reading)
        assert not isinstance(answer, _BalanceWanted)  # balances were read
        if isinstance(answer, RefusedError):
            self._denials.remember(ask.session.id, hashed, answer)
            raise answer
        if not answer.replayed:
            self._checkpoints.reached(ADMITTED)
        return answer

    async def _run(
        self, ask: Ask, canonical: str, hashed: str, reading: _Reading
    ) -> Admitted | RefusedError | _BalanceWanted:
        async def body(unit: Unit) -> Admitted | RefusedError | _BalanceWanted:
            replay = await _replay(unit, ask, hashed)
            if replay is not None:
                return Admitted(replay, replayed=True)
            return await self._decide(unit, ask, canonical, hashed, reading)

        return await self._store.run(body)

    async def _is_known(self, ask: Ask) -> bool:
        """Whether the request repeats a stored one, which is answered whatever was denied since."""
        key = ask.key
        if key is None:
            return False
        known = await self._store.read(lambda unit: unit.transactions.by_key(ask.wallet.id, key))
        return known is not None

    async def _decide(
        self, unit: Unit, ask: Ask, canonical: str, hashed: str, reading: _Reading
    ) -> Admitted | RefusedError | _BalanceWanted:
        self._gate.require_time()  # windows, hours and what expires go by it
        now = self._clock.now()
        await _require_open(unit, ask)
        policy = Policy(await unit.policies.applied(ask.wallet.id))
        if policy.asks_for_balance and reading.balances is None:
            return _BalanceWanted()
        network = self._networks[ask.intent.asset.network]
        fee = policy.fee_ceiling(ask.intent, network.fee_ceiling)
        known = _known(ask.intent, fee, network, reading)
        held = await unit.ledger.reservations()
        try:
            charge = SessionCharge(
                ask.intent.asset.key, ask.intent.amount, network.native.key, fee
            )
            await _require_session(unit, ask, charge, held, now)
            decision, context = await judge(unit, policy, ask.intent, fee, held, known, now=now)
            if decision.is_denied:
                raise denial(decision, ask.intent, policy.version)
        except RefusedError as refusal:
            await self._record_denial(unit, ask, canonical, refusal, now)
            return refusal
        await _require_room_to_ask(unit, ask, decision)
        stopped = await judge_request(
            unit, _request(ask, fee, decision, now), policy, context, cancel_held
        )
        if stopped is not None:
            await self._record_denial(unit, ask, canonical, stopped, now)
            return stopped
        row = self._row(ask, canonical, hashed, decision, network, fee, now)
        row = replace(row, policy_version=policy.version)
        await _store_row(unit, row, network, known, now)
        return Admitted(row, replayed=False)

    async def _record_denial(
        self, unit: Unit, ask: Ask, canonical: str, refusal: RefusedError, now: int
    ) -> None:
        if not self._denials.may_write(ask.session.id):
            return
        if refusal.code is Code.POLICY_ERROR:
            await alarm_broken_rule(unit, refusal, now)
        await unit.audit.append(
            Fact.TX_DENIED,
            actor=f"session:{ask.session.id}",
            at=now,
            wallet_id=ask.wallet.id,
            session_id=ask.session.id,
            details={
                "request": canonical,
                "code": refusal.code.value,
                "reason": refusal.message,
                "ruleId": str(refusal.details.get("ruleId") or ""),
            },
        )

    def _row(
        self,
        ask: Ask,
        canonical: str,
        hashed: str,
        decision: Decision,
        network: Network,
        fee: int,
        now: int,
    ) -> Transaction:
        tier = decision.tier
        assert tier is not None  # denials never get here
        transaction_id = self._ids.new()
        due_at = now + (decision.delay_seconds or 0) * 1000 if tier is Tier.DELAY else None
        return Transaction(
            id=transaction_id,
            wallet_id=ask.wallet.id,
            session_id=ask.session.id,
            network=network.name,
            chain=network.chain.value,
            type=ask.intent.type.value,
            to=ask.intent.to,
            amount=ask.intent.amount,
            asset=ask.intent.asset.key,
            memo=ask.intent.memo,
            request=canonical,
            request_hash=hashed,
            digest=approval_digest(transaction_id, hashed, bounds(ask.wallet, network, fee)),
            fee_ceiling=fee,
            tier=tier,
            status=Status.QUEUED if tier.waits else Status.PENDING,
            rule_id=decision.rule_id,
            policy_version=0,
            created_at=now,
            execute_by=self._execute_by(tier, due_at, now),
            due_at=due_at,
            expires_at=now + APPROVAL_MAX_MS if tier is Tier.APPROVAL else None,
            approval_seconds=decision.approval_seconds,
            idempotency_key=ask.key,
        )

    def _execute_by(self, tier: Tier, due_at: int | None, now: int) -> int | None:
        if tier is Tier.APPROVAL:
            return None  # set by the owner's consent
        if due_at is None:
            return now + self._windows.instant_ms
        return due_at + max(2 * (due_at - now), LATENESS_FLOOR_MS)


def bounds(wallet: Wallet, network: Network, fee_ceiling: int) -> Bounds:
    """What a digest covers besides the request."""
    return Bounds(
        wallet_address=wallet.address,
        chain_identity=network.identity,
        asset_address=None,
        decimals=network.decimals,
        fee_ceiling=fee_ceiling,
    )


async def judge(
    unit: Unit,
    policy: Policy,
    intent: Intent,
    fee_ceiling: int,
    held: list[Reservation],
    known: Known,
    *,
    now: int,
) -> tuple[Decision, Context]:
    """Ask a wallet's policy, with windows as the unit sees them. ``held`` leaves out the row itself."""
    window_ms = policy.window_ms
    owner = await unit.authority.owner()
    context = Context(
        now=now,
        wallet_id=intent.wallet_id,
        owner_paired=owner is not None and not owner.proof.is_broken,
        buckets=await unit.ledger.buckets(now - window_ms) if window_ms else [],
        reservations=held,
        behind_at=(await unit.authority.state()).behind_at,
        worth=known.worth,
        balances=known.balances,
    )
    return policy.judge(intent, fee_ceiling, context), context


def _request(ask: Ask, fee_ceiling: int, decision: Decision, now: int) -> Request:
    """What auto-stop looks at."""
    intent = ask.intent
    fee = fee_ceiling if intent.asset.address is None else 0
    return Request(
        wallet_id=ask.wallet.id,
        session_id=ask.session.id,
        to=intent.to,
        asset=intent.asset,
        cost=intent.amount + fee,
        tier=decision.tier,
        at=now,
    )


def _known(intent: Intent, fee: int, network: Network, reading: _Reading) -> Known:
    worth = worth_of(intent.amount, intent.asset, fee, network.native, reading.quotes)
    return Known(worth, reading.balances or {})


async def _replay(unit: Unit, ask: Ask, hashed: str) -> Transaction | None:
    if ask.key is None:
        return None
    known = await unit.transactions.by_key(ask.wallet.id, ask.key)
    if known is not None and known.request_hash != hashed:
        raise ConflictError(
            Code.IDEMPOTENCY_KEY_REUSED,
            "This Idempotency-Key was used for another request.",
            hint="Use a new key for a new payment, and the same key only to repeat the same one.",
        )
    return known


async def _require_open(unit: Unit, ask: Ask) -> None:
    state = await unit.authority.state()
    if state.state is not StopState.NORMAL:
        raise UnavailableError(Code.SYSTEM_LOCKED, "The owner stopped this wallet service.")
    wallet = await unit.wallets.get(ask.wallet.id)
    if wallet is None or wallet.status is not WalletStatus.ACTIVE:
        raise RefusedError(
            Code.WALLET_SUSPENDED,
            "This wallet is suspended.",
            hint="Only the owner can resume it.",
        )
    require_proof(wallet.proof, "wallet")


async def _require_session(
    unit: Unit, ask: Ask, charge: SessionCharge, held: list[Reservation], now: int
) -> None:
    session = await unit.sessions.get(ask.session.id)
    if session is None:
        raise unproved("session")
    session.require_usable(now)
    session.require_not_frozen()
    require_proof(session.proof, "session")
    require_room(session, charge, held)


def require_room(session: Session, charge: SessionCharge, held: list[Reservation]) -> None:
    """Raise SESSION_LIMIT_EXCEEDED unless the payment fits beside what the session has ``held``."""
    own = [r for r in held if r.session_id == session.id]
    reserved = {key: sum(r.of(key) for r in own) for key in (charge.asset, charge.native_asset)}
    require_within_limits(session, charge, reserved)


async def _require_room_to_ask(unit: Unit, ask: Ask, decision: Decision) -> None:
    if decision.tier is not Tier.APPROVAL:
        return
    mine = await unit.transactions.waiting_approvals(ask.session.id)
    everyone = await unit.transactions.waiting_approvals(None)
    if mine >= APPROVALS_PER_SESSION or everyone >= APPROVALS_IN_ALL:
        raise LimitedError(
            Code.TOO_MANY_APPROVALS,
            "Too many payments already wait for the owner.",
            details={"waiting": mine, "limit": APPROVALS_PER_SESSION},
            hint="Wait until the owner has answered.",
        )


async def _store_row(
    unit: Unit, row: Transaction, network: Network, known: Known, now: int
) -> None:
    worth = known.worth if isinstance(known.worth, Worth) else None
    await unit.transactions.add(row)
    await unit.ledger.reserve(
        Reservation(
            transaction_id=row.id,
            wallet_id=row.wallet_id,
            session_id=row.session_id,
            asset=row.asset,
            amount=row.amount,
            native_asset=network.native.key,
            fee=row.fee_ceiling,
            owner_approved=False,
            created_at=now,
            usd=None if worth is None else worth.amount,
            fee_usd=None if worth is None else worth.fee,
        )
    )
    await unit.sessions.count(row.session_id, 1)
    await unit.audit.append(
        Fact.TX_REQUESTED,
        actor=f"session:{row.session_id}",
        at=now,
        wallet_id=row.wallet_id,
        session_id=row.session_id,
        transaction_id=row.id,
        details={
            "request": row.request,
            "tier": row.tier.value,
            "digest": row.digest,
            **({} if worth is None else {"usd": str(worth.amount), "feeUsd": str(worth.fee)}),
        },
    )
    await redraw(unit, row)
