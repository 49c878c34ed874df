"""A unit of work: every repository over one transaction."""

from collections.abc import Callable
from dataclasses import dataclass

from wallet.persistence.attempts import SqlAttempts
from wallet.persistence.audit import AuditKey, SqlAudit
from wallet.persistence.authority import SqlAuthority
from wallet.persistence.autostop import SqlAutoStop
from wallet.persistence.console import SqlConsole
from wallet.persistence.ledger import SqlLedger
from wallet.persistence.loosenings import SqlLoosenings
from wallet.persistence.policies import ParsedRules, SqlPolicies
from wallet.persistence.rows import Connection
from wallet.persistence.seals import Seals
from wallet.persistence.sessions import SqlSessions
from wallet.persistence.transactions import SqlTransactions
from wallet.persistence.wallets import SqlWallets
from wallet.ports.loosenings import Loosenings
from wallet.ports.repositories import (
    Attempts,
    Audit,
    Authority,
    AutoStop,
    Console,
    Ledger,
    Policies,
    Sessions,
    Transactions,
    Wallets,
)


@dataclass(frozen=True, slots=True)
class Sources:
    """What units need besides a connection."""

    now: Callable[[], int]
    new_id: Callable[[], str]
    audit_key: AuditKey
    rules: ParsedRules
    seals: Seals


class SqlUnit:
    """Lives as long as its transaction; afterwards every call fails."""

    __slots__ = (
        "_console",
        "attempts",
        "audit",
        "authority",
        "autostop",
        "console",
        "ledger",
        "loosenings",
        "policies",
        "sessions",
        "transactions",
        "wallets",
    )  # fmt: skip

    def __init__(self, db: Connection, sources: Sources) -> None:
        self.wallets: Wallets = SqlWallets(db, sources.seals)
        self.sessions: Sessions = SqlSessions(db, sources.seals)
        self.policies: Policies = SqlPolicies(db, sources.rules, sources.seals)
        self.loosenings: Loosenings = SqlLoosenings(db, sources.seals)
        self.transactions: Transactions = SqlTransactions(db, sources.seals)
        self.attempts: Attempts = SqlAttempts(db)
        self.ledger: Ledger = SqlLedger(db)
        self.audit: Audit = SqlAudit(db, sources.audit_key, sources.now)
        self.authority: Authority = SqlAuthority(db, sources.new_id, sources.seals)
        self.autostop: AutoStop = SqlAutoStop(db, sources.seals)
        self._console = SqlConsole(db)
        self.console: Console = self._console

    @property
    def wants_delivery(self) -> bool:
        """Whether a card or an alert was written that the owner should see."""
        return self._console.touched
