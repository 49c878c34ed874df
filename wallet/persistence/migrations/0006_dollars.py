"""What reservations and spending are worth in dollars. What was spent before is of unknown value."""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops

from wallet.persistence.fields import AmountField


class Migration(migrations.Migration):
    dependencies = [("wallet", "0005_replacements")]
    initial = False
    # The schema module runs every migration in one transaction of its own.
    atomic = False

    operations = [
        ops.AddField(model_name="Reservation", name="usd", field=AmountField(null=True)),
        ops.AddField(model_name="Reservation", name="fee_usd", field=AmountField(null=True)),
        ops.AddField(model_name="SpendBucket", name="usd", field=AmountField(db_default=0)),
        ops.AddField(model_name="SpendBucket", name="owner_usd", field=AmountField(db_default=0)),
        ops.AddField(
            model_name="SpendBucket", name="unpriced", field=fields.BigIntField(db_default=1)
        ),
    ]
