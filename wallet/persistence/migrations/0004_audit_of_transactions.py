"""An index of audit rows by transaction, for checks that follow each transaction's facts."""

from tortoise import migrations
from tortoise.migrations import operations as ops

from wallet.persistence.fields import PartialIndex


class Migration(migrations.Migration):
    dependencies = [("wallet", "0003_autostop")]
    atomic = False

    operations = [
        ops.AddIndex(
            model_name="AuditRow",
            index=PartialIndex(
                fields=["transaction_id", "number"],
                name="audit_by_transaction",
                where="transaction_id IS NOT NULL",
            ),
        ),
    ]
