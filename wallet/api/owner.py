"""The owner's app on a Unix socket: its routes with what each needs, and its guards.

Reads and protective acts need the socket only. Everything else needs the master password or a ticket; what
releases money needs a code of the authenticator app as well, where the amount's band says so.
"""

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from wallet.api import (
    approvals,
    audit,
    autostop,
    pairing,
    policies,
    rehearsal,
    replacements,
    safety,
    sessions,
    transactions,
    wallets,
)
from wallet.api.agent import Door
from wallet.api.auth import prove_owner
from wallet.api.guards import (
    BodyGuard,
    HostGuard,
    OriginGuard,
    RequestLine,
    StartingGate,
    on_http_error,
)
from wallet.api.health import Health
from wallet.api.openapi import OpenApi
from wallet.api.routes import Needs, Row, build_routes
from wallet.wire import owner as wire
from wallet.wire.autostop import PutStopRule, StopRuleList, StopRulesQuery, StopRuleView
from wallet.wire.policies import (
    ChangedPolicyView,
    PoliciesQuery,
    PolicyList,
    PolicyView,
    PutPolicy,
    RemovedPolicyView,
)
from wallet.wire.rehearsal import RehearsalView, RehearsePolicy
from wallet.wire.sessions import (
    CreatedSession,
    CreateSession,
    SessionList,
    SessionsQuery,
    SessionView,
)
from wallet.wire.transactions import OwnerPageQuery, TransactionPage, TransactionView
from wallet.wire.wallets import CreateWallet, WalletDetail, WalletList, WalletView

HOST = "waiaas"


