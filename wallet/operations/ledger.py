"""The ledger checked: the books recomputed from one snapshot, then compared with what the chains say."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from wallet.domain.audit_chain import Head
from wallet.domain.bookkeeping import Books, Outgoings
from wallet.domain.transactions import TERMINAL, Attempt, Status, Transaction
from wallet.domain.violations import Invariant, Violation
from wallet.domain.wallets import Wallet
from wallet.errors import ChainError, WalletError
from wallet.ports.chain import Chain, Evidence, Payment, Sighting
from wallet.ports.history import History
from wallet.ports.store import Store, Unit

BATCH: Final = 100
NAMED_AT_MOST: Final = 1_000  # violations named one by one; all of them are counted

Signed = tuple[Transaction, Wallet, list[Attempt]]


@dataclass(slots=True)
class LedgerReport:
    """What was found. ``not_compared`` says in words what could not be held against a chain."""

    transactions: int = 0
    compared: int = 0  # transactions held against their chain
    found: int = 0  # violations in all
    violations: list[Violation] = field(default_factory=list)
    not_compared: list[str] = field(default_factory=list)
    is_readable: bool = True

    def add(self, violation: Violation) -> None:
        self.found += 1
        if violation.invariant is Invariant.UNREADABLE and self.is_readable:
            self.is_readable = False
            self.not_compared.append("No chain was asked, because not every row can be read.")
        if len(self.violations) < NAMED_AT_MOST:
            self.violations.append(violation)


@dataclass(frozen=True, slots=True)
class _Books:
    """What the snapshot told, to go on with."""

    report: LedgerReport
    wallets: Mapping[str, Wallet]
    outgoings: Mapping[str, Outgoings]
    head: Head


class Ledger:
    """Looks only. One check at a time; the daemon's work goes on meanwhile."""

    def __init__(self, store: Store, chains: Mapping[str, Chain]) -> None:
        self._store = store
        self._chains = chains
        self._one_at_a_time = asyncio.Lock()

    async def check(
        self, *, with_chains: bool, funded: Mapping[str, int] | None = None
    ) -> LedgerReport:
        """Recompute everything. ``funded``: what wallets (by id) were given from outside, base units.

        The balance of a wallet is compared where that is known. Rows that move while the check runs are
        compared with their chain only once they are final.
        """
        async with self._one_at_a_time:
            books = await self._store.survey(_recompute)
            if with_chains and books.report.is_readable:
                await self._compare(books)
                for wallet_id, amount in (funded or {}).items():
                    await self._compare_balance(books, wallet_id, amount)
            return books.report

    # ---- chains

    async def _compare(self, books: _Books) -> None:
        """Every payment that ended after something was signed for it, in pages."""
        cursor: str | None = None
        away: set[str] = set()
        while True:
            rows = await self._page(cursor)
            if not rows:
                break
            cursor = rows[-1].id
            signed = await self._store.read(lambda unit, rows=rows: _signed(unit, rows, books))  # type: ignore[misc]
            for network in sorted({row.network for row, _, _ in signed} - away):
                some = [one for one in signed if one[0].network == network]
                if not await self._compare_some(network, some, books.report):
                    away.add(network)

    async def _page(self, cursor: str | None) -> list[Transaction]:
        return await self._store.read(
            lambda unit: unit.transactions.page(
                wallet_id=None, statuses=None, limit=BATCH, cursor=cursor, descending=False
            )
        )

    async def _compare_some(
        self, network: str, signed: Sequence[Signed], report: LedgerReport
    ) -> bool:
        """False when no node answers for this network."""
        chain = self._chains.get(network)
        if chain is None:
            report.not_compared.append(f"{network} is not configured any more.")
            return False
        attempts = [attempt for _, _, known in signed for attempt in known]
        try:
            answers = await chain.evidence(attempts)
        except ChainError:
            report.not_compared.append(f"No node of {network} answers.")
            return False
        seen = {evidence.hash: evidence for evidence in answers}
        for row, wallet, known in signed:
            report.compared += 1
            for attempt in known:
                _check_payload(chain, row, wallet, attempt, report)
            _check_landing(row, known, seen, report)
        return True

    async def _compare_balance(self, books: _Books, wallet_id: str, funded: int) -> None:
        report, wallet = books.report, books.wallets.get(wallet_id)
        if wallet is None:
            report.not_compared.append(f"There is no wallet {wallet_id}.")
            return
        moved = books.outgoings[wallet_id]
        if moved.unsettled:
            report.not_compared.append(f"Wallet {wallet.name} has payments under way.")
            return
        try:
            balance = await self._chains[wallet.network].balance(wallet.address)
        except (KeyError, WalletError):
            report.not_compared.append(f"The balance of wallet {wallet.name} is not known.")
            return
        must = funded - moved.spent + moved.received
        if balance.amount == must:
            return
        if await self._store.read(lambda unit: unit.audit.head()) != books.head:
            report.not_compared.append(f"Wallet {wallet.name} paid while it was looked at.")
            return
        report.add(
            Violation(
                Invariant.CHAIN_BALANCE,
                wallet_id,
                f"The chain says {balance.amount}; {funded} funded, {moved.spent} spent and"
                f" {moved.received} received from own wallets make {must}.",
            )
        )


