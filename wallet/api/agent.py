"""The agents' app: its routes and its guards, each as one visible list."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from wallet.api import sessions, transactions, wallets
from wallet.api.auth import SessionAuth
from wallet.api.guards import (
    BodyGuard,
    HostGuard,
    OriginGuard,
    RequestLine,
    StartingGate,
    StopGate,
    on_http_error,
)
from wallet.api.health import Health
from wallet.api.limits import CLAIM_PATH, SEND_PATH, FailedAuthLimit, Limits, Rate, SessionLimits
from wallet.api.openapi import OpenApi
from wallet.api.operations import DaemonFacts, Operations
from wallet.api.routes import Needs, Row, build_routes
from wallet.ports.world import Clock, Ids
from wallet.wire.owner import HealthView
from wallet.wire.sessions import ClaimSession, ConnectInfo, TokenView
from wallet.wire.transactions import PageQuery, SendRequest, TransactionPage, TransactionView
from wallet.wire.wallets import (
    AddressView,
    AllAssetsView,
    AssetsView,
    BalancesView,
    BalanceView,
    NetworkQuery,
    NetworksView,
)


@dataclass(frozen=True, slots=True)
class Door:
    """What an app needs to know of its daemon.

    ``hosts`` are the exact values of Host that are served, such as ``127.0.0.1:3100``. ``operations`` is
    asked only once ``facts().ready`` is true.
    """

    version: str
    hosts: frozenset[str]
    facts: Callable[[], DaemonFacts]
    operations: Callable[[], Operations]
    clock: Clock
    ids: Ids
    limits: Limits = field(default_factory=Limits)


def agent_rows(door: Door) -> Sequence[Row]:
    """Every route an agent can call. Fixed paths stand before those with an ``{id}``."""
    health = Health(door.facts, door.operations, door.clock)
    info = sessions.ConnectInfoRoute(door.version)
    spec = OpenApi("WAIaaS agent API", door.version)
    nothing, session = Needs.NOTHING, Needs.SESSION
    rows = [
        Row("GET", "/v1/wallet/address", wallets.address, session,
            "The wallet's address", AddressView),
        Row("GET", "/v1/wallet/balance", wallets.balance, session,
            "The wallet's balance, asked of the chain", BalanceView | BalancesView, query=NetworkQuery),
        Row("GET", "/v1/wallet/assets", wallets.assets, session,
            "What the wallet holds", AssetsView | AllAssetsView, query=NetworkQuery),
        Row("POST", SEND_PATH, transactions.send, session,
            "Ask for a payment", TransactionView, SendRequest, status=201, idempotent=True),
        Row("GET", "/v1/transactions", transactions.page, session,
            "The wallet's transactions", TransactionPage, query=PageQuery),
        Row("GET", "/v1/transactions/pending", transactions.pending, session,
            "What waits for time or for the owner", TransactionPage),
        Row("GET", "/v1/transactions/{id}", transactions.show, session,
            "One transaction", TransactionView),
        Row("GET", "/v1/connect-info", info, session,
            "Everything needed to begin", ConnectInfo),
        Row("GET", "/v1/wallets/{id}/networks", wallets.networks, session,
            "The networks of the session's wallet", NetworksView),
        Row("PUT", "/v1/sessions/{id}/renew", sessions.renew, session,
            "Rotate the session's token", TokenView),
        Row("POST", CLAIM_PATH, sessions.claim, Needs.OPERATION_PROVES,
            "Exchange a claim code for a token, once", TokenView, ClaimSession),
        Row("GET", "/health", health.health, nothing, "How the daemon is", HealthView),
        Row("GET", "/ready", health.ready, nothing, "Whether it takes work", HealthView),
        Row("GET", "/openapi.json", spec, nothing, "This document"),
    ]  # fmt: skip
    return spec.describe(rows)


def agent_guards(door: Door) -> list[Middleware]:
    """From the outside in. What is refused early costs least and learns least."""
    limits, clock = door.limits, door.clock
    return [
        Middleware(RequestLine, ids=door.ids),
        Middleware(HostGuard, hosts=door.hosts),
        Middleware(OriginGuard, origins=frozenset(f"http://{host}" for host in door.hosts)),
        Middleware(BodyGuard, largest=limits.body_bytes),
        Middleware(FailedAuthLimit, rate=Rate(limits.failed_auth_ip_rpm, clock)),
        Middleware(StartingGate, facts=door.facts),
        Middleware(StopGate, operations=door.operations),
        Middleware(SessionAuth, operations=door.operations),
        Middleware(
            SessionLimits,
            session=Rate(limits.session_rpm, clock),
            sends=Rate(limits.send_rpm, clock),
            claims=Rate(limits.claim_rpm, clock),
        ),
    ]


def agent_app(door: Door) -> Starlette:
    """The ASGI app for agents."""
    app = Starlette(
        routes=build_routes(agent_rows(door), door.operations),
        middleware=agent_guards(door),
        exception_handlers={HTTPException: on_http_error},
    )
    app.router.redirect_slashes = False
    return app
