"""Replacements of signed payments: what the owner was offered and what he ordered."""

from tortoise import fields
from tortoise.migrations import operations as ops

from wallet.domain.transactions import Purpose
from wallet.persistence.additive import AdditiveMigration
from wallet.persistence.fields import AmountField


class Migration(AdditiveMigration):
    dependencies = [("wallet", "0004_audit_of_transactions")]
    operations = [
        ops.AddField(
            model_name="Transaction",
            name="stuck_at",
            field=fields.BigIntField(null=True),
        ),
        ops.AddField(
            model_name="Transaction",
            name="wanted",
            field=fields.CharEnumField(
                description="", enum_type=Purpose, max_length=16, null=True
            ),
        ),
        ops.AddField(
            model_name="Transaction",
            name="cancelling_at",
            field=fields.BigIntField(null=True),
        ),
        ops.AddField(
            model_name="Transaction",
            name="offered_ceiling",
            field=AmountField(null=True),
        ),
    ]
