"""Sessions: claimed, renewed and explained to the agent; created, listed and ended by the owner."""

from collections.abc import Callable, Mapping

from wallet.api.policies import policy_view
from wallet.api.routes import Answer, Call
from wallet.api.transactions import seconds
from wallet.api.wallets import ACTOR, environment
from wallet.domain.chains import Network
from wallet.domain.sessions import Session
from wallet.domain.wallets import Wallet
from wallet.errors import Code, RefusedError
from wallet.wire.sessions import (
    ClaimSession,
    ConnectInfo,
    ConnectSession,
    ConnectWallet,
    CreatedSession,
    CreateSession,
    DaemonInfo,
    SessionList,
    SessionsQuery,
    SessionStatus,
    SessionView,
    TokenView,
)

CAPABILITIES = ["transfer", "balance", "assets", "idempotency", "wait"]


async def claim(call: Call) -> Answer:
    body = await call.body(ClaimSession)
    session, token = await call.operations.sessions.claim(body.code)
    return Answer(_token(session, token))


async def renew(call: Call) -> Answer:
    """A session renews itself only."""
    session, _ = call.authenticated()
    if call.identifier(Code.SESSION_NOT_FOUND) != session.id:
        raise RefusedError(
            Code.SESSION_RENEWAL_MISMATCH,
            "A session can renew only itself.",
            hint="GET /v1/connect-info names your session.",
        )
    renewed, token = await call.operations.sessions.renew(session, call.token or "")
    return Answer(_token(renewed, token))


class ConnectInfoRoute:
    """Says everything an agent needs to begin. Knows the version, which nothing else here needs."""

    def __init__(self, version: str) -> None:
        self._version = version

    async def __call__(self, call: Call) -> Answer:
        session, wallet = call.authenticated()
        network = call.operations.wallets.network(wallet.network)
        rules = await call.operations.policies.list(wallet.id)
        shown = [policy_view(rule).model_dump(by_alias=True) for rule in rules]
        info = ConnectInfo(
            session=_connect_session(session),
            wallets=[_connect_wallet(wallet, network)],
            policies={wallet.id: shown},
            capabilities=CAPABILITIES,
            daemon=DaemonInfo(version=self._version, base_url=f"http://{call.header(b'host')}"),
            prompt=_prompt(wallet, network),
        )
        return Answer(info)


async def owner_create(call: Call) -> Answer:
    """A session without a token: the claim code is what the owner hands over."""
    body = await call.body(CreateSession)
    limits = {asset: int(units) for asset, units in body.limits.items()}
    await call.operations.approvals.require_for_session(limits, body.totp_code)
    session, code = await call.operations.sessions.create(
        body.wallet_id,
        name=body.name,
        limits=limits,
        max_transactions=body.max_transactions,
        ttl_seconds=body.ttl_seconds,
        source=ACTOR,
        actor=ACTOR,
    )
    view = session_view(session, session.created_at)
    return Answer(CreatedSession(**dict(view), claim_code=code), 201)


class OwnerSessions:
    """The owner's look at sessions; whether one has expired depends on the clock."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now

    async def list(self, call: Call) -> Answer:
        found = await call.operations.sessions.list(call.query(SessionsQuery).wallet_id)
        now = self._now()
        return Answer(SessionList(items=[session_view(session, now) for session in found]))

    async def show(self, call: Call) -> Answer:
        session = await call.operations.sessions.get(call.identifier(Code.SESSION_NOT_FOUND))
        return Answer(session_view(session, self._now()))

    async def revoke(self, call: Call) -> Answer:
        session = await call.operations.sessions.revoke(
            call.identifier(Code.SESSION_NOT_FOUND), actor=ACTOR, reason="ended by the owner"
        )
        return Answer(session_view(session, self._now()))


def session_view(session: Session, now: int) -> SessionView:
    return SessionView(
        id=session.id,
        wallet_id=session.wallet_id,
        name=session.name,
        source=session.source,
        status=_status(session, now),
        limits=_texts(session.limits.amounts),
        spent=_texts(session.spent or {}),
        max_transactions=session.limits.max_transactions,
        transactions=session.transactions,
        max_renewals=session.limits.max_renewals,
        renewals=session.renewals,
        created_at=session.created_at // 1000,
        expires_at=session.expires_at // 1000,
        absolute_expires_at=session.absolute_expires_at // 1000,
        claimed_at=seconds(session.claimed_at),
        revoked_at=seconds(session.revoked_at),
        revoked_reason=session.revoked_reason,
        frozen_at=seconds(session.frozen_at),
        frozen_by=session.frozen_by,
    )


def _status(session: Session, now: int) -> SessionStatus:
    if session.revoked_at is not None:
        return "REVOKED"
    if now >= session.expires_at:
        return "EXPIRED"
    if session.frozen_at is not None:
        return "FROZEN"
    return "WAITING" if session.claimed_at is None else "ACTIVE"


def _token(session: Session, token: str) -> TokenView:
    return TokenView(
        id=session.id,
        token=token,
        expires_at=session.expires_at // 1000,
        renewal_count=session.renewals,
        wallet_id=session.wallet_id,
    )


def _connect_session(session: Session) -> ConnectSession:
    return ConnectSession(
        id=session.id,
        name=session.name,
        source=session.source,
        expires_at=session.expires_at // 1000,
        absolute_expires_at=session.absolute_expires_at // 1000,
        renewal_count=session.renewals,
        max_renewals=session.limits.max_renewals,
        limits=_texts(session.limits.amounts),
        spent=_texts(session.spent or {}),
        max_transactions=session.limits.max_transactions,
        transactions=session.transactions,
    )


def _connect_wallet(wallet: Wallet, network: Network) -> ConnectWallet:
    return ConnectWallet(
        id=wallet.id,
        name=wallet.name,
        chain=wallet.chain,
        network=wallet.network,
        environment=environment(network),
        address=wallet.address,
    )


def _prompt(wallet: Wallet, network: Network) -> str:
    return (
        f"You can pay {network.symbol} from the wallet at {wallet.address} on {network.name}. "
        "POST /v1/transactions/send with {to, humanAmount} and an Idempotency-Key; "
        "Prefer: wait=30 answers the outcome. QUEUED means that the payment waits for a delay or for "
        "the owner: do not send it again, look at GET /v1/transactions/{id}. "
        "A 403 says which limit was in the way and what would pass."
    )


def _texts(amounts: Mapping[str, int]) -> dict[str, str]:
    return {asset: str(units) for asset, units in amounts.items()}
