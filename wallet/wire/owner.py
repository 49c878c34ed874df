"""The owner's side of the wire: status, approvals, stop and recovery, pairing, factors, audit."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from wallet.domain.audit_chain import GENESIS
from wallet.domain.owner import Factor
from wallet.domain.safety import StopState
from wallet.wire.rule_fields import AssetKey, Units
from wallet.wire.sessions import TotpCode
from wallet.wire.shape import READ_WHOLE, Query, Shape, View, WholeNumber
from wallet.wire.transactions import TransactionView
from wallet.wire.wallets import WalletDetail

AUDIT_PAGE_MAX = 1000
VERIFY_MAX = 20_000
KNOWN_HEADS = r"^[0-9]{1,18}:[0-9a-f]{8,64}(,[0-9]{1,18}:[0-9a-f]{8,64})*$"
FUNDED = r"^[0-9A-Za-z_-]{1,64}:(0|[1-9][0-9]{0,77})(,[0-9A-Za-z_-]{1,64}:(0|[1-9][0-9]{0,77}))*$"


class Empty(Shape):
    """No field at all."""


class Done(View):
    ok: bool = True


class HealthView(View):
    """``uptime`` in seconds, ``timestamp`` in epoch seconds."""

    status: Literal["ok", "starting", "locked", "stopped", "degraded"]
    version: str
    uptime: int
    timestamp: int


class Approve(Shape):
    """``digest`` binds the answer to what was shown; absent, it is the row's own."""

    digest: Annotated[str | None, StringConstraints(pattern=r"^[0-9a-f]{64}$")] = None
    totp_code: TotpCode | None = None


class Replace(Shape):
    """``digest`` and ``feeCeiling`` bind the order to what was shown; absent, they are the row's own."""

    digest: Annotated[str | None, StringConstraints(pattern=r"^[0-9a-f]{64}$")] = None
    fee_ceiling: Units | None = None
    totp_code: TotpCode | None = None


class Reason(Shape):
    reason: Annotated[str | None, Field(min_length=1, max_length=500)] = None


class Recover(Shape):
    totp_code: TotpCode | None = None


class WaitingView(View):
    """A transaction that waits, and what would release it."""

    transaction: TransactionView
    fingerprint: Annotated[str, Field(description="The digest's first eight digits.")]
    factor_needed: Factor | None


class ReplacementView(View):
    """A payment on its way, the most in fees after an order (base units), and what would prove one."""

    transaction: TransactionView
    fingerprint: Annotated[str, Field(description="The digest's first eight digits.")]
    fee_ceiling: str
    factor_needed: Factor


class WaitingList(View):
    items: list[WaitingView]


class StopView(View):
    """Times in epoch seconds. ``behindAt``: windows that had not passed since then count as full.

    ``chatMayCancel``: the chat may cancel a recovery of this stop, once.
    """

    state: StopState
    chat_may_cancel: bool
    reason: str | None
    actor: str | None
    activated_at: int | None
    recovery_at: int | None
    behind_at: int | None


class HaltView(View):
    """``exposure`` lists what was signed before the stop and may still land.

    Not ``stored``: the database could not be written yet. The stop is in force; storing it is tried again, and
    the counts are not known before.
    """

    state: StopState
    stored: bool
    sessions_revoked: int
    transactions_cancelled: int
    wallets_suspended: int
    exposure: list[TransactionView]


class TicketView(View):
    ticket: str
    expires_at: int


class BandBody(Shape):
    """Base units: what a factor releases at once, and in 24 hours together."""

    tap_max: Units
    code_max: Units

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if int(self.tap_max) > int(self.code_max):
            raise ValueError("tapMax must not be above codeMax")
        return self


class SetBands(Shape):
    bands: Annotated[dict[AssetKey, BandBody], Field(min_length=1, max_length=50)]


class ConfirmPairing(Shape):
    """``userId`` names the account that was shown, so that nobody is confirmed unseen.

    ``bands`` may be set in the same breath.
    """

    user_id: Annotated[int, Field(ge=1, le=2**52)]
    bands: Annotated[dict[AssetKey, BandBody] | None, Field(max_length=50)] = None


class BandView(View):
    tap_max: str
    code_max: str


class OwnerView(View):
    user_id: int
    name: str
    username: str | None
    paired_at: int
    bands: dict[str, BandView]


