"""Past requests judged anew: what other rules would have said. Pure.

Windows are those of the replay: what it lets through counts at the time it was asked for, what it denies does not.
What really happened decides the rest. A payment that was never made (cancelled, expired, failed) counts nothing; one
that was denied by a rule, and passes now, counts as paid with its highest fee; one that something else denied (a
session's limit, auto-stop) is judged and counts nothing, because no rule lets it through.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from wallet.domain.decisions import Decision
from wallet.domain.intents import Intent
from wallet.domain.policy import AppliedRule, Policy
from wallet.domain.prices import PriceGap, Worth
from wallet.domain.rules import Context
from wallet.domain.spending import BUCKET_MS, Bucket, Reservation, spent
from wallet.domain.tiers import Tier

DENIED = "DENIED"


@dataclass(frozen=True, slots=True)
class PastRequest:
    """What an agent asked for, and what became of it. ``was`` is a tier, or DENIED.

    ``paid``: whether its money left, or may still leave; None where that depends on the rules alone. ``fee`` is
    what it cost in fees; None where nobody knows.
    """

    at: int  # epoch ms
    intent: Intent
    was: str
    worth: Worth | PriceGap
    paid: bool | None
    fee: int | None


class Replay:
    """One set of rules, asked about request after request, oldest first. The owner is paired and says yes."""

    def __init__(self, rules: Sequence[AppliedRule], ceilings: Mapping[str, int]) -> None:
        self._rules = rules
        self._ceilings = ceilings  # of fees, per network
        self._policies: dict[str, Policy] = {}
        self._window_ms = Policy(rules).window_ms
        self._buckets: dict[tuple[str, str, int], Bucket] = {}

    @property
    def window_ms(self) -> int:
        """How far back any rule looks."""
        return self._window_ms

    def judge(self, past: PastRequest) -> Decision:
        """Decide, and count what passes."""
        policy = self._policy(past.intent.wallet_id)
        fee = policy.fee_ceiling(past.intent, self._ceiling(past))
        self._forget(past.at - self._window_ms)
        context = Context(
            now=past.at,
            wallet_id=past.intent.wallet_id,
            owner_paired=True,
            buckets=[*self._buckets.values()],
            reservations=(),
            worth=past.worth,
        )
        decision = policy.judge(past.intent, fee, context)
        if not decision.is_denied and past.paid is not False:
            self._count(past, fee, by_owner=decision.tier is Tier.APPROVAL)
        return decision

    def remember(self, past: PastRequest) -> None:
        """Count what really left before the first request that is judged."""
        if past.paid:
            self._count(past, self._ceiling(past), by_owner=past.was == Tier.APPROVAL)

    def _policy(self, wallet_id: str) -> Policy:
        found = self._policies.get(wallet_id)
        if found is None:
            own = [one for one in self._rules if one.wallet_id in (None, wallet_id)]
            found = self._policies[wallet_id] = Policy(own)
        return found

    def _ceiling(self, past: PastRequest) -> int:
        return self._ceilings.get(past.intent.asset.network, past.fee or 0)

    def _count(self, past: PastRequest, ceiling: int, *, by_owner: bool) -> None:
        intent, worth = past.intent, past.worth
        known = None if isinstance(worth, PriceGap) else worth
        fee = ceiling if past.fee is None else past.fee
        held = Reservation(
            transaction_id="",
            wallet_id=intent.wallet_id,
            session_id="",
            asset=intent.asset.key,
            amount=intent.amount,
            native_asset=intent.asset.native_key,
            fee=fee,
            owner_approved=by_owner,
            created_at=past.at,
            usd=None if known is None else known.amount,
            fee_usd=None if known is None else known.fee,
        )
        for bucket in spent(held, intent.amount, fee, past.at):
            key = (bucket.wallet_id, bucket.asset, bucket.started_at)
            before = self._buckets.get(key)
            self._buckets[key] = bucket if before is None else _together(before, bucket)

    def _forget(self, until: int) -> None:
        """Leave out what no window reaches any more; buckets stand in the order of time."""
        for key, bucket in list(self._buckets.items()):
            if bucket.started_at + BUCKET_MS > until:
                return
            del self._buckets[key]


def _together(one: Bucket, other: Bucket) -> Bucket:
    return replace(
        one,
        amount=one.amount + other.amount,
        owner_amount=one.owner_amount + other.owner_amount,
        count=one.count + other.count,
        usd=one.usd + other.usd,
        owner_usd=one.owner_usd + other.owner_usd,
        unpriced=one.unpriced + other.unpriced,
    )
