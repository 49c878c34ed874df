"""Auto-stop rules carry a proof. One that was set before has none and counts no more until it is set anew."""

from tortoise import fields
from tortoise.migrations import operations as ops

from wallet.persistence.additive import AdditiveMigration


class Migration(AdditiveMigration):
    dependencies = [("wallet", "0007_loosenings")]
    operations = [
        ops.AddField(
            model_name="AutoStopRule",
            name="mac",
            field=fields.CharField(null=True, max_length=72),
        ),
    ]
