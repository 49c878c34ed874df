"""What the evidence on a transaction's attempts means for the transaction. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from wallet.domain.transactions import Attempt, Event, Purpose, gap_fills, siblings
from wallet.errors import Code
from wallet.ports.chain import Evidence, Sighting


@dataclass(frozen=True, slots=True)
class Verdict:
    """A move to make. ``final`` tells whether the inclusion can still change."""

    event: Event
    attempt: Attempt
    fee: int
    final: bool
    error: Code | None = None
    message: str | None = None


def verdict(attempts: Sequence[Attempt], evidence: Sequence[Evidence]) -> Verdict | None:
    """The move that the evidence allows, or None while it allows none.

    A payment is confirmed at the network's depth, because that gives nothing back. Everything that gives money
    back waits for final evidence. What filled a gap below the payment costs its fee as well.
    """
    by_hash = dict(zip((one.hash for one in attempts), evidence, strict=True))
    own = [(one, by_hash[one.hash]) for one in siblings(attempts)]
    for attempt, seen in own:
        landed = _landed(attempt, seen)
        if landed is not None:
            filling = _cost([by_hash[one.hash] for one in gap_fills(attempts)])
            return None if filling is None else replace(landed, fee=landed.fee + filling)
    if own and all(seen.sighting is Sighting.DEAD and seen.final for _, seen in own):
        return Verdict(
            Event.LAPSE,
            attempts[-1],
            0,
            final=True,
            error=Code.TX_EXPIRED,
            message="Its signed bytes can never land any more; nothing was paid.",
        )
    return None


def is_nonce_taken(evidence: Sequence[Evidence]) -> bool:
    """Whether something we do not know holds the nonce of every attempt, finally."""
    return bool(evidence) and all(
        seen.sighting is Sighting.NONCE_TAKEN and seen.final for seen in evidence
    )


def _cost(filling: Sequence[Evidence]) -> int | None:
    """What filled gaps cost together; None while one is neither seen nor known to be overtaken.

    A fill's nonce is below the payment's, so one that is not seen beside a landed payment is not seen *yet*.
    """
    if any(seen.sighting is Sighting.UNSEEN for seen in filling):
        return None
    return sum(seen.fee or 0 for seen in filling)


def _landed(attempt: Attempt, seen: Evidence) -> Verdict | None:
    fee = seen.fee or 0
    match seen.sighting, attempt.purpose:
        case Sighting.SUCCEEDED, Purpose.PAY | Purpose.SPEED_UP if seen.deep_enough or seen.final:
            return Verdict(Event.CONFIRM, attempt, fee, final=seen.final)
        case Sighting.SUCCEEDED | Sighting.FAILED, Purpose.CANCEL if seen.final:
            return Verdict(
                Event.SUPERSEDE,
                attempt,
                fee,
                final=True,
                error=Code.OWNER_REJECTED,
                message="The owner cancelled it: an empty payment took its place.",
            )
        case Sighting.SUCCEEDED | Sighting.FAILED, Purpose.FILL if seen.final:
            return Verdict(
                Event.REVERT,
                attempt,
                fee,
                final=True,
                error=Code.INSUFFICIENT_FUNDS,
                message="No node took the payment, so an empty one took its place.",
            )
        case Sighting.FAILED, Purpose.PAY | Purpose.SPEED_UP if seen.final:
            return Verdict(
                Event.REVERT,
                attempt,
                fee,
                final=True,
                error=Code.CHAIN_ERROR,
                message="The payment failed on chain; only its fee was spent.",
            )
        case _:
            return None
