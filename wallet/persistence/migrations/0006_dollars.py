"""What reservations and spending are worth in dollars. What was spent before is of unknown value."""

from tortoise import fields
from tortoise.migrations import operations as ops

from wallet.persistence.additive import AdditiveMigration
from wallet.persistence.fields import AmountField


class Migration(AdditiveMigration):
    dependencies = [("wallet", "0005_replacements")]
    initial = False
    operations = [
        ops.AddField(model_name="Reservation", name="usd", field=AmountField(null=True)),
        ops.AddField(model_name="Reservation", name="fee_usd", field=AmountField(null=True)),
        ops.AddField(model_name="SpendBucket", name="usd", field=AmountField(db_default=0)),
        ops.AddField(model_name="SpendBucket", name="owner_usd", field=AmountField(db_default=0)),
        ops.AddField(
            model_name="SpendBucket", name="unpriced", field=fields.BigIntField(db_default=1)
        ),
    ]
