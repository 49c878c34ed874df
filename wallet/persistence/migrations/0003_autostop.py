"""Auto-stop: rules the owner set, what they count, and sessions that are held."""

from tortoise import fields
from tortoise.indexes import Index
from tortoise.migrations import operations as ops

from wallet.persistence.additive import AdditiveMigration


class Migration(AdditiveMigration):
    dependencies = [("wallet", "0002_authority")]
    operations = [
        ops.CreateModel(
            name="AutoStopRule",
            fields=[
                (
                    "id",
                    fields.CharField(primary_key=True, unique=True, db_index=True, max_length=128),
                ),
                ("wallet_id", fields.CharField(null=True, max_length=64)),
                ("type", fields.CharField(max_length=32)),
                ("body", fields.TextField(unique=False)),
                ("updated_at", fields.BigIntField()),
            ],
            options={"table": "autostop_rules", "app": "wallet", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="AutoStopCount",
            fields=[
                (
                    "subject",
                    fields.CharField(primary_key=True, unique=True, db_index=True, max_length=64),
                ),
                ("failures", fields.BigIntField()),
                ("resumed_at", fields.BigIntField()),
            ],
            options={"table": "autostop_counts", "app": "wallet", "pk_attr": "subject"},
            bases=["Model"],
        ),
        ops.AddField(model_name="Session", name="frozen_at", field=fields.BigIntField(null=True)),
        ops.AddField(
            model_name="Session",
            name="frozen_by",
            field=fields.CharField(null=True, max_length=64),
        ),
        ops.AddIndex(
            model_name="Transaction",
            index=Index(fields=["session_id", "created_at"], name="transactions_by_session_time"),
        ),
    ]
