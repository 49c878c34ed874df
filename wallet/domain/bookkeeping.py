"""The books, recomputed: everything that is counted must follow from the transactions and their facts.

One walk over all stories, then over what was counted. Nothing is repaired here: a violation is named with the
ids it concerns, and a person decides.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from wallet.domain.sessions import Session
from wallet.domain.spending import Bucket, Reservation, spent
from wallet.domain.stories import Story, Told, fee_in_the_end, fee_told, most_with_fills, told
from wallet.domain.story_checks import check_story
from wallet.domain.transactions import OPEN, Settlement, Status, Transaction
from wallet.domain.violations import Invariant, Violation
from wallet.domain.wallets import Wallet

BucketKey = tuple[str, str, int]
NATIVE = "native"


@dataclass(slots=True)
class _Sum:
    """Of one bucket. ``is_rounded``: its dollars may be more, because a fee ceiling in it was raised."""

    amount: int = 0
    owner_amount: int = 0
    count: int = 0
    usd: int = 0
    owner_usd: int = 0
    unpriced: int = 0
    is_rounded: bool = False

    def add(self, part: Bucket, *, is_rounded: bool) -> None:
        for name in _SUMMED:
            setattr(self, name, getattr(self, name) + getattr(part, name))
        self.is_rounded |= is_rounded


_SUMMED = ("amount", "owner_amount", "count", "usd", "owner_usd", "unpriced")
_DOLLARS = ("usd", "owner_usd")


@dataclass(slots=True)
class Outgoings:
    """What the books say a wallet's native balance changed by, base units, and whether that may still move."""

    spent: int = 0
    received: int = 0  # from our own wallets on the same network
    unsettled: int = 0  # signed and not finally settled


class Books:
    """Takes stories one by one, then compares what was counted with what must have been.

    Its memory follows wallets, sessions and five-minute buckets, not the number of transactions.
    """

    def __init__(
        self,
        wallets: Iterable[Wallet],
        sessions: Iterable[Session],
        reservations: Iterable[Reservation],
    ) -> None:
        self._wallets = {wallet.id: wallet for wallet in wallets}
        self._sessions = {session.id: session for session in sessions}
        self._held = {held.transaction_id: held for held in reservations}
        self._reserved: Counter[tuple[str, str]] = Counter()
        for held in self._held.values():
            for asset in {held.asset, held.native_asset}:
                self._reserved[held.session_id, asset] += held.of(asset)
        self._beyond: Counter[tuple[str, str]] = Counter()
        self._buckets: dict[BucketKey, _Sum] = {}
        self._counted: Counter[str] = Counter()
        self._given_back: Counter[str] = Counter()
        self._spent: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._by_address = {(w.network, w.address): w.id for w in self._wallets.values()}
        self.outgoings = {wallet_id: Outgoings() for wallet_id in self._wallets}
        self.transactions = 0

    def take(self, story: Story) -> Iterator[Violation]:
        """Check one story by itself, and remember what it must have cost."""
        row = story.row
        if row is None:
            yield from _without_row(story)
            return
        self.transactions += 1
        tale = told(row, story.facts)
        yield from check_story(story, row, tale, self._wallets.get(row.wallet_id))
        most = most_with_fills(row, story)
        yield from self._check_reservation(row, tale, most)
        if row.status in OPEN or not is_released(tale):
            self._counted[row.session_id] += 1
        else:
            self._given_back[row.session_id] += 1
        cost = costs_of(row, tale)
        used = most if row.status in OPEN else fee_told(tale)
        later = max(0, fee_in_the_end(tale) - fee_told(tale))
        # Cancellations, fills of gaps and other blocks than at first are not held against the session's limits.
        beyond = max(0, used - row.fee_ceiling) + later
        self._beyond[row.session_id, f"{row.network}/{NATIVE}"] += beyond
        for part in cost or ():
            key = (row.wallet_id, part.asset, part.started_at)
            self._buckets.setdefault(key, _Sum()).add(part, is_rounded=most != row.fee_ceiling)
            self._spent[row.session_id][part.asset] += part.amount
        self._remember_movement(row, tale, cost)

    def close(self, buckets: Iterable[Bucket]) -> Iterator[Violation]:
        """After the last story: what is left to compare."""
        for transaction_id in sorted(self._held):
            yield Violation(
                Invariant.RESERVATION_WITHOUT_ROW,
                transaction_id,
                "Money is set aside for nothing.",
            )
        yield from self._check_buckets(buckets)
        for session in self._sessions.values():
            yield from self._check_session(session)

    # ---- reservations

    def _check_reservation(self, row: Transaction, tale: Told, most: int) -> Iterator[Violation]:
        held = self._held.pop(row.id, None)
        if row.status not in OPEN:
            if held is not None:
                yield Violation(
                    Invariant.RESERVATION_LEFT,
                    row.id,
                    f"It is {row.status} and still holds money.",
                )
            return
        if held is None:
            yield Violation(
                Invariant.RESERVATION_MISSING, row.id, f"It is {row.status} and holds no money."
            )
            return
        decided = reservation_of(row, tale)
        expected = replace(decided, fee=most, fee_usd=decided.fee_worth(most))
        for name in Reservation.__slots__:
            if getattr(held, name) != getattr(expected, name):
                if name == "fee_usd" and most != row.fee_ceiling and _is_more(held, expected):
                    continue  # each raise rounds up
                yield Violation(
                    Invariant.RESERVATION_WRONG,
                    row.id,
                    f"{name} is {getattr(held, name)}, must be {getattr(expected, name)}.",
                )

    # ---- spending

    def _remember_movement(
        self, row: Transaction, tale: Told, cost: Sequence[Bucket] | None
    ) -> None:
        mine = self.outgoings.get(row.wallet_id)
        if mine is None:
            return
        if row.status is Status.SUBMITTED or (cost is not None and row.finalized_at is None):
            mine.unsettled += 1
        if cost is None:
            return
        native = f"{row.network}/{NATIVE}"
        mine.spent += sum(part.amount for part in cost if part.asset == native)
        mine.spent -= max(0, fee_told(tale) - fee_in_the_end(tale))  # counted, and not paid
        payee = self._by_address.get((row.network, row.to))
        if payee is not None and any(part.count for part in cost) and row.asset == native:
            self.outgoings[payee].received += row.amount

    def _check_buckets(self, buckets: Iterable[Bucket]) -> Iterator[Violation]:
        for bucket in buckets:
            key = (bucket.wallet_id, bucket.asset, bucket.started_at)
            must = self._buckets.pop(key, _Sum())
            yield from _compare(key, must, bucket)
        for key, must in self._buckets.items():
            yield from _compare(key, must, Bucket(*key, amount=0, owner_amount=0, count=0))

    # ---- sessions

    def _check_session(self, session: Session) -> Iterator[Violation]:
        counted = self._counted[session.id]
        # A payment that ends while the keystore is locked, or with its session, stays counted.
        most = counted + self._given_back[session.id]
        if not counted <= session.transactions <= most:
            yield Violation(
                Invariant.SESSION_COUNT,
                session.id,
                f"It counts {session.transactions} payments; its rows are {counted}.",
            )
        if counted > session.limits.max_transactions:
            yield Violation(
                Invariant.SESSION_LIMIT,
                session.id,
                f"{counted} payments are more than its {session.limits.max_transactions}.",
            )
        for asset in sorted(self._spent[session.id].keys() | session.spent.keys()):
            yield from self._check_spent(session, asset)

    def _check_spent(self, session: Session, asset: str) -> Iterator[Violation]:
        spent, must = session.spent.get(asset, 0), self._spent[session.id][asset]
        if spent != must:
            yield Violation(
                Invariant.SESSION_SPENT,
                session.id,
                f"It counts {spent} of {asset} as spent; its rows spent {must}.",
            )
        limit = session.limits.amounts.get(asset)
        used = must + self._reserved[session.id, asset]
        if limit is not None and used - self._beyond[session.id, asset] > limit:
            yield Violation(
                Invariant.SESSION_LIMIT,
                session.id,
                f"{used} of {asset} spent and set aside are more than its {limit}.",
            )


