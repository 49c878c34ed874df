"""An index of audit rows by transaction, for checks that follow each transaction's facts."""

from tortoise.migrations import operations as ops

from wallet.persistence.additive import AdditiveMigration
from wallet.persistence.fields import PartialIndex


class Migration(AdditiveMigration):
    dependencies = [("wallet", "0003_autostop")]
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