def owner_rows(door: Door) -> Sequence[Row]:
    """The credential table: one line per route, its third column says what a caller must show."""
    health = Health(door.facts, door.operations, door.clock)
    spec = OpenApi("WAIaaS owner API", door.version)
    held = sessions.OwnerSessions(door.clock.now)
    nothing, socket = Needs.NOTHING, Needs.SOCKET
    password, typed = Needs.PASSWORD, Needs.TYPED_PASSWORD
    factor, loosen = Needs.CURRENT_FACTOR, Needs.PASSWORD_TO_LOOSEN
    rows = [
        # looking
        Row("GET", "/v1/status", safety.status, socket,
            "How everything is", wire.StatusInfo),
        Row("GET", "/v1/wallets", wallets.owner_list, socket,
            "All wallets", WalletList),
        Row("GET", "/v1/wallets/{id}", wallets.owner_show, socket,
            "One wallet with its balance", WalletDetail),
        Row("GET", "/v1/sessions", held.list, socket,
            "All sessions", SessionList, query=SessionsQuery),
        Row("GET", "/v1/sessions/{id}", held.show, socket,
            "One session", SessionView),
        Row("GET", "/v1/policies", policies.owner_list, socket,
            "All rules", PolicyList, query=PoliciesQuery),
        Row("GET", "/v1/policies/{id}", policies.owner_show, socket,
            "One rule", PolicyView),
        Row("POST", "/v1/policies/test", rehearsal.owner_rehearse, socket,
            "What rules would have changed about the past", RehearsalView, RehearsePolicy),
        Row("GET", "/v1/approvals", approvals.waiting, socket,
            "What waits", wire.WaitingList),
        Row("GET", "/v1/transactions", transactions.owner_page, socket,
            "All transactions", TransactionPage, query=OwnerPageQuery),
        Row("GET", "/v1/transactions/{id}", transactions.owner_show, socket,
            "One transaction", TransactionView),
        Row("GET", "/v1/transactions/{id}/replacement", replacements.offer, socket,
            "What speeding up or cancelling it takes", wire.ReplacementView),
        Row("GET", "/v1/kill-switch", safety.show_stop, socket,
            "The stop state", wire.StopView),
        Row("GET", "/v1/pairing", pairing.show, socket,
            "How far pairing is", wire.PairingView),
        Row("GET", "/v1/audit", audit.rows, socket,
            "The audit log", wire.AuditPage, query=wire.AuditQuery),
        Row("GET", "/v1/audit/verify", audit.verify, socket,
            "Whether the audit log is as it was written", wire.VerifyView, query=wire.VerifyQuery),
        Row("GET", "/v1/ledger", audit.ledger, socket,
            "Whether the books are right", wire.LedgerView, query=wire.LedgerQuery),
        Row("GET", "/v1/doctor", safety.doctor, socket,
            "What is wrong, if anything", wire.DoctorView),
        Row("GET", "/v1/autostop", autostop.show, socket,
            "The auto-stop rules", StopRuleList, query=StopRulesQuery),
        # protecting
        Row("POST", "/v1/sessions/{id}/freeze", autostop.freeze_session, socket,
            "Hold a session", SessionView, wire.Reason),
        Row("POST", "/v1/wallets/{id}/suspend", autostop.suspend_wallet, socket,
            "Hold a wallet", WalletView, wire.Reason),
        Row("POST", "/v1/transactions/{id}/reject", approvals.reject, socket,
            "Say no", TransactionView, wire.Reason),
        Row("POST", "/v1/transactions/{id}/cancel", approvals.cancel, socket,
            "Stop what waits", TransactionView, wire.Reason),
        Row("DELETE", "/v1/sessions/{id}", held.revoke, socket,
            "End a session", SessionView),
        Row("DELETE", "/v1/policies/queued/{id}", policies.owner_cancel, socket,
            "Keep a rule as it is", wire.Done),
        Row("POST", "/v1/kill-switch", safety.halt, socket,
            "Stop everything", wire.HaltView, wire.Reason),
        Row("POST", "/v1/recover/cancel", safety.cancel_recovery, socket,
            "Stay stopped", wire.StopView),
        Row("POST", "/v1/factor/reset/cancel", pairing.cancel_reset, socket,
            "Keep the authenticator app", wire.Done),
        # tightening needs the socket, loosening the password: the operation judges
        Row("PUT", "/v1/autostop", autostop.put, loosen,
            "Change an auto-stop rule", StopRuleView, PutStopRule),
        Row("DELETE", "/v1/autostop/{id}", autostop.reset, loosen,
            "Take an auto-stop rule back to its default", StopRuleView, query=StopRulesQuery),
        Row("DELETE", "/v1/pairing", pairing.void, socket,
            "Refuse who sent the code", wire.Done),
        # changing
        Row("POST", "/v1/wallets", wallets.owner_create, password,
            "Make a wallet", WalletView, CreateWallet, status=201),
        Row("DELETE", "/v1/policies/{id}", policies.owner_remove, password,
            "Take a rule away; at once, or after a wait where that loosens", RemovedPolicyView),
        Row("PUT", "/v1/bands", pairing.set_bands, factor,
            "Say which amounts need which proof", wire.Done, wire.SetBands),
        Row("POST", "/v1/pairing", pairing.start, factor,
            "Begin pairing", wire.PairingCode, status=201),
        Row("POST", "/v1/pairing/confirm", pairing.confirm, password,
            "Accept who sent the code", wire.OwnerView, wire.ConfirmPairing),
        Row("POST", "/v1/factor/totp", pairing.enrol_totp, factor,
            "Begin to enrol an authenticator app", wire.TotpUri, status=201),
        Row("POST", "/v1/factor/reset", pairing.start_reset, password,
            "Begin to replace a lost authenticator app", wire.ResetView, status=201),
        Row("POST", "/v1/factor/totp/confirm", pairing.confirm_totp, password,
            "Prove that the app works", wire.Done, wire.ConfirmTotp),
        Row("POST", "/v1/shutdown", safety.shutdown, password,
            "End the daemon", wire.Done, status=202),
        Row("POST", "/v1/unlock", safety.unlock, typed,
            "Open the keystore", wire.Done),
        Row("POST", "/v1/ticket", safety.ticket, Needs.OPERATION_PROVES,
            "Exchange the password for ten minutes", wire.TicketView, status=201),
        # releasing
        Row("POST", "/v1/sessions/{id}/resume", autostop.resume_session, factor,
            "Let go a session", SessionView),
        Row("POST", "/v1/wallets/{id}/resume", autostop.resume_wallet, factor,
            "Let go a wallet", WalletView),
        Row("PUT", "/v1/policies", policies.owner_put, password,
            "Add or replace a rule; what loosens may wait", ChangedPolicyView, PutPolicy),
        Row("PUT", "/v1/policies/{id}", policies.owner_replace, password,
            "Replace a rule; what loosens may wait", ChangedPolicyView, PutPolicy),
        Row("POST", "/v1/sessions", sessions.owner_create, password,
            "Let an agent in", CreatedSession, CreateSession, status=201),
        Row("POST", "/v1/clock/trust", safety.trust_clock, typed,
            "Say that the host's clock is right", wire.Done),
        Row("POST", "/v1/transactions/{id}/approve", approvals.approve, password,
            "Say yes", TransactionView, wire.Approve),
        Row("POST", "/v1/transactions/{id}/speed-up", replacements.speed_up, password,
            "Send it again with a higher fee", TransactionView, wire.Replace),
        Row("POST", "/v1/transactions/{id}/cancel-sent", replacements.cancel_sent, password,
            "Send an empty payment in its place", TransactionView, wire.Replace),
        Row("POST", "/v1/recover", safety.recover, typed,
            "Begin to recover", wire.StopView, wire.Recover),
        Row("GET", "/health", health.health, nothing, "How the daemon is", wire.HealthView),
        Row("GET", "/ready", health.ready, nothing, "Whether it takes work", wire.HealthView),
        Row("GET", "/openapi.json", spec, nothing, "This document"),
    ]  # fmt: skip
    return spec.describe(rows)


def owner_guards(door: Door) -> list[Middleware]:
    """From the outside in. No stop gate: the owner must be able to look, and to recover."""
    return [
        Middleware(RequestLine, ids=door.ids),
        Middleware(HostGuard, hosts=door.hosts),
        Middleware(OriginGuard, origins=frozenset()),
        Middleware(BodyGuard, largest=door.limits.body_bytes),
        Middleware(StartingGate, facts=door.facts),
    ]


def owner_app(door: Door) -> Starlette:
    """The ASGI app for the owner; ``door.hosts`` is ``{HOST}``."""
    app = Starlette(
        routes=build_routes(owner_rows(door), door.operations, prove_owner),
        middleware=owner_guards(door),
        exception_handlers={HTTPException: on_http_error},
    )
    app.router.redirect_slashes = False
    return app
