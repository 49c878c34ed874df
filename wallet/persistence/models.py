"""Tortoise rows: the one source of the schema. Plain columns, no behaviour.

Amounts are decimal TEXT, times are epoch milliseconds (BIGINT), enums are their upper-case text. Column
names are the field names of the domain's values, so ``rows.Table`` can map them both ways. Comments stand
above the classes because tortoise writes a docstring into the schema.
"""

from enum import Enum
from typing import TypeVar

from tortoise import fields
from tortoise.fields.base import Field
from tortoise.indexes import Index
from tortoise.models import Model

from wallet.domain.tiers import Tier
from wallet.domain.transactions import Purpose, Status
from wallet.domain.wallets import WalletStatus
from wallet.persistence.fields import AmountField, JsonField, PartialIndex

E = TypeVar("E", bound=Enum)


def enum_field(of: type[E], max_length: int) -> Field[E]:
    """Without tortoise's description: it lists the members, so a new member would ask for a migration."""
    return fields.CharEnumField(of, max_length=max_length, description="")


class Wallet(Model):
    id = fields.CharField(primary_key=True, max_length=64)
    name = fields.CharField(max_length=128)
    chain = fields.CharField(max_length=32)
    network = fields.CharField(max_length=64)
    address = fields.CharField(max_length=128)
    public_key = fields.CharField(max_length=256)
    created_at = fields.BigIntField()
    status = enum_field(WalletStatus, 16)
    suspended_by = fields.CharField(max_length=64, null=True)
    mac = fields.CharField(max_length=72, null=True)

    class Meta:
        table = "wallets"


class Session(Model):
    id = fields.CharField(primary_key=True, max_length=64)
    wallet: fields.ForeignKeyRelation[Wallet] = fields.ForeignKeyField(
        "wallet.Wallet", related_name=False, on_delete=fields.RESTRICT
    )
    name = fields.CharField(max_length=128)
    source = fields.CharField(max_length=64)
    amount_limits = JsonField()  # asset key -> decimal text
    max_transactions = fields.BigIntField()
    max_renewals = fields.BigIntField()
    ttl_seconds = fields.BigIntField()
    created_at = fields.BigIntField()
    expires_at = fields.BigIntField()
    absolute_expires_at = fields.BigIntField()
    token_hash = fields.CharField(max_length=128, null=True, unique=True)
    previous_token_hash = fields.CharField(max_length=128, null=True)
    previous_valid_until = fields.BigIntField(null=True)
    claimed_at = fields.BigIntField(null=True)
    revoked_at = fields.BigIntField(null=True)
    revoked_reason = fields.TextField(null=True)
    renewals = fields.BigIntField()
    renewed_at = fields.BigIntField(null=True)
    transactions = fields.BigIntField()
    spent = JsonField()  # asset key -> decimal text
    tally = fields.TextField(null=True)  # the counters that ``mac`` covers
    mac = fields.CharField(max_length=72, null=True)
    frozen_at = fields.BigIntField(null=True)
    frozen_by = fields.CharField(max_length=64, null=True)

    class Meta:
        table = "sessions"
        indexes = (
            Index(fields=["wallet_id"], name="sessions_by_wallet"),
            PartialIndex(
                fields=["previous_token_hash"],
                name="sessions_by_previous_token",
                where="previous_token_hash IS NOT NULL",
            ),
        )


# A claim code, by its hash. Voiding one ends its time; ``used_at`` says that it was spent.
class Claim(Model):
    code_hash = fields.CharField(primary_key=True, max_length=128)
    session: fields.ForeignKeyRelation[Session] = fields.ForeignKeyField(
        "wallet.Session", related_name=False, on_delete=fields.RESTRICT
    )
    expires_at = fields.BigIntField()
    used_at = fields.BigIntField(null=True)
    mac = fields.CharField(max_length=72, null=True)

    class Meta:
        table = "claims"
        indexes = (
            PartialIndex(fields=["expires_at"], name="claims_unused", where="used_at IS NULL"),
        )


class Policy(Model):
    id = fields.CharField(primary_key=True, max_length=64)
    wallet: fields.ForeignKeyNullableRelation[Wallet] = fields.ForeignKeyField(
        "wallet.Wallet", related_name=False, on_delete=fields.RESTRICT, null=True
    )
    type = fields.CharField(max_length=64)
    rules = fields.TextField()  # JSON as the owner gave it
    version = fields.BigIntField()
    created_at = fields.BigIntField()
    updated_at = fields.BigIntField()

    class Meta:
        table = "policies"
        indexes = (Index(fields=["wallet_id"], name="policies_by_wallet"),)


