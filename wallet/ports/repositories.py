"""The rows of the store, one protocol per kind. Their methods belong to the unit of work that hands them out."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar

from wallet.domain.autostop import AutoStop as AutoStopRules
from wallet.domain.autostop import Rule as StopRuleValue
from wallet.domain.autostop import StopRule
from wallet.domain.console import Alert, Card, Challenge, Handle, StoredUpdate
from wallet.domain.facts import Fact
from wallet.domain.owner import Factor, Owner
from wallet.domain.policy import AppliedRule
from wallet.domain.safety import SystemState
from wallet.domain.sessions import Session
from wallet.domain.spending import Bucket, Reservation
from wallet.domain.transactions import Attempt, Status, Transaction
from wallet.domain.wallets import Wallet, WalletStatus

T = TypeVar("T")


class Wallets(Protocol):
    async def get(self, wallet_id: str) -> Wallet | None: ...
    async def all(self) -> list[Wallet]: ...
    async def add(self, wallet: Wallet) -> None: ...
    async def set_status(self, wallet_id: str, status: WalletStatus, by: str | None) -> None: ...


class Sessions(Protocol):
    async def get(self, session_id: str) -> Session | None: ...
    async def all(self, *, wallet_id: str | None = None) -> list[Session]: ...
    async def live(self) -> list[str]:
        """Ids of all that nobody ended, also of rows that cannot be read any more."""
        ...

    async def add(self, session: Session) -> None: ...

    async def replace_token(
        self, session: Session, *, expected_hash: str | None, expected_renewals: int
    ) -> bool:
        """Store token hashes, expiry, renewal count and claimed_at of ``session`` if unchanged since."""
        ...

    async def revoke(self, session_id: str, at: int, reason: str) -> bool:
        """True when it was live before, or had ended by time alone, which then counts as revoked.

        Works while locked, and then the row is never believed again. An expiry is not noted while locked
        (False): its time denies by itself.
        """
        ...

    async def hold(self, session_id: str, at: int | None, by: str | None) -> None:
        """Freeze, or with None and None let go."""
        ...

    async def count(self, session_id: str, by: int) -> None:
        """Change the number of transactions by ``by``. While locked it only rises."""
        ...

    async def spend(self, session_id: str, asset: str, amount: int) -> None: ...
    async def forget_previous_token(self, session_id: str) -> None: ...

    async def add_claim(self, code_hash: str, session_id: str, expires_at: int) -> None: ...
    async def claim(self, code_hash: str) -> tuple[str, int, int | None] | None:
        """(session id, expires_at, used_at) of a claim code."""
        ...

    async def use_claim(self, code_hash: str, at: int) -> bool:
        """True when it was neither used nor expired at ``at``."""
        ...

    async def end_claims(self, at: int) -> None:
        """Let every unused claim code expire at ``at`` (a stop does this)."""
        ...


class Policies(Protocol):
    async def applied(self, wallet_id: str | None) -> list[AppliedRule]:
        """Global rules and those of the wallet; with None every rule there is."""
        ...

    async def stored(self, wallet_id: str | None) -> list[Mapping[str, Any]]:
        """The same as stored: id, walletId, type, rules, version, createdAt, updatedAt (ms)."""
        ...

    async def put(
        self, rule_id: str, wallet_id: str | None, rule_type: str, body: str, at: int
    ) -> int:
        """Insert or replace; returns the new policy version (one counter for all rules)."""
        ...

    async def remove(self, rule_id: str) -> bool:
        """Bumps the policy version too. False when there is no such rule."""
        ...

    async def require_proof(self, wallet_id: str | None) -> None:
        """Raise AUTHORITY_UNPROVED where the rules of the wallet, or those over all, carry no valid proof."""
        ...

    async def open_scope(self, wallet_id: str | None) -> None:
        """Prove the empty set of rules, of a wallet or of every wallet: one without a proof denies."""
        ...

    async def version(self) -> int:
        """The policy version: how often any rule was put or removed."""
        ...


class Transactions(Protocol):
    async def get(self, transaction_id: str) -> Transaction | None: ...
    async def by_key(self, wallet_id: str, key: str) -> Transaction | None: ...
    async def add(self, transaction: Transaction) -> None: ...

    async def move(
        self, transaction_id: str, *, expected: Status, attempt: int, to: Status, **changes: Any
    ) -> bool:
        """Compare-and-set on (id, status, attempt). ``changes`` are columns of Transaction.

        A move to EXECUTING takes the next attempt number by itself: the row then holds ``attempt + 1``.
        """
        ...

    async def note(self, transaction_id: str, **changes: Any) -> None:
        """Change columns that are no status: hash, fee, finalized_at, expires_at.

        While locked what was decided (expires_at, execute_by, and what the owner ordered or was offered)
        stays as it was.
        """
        ...

    async def consent(
        self, transaction_id: str, *, at: int, factor: Factor, execute_by: int
    ) -> bool:
        """Store the owner's yes; True only if QUEUED, unanswered and not yet expired at ``at``."""
        ...

    async def page(
        self,
        *,
        wallet_id: str | None,
        statuses: Sequence[Status] | None,
        limit: int,
        cursor: str | None,
        descending: bool,
    ) -> list[Transaction]:
        """At most ``limit`` rows beyond ``cursor`` (an id), by id."""
        ...

    async def in_status(self, *statuses: Status) -> list[Transaction]: ...
    async def due(self, now: int) -> list[Transaction]:
        """QUEUED DELAY rows with due_at <= now."""
        ...

    async def overdue(self, now: int) -> list[Transaction]:
        """Unsigned rows with execute_by <= now, and unanswered approvals with expires_at <= now."""
        ...

    async def waiting_approvals(self, session_id: str | None) -> int: ...
    async def of_session(self, session_id: str, *statuses: Status) -> list[Transaction]: ...
    async def unfinalized(self) -> list[Transaction]:
        """CONFIRMED rows whose finalized_at is not known yet."""
        ...


