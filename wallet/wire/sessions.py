"""Sessions on the wire: created by the owner, claimed and renewed by the agent."""

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from wallet.domain.sessions import TTL_MAX_SECONDS, TTL_MIN_SECONDS
from wallet.wire.rule_fields import AssetKey, Units
from wallet.wire.shape import Query, Shape, View

TotpCode = Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")]


class CreateSession(Shape):
    """``limits`` is the most the session may ever spend per asset, in base units. Never unlimited."""

    wallet_id: Annotated[str, Field(min_length=1, max_length=64)]
    name: Annotated[str, Field(min_length=1, max_length=64)]
    limits: Annotated[dict[AssetKey, Units], Field(min_length=1, max_length=50)]
    max_transactions: Annotated[int | None, Field(ge=1, le=1_000_000)] = None
    ttl_seconds: Annotated[int | None, Field(ge=TTL_MIN_SECONDS, le=TTL_MAX_SECONDS)] = None
    totp_code: TotpCode | None = None


SessionStatus = Literal["WAITING", "ACTIVE", "FROZEN", "EXPIRED", "REVOKED"]


class SessionView(View):
    """A session as the owner sees it. Amounts in base units, times in epoch seconds."""

    id: str
    wallet_id: str
    name: str
    source: str
    status: SessionStatus
    limits: dict[str, str]
    spent: dict[str, str]
    max_transactions: int
    transactions: int
    max_renewals: int
    renewals: int
    created_at: int
    expires_at: int
    absolute_expires_at: int
    claimed_at: int | None
    revoked_at: int | None
    revoked_reason: str | None
    frozen_at: int | None
    frozen_by: Annotated[str | None, Field(description="OWNER, or the auto-stop rule.")]


class CreatedSession(SessionView):
    """The only time that the claim code is shown."""

    claim_code: str


class SessionList(View):
    items: list[SessionView]


class SessionsQuery(Query):
    wallet_id: Annotated[str | None, Field(max_length=64)] = None


class ClaimSession(Shape):
    """A claim code works once."""

    code: Annotated[str, Field(min_length=1, max_length=64)]


class TokenView(View):
    """``token`` is shown once. Renew before ``expiresAt`` (epoch seconds)."""

    id: str
    token: str
    expires_at: int
    renewal_count: int
    wallet_id: str


class ConnectSession(View):
    id: str
    name: str
    source: str
    expires_at: int
    absolute_expires_at: int
    renewal_count: int
    max_renewals: int
    limits: dict[str, str]
    spent: dict[str, str]
    max_transactions: int
    transactions: int


class ConnectWallet(View):
    id: str
    name: str
    chain: str
    network: str
    environment: str
    address: str


class DaemonInfo(View):
    version: str
    base_url: str


class ConnectInfo(View):
    """Everything that an agent needs to begin; ``prompt`` says it in words."""

    session: ConnectSession
    wallets: list[ConnectWallet]
    policies: Annotated[dict[str, list[dict[str, Any]]], Field(description="Per wallet id.")]
    capabilities: list[str]
    daemon: DaemonInfo
    prompt: str