def _without_row(story: Story) -> Iterator[Violation]:
    for reason in story.unreadable:
        yield Violation(Invariant.UNREADABLE, story.id, reason)
    if not story.unreadable:
        yield Violation(
            Invariant.FACTS_WITHOUT_ROW, story.id, "There are traces of it, and no row."
        )


def is_released(tale: Told) -> bool:
    """Whether the facts end in a move that gave everything back, so that the payment counts no more."""
    return tale.last_move is not None and tale.last_move.settlement is Settlement.RELEASE


def costs_of(row: Transaction, tale: Told) -> list[Bucket] | None:
    """What the facts say that it cost; None where nothing was spent."""
    move, fact = tale.last_move, tale.last_fact
    if move is None or fact is None:
        return None
    if move.settlement not in (Settlement.SPEND, Settlement.SPEND_FEE):
        return None
    amount = row.amount if move.settlement is Settlement.SPEND else 0
    held, later = reservation_of(row, tale), fee_in_the_end(tale) - fee_told(tale)
    cost = spent(held, amount, fee_told(tale), fact.at)
    if tale.finalized is None or later <= 0:
        return cost
    return cost + spent(held, 0, later, tale.finalized.at)


def reservation_of(row: Transaction, tale: Told) -> Reservation:
    """What was set aside when it was decided; its dollars are those that its first fact names."""
    return Reservation(
        transaction_id=row.id,
        wallet_id=row.wallet_id,
        session_id=row.session_id,
        asset=row.asset,
        amount=row.amount,
        native_asset=f"{row.network}/{NATIVE}",
        fee=row.fee_ceiling,
        owner_approved=row.consent_at is not None,
        created_at=row.created_at,
        usd=tale.dollars("usd"),
        fee_usd=tale.dollars("feeUsd"),
    )


def _is_more(held: Reservation, expected: Reservation) -> bool:
    if held.fee_usd is None or expected.fee_usd is None:
        return False
    return held.fee_usd > expected.fee_usd


def _compare(key: BucketKey, must: _Sum, found: Bucket) -> Iterator[Violation]:
    subject = f"{key[0]} {key[1]} {key[2]}"
    for name in _SUMMED:
        has, wants = getattr(found, name), getattr(must, name)
        if has == wants or (must.is_rounded and name in _DOLLARS and has > wants):
            continue
        if name == "unpriced" and has and wants:
            continue  # a bucket from before prices knows only that something in it had none
        yield Violation(
            Invariant.BUCKET, subject, f"{name} is {has}; its settled payments make {wants}."
        )