# The proof over all rules of one wallet, or of every wallet ("*"): none can be changed, moved or taken away.
class PolicySet(Model):
    scope = fields.CharField(primary_key=True, max_length=64)
    version = fields.BigIntField()
    mac = fields.CharField(max_length=72, null=True)

    class Meta:
        table = "policy_sets"


# Single numbers: the policy version, the Telegram offset, the last TOTP step, how many approvals there are.
class Number(Model):
    name = fields.CharField(primary_key=True, max_length=64)
    value = fields.BigIntField()
    mac = fields.CharField(max_length=72, null=True)

    class Meta:
        table = "numbers"


class Transaction(Model):
    id = fields.CharField(primary_key=True, max_length=64)
    wallet: fields.ForeignKeyRelation[Wallet] = fields.ForeignKeyField(
        "wallet.Wallet", related_name=False, on_delete=fields.RESTRICT
    )
    session: fields.ForeignKeyRelation[Session] = fields.ForeignKeyField(
        "wallet.Session", related_name=False, on_delete=fields.RESTRICT
    )
    network = fields.CharField(max_length=64)
    chain = fields.CharField(max_length=32)
    type = fields.CharField(max_length=32)
    to = fields.CharField(max_length=128)
    amount = AmountField()
    asset = fields.CharField(max_length=192)
    memo = fields.TextField(null=True)
    request = fields.TextField()
    request_hash = fields.CharField(max_length=64)
    digest = fields.CharField(max_length=64)
    fee_ceiling = AmountField()
    tier = enum_field(Tier, 16)
    status = enum_field(Status, 16)
    rule_id = fields.CharField(max_length=64, null=True)
    policy_version = fields.BigIntField()
    created_at = fields.BigIntField()
    execute_by = fields.BigIntField(null=True)
    due_at = fields.BigIntField(null=True)
    expires_at = fields.BigIntField(null=True)
    approval_seconds = fields.BigIntField(null=True)
    consent_at = fields.BigIntField(null=True)
    consent_factor = fields.CharField(max_length=16, null=True)
    attempt = fields.BigIntField()
    hash = fields.CharField(max_length=128, null=True)
    fee = AmountField(null=True)
    error = fields.CharField(max_length=64, null=True)
    error_message = fields.TextField(null=True)
    submitted_at = fields.BigIntField(null=True)
    executed_at = fields.BigIntField(null=True)
    finalized_at = fields.BigIntField(null=True)
    idempotency_key = fields.CharField(max_length=128, null=True)
    stuck_at = fields.BigIntField(null=True)
    wanted = fields.CharEnumField(Purpose, max_length=16, null=True, description="")
    cancelling_at = fields.BigIntField(null=True)
    offered_ceiling = AmountField(null=True)
    mac = fields.CharField(max_length=72, null=True)

    class Meta:
        table = "transactions"
        unique_together = (("wallet", "idempotency_key"),)
        indexes = (
            Index(fields=["wallet_id", "id"], name="transactions_by_wallet"),
            Index(fields=["wallet_id", "status", "id"], name="transactions_by_wallet_status"),
            Index(fields=["status", "id"], name="transactions_by_status"),
            Index(fields=["session_id", "status"], name="transactions_by_session_status"),
            Index(fields=["session_id", "created_at"], name="transactions_by_session_time"),
            PartialIndex(
                fields=["due_at"],
                name="transactions_due",
                where="status = 'QUEUED' AND tier = 'DELAY'",
            ),
            PartialIndex(
                fields=["expires_at"],
                name="transactions_unanswered",
                where="status = 'QUEUED' AND tier = 'APPROVAL' AND consent_at IS NULL",
            ),
            PartialIndex(
                fields=["id"],
                name="transactions_unfinalized",
                where="status = 'CONFIRMED' AND finalized_at IS NULL",
            ),
        )


