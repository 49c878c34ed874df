"""What an agent program holds: a session with mandatory limits, and what makes it usable."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from wallet.domain.authority import Proof
from wallet.errors import AuthError, Code, RefusedError

CLAIM_REUSED = "its claim code was used twice"
KILL_SWITCH = (
    "KILL_SWITCH"  # the reason on a session, and the suspension of a wallet, that a stop ended
)
EXPIRED = "expired"  # the reason on a session that ended by time, not by anybody's will
OWNER = "OWNER"  # who held a session or a wallet, where it was no rule and no stop
TTL_MIN_SECONDS = 300
TTL_MAX_SECONDS = 604_800
ABSOLUTE_LIFETIME_SECONDS = 2_592_000
TOKEN_PREFIX = "wai_sess_"  # noqa: S105 - public prefix, for secret scanners
RENEWED_TOKEN_GRACE_MS = 60_000


# Who ended it, where it was not the owner by name.
_ENDED = {
    CLAIM_REUSED: "This session was ended because its claim code was used twice.",
    KILL_SWITCH: "This session was ended by the kill switch.",
}


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """The most a session may ever spend (per asset key, base units) and ask (count). Never unlimited."""

    amounts: Mapping[str, int]
    max_transactions: int
    max_renewals: int


@dataclass(frozen=True, slots=True)
class Session:
    """A session row. Times in epoch milliseconds; ``spent`` counts amounts and fees that left."""

    id: str
    wallet_id: str
    name: str
    source: str
    limits: SessionLimits
    ttl_seconds: int
    created_at: int
    expires_at: int
    absolute_expires_at: int
    token_hash: str | None = None
    previous_token_hash: str | None = None  # lives until the new token is first used
    previous_valid_until: int | None = None
    claimed_at: int | None = None
    revoked_at: int | None = None
    revoked_reason: str | None = None
    renewals: int = 0
    renewed_at: int | None = None
    transactions: int = 0
    frozen_at: int | None = (
        None  # held until the owner resumes it; its waiting payments were cancelled
    )
    frozen_by: str | None = None  # an auto-stop rule, or OWNER
    spent: Mapping[str, int] = ()  # type: ignore[assignment]  # rows always fill it
    proof: Proof = field(default=Proof.UNKNOWN, compare=False, repr=False)

    @property
    def was_revoked(self) -> bool:
        """Whether somebody ended it. Its waiting payments end with it; those of an expired one do not."""
        return self.revoked_at is not None and self.revoked_reason != EXPIRED

    def require_not_frozen(self) -> None:
        """Raise SESSION_FROZEN while the session is held: it may look, and asks for nothing."""
        if self.frozen_at is None:
            return
        who = "by the owner" if self.frozen_by == OWNER else "by auto-stop"
        raise RefusedError(
            Code.SESSION_FROZEN,
            f"This session is frozen {who}; nothing can be paid with it.",
            details={"frozenAt": self.frozen_at // 1000, "frozenBy": self.frozen_by},
            hint="Only the owner can resume it. Do not send the payment again before.",
        )

    def require_usable(self, now: int) -> None:
        """Raise AuthError unless the session is neither revoked nor expired at ``now``."""
        if self.was_revoked:
            raise AuthError(
                Code.SESSION_REVOKED,
                _ENDED.get(self.revoked_reason or "", "This session was ended by the owner."),
                hint="Ask the owner for a new claim code.",
            )
        if now >= self.expires_at:
            raise AuthError(
                Code.TOKEN_EXPIRED,
                "This session has expired.",
                hint="Ask the owner for a new claim code; renew earlier next time.",
            )


@dataclass(frozen=True, slots=True)
class SessionCharge:
    """What one more payment would cost a session."""

    asset: str
    amount: int
    native_asset: str
    fee: int


def require_within_limits(
    session: Session, charge: SessionCharge, reserved: Mapping[str, int]
) -> None:
    """Raise RefusedError unless spent + reserved + this charge stays within every limit.

    ``reserved`` maps asset keys to what the session's open transactions have set aside. A fee is native
    spend; where the session names no limit for the native coin, the fee ceiling bounds each payment.
    """
    if session.transactions >= session.limits.max_transactions:
        raise _exceeded(
            session, "transactions", session.limits.max_transactions, session.transactions, 1
        )
    costs: dict[str, int] = {charge.asset: charge.amount}
    costs[charge.native_asset] = costs.get(charge.native_asset, 0) + charge.fee
    for asset, cost in costs.items():
        limit = session.limits.amounts.get(asset)
        if limit is None and asset != charge.asset:
            continue
        used = session.spent.get(asset, 0) + reserved.get(asset, 0)
        if used + cost > (limit or 0):
            raise _exceeded(session, asset, limit or 0, used, cost, charge.fee)


def _exceeded(
    session: Session, what: str, limit: int, used: int, cost: int, fee: int = 0
) -> RefusedError:
    remaining = max(0, limit - used)
    passes = remaining - fee
    smallest = (
        f"Ask for at most {passes} base units."
        if what != "transactions" and passes > 0
        else "Nothing more in this session."
    )
    return RefusedError(
        Code.SESSION_LIMIT_EXCEEDED,
        f"This session's limit for {what} does not allow it.",
        details={
            "ruleId": session.id,
            "rule": "SESSION_LIMIT",
            "asset": what,
            "limit": str(limit),
            "used": str(used),
            "requested": str(cost),
            "remaining": str(remaining),
            "resetsAt": None,  # a session's totals are for its whole life
            "smallestPassing": smallest,
            "ownerCanHelp": True,
        },
        hint=f"{smallest} The owner can give a new session.",
    )