class Attempts(Protocol):
    async def add(self, attempt: Attempt) -> bool:
        """False when the hash is already stored (UNIQUE)."""
        ...

    async def has_hash(self, attempt_hash: str) -> bool: ...
    async def of(self, transaction_id: str) -> list[Attempt]: ...
    async def accepted(self, attempt_hash: str, at: int) -> None:
        """A node took it: the first time is kept, and an earlier rejection is void."""
        ...

    async def at_nonce(self, network: str, address: str, nonce: int) -> list[Attempt]:
        """Every attempt that the address ever signed at this nonce, final or not."""
        ...

    async def rejected(self, attempt_hash: str, reason: str) -> None: ...
    async def finalized(self, transaction_id: str, at: int) -> None: ...
    async def unfinished(self, network: str, address: str) -> list[Attempt]:
        """Attempts of the address that are not final, whatever their transaction's status."""
        ...

    async def highest_final_nonce(self, network: str, address: str) -> int | None: ...


class Ledger(Protocol):
    async def reserve(self, reservation: Reservation) -> None: ...
    async def reservation(self, transaction_id: str) -> Reservation | None: ...
    async def reservations(self) -> list[Reservation]: ...
    async def release(self, transaction_id: str) -> bool: ...
    async def set_fee(self, transaction_id: str, fee: int) -> None:
        """Change what is set aside for fees, native base units; its dollars keep the price of the decision."""
        ...

    async def mark_owner_approved(self, transaction_id: str) -> None: ...
    async def buckets(self, since: int) -> list[Bucket]:
        """Buckets of all wallets that began at or after ``since`` minus one bucket."""
        ...

    async def spend(self, bucket: Bucket) -> None:
        """Add to the bucket of (wallet, asset, started_at)."""
        ...


class Audit(Protocol):
    async def append(self, fact: Fact, **about: Any) -> int:
        """Add a numbered, chained row; returns its number.

        ``about``: actor, wallet_id, session_id, transaction_id, at (epoch ms), details (JSON-able mapping).
        """
        ...

    async def rows(
        self, *, after: int = 0, limit: int = 1000, transaction_id: str | None = None
    ) -> list[Mapping[str, Any]]:
        """number, at, fact, actor, wallet_id, session_id, transaction_id, details, chaining, hash."""
        ...

    async def tells_of(self, fact: Fact, wallet_id: str | None) -> bool:
        """Whether it ever happened to the wallet; with None to any. Reads the whole log at worst."""
        ...

    async def hash_at(self, number: int) -> str | None:
        """The hash of a row, or None where there is none of that number."""
        ...

    async def head(self) -> tuple[int, str]:
        """(number, hash) of the newest row; (0, 64 zeros) when there is none."""
        ...


