"""What the limits promise: each writes its rule, and holds what left against it.

A check is asked after every step, so a window that ends at a debit is looked at when it is fullest.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from tests.support.debits import Asked, Seen
from wallet.domain.sessions import Session
from wallet.domain.tiers import Tier
from wallet.domain.wallets import Wallet

HOUR = 3_600
DAY = 86_400
MICROS = 10**6


class Promise(Protocol):
    """One rule. ``wallet`` is whose rule it is; None: it binds all of them."""

    @property
    def type(self) -> str: ...

    def rules(self, assets: list[str]) -> Mapping[str, Any]: ...

    def require_kept(self, seen: Seen, wallet: Wallet | None) -> None: ...

    def require_decided(self, seen: Seen, asked: Asked, wallet: Wallet | None) -> None:
        """``seen`` is what was before the payment was ``asked`` for."""
        ...


def over(wallet: Wallet | None) -> tuple[str, str | None]:
    return ("all_wallets", None) if wallet is None else ("each_wallet", wallet.id)


@dataclass(frozen=True, slots=True)
class Window:
    """At most ``limit`` base units of an asset, fees included, leave in any ``seconds``."""

    limit: int
    seconds: int

    type = "CUMULATIVE_LIMIT"

    def rules(self, assets: list[str]) -> Mapping[str, Any]:
        return {
            "assets": {key: {"limit": str(self.limit)} for key in assets},
            "window_seconds": self.seconds,
            "otherwise": "deny",
        }

    def require_kept(self, seen: Seen, wallet: Wallet | None) -> None:
        left: Counter[str] = Counter()
        for debit in seen.within(self.seconds, over(wallet)[1]):
            left[debit.asked.wallet.network] += debit.bounded
        over_limit = {network: most for network, most in left.items() if most > self.limit}
        assert not over_limit, f"more than {self} left: {over_limit}"

    def require_decided(self, seen: Seen, asked: Asked, wallet: Wallet | None) -> None:
        """The chain alone tells."""


@dataclass(frozen=True, slots=True)
class DollarWindow:
    """At most ``dollars`` leave in any ``seconds``, each payment at the price of its decision.

    Where a price is not known the owner is asked, and while a window holds such a payment he is asked about every
    other one. What the market does after a decision is not promised.
    """

    dollars: int
    seconds: int

    type = "CUMULATIVE_LIMIT"

    def rules(self, assets: list[str]) -> Mapping[str, Any]:
        return {
            "usd": {"limit": str(self.dollars)},
            "window_seconds": self.seconds,
            "otherwise": "deny",
        }

    def require_kept(self, seen: Seen, wallet: Wallet | None) -> None:
        within = seen.within(self.seconds, over(wallet)[1])
        left = sum(debit.worth for debit in within)
        assert left <= self.dollars * MICROS, f"more than {self} left: {left}"
        unasked = [
            debit
            for debit in within
            if debit.asked.dollars is None and debit.asked.id not in seen.consented
        ]
        assert not unasked, f"it left without a price and without the owner: {unasked}"

    def require_decided(self, seen: Seen, asked: Asked, wallet: Wallet | None) -> None:
        _, scope = over(wallet)
        held = [debit.asked for debit in seen.within(self.seconds, scope)] + seen.waiting(scope)
        if None in (asked.dollars, *(one.dollars for one in held)):
            assert asked.tier is Tier.APPROVAL, f"the unknown counted as nothing: {asked}"


@dataclass(frozen=True, slots=True)
class Rate:
    """At most so many payments an hour and a day: those that left in it, and those that still may."""

    per_hour: int
    per_day: int

    type = "RATE_LIMIT"

    def rules(self, assets: list[str]) -> Mapping[str, Any]:
        return {"max_tx_per_hour": self.per_hour, "max_tx_per_day": self.per_day}

    def require_kept(self, seen: Seen, wallet: Wallet | None) -> None:
        _, scope = over(wallet)
        waiting = {asked.id for asked in seen.waiting(scope)}
        for most, seconds in ((self.per_hour, HOUR), (self.per_day, DAY)):
            left = {debit.asked.id for debit in seen.within(seconds, scope) if debit.paid}
            assert len(left | waiting) <= most, f"more than {self} within {seconds} seconds"

    def require_decided(self, seen: Seen, asked: Asked, wallet: Wallet | None) -> None:
        """The number alone tells."""


def require_session_kept(seen: Seen, session: Session) -> None:
    """What left for a session, and how often, stays within its own limits for its whole life."""
    mine = [debit for debit in seen.debits if debit.asked.session_id == session.id]
    left = sum(debit.bounded for debit in mine)
    [most] = session.limits.amounts.values()
    assert left <= most, f"{session.id} spent {left} of {most}"
    waiting = {asked.id for asked in seen.waiting() if asked.session_id == session.id}
    count = len({debit.asked.id for debit in mine} | waiting)
    assert count <= session.limits.max_transactions, f"{session.id} paid {count} times"


def require_paid_once(seen: Seen) -> None:
    """No payment lands twice, and none pays anything but its amount."""
    landed = Counter(debit.asked.id for debit in seen.debits if not debit.fills_gap)
    assert [one for one, times in landed.items() if times > 1] == []
    assert all(debit.paid in (0, debit.asked.amount) for debit in seen.debits)
