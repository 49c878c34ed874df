"""Replacements of signed payments: what the owner was offered and what he ordered."""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops

from wallet.domain.transactions import Purpose
from wallet.persistence.fields import AmountField


class Migration(migrations.Migration):
    dependencies = [("wallet", "0004_audit_of_transactions")]
    atomic = False

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
