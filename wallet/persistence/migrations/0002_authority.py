"""Proofs on authority rows, the proof over each set of rules, and when a database was found behind."""

from tortoise import fields
from tortoise.indexes import Index
from tortoise.migrations import operations as ops

from wallet.persistence.additive import AdditiveMigration


class Migration(AdditiveMigration):
    dependencies = [("wallet", "0001_initial")]

    operations = [
        ops.CreateModel(
            name="PolicySet",
            fields=[
                (
                    "scope",
                    fields.CharField(primary_key=True, unique=True, db_index=True, max_length=64),
                ),
                ("version", fields.BigIntField()),
                ("mac", fields.CharField(null=True, max_length=72)),
            ],
            options={"table": "policy_sets", "app": "wallet", "pk_attr": "scope"},
            bases=["Model"],
        ),
        ops.AddField(
            model_name="Approval",
            name="mac",
            field=fields.CharField(null=True, max_length=72),
        ),
        ops.AddField(
            model_name="Approval",
            name="number",
            field=fields.BigIntField(null=True),
        ),
        ops.AddIndex(
            model_name="Approval",
            index=Index(fields=["number"], name="approvals_by_number"),
        ),
        ops.AddField(
            model_name="Claim",
            name="mac",
            field=fields.CharField(null=True, max_length=72),
        ),
        ops.AddField(
            model_name="FailureCounter",
            name="mac",
            field=fields.CharField(null=True, max_length=72),
        ),
        ops.AddField(
            model_name="Number",
            name="mac",
            field=fields.CharField(null=True, max_length=72),
        ),
        ops.AddField(
            model_name="Owner",
            name="mac",
            field=fields.CharField(null=True, max_length=72),
        ),
        ops.AddField(
            model_name="Pairing",
            name="mac",
            field=fields.CharField(null=True, max_length=72),
        ),
        ops.AddField(
            model_name="Session",
            name="mac",
            field=fields.CharField(null=True, max_length=72),
        ),
        ops.AddField(
            model_name="Session",
            name="tally",
            field=fields.TextField(null=True, unique=False),
        ),
        ops.AddField(
            model_name="SystemState",
            name="behind_at",
            field=fields.BigIntField(null=True),
        ),
        ops.AddField(
            model_name="Transaction",
            name="mac",
            field=fields.CharField(null=True, max_length=72),
        ),
        ops.AddField(
            model_name="Wallet",
            name="mac",
            field=fields.CharField(null=True, max_length=72),
        ),
    ]
