"""Tortoise rows of the owner's side: who the owner is, what was answered, what is shown and pressed.

The conventions are those of ``wallet.persistence.models``.
"""

from tortoise import fields
from tortoise.indexes import Index
from tortoise.models import Model

from wallet.domain.console import Action, AlertState
from wallet.domain.owner import Factor
from wallet.domain.safety import StopState
from wallet.persistence.fields import AmountField, JsonField, PartialIndex
from wallet.persistence.models import Transaction, enum_field


class Owner(Model):
    id = fields.IntField(primary_key=True, generated=False)
    user_id = fields.BigIntField()
    chat_id = fields.BigIntField()
    name = fields.TextField()
    username = fields.TextField(null=True)
    paired_at = fields.BigIntField()
    bands = JsonField()  # asset key -> [tap_max, code_max], decimal text
    mac = fields.CharField(max_length=72, null=True)

    class Meta:
        table = "owner"


class SystemState(Model):
    id = fields.IntField(primary_key=True, generated=False)
    state = enum_field(StopState, 16)
    version = fields.BigIntField()
    reason = fields.TextField(null=True)
    actor = fields.CharField(max_length=128, null=True)
    activated_at = fields.BigIntField(null=True)
    recovery_at = fields.BigIntField(null=True)
    recovery_factor = fields.CharField(max_length=16, null=True)
    recovery_cancelled_by_chat = fields.BooleanField()
    behind_at = fields.BigIntField(null=True)
    mac = fields.CharField(max_length=64, null=True)

    class Meta:
        table = "system_state"


class Pairing(Model):
    id = fields.IntField(primary_key=True, generated=False)
    code_hash = fields.CharField(max_length=128)
    expires_at = fields.BigIntField()
    tries_left = fields.IntField()
    candidate = JsonField(null=True)
    voided = fields.BooleanField()
    mac = fields.CharField(max_length=72, null=True)

    class Meta:
        table = "pairing"


# The owner's answers; what a factor released in a day is added up from them.
class Approval(Model):
    id = fields.CharField(primary_key=True, max_length=64)
    transaction: fields.ForeignKeyRelation[Transaction] = fields.ForeignKeyField(
        "wallet.Transaction", related_name=False, on_delete=fields.RESTRICT
    )
    answer = fields.CharField(max_length=16)
    factor = enum_field(Factor, 16)
    asset = fields.CharField(max_length=192)
    amount = AmountField()
    at = fields.BigIntField()
    number = fields.BigIntField(null=True)  # without gaps, so that a missing row is seen
    mac = fields.CharField(max_length=72, null=True)

    class Meta:
        table = "approvals"
        indexes = (
            Index(fields=["asset", "at"], name="approvals_by_asset"),
            Index(fields=["number"], name="approvals_by_number"),
        )


class FailureCounter(Model):
    name = fields.CharField(primary_key=True, max_length=128)
    count = fields.BigIntField()
    locked_until = fields.BigIntField()
    mac = fields.CharField(max_length=72, null=True)

    class Meta:
        table = "failure_counters"


class Card(Model):
    id = fields.BigIntField(primary_key=True)
    transaction: fields.OneToOneRelation[Transaction] = fields.OneToOneField(
        "wallet.Transaction", related_name=False, on_delete=fields.RESTRICT
    )
    chat_id = fields.BigIntField()
    wanted = fields.BigIntField()
    shown = fields.BigIntField()
    message_id = fields.BigIntField(null=True)
    delivered_at = fields.BigIntField(null=True)
    retry_at = fields.BigIntField()
    attempts = fields.BigIntField()
    renderings = JsonField()
    stage = fields.CharField(max_length=16)
    stage_until = fields.BigIntField(null=True)

    class Meta:
        table = "cards"
        indexes = (
            PartialIndex(fields=["retry_at"], name="cards_due", where="wanted > shown"),
            PartialIndex(
                fields=["chat_id", "message_id"],
                name="cards_by_message",
                where="message_id IS NOT NULL",
            ),
        )


class Alert(Model):
    id = fields.BigIntField(primary_key=True)
    dedup_key = fields.CharField(max_length=255, unique=True)
    kind = fields.CharField(max_length=64)
    payload = JsonField()
    state = enum_field(AlertState, 16)
    attempts = fields.BigIntField()
    retry_at = fields.BigIntField()
    created_at = fields.BigIntField()

    class Meta:
        table = "alerts"
        indexes = (
            PartialIndex(fields=["retry_at"], name="alerts_due", where="state = 'WAITING'"),
        )


class Handle(Model):
    handle = fields.CharField(primary_key=True, max_length=64)
    action = enum_field(Action, 32)
    subject = fields.CharField(max_length=128)
    digest = fields.CharField(max_length=64)
    policy_version = fields.BigIntField()
    chat_id = fields.BigIntField()
    message_id = fields.BigIntField(null=True)
    rendering = fields.TextField(null=True)
    expires_at = fields.BigIntField(null=True)
    used_at = fields.BigIntField(null=True)

    class Meta:
        table = "handles"
        indexes = (Index(fields=["subject"], name="handles_by_subject"),)


class Challenge(Model):
    id = fields.CharField(primary_key=True, max_length=64)
    purpose = fields.CharField(max_length=32)
    subject = fields.CharField(max_length=128)
    digest = fields.CharField(max_length=64)
    factor = fields.CharField(max_length=16)
    tries_left = fields.IntField()
    expires_at = fields.BigIntField()
    consumed_at = fields.BigIntField(null=True)

    class Meta:
        table = "challenges"
        indexes = (
            PartialIndex(
                fields=["expires_at"], name="challenges_open", where="consumed_at IS NULL"
            ),
        )


class TelegramUpdate(Model):
    update_id = fields.BigIntField(primary_key=True, generated=False)
    body = fields.TextField()
    received_at = fields.BigIntField()
    attempts = fields.BigIntField()
    handled_at = fields.BigIntField(null=True)

    class Meta:
        table = "telegram_updates"
        indexes = (
            PartialIndex(fields=["update_id"], name="updates_waiting", where="handled_at IS NULL"),
        )