class PairingCode(View):
    """Shown once; the owner sends it to the bot."""

    code: str
    expires_at: int | None


class PairingView(View):
    state: str
    candidate: dict[str, Any] | None
    expires_at: int | None


class TotpUri(View):
    """For an authenticator app; shown once, in a terminal."""

    uri: str


class ResetView(View):
    """From when on a new authenticator app can be enrolled without a code of the old one."""

    ready_at: int


class ConfirmTotp(Shape):
    code: TotpCode


class GuardsView(View):
    """What keeps a process's memory to itself, as far as it is in force."""

    no_core_dumps: bool
    not_traceable: bool


class SignerGuardsView(GuardsView):
    """``keyMemory``: GUARDED (own pages, locked), LOCKED, or PLAIN when a lock was refused."""

    key_memory: Literal["GUARDED", "LOCKED", "PLAIN"]


class MemoryView(View):
    """``signer`` is null while there is none, for example after a stop."""

    daemon: GuardsView
    signer: SignerGuardsView | None


class HeldView(View):
    """A frozen session or a suspended wallet. ``by``: OWNER, KILL_SWITCH or an auto-stop rule."""

    kind: Literal["session", "wallet"]
    id: str
    name: str
    by: str
    since: int | None


class StatusInfo(View):
    state: StopView
    locked: bool
    owner: OwnerView | None
    wallets: list[WalletDetail]
    waiting: int
    open: int
    sessions: int
    held: list[HeldView]
    clock_doubt: Annotated[
        str | None, Field(description="Why the host's time is in doubt; nothing leaves meanwhile.")
    ]
    audit_head: str
    bot: dict[str, Any]
    jobs: dict[str, Any]
    memory: MemoryView
    started_at: int
    version: str


class AuditQuery(Query):
    """``transactionId`` leaves out every row that is not about it."""

    after: WholeNumber = 0
    limit: Annotated[int, Field(ge=1, le=AUDIT_PAGE_MAX), READ_WHOLE] = 100
    transaction_id: Annotated[str | None, StringConstraints(pattern=r"^[0-9A-Za-z_-]{1,64}$")] = (
        None
    )


class VerifyQuery(Query):
    """Where the part before this one ended, and what was noted elsewhere: ``12:1a2b3c4d,40:…``."""

    after: WholeNumber = 0
    hash: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] = GENESIS
    limit: Annotated[int, Field(ge=1, le=VERIFY_MAX), READ_WHOLE] = 10_000
    known: Annotated[str | None, StringConstraints(pattern=KNOWN_HEADS, max_length=4000)] = None


class LedgerQuery(Query):
    """``funded`` says what wallets were given: ``walletId:baseUnits,…``."""

    chains: Literal["true", "false"] = "true"
    funded: Annotated[str | None, StringConstraints(pattern=FUNDED, max_length=4000)] = None


class AuditRow(View):
    """``at`` in epoch seconds; ``atMs`` is what the row's hash covers."""

    number: int
    at: int
    at_ms: int
    fact: str
    actor: str | None
    wallet_id: str | None
    session_id: str | None
    transaction_id: str | None
    details: dict[str, Any]
    chaining: str
    hash: str


class AuditPage(View):
    """Rows in order; ``nextAfter`` continues."""

    items: list[AuditRow]
    next_after: int | None


class Stretch(View):
    """Rows from ``first`` to ``last``."""

    first: int
    last: int


class VerifyView(View):
    """What a part of the walk found; continue with ``after=number`` and ``hash`` until ``done``.

    ``proved`` rows carry a right HMAC; ``sealed`` ones are plain and a right HMAC follows; ``open`` ones are
    plain and nothing seals them yet; ``unproved`` stretches could not be judged without the key.
    """

    done: bool
    number: int
    hash: str
    proved: int
    sealed: int
    open: int
    unproved: list[Stretch]
    first_bad: int | None
    reason: str | None


class ViolationView(View):
    """``subject`` is the id of what it concerns."""

    invariant: str
    subject: str
    message: str


class LedgerView(View):
    """``found`` counts all violations; the first thousand are listed."""

    transactions: int
    compared: int
    found: int
    violations: list[ViolationView]
    not_compared: list[str]


class DoctorView(View):
    """What was looked at, and how it is."""

    report: dict[str, Any]