class Authority(Protocol):
    """Owner, factors' counters, stop state."""

    async def begin(self) -> None:
        """Write the first proved rows; without them nothing is believed that counts what was used."""
        ...

    async def owner(self) -> Owner | None: ...
    async def save_owner(self, owner: Owner) -> None: ...
    async def state(self) -> SystemState: ...
    async def save_state(self, state: SystemState, *, expected_version: int) -> bool: ...

    async def start_pairing(self, code_hash: str, expires_at: int) -> None:
        """Replaces any earlier pairing code."""
        ...

    async def pairing(self) -> Mapping[str, Any] | None:
        """code_hash, expires_at, tries_left, candidate (mapping or None), voided."""
        ...

    async def update_pairing(self, **changes: Any) -> None: ...
    async def end_pairing(self) -> None: ...

    async def released_by(self, asset: str, since: int) -> Mapping[Factor, int]:
        """Per factor, what approvals released of the asset since then.

        More than any band where one of their rows is missing or carries no proof.
        """
        ...

    async def add_approval(
        self, transaction_id: str, answer: str, factor: str, asset: str, amount: int, at: int
    ) -> None:
        """Store the owner's answer, "APPROVED" or "REJECTED"; only the former counts as released."""
        ...

    async def spend_step(self, step: int) -> bool:
        """Spend a TOTP time step; False when it or a later one was spent before.

        AUTHORITY_UNPROVED where the last spent step carries no proof.
        """
        ...

    async def start_steps(self, step: int) -> None:
        """Count from ``step`` on, which a new code generator just proved."""
        ...

    async def counter(self, name: str) -> tuple[int, int]:
        """(count, locked_until epoch ms) of a counter.

        One that allows something by being low, without a proof, reads as the answer that denies.
        """
        ...

    async def set_counter(self, name: str, count: int, locked_until: int) -> None: ...


class AutoStop(Protocol):
    """Auto-stop rules, and what they count. Every number follows from rows; nothing is kept in memory."""

    async def rules(self, wallet_id: str | None) -> AutoStopRules:
        """As they count for the wallet; with None for wallets without rules of their own.

        A rule without a valid proof is as if it had never been set.
        """
        ...

    async def set_rules(self) -> Sequence[tuple[str | None, StopRule]]:
        """(wallet id or None, type) of every rule the owner set and that carries a valid proof."""
        ...

    async def put_rule(self, wallet_id: str | None, rule: StopRuleValue, at: int) -> None: ...
    async def remove_rule(self, wallet_id: str | None, kind: StopRule) -> bool:
        """Back to what counts for all wallets, or to the default. False when the owner had set none."""
        ...

    async def failed(self, session_id: str) -> int:
        """Count one more failed payment; returns how many in a row there are now."""
        ...

    async def succeeded(self, session_id: str) -> None:
        """The next failure is the first again."""
        ...

    async def resumed_at(self, subject: str) -> int:
        """From when on a session's or a wallet's deeds count, epoch ms; 0 where it was never resumed."""
        ...

    async def restart(self, subject: str, at: int) -> None:
        """Count from ``at`` on, with no failures."""
        ...

    async def asked(self, session_id: str, since: int, *, at_most: int) -> int:
        """Payments the session was admitted since then and nobody cancelled; counted up to ``at_most``."""
        ...

    async def asked_for(self, session_id: str, to: str, since: int, *, at_most: int) -> int:
        """The same, to one address, without those that failed or expired."""
        ...


class Console(Protocol):
    """Cards, alerts, handles, challenges, stored updates."""

    async def want_card(self, transaction_id: str, chat_id: int) -> None:
        """Create the card or bump ``wanted``; resets ``retry_at``."""
        ...

    async def card(self, transaction_id: str) -> Card | None: ...
    async def card_by_message(self, chat_id: int, message_id: int) -> Card | None: ...
    async def cards_due(self, now: int, limit: int) -> list[Card]:
        """Those with wanted > shown and retry_at <= now."""
        ...

    async def save_card(self, card: Card) -> None:
        """Store everything but ``wanted``."""
        ...

    async def alert(self, dedup_key: str, kind: str, payload: Mapping[str, str], at: int) -> bool:
        """Add an alert once; False when the key is known."""
        ...

    async def alerts_of(self, kind: str) -> list[Alert]:
        """Every alert of a kind, delivered or not, oldest first."""
        ...

    async def alerts_due(self, now: int, limit: int) -> list[Alert]: ...
    async def save_alert(self, alert: Alert) -> None: ...
    async def next_retry(self) -> int | None:
        """The earliest retry_at of anything still to be delivered."""
        ...

    async def add_handle(self, handle: Handle) -> None: ...
    async def handle(self, handle: str) -> Handle | None: ...
    async def handles_of(self, subject: str) -> list[Handle]: ...
    async def use_handle(self, handle: str, at: int) -> bool: ...
    async def bind_handles(
        self, handles: Sequence[str], message_id: int, rendering: str
    ) -> None: ...

    async def add_challenge(self, challenge: Challenge) -> None: ...
    async def open_challenge(self, now: int) -> Challenge | None:
        """The newest one that is neither consumed nor expired."""
        ...

    async def save_challenge(self, challenge: Challenge) -> None: ...
    async def end_challenges(self, at: int) -> None: ...

    async def add_update(self, update: StoredUpdate) -> bool:
        """False when the update id is known."""
        ...

    async def waiting_updates(self) -> list[StoredUpdate]: ...
    async def save_update(self, update: StoredUpdate) -> None: ...
    async def next_update_offset(self) -> int:
        """One above the highest update id ever seen."""
        ...

    async def set_update_offset(self, offset: int) -> None: ...
