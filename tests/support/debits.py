"""What left by the chains' own word, and for which payment: nothing of it is taken from the books.

Every payment of a play has a payee of its own, so what pays tells whose it is. Only of empty payloads, which pay
nobody, the stored attempts tell it.
"""

from dataclasses import dataclass, field

from wallet.domain.prices import Price, usd_of
from wallet.domain.tiers import Tier
from wallet.domain.wallets import Wallet

DECIMALS = 18  # of both networks here


@dataclass(frozen=True, slots=True)
class Asked:
    """A payment that was admitted. ``dollars`` is what a coin cost at its decision; None: it was not known."""

    id: str
    at: int
    session_id: str
    wallet: Wallet
    payee: str
    amount: int
    tier: Tier
    dollars: int | None = None

    def worth(self, units: int) -> int:
        """Millionths of a dollar at the price of the decision, rounded up."""
        if self.dollars is None:
            return 0
        return usd_of(units, DECIMALS, Price(self.dollars, 0, self.at))


@dataclass(frozen=True, slots=True)
class Debit:
    """A payload that landed: when, and what it took from its wallet."""

    at: int
    hash: str
    asked: Asked
    paid: int  # 0 where it failed, or was an empty one
    fee: int
    fills_gap: bool = False  # it made way below the payment's own place: no limit bounds that fee

    @property
    def bounded(self) -> int:
        """What the limits bound, base units."""
        return self.paid + (0 if self.fills_gap else self.fee)

    @property
    def worth(self) -> int:
        """The same in millionths of a dollar."""
        return self.asked.worth(self.paid) + self.asked.worth(self.bounded - self.paid)


@dataclass(slots=True)
class Seen:
    """Everything so far, as somebody with the chains' explorers and a list of the requests would have it."""

    now: int = 0
    asked: dict[str, Asked] = field(default_factory=dict)
    debits: list[Debit] = field(default_factory=list)
    open: frozenset[str] = frozenset()  # ids of payments that have not ended
    consented: frozenset[str] = frozenset()  # ids of payments that the owner said yes to

    def within(self, seconds: int, wallet_id: str | None = None) -> list[Debit]:
        """What left one wallet, or all of them, in the window that ends now."""
        start = self.now - seconds * 1000
        return [
            debit
            for debit in self.debits
            if debit.at > start and wallet_id in (None, debit.asked.wallet.id)
        ]

    def waiting(self, wallet_id: str | None = None) -> list[Asked]:
        """What may still leave one wallet, or all of them."""
        found = [self.asked[known] for known in self.open]
        return [asked for asked in found if wallet_id in (None, asked.wallet.id)]
