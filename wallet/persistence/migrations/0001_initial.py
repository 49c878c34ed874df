"""The first schema."""

from tortoise import fields
from tortoise.fields.base import OnDelete
from tortoise.indexes import Index
from tortoise.migrations import operations as ops

from wallet.domain.console import Action, AlertState
from wallet.domain.owner import Factor
from wallet.domain.safety import StopState
from wallet.domain.tiers import Tier
from wallet.domain.transactions import Purpose, Status
from wallet.domain.wallets import WalletStatus
from wallet.persistence.additive import AdditiveMigration
from wallet.persistence.fields import AmountField, JsonField, PartialIndex


class Migration(AdditiveMigration):
    initial = True
    operations = [
        ops.CreateModel(
            name="Alert",
            fields=[
                (
                    "id",
                    fields.BigIntField(
                        generated=True, primary_key=True, unique=True, db_index=True
                    ),
                ),
                ("dedup_key", fields.CharField(unique=True, max_length=255)),
                ("kind", fields.CharField(max_length=64)),
                ("payload", JsonField(generated=False, null=False, unique=False)),
                (
                    "state",
                    fields.CharEnumField(description="", enum_type=AlertState, max_length=16),
                ),
                ("attempts", fields.BigIntField()),
                ("retry_at", fields.BigIntField()),
                ("created_at", fields.BigIntField()),
            ],
            options={
                "table": "alerts",
                "app": "wallet",
                "indexes": [
                    PartialIndex(fields=["retry_at"], name="alerts_due", where="state = 'WAITING'")
                ],
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="AuditRow",
            fields=[
                (
                    "number",
                    fields.BigIntField(
                        generated=False, primary_key=True, unique=True, db_index=True
                    ),
                ),
                ("at", fields.BigIntField()),
                ("fact", fields.CharField(max_length=64)),
                ("actor", fields.CharField(null=True, max_length=128)),
                ("wallet_id", fields.CharField(null=True, max_length=64)),
                ("session_id", fields.CharField(null=True, max_length=64)),
                ("transaction_id", fields.CharField(null=True, max_length=64)),
                ("details", fields.TextField(unique=False)),
                ("chaining", fields.CharField(max_length=8)),
                ("hash", fields.CharField(max_length=64)),
            ],
            options={"table": "audit", "app": "wallet", "pk_attr": "number"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Challenge",
            fields=[
                (
                    "id",
                    fields.CharField(primary_key=True, unique=True, db_index=True, max_length=64),
                ),
                ("purpose", fields.CharField(max_length=32)),
                ("subject", fields.CharField(max_length=128)),
                ("digest", fields.CharField(max_length=64)),
                ("factor", fields.CharField(max_length=16)),
                ("tries_left", fields.IntField()),
                ("expires_at", fields.BigIntField()),
                ("consumed_at", fields.BigIntField(null=True)),
            ],
            options={
                "table": "challenges",
                "app": "wallet",
                "indexes": [
                    PartialIndex(
                        fields=["expires_at"], name="challenges_open", where="consumed_at IS NULL"
                    )
                ],
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="FailureCounter",
            fields=[
                (
                    "name",
                    fields.CharField(primary_key=True, unique=True, db_index=True, max_length=128),
                ),
                ("count", fields.BigIntField()),
                ("locked_until", fields.BigIntField()),
            ],
            options={"table": "failure_counters", "app": "wallet", "pk_attr": "name"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Handle",
            fields=[
                (
                    "handle",
                    fields.CharField(primary_key=True, unique=True, db_index=True, max_length=64),
                ),
                ("action", fields.CharEnumField(description="", enum_type=Action, max_length=32)),
                ("subject", fields.CharField(max_length=128)),
                ("digest", fields.CharField(max_length=64)),
                ("policy_version", fields.BigIntField()),
                ("chat_id", fields.BigIntField()),
                ("message_id", fields.BigIntField(null=True)),
                ("rendering", fields.TextField(null=True, unique=False)),
                ("expires_at", fields.BigIntField(null=True)),
                ("used_at", fields.BigIntField(null=True)),
            ],
            options={
                "table": "handles",
                "app": "wallet",
                "indexes": [Index(fields=["subject"], name="handles_by_subject")],
                "pk_attr": "handle",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Number",
            fields=[
                (
                    "name",
                    fields.CharField(primary_key=True, unique=True, db_index=True, max_length=64),
                ),
                ("value", fields.BigIntField()),
            ],
            options={"table": "numbers", "app": "wallet", "pk_attr": "name"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Owner",
            fields=[
                (
                    "id",
                    fields.IntField(generated=False, primary_key=True, unique=True, db_index=True),
                ),
                ("user_id", fields.BigIntField()),
                ("chat_id", fields.BigIntField()),
                ("name", fields.TextField(unique=False)),
                ("username", fields.TextField(null=True, unique=False)),
                ("paired_at", fields.BigIntField()),
                ("bands", JsonField(generated=False, null=False, unique=False)),
            ],
            options={"table": "owner", "app": "wallet", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Pairing",
            fields=[
                (
                    "id",
                    fields.IntField(generated=False, primary_key=True, unique=True, db_index=True),
                ),
                ("code_hash", fields.CharField(max_length=128)),
                ("expires_at", fields.BigIntField()),
                ("tries_left", fields.IntField()),
                ("candidate", JsonField(null=True, generated=False, unique=False)),
                ("voided", fields.BooleanField()),
            ],
            options={"table": "pairing", "app": "wallet", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="SpendBucket",
            fields=[
                (
                    "id",
                    fields.BigIntField(
                        generated=True, primary_key=True, unique=True, db_index=True
                    ),
                ),
                ("wallet_id", fields.CharField(max_length=64)),
                ("asset", fields.CharField(max_length=192)),
                ("started_at", fields.BigIntField()),
                ("amount", AmountField(generated=False, null=False, unique=False)),
                ("owner_amount", AmountField(generated=False, null=False, unique=False)),
                ("count", fields.BigIntField()),
            ],
            options={
                "table": "spend_buckets",
                "app": "wallet",
                "unique_together": (("started_at", "wallet_id", "asset"),),
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="SystemState",
            fields=[
                (
                    "id",
                    fields.IntField(generated=False, primary_key=True, unique=True, db_index=True),
                ),
                (
                    "state",
                    fields.CharEnumField(description="", enum_type=StopState, max_length=16),
                ),
                ("version", fields.BigIntField()),
                ("reason", fields.TextField(null=True, unique=False)),
                ("actor", fields.CharField(null=True, max_length=128)),
                ("activated_at", fields.BigIntField(null=True)),
                ("recovery_at", fields.BigIntField(null=True)),
                ("recovery_factor", fields.CharField(null=True, max_length=16)),
                ("recovery_cancelled_by_chat", fields.BooleanField()),
                ("mac", fields.CharField(null=True, max_length=64)),
            ],
            options={"table": "system_state", "app": "wallet", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="TelegramUpdate",
            fields=[
                (
                    "update_id",
                    fields.BigIntField(
                        generated=False, primary_key=True, unique=True, db_index=True
                    ),
                ),
                ("body", fields.TextField(unique=False)),
                ("received_at", fields.BigIntField()),
                ("attempts", fields.BigIntField()),
                ("handled_at", fields.BigIntField(null=True)),
            ],
            options={
                "table": "telegram_updates",
                "app": "wallet",
                "indexes": [
                    PartialIndex(
                        fields=["update_id"], name="updates_waiting", where="handled_at IS NULL"
                    )
                ],
                "pk_attr": "update_id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Wallet",
            fields=[
                (
                    "id",
                    fields.CharField(primary_key=True, unique=True, db_index=True, max_length=64),
                ),
                ("name", fields.CharField(max_length=128)),
                ("chain", fields.CharField(max_length=32)),
                ("network", fields.CharField(max_length=64)),
                ("address", fields.CharField(max_length=128)),
                ("public_key", fields.CharField(max_length=256)),
                ("created_at", fields.BigIntField()),
                (
                    "status",
                    fields.CharEnumField(description="", enum_type=WalletStatus, max_length=16),
                ),
                ("suspended_by", fields.CharField(null=True, max_length=64)),
            ],
            options={"table": "wallets", "app": "wallet", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Policy",
            fields=[
                (
                    "id",
                    fields.CharField(primary_key=True, unique=True, db_index=True, max_length=64),
                ),
                (
                    "wallet",
                    fields.ForeignKeyField(
                        "wallet.Wallet",
                        source_field="wallet_id",
                        null=True,
                        db_constraint=True,
                        to_field="id",
                        related_name=False,
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                ("type", fields.CharField(max_length=64)),
                ("rules", fields.TextField(unique=False)),
                ("version", fields.BigIntField()),
                ("created_at", fields.BigIntField()),
                ("updated_at", fields.BigIntField()),
            ],
            options={
                "table": "policies",
                "app": "wallet",
                "indexes": [Index(fields=["wallet_id"], name="policies_by_wallet")],
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Session",
            fields=[
                (
                    "id",
                    fields.CharField(primary_key=True, unique=True, db_index=True, max_length=64),
                ),
                (
                    "wallet",
                    fields.ForeignKeyField(
                        "wallet.Wallet",
                        source_field="wallet_id",
                        db_constraint=True,
                        to_field="id",
                        related_name=False,
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                ("name", fields.CharField(max_length=128)),
                ("source", fields.CharField(max_length=64)),
                ("amount_limits", JsonField(generated=False, null=False, unique=False)),
                ("max_transactions", fields.BigIntField()),
                ("max_renewals", fields.BigIntField()),
                ("ttl_seconds", fields.BigIntField()),
                ("created_at", fields.BigIntField()),
                ("expires_at", fields.BigIntField()),
                ("absolute_expires_at", fields.BigIntField()),
                ("token_hash", fields.CharField(null=True, unique=True, max_length=128)),
                ("previous_token_hash", fields.CharField(null=True, max_length=128)),
                ("previous_valid_until", fields.BigIntField(null=True)),
                ("claimed_at", fields.BigIntField(null=True)),
                ("revoked_at", fields.BigIntField(null=True)),
                ("revoked_reason", fields.TextField(null=True, unique=False)),
                ("renewals", fields.BigIntField()),
                ("renewed_at", fields.BigIntField(null=True)),
                ("transactions", fields.BigIntField()),
                ("spent", JsonField(generated=False, null=False, unique=False)),
            ],
            options={
                "table": "sessions",
                "app": "wallet",
                "indexes": [
                    Index(fields=["wallet_id"], name="sessions_by_wallet"),
                    PartialIndex(
                        fields=["previous_token_hash"],
                        name="sessions_by_previous_token",
                        where="previous_token_hash IS NOT NULL",
                    ),
                ],
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Claim",
            fields=[
                (
                    "code_hash",
                    fields.CharField(primary_key=True, unique=True, db_index=True, max_length=128),
                ),
                (
                    "session",
                    fields.ForeignKeyField(
                        "wallet.Session",
                        source_field="session_id",
                        db_constraint=True,
                        to_field="id",
                        related_name=False,
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                ("expires_at", fields.BigIntField()),
                ("used_at", fields.BigIntField(null=True)),
            ],
            options={
                "table": "claims",
                "app": "wallet",
                "indexes": [
                    PartialIndex(
                        fields=["expires_at"], name="claims_unused", where="used_at IS NULL"
                    )
                ],
                "pk_attr": "code_hash",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Transaction",
            fields=[
                (
                    "id",
                    fields.CharField(primary_key=True, unique=True, db_index=True, max_length=64),
                ),
                (
                    "wallet",
                    fields.ForeignKeyField(
                        "wallet.Wallet",
                        source_field="wallet_id",
                        db_constraint=True,
                        to_field="id",
                        related_name=False,
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                (
                    "session",
                    fields.ForeignKeyField(
                        "wallet.Session",
                        source_field="session_id",
                        db_constraint=True,
                        to_field="id",
                        related_name=False,
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                ("network", fields.CharField(max_length=64)),
                ("chain", fields.CharField(max_length=32)),
                ("type", fields.CharField(max_length=32)),
                ("to", fields.CharField(max_length=128)),
                ("amount", AmountField(generated=False, null=False, unique=False)),
                ("asset", fields.CharField(max_length=192)),
                ("memo", fields.TextField(null=True, unique=False)),
                ("request", fields.TextField(unique=False)),
                ("request_hash", fields.CharField(max_length=64)),
                ("digest", fields.CharField(max_length=64)),
                ("fee_ceiling", AmountField(generated=False, null=False, unique=False)),
                ("tier", fields.CharEnumField(description="", enum_type=Tier, max_length=16)),
                ("status", fields.CharEnumField(description="", enum_type=Status, max_length=16)),
                ("rule_id", fields.CharField(null=True, max_length=64)),
                ("policy_version", fields.BigIntField()),
                ("created_at", fields.BigIntField()),
                ("execute_by", fields.BigIntField(null=True)),
                ("due_at", fields.BigIntField(null=True)),
                ("expires_at", fields.BigIntField(null=True)),
                ("approval_seconds", fields.BigIntField(null=True)),
                ("consent_at", fields.BigIntField(null=True)),
                ("consent_factor", fields.CharField(null=True, max_length=16)),
                ("attempt", fields.BigIntField()),
                ("hash", fields.CharField(null=True, max_length=128)),
                ("fee", AmountField(null=True, generated=False, unique=False)),
                ("error", fields.CharField(null=True, max_length=64)),
                ("error_message", fields.TextField(null=True, unique=False)),
                ("submitted_at", fields.BigIntField(null=True)),
                ("executed_at", fields.BigIntField(null=True)),
                ("finalized_at", fields.BigIntField(null=True)),
                ("idempotency_key", fields.CharField(null=True, max_length=128)),
            ],
            options={
                "table": "transactions",
                "app": "wallet",
                "unique_together": (("wallet", "idempotency_key"),),
                "indexes": [
                    Index(fields=["wallet_id", "id"], name="transactions_by_wallet"),
                    Index(
                        fields=["wallet_id", "status", "id"], name="transactions_by_wallet_status"
                    ),
                    Index(fields=["status", "id"], name="transactions_by_status"),
                    Index(fields=["session_id", "status"], name="transactions_by_session_status"),
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
                ],
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Approval",
            fields=[
                (
                    "id",
                    fields.CharField(primary_key=True, unique=True, db_index=True, max_length=64),
                ),
                (
                    "transaction",
                    fields.ForeignKeyField(
                        "wallet.Transaction",
                        source_field="transaction_id",
                        db_constraint=True,
                        to_field="id",
                        related_name=False,
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                ("answer", fields.CharField(max_length=16)),
                ("factor", fields.CharEnumField(description="", enum_type=Factor, max_length=16)),
                ("asset", fields.CharField(max_length=192)),
                ("amount", AmountField(generated=False, null=False, unique=False)),
                ("at", fields.BigIntField()),
            ],
            options={
                "table": "approvals",
                "app": "wallet",
                "indexes": [Index(fields=["asset", "at"], name="approvals_by_asset")],
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Attempt",
            fields=[
                (
                    "hash",
                    fields.CharField(primary_key=True, unique=True, db_index=True, max_length=128),
                ),
                (
                    "transaction",
                    fields.ForeignKeyField(
                        "wallet.Transaction",
                        source_field="transaction_id",
                        db_constraint=True,
                        to_field="id",
                        related_name=False,
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                ("number", fields.BigIntField()),
                (
                    "purpose",
                    fields.CharEnumField(description="", enum_type=Purpose, max_length=16),
                ),
                ("network", fields.CharField(max_length=64)),
                ("address", fields.CharField(max_length=128)),
                ("payload", fields.BinaryField(source_field="raw")),
                ("nonce", fields.BigIntField(null=True)),
                ("last_valid_height", fields.BigIntField(null=True)),
                ("signing_height", fields.BigIntField(null=True)),
                ("max_cost", AmountField(generated=False, null=False, unique=False)),
                ("created_at", fields.BigIntField()),
                ("accepted_at", fields.BigIntField(null=True)),
                ("rejected", fields.TextField(null=True, unique=False)),
                ("finalized_at", fields.BigIntField(null=True)),
            ],
            options={
                "table": "attempts",
                "app": "wallet",
                "indexes": [
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
                ],
                "pk_attr": "hash",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Card",
            fields=[
                (
                    "id",
                    fields.BigIntField(
                        generated=True, primary_key=True, unique=True, db_index=True
                    ),
                ),
                (
                    "transaction",
                    fields.OneToOneField(
                        "wallet.Transaction",
                        source_field="transaction_id",
                        db_constraint=True,
                        to_field="id",
                        related_name=False,
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                ("chat_id", fields.BigIntField()),
                ("wanted", fields.BigIntField()),
                ("shown", fields.BigIntField()),
                ("message_id", fields.BigIntField(null=True)),
                ("delivered_at", fields.BigIntField(null=True)),
                ("retry_at", fields.BigIntField()),
                ("attempts", fields.BigIntField()),
                ("renderings", JsonField(generated=False, null=False, unique=False)),
                ("stage", fields.CharField(max_length=16)),
                ("stage_until", fields.BigIntField(null=True)),
            ],
            options={
                "table": "cards",
                "app": "wallet",
                "indexes": [
                    PartialIndex(fields=["retry_at"], name="cards_due", where="wanted > shown"),
                    PartialIndex(
                        fields=["chat_id", "message_id"],
                        name="cards_by_message",
                        where="message_id IS NOT NULL",
                    ),
                ],
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Reservation",
            fields=[
                (
                    "id",
                    fields.BigIntField(
                        generated=True, primary_key=True, unique=True, db_index=True
                    ),
                ),
                (
                    "transaction",
                    fields.OneToOneField(
                        "wallet.Transaction",
                        source_field="transaction_id",
                        db_constraint=True,
                        to_field="id",
                        related_name=False,
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                ("wallet_id", fields.CharField(max_length=64)),
                ("session_id", fields.CharField(max_length=64)),
                ("asset", fields.CharField(max_length=192)),
                ("amount", AmountField(generated=False, null=False, unique=False)),
                ("native_asset", fields.CharField(max_length=192)),
                ("fee", AmountField(generated=False, null=False, unique=False)),
                ("owner_approved", fields.BooleanField()),
                ("created_at", fields.BigIntField()),
            ],
            options={"table": "reservations", "app": "wallet", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.RunSQL(
            """
            CREATE TRIGGER audit_refuses_update BEFORE UPDATE ON audit
            BEGIN SELECT RAISE(ABORT, 'audit rows never change'); END;
            CREATE TRIGGER audit_refuses_delete BEFORE DELETE ON audit
            BEGIN SELECT RAISE(ABORT, 'audit rows are never removed'); END;
            """,
            "DROP TRIGGER audit_refuses_update; DROP TRIGGER audit_refuses_delete",
        ),
    ]
