"""Taking a row for execution: everything that cleared it is checked again, in the same write transaction."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from wallet.domain.authority import Proof
from wallet.domain.chains import Network
from wallet.domain.decisions import Decision
from wallet.domain.facts import Fact
from wallet.domain.intents import Transfer, approval_digest, request_hash
from wallet.domain.money import Asset
from wallet.domain.policy import Policy
from wallet.domain.prices import PriceGap, Worth
from wallet.domain.rules import Holding
from wallet.domain.safety import StopState
from wallet.domain.sessions import Session, SessionCharge
from wallet.domain.spending import Reservation
from wallet.domain.tiers import Tier
from wallet.domain.transactions import Attempt, Event, Status, Transaction
from wallet.domain.wallets import Wallet, WalletStatus
from wallet.errors import Code, RefusedError, UnavailableError
from wallet.pipeline.admission import bounds, judge, require_room
from wallet.pipeline.moves import Cause, move
from wallet.pipeline.readings import Known
from wallet.ports.store import Store, Unit
from wallet.ports.world import Clock


@dataclass(frozen=True, slots=True)
class Taken:
    """A row in the hands of an executor, with what else its address has under way."""

    row: Transaction
    wallet: Wallet
    taken_nonces: frozenset[int]
    nonce_floor: int
    outstanding: int  # native units that unfinished attempts of the address may still take
    asks_for_balance: bool = False  # whether a rule wants to see the balance that the build reads
    rules: frozenset[tuple[str, int]] = frozenset()  # by which it was judged


class Recheck:
    """Moves a row to EXECUTING, or ends it with the reason why not."""

    def __init__(self, store: Store, clock: Clock, networks: Mapping[str, Network]) -> None:
        self._store = store
        self._clock = clock
        self._networks = networks

    async def take(self, transaction_id: str, waited_for: str | None = None) -> Taken | None:
        """The taken row; its terminal self where a check failed; None when it is not ours to take.

        The caller holds the address lock.
        """
        return await self._store.run(lambda unit: self._take(unit, transaction_id, waited_for))

    async def _take(self, unit: Unit, transaction_id: str, waited_for: str | None) -> Taken | None:
        row = await unit.transactions.get(transaction_id)
        now = self._clock.now()
        if row is None or not _may_start(row, now):
            return None
        if (await unit.authority.state()).state is not StopState.NORMAL:
            return None
        wallet = await unit.wallets.get(row.wallet_id)
        assert wallet is not None  # a foreign key
        verdict = await self._verdict(unit, row, wallet, now)
        if verdict is None and await unit.attempts.of(row.id):
            verdict = _unproved(now, "bytes were signed for it before")
        if verdict is not None:
            event, cause = verdict
            if event is Event.EXPIRE and waited_for == Code.CHAIN_UNAVAILABLE:
                cause = _cause(
                    now, Code.CHAIN_UNAVAILABLE, "No node answered until its time ran out."
                )
            ended = await move(unit, row, event, cause)
            return Taken(ended, wallet, frozenset(), 0, 0)
        if row.status is Status.QUEUED and row.tier is Tier.DELAY:
            await _note_release(unit, row, now)
        started = await move(unit, row, Event.START, Cause("system", now))
        return await self._under_way(unit, started, wallet)

    async def require_normal(self, unit: Unit) -> None:
        """Raise SYSTEM_LOCKED unless the stored state is NORMAL in this very transaction."""
        if (await unit.authority.state()).state is not StopState.NORMAL:
            raise UnavailableError(Code.SYSTEM_LOCKED, "The owner stopped this wallet service.")

    async def refusal(
        self, unit: Unit, row: Transaction, wallet: Wallet, fee: int | None = None
    ) -> Cause | None:
        """Why the row's payment may not be signed (again) now; None when it may.

        ``fee`` is what it may cost where that is no longer the row's fee ceiling, native base units.
        """
        found = await self._verdict(unit, row, wallet, self._clock.now(), fee)
        return None if found is None else found[1]

    async def still_judged(self, unit: Unit, taken: Taken) -> bool:
        """Whether the rules are those by which the row was taken; what stops session or wallet moves the row."""
        policy = Policy(await unit.policies.applied(taken.row.wallet_id))
        return policy.content == taken.rules

    async def outstanding_beside(self, unit: Unit, row: Transaction, nonce: int, by: str) -> int:
        """Native units that unfinished attempts of the address ``by`` at other nonces may still take."""
        unfinished = await unit.attempts.unfinished(row.network, by)
        submitted = {t.id for t in await unit.transactions.in_status(Status.SUBMITTED)}
        return outstanding(
            [a for a in unfinished if a.nonce != nonce and a.transaction_id in submitted]
        )

    async def denied_now(
        self, row: Transaction, balance: int, fee: int | None = None
    ) -> Cause | None:
        """Why the rules deny the row at the native ``balance`` that was just read, or None. Writes nothing.

        ``fee`` as in refusal.
        """
        now = self._clock.now()
        balances = {f"{row.network}/native": Holding(balance, now)}
        found = await self._store.read(
            lambda unit: self._denied(unit, row, now, fee=fee, balances=balances)
        )
        return None if found is None else found[1]

    async def _verdict(
        self, unit: Unit, row: Transaction, wallet: Wallet, now: int, fee: int | None = None
    ) -> tuple[Event, Cause] | None:
        """Why the row must end now, or None when it may go on."""
        if row.execute_by is not None and now >= row.execute_by:
            return Event.EXPIRE, _cause(
                now, Code.TX_EXPIRED, "Its time ran out before it could leave."
            )
        if wallet.status is not WalletStatus.ACTIVE:
            return Event.CANCEL, _cause(now, Code.WALLET_SUSPENDED, "The wallet is suspended.")
        session = await unit.sessions.get(row.session_id)
        if session is None or session.was_revoked:
            return Event.CANCEL, _cause(now, Code.SESSION_REVOKED, "Its session was ended.")
        if session.frozen_at is not None:
            return Event.CANCEL, _cause(now, Code.SESSION_FROZEN, "Its session is frozen.")
        if not self._is_unchanged(row, wallet):
            return Event.CANCEL, _cause(
                now, Code.PAYLOAD_MISMATCH, "It is not what was decided any more."
            )
        for what, proof in (
            ("it", row.proof),
            ("its wallet", wallet.proof),
            ("its session", session.proof),
        ):
            if proof.is_broken:
                return _unproved(now, f"{what} carries no valid proof")
        return await self._denied(unit, row, now, session=session, fee=fee)

    async def _denied(
        self,
        unit: Unit,
        row: Transaction,
        now: int,
        *,
        session: Session | None = None,
        fee: int | None = None,
        balances: Mapping[str, Holding] | None = None,
    ) -> tuple[Event, Cause] | None:
        """``session`` where a row that was admitted while locked must be judged in full; ``fee`` as in refusal."""
        ceiling = row.fee_ceiling if fee is None else fee
        held = await unit.ledger.reservations()
        own = next((r for r in held if r.transaction_id == row.id), None)
        others = [r for r in held if r is not own]
        policy = Policy(await unit.policies.applied(row.wallet_id))
        known = Known(_worth(own, ceiling), balances or {})
        decision, _ = await judge(unit, policy, self._intent(row), ceiling, others, known, now=now)
        if not decision.is_denied:
            return (
                self._denied_anew(row, session, decision, others, now, ceiling)
                if session is not None and row.proof is Proof.PROVISIONAL
                else None
            )
        return Event.CANCEL, _cause(
            now,
            decision.code,
            f"Denied at execution: {decision.reason} (rule {decision.rule_id}).",
        )

    def _denied_anew(
        self,
        row: Transaction,
        session: Session,
        decision: Decision,
        others: list[Reservation],
        now: int,
        fee: int,
    ) -> tuple[Event, Cause] | None:
        """A row admitted while locked was judged by rows that nobody could prove: it is judged again in full."""
        if decision.strictness > row.tier.strictness or _left_too_early(row, decision):
            return _unproved(
                now, "it was asked for while locked, and the proved rules ask for more"
            )
        asked_before = replace(session, transactions=max(0, session.transactions - 1))
        native = self._networks[row.network].native.key
        try:
            charge = SessionCharge(row.asset, row.amount, native, fee)
            require_room(asked_before, charge, others)
        except RefusedError as refusal:
            return Event.CANCEL, _cause(now, refusal.code, refusal.message)
        return None

    def _intent(self, row: Transaction) -> Transfer:
        network = self._networks[row.network]
        asset = Asset(network.name, network.symbol, network.decimals)
        return Transfer(row.wallet_id, asset, row.to, row.amount, row.memo)

    def _is_unchanged(self, row: Transaction, wallet: Wallet) -> bool:
        """Columns, stored request, hash and digest must all tell the same payment."""
        hashed = request_hash(row.request)
        digest = approval_digest(
            row.id, hashed, bounds(wallet, self._networks[row.network], row.fee_ceiling)
        )
        same_request = self._intent(row).canonical() == row.request
        return same_request and hashed == row.request_hash and digest == row.digest

    async def _under_way(self, unit: Unit, row: Transaction, wallet: Wallet) -> Taken:
        unfinished = await unit.attempts.unfinished(wallet.network, wallet.address)
        submitted = {t.id for t in await unit.transactions.in_status(Status.SUBMITTED)}
        highest = await unit.attempts.highest_final_nonce(wallet.network, wallet.address)
        policy = Policy(await unit.policies.applied(wallet.id))
        return Taken(
            row=row,
            wallet=wallet,
            taken_nonces=frozenset(a.nonce for a in unfinished if a.nonce is not None),
            nonce_floor=0 if highest is None else highest + 1,
            outstanding=outstanding([a for a in unfinished if a.transaction_id in submitted]),
            asks_for_balance=policy.asks_for_balance,
            rules=policy.content,
        )


async def _note_release(unit: Unit, row: Transaction, now: int) -> None:
    await unit.audit.append(
        Fact.TX_RELEASED,
        actor="system",
        at=now,
        wallet_id=row.wallet_id,
        session_id=row.session_id,
        transaction_id=row.id,
        details={"dueAt": str(row.due_at)},
    )


def _worth(own: Reservation | None, fee: int) -> Worth | PriceGap:
    """What the row is worth at a fee of ``fee``. Its dollars keep the price of its decision."""
    fee_usd = None if own is None else own.fee_worth(fee)
    if own is None or own.usd is None or fee_usd is None:
        return PriceGap.UNKNOWN
    return Worth(own.usd, fee_usd)


def outstanding(attempts: list[Attempt]) -> int:
    """What unfinished attempts may still take: siblings at one nonce count once, by the dearest."""
    dearest: dict[object, int] = {}
    for attempt in attempts:
        slot = attempt.hash if attempt.nonce is None else attempt.nonce
        dearest[slot] = max(dearest.get(slot, 0), attempt.max_cost)
    return sum(dearest.values())


def _may_start(row: Transaction, now: int) -> bool:
    match row.status:
        case Status.EXECUTING | Status.PENDING:
            return True
        case Status.QUEUED if row.tier is Tier.DELAY:
            return row.due_at is not None and row.due_at <= now
        case Status.QUEUED:
            return row.consent_at is not None
        case _:
            return False


def _left_too_early(row: Transaction, decision: Decision) -> bool:
    """Whether it waited for less than the delay that the rules ask for now."""
    if decision.delay_seconds is None or row.tier is not Tier.DELAY:
        return False
    return row.due_at is None or row.due_at < row.created_at + decision.delay_seconds * 1000


def _unproved(now: int, why: str) -> tuple[Event, Cause]:
    return Event.CANCEL, _cause(now, Code.AUTHORITY_UNPROVED, f"Refused at execution: {why}.")


def _cause(now: int, error: Code, message: str) -> Cause:
    return Cause("system", now, error, message)
