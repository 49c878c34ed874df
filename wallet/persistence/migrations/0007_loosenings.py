"""Changes that loosen a rule wait in a row of their own until they count."""

from tortoise import fields
from tortoise.migrations import operations as ops

from wallet.persistence.additive import AdditiveMigration


class Migration(AdditiveMigration):
    dependencies = [("wallet", "0006_dollars")]
    operations = [
        ops.CreateModel(
            name="Loosening",
            fields=[
                (
                    "id",
                    fields.CharField(primary_key=True, unique=True, db_index=True, max_length=64),
                ),
                ("rule_id", fields.CharField(max_length=64)),
                ("wallet_id", fields.CharField(null=True, max_length=64)),
                ("type", fields.CharField(max_length=32)),
                ("rules", fields.TextField(null=True, unique=False)),
                ("base_version", fields.BigIntField()),
                ("queued_at", fields.BigIntField()),
                ("counts_at", fields.BigIntField()),
                ("actor", fields.CharField(max_length=128)),
                ("mac", fields.CharField(null=True, max_length=72)),
            ],
            options={"table": "loosenings", "app": "wallet", "pk_attr": "id"},
            bases=["Model"],
        ),
    ]