def _recompute(history: History) -> _Books:
    """One pass over a snapshot, in a thread of its own."""
    report = LedgerReport()
    wallets = history.wallets()
    books = Books(wallets, history.sessions(), history.reservations())
    for story in history.stories():
        for violation in books.take(story):
            report.add(violation)
    for violation in books.close(history.buckets()):
        report.add(violation)
    for shared in history.shared_nonces():
        report.add(
            Violation(
                Invariant.NONCE_SHARED,
                " ".join(shared.transaction_ids),
                f"Nonce {shared.nonce} of {shared.address} on {shared.network} is held by all of these.",
            )
        )
    report.transactions = books.transactions
    named = {wallet.id: wallet for wallet in wallets}
    return _Books(report, named, books.outgoings, history.head())


async def _signed(unit: Unit, rows: Sequence[Transaction], books: _Books) -> list[Signed]:
    """The rows that ended with something signed, with their wallets and attempts."""
    found: list[Signed] = []
    for row in rows:
        wallet = books.wallets.get(row.wallet_id)
        if row.status not in TERMINAL or wallet is None:
            continue
        attempts = await unit.attempts.of(row.id)
        if attempts:
            found.append((row, wallet, attempts))
    return found


def _check_payload(
    chain: Chain, row: Transaction, wallet: Wallet, attempt: Attempt, report: LedgerReport
) -> None:
    """The signed bytes are known by the stored hash and say what the row says."""
    try:
        payload, known_by = chain.detach(attempt.raw)
        payment = chain.inspect(payload)
    except WalletError as error:
        message = f"{attempt.hash} cannot be read: {error.message}"
        report.add(Violation(Invariant.CHAIN_PAYLOAD, row.id, message))
        return
    if known_by != attempt.hash or not _is_same(payment, row, wallet, attempt):
        message = f"{attempt.hash} is stored with bytes of another payment."
        report.add(Violation(Invariant.CHAIN_PAYLOAD, row.id, message))


def _is_same(payment: Payment, row: Transaction, wallet: Wallet, attempt: Attempt) -> bool:
    pays = attempt.purpose.pays
    expected = (row.to, row.amount, row.memo) if pays else (wallet.address, 0, None)
    payer_fits = payment.address in (None, wallet.address)
    place_fits = payment.nonce == attempt.nonce
    return payer_fits and place_fits and (payment.to, payment.amount, payment.memo) == expected


def _check_landing(
    row: Transaction,
    attempts: Sequence[Attempt],
    seen: Mapping[str, Evidence],
    report: LedgerReport,
) -> None:
    landed = [
        (attempt, seen[attempt.hash])
        for attempt in attempts
        if seen[attempt.hash].sighting in (Sighting.SUCCEEDED, Sighting.FAILED)
    ]
    paid = [
        (attempt, evidence)
        for attempt, evidence in landed
        if attempt.purpose.pays and evidence.sighting is Sighting.SUCCEEDED
    ]
    if row.status is Status.CONFIRMED:
        _check_confirmed(row, attempts, paid, seen, report)
    for attempt, _ in paid if row.status is not Status.CONFIRMED else ():
        message = f"It is {row.status}, and {attempt.hash} paid on chain."
        report.add(Violation(Invariant.CHAIN_MOVED, row.id, message))
    if len(paid) > 1:
        message = f"{len(paid)} of its attempts paid on chain."
        report.add(Violation(Invariant.CHAIN_MOVED, row.id, message))
    if row.status is Status.CONFIRMED and row.finalized_at is None:
        return  # a reorg may move it to a block that takes another fee; finality corrects the books
    fees = [evidence.fee for _, evidence in landed]
    own = [attempt for attempt, _ in landed if attempt.nonce == attempts[0].nonce]
    taken = sum(fee or 0 for fee in fees)  # fills of gaps below it cost their fee as well
    if len(own) == 1 and None not in fees and taken != (row.fee or 0):
        message = f"The chain took a fee of {taken}; the row says {row.fee}."
        report.add(Violation(Invariant.CHAIN_FEE, row.id, message))


def _check_confirmed(
    row: Transaction,
    attempts: Sequence[Attempt],
    paid: Sequence[tuple[Attempt, Evidence]],
    seen: Mapping[str, Evidence],
    report: LedgerReport,
) -> None:
    if any(attempt.hash == row.hash for attempt, _ in paid):
        return
    if row.finalized_at is None:
        report.not_compared.append(f"Payment {row.id} is confirmed and not final yet.")
        return
    sightings = {seen[attempt.hash].sighting for attempt in attempts}
    if sightings == {Sighting.UNSEEN} and all(attempt.nonce is None for attempt in attempts):
        report.not_compared.append(f"The node's history does not reach back to payment {row.id}.")
        return
    message = f"It is {row.status} as {row.hash}, and the chain has no such payment."
    report.add(Violation(Invariant.CHAIN_MISSING, row.id, message))