class Attempt(Model):
    hash = fields.CharField(primary_key=True, max_length=128)
    transaction: fields.ForeignKeyRelation[Transaction] = fields.ForeignKeyField(
        "wallet.Transaction", related_name=False, on_delete=fields.RESTRICT
    )
    number = fields.BigIntField()
    purpose = enum_field(Purpose, 16)
    network = fields.CharField(max_length=64)
    address = fields.CharField(max_length=128)
    payload = fields.BinaryField(source_field="raw")  # Model.raw is taken
    nonce = fields.BigIntField(null=True)
    last_valid_height = fields.BigIntField(null=True)
    signing_height = fields.BigIntField(null=True)
    max_cost = AmountField()
    created_at = fields.BigIntField()
    accepted_at = fields.BigIntField(null=True)
    rejected = fields.TextField(null=True)
    finalized_at = fields.BigIntField(null=True)

    class Meta:
        table = "attempts"
        indexes = (
            Index(fields=["transaction_id"], name="attempts_by_transaction"),
            PartialIndex(
                fields=["network", "address"],
                name="attempts_unfinished",
                where="finalized_at IS NULL",
            ),
            PartialIndex(
                fields=["network", "address", "nonce"],
                name="attempts_final",
                where="finalized_at IS NOT NULL",
            ),
        )


class Reservation(Model):
    id = fields.BigIntField(primary_key=True)
    transaction: fields.OneToOneRelation[Transaction] = fields.OneToOneField(
        "wallet.Transaction", related_name=False, on_delete=fields.RESTRICT
    )
    wallet_id = fields.CharField(max_length=64)
    session_id = fields.CharField(max_length=64)
    asset = fields.CharField(max_length=192)
    amount = AmountField()
    native_asset = fields.CharField(max_length=192)
    fee = AmountField()
    owner_approved = fields.BooleanField()
    created_at = fields.BigIntField()
    usd = AmountField(null=True)  # millionths of a dollar at the price of the decision
    fee_usd = AmountField(null=True)

    class Meta:
        table = "reservations"


class SpendBucket(Model):
    id = fields.BigIntField(primary_key=True)
    wallet_id = fields.CharField(max_length=64)
    asset = fields.CharField(max_length=192)
    started_at = fields.BigIntField()
    amount = AmountField()
    owner_amount = AmountField()
    count = fields.BigIntField()
    usd = AmountField(db_default=0)
    owner_usd = AmountField(db_default=0)
    unpriced = fields.BigIntField(db_default=1)  # what was spent before prices is of unknown value

    class Meta:
        table = "spend_buckets"
        unique_together = (("started_at", "wallet_id", "asset"),)


# A change of a rule that loosens it, until it counts.
class Loosening(Model):
    id = fields.CharField(primary_key=True, max_length=64)
    rule_id = fields.CharField(max_length=64)
    wallet_id = fields.CharField(max_length=64, null=True)
    type = fields.CharField(max_length=32)
    rules = fields.TextField(null=True)  # canonical JSON; none: the rule is taken away
    base_version = fields.BigIntField()
    queued_at = fields.BigIntField()
    counts_at = fields.BigIntField()
    actor = fields.CharField(max_length=128)
    mac = fields.CharField(max_length=72, null=True)

    class Meta:
        table = "loosenings"


# A rule the owner set; what has no row counts as the defaults of wallet.domain.autostop.
class AutoStopRule(Model):
    id = fields.CharField(primary_key=True, max_length=128)  # wallet id or "*", and the type
    wallet_id = fields.CharField(max_length=64, null=True)
    type = fields.CharField(max_length=32)
    body = fields.TextField()  # canonical JSON
    updated_at = fields.BigIntField()
    mac = fields.CharField(max_length=72, null=True)

    class Meta:
        table = "autostop_rules"


# What auto-stop counts of a session, and from when on it counts a session or a wallet.
class AutoStopCount(Model):
    subject = fields.CharField(primary_key=True, max_length=64)
    failures = fields.BigIntField()
    resumed_at = fields.BigIntField()

    class Meta:
        table = "autostop_counts"


# Numbered without gaps and chained; triggers of the first migration refuse changes.
class AuditRow(Model):
    number = fields.BigIntField(primary_key=True, generated=False)
    at = fields.BigIntField()
    fact = fields.CharField(max_length=64)
    actor = fields.CharField(max_length=128, null=True)
    wallet_id = fields.CharField(max_length=64, null=True)
    session_id = fields.CharField(max_length=64, null=True)
    transaction_id = fields.CharField(max_length=64, null=True)
    details = fields.TextField()  # canonical JSON
    chaining = fields.CharField(max_length=8)  # how ``hash`` was made: hmac or plain
    hash = fields.CharField(max_length=64)

    class Meta:
        table = "audit"
        indexes = (
            PartialIndex(
                fields=["transaction_id", "number"],
                name="audit_by_transaction",
                where="transaction_id IS NOT NULL",
            ),
        )
