"""Which buttons a card has, and the opaque handles they carry."""

from base64 import urlsafe_b64encode
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from wallet.domain.console import Action, Handle, Stage
from wallet.domain.owner import Factor
from wallet.domain.tiers import Tier
from wallet.domain.transactions import Status, Transaction
from wallet.ports.world import Ids

HANDLE_BYTES: Final = 16
WHILE_WAITING: Final[Mapping[str, tuple[Action, ...]]] = MappingProxyType(
    {
        Stage.CONFIRM: (Action.CONFIRM_APPROVE, Action.BACK),
        Stage.CODE: (Action.BACK,),
    }
)
WHILE_STUCK: Final[Mapping[str, tuple[Action, ...]]] = MappingProxyType(
    {
        Stage.SPEED_UP: (Action.CONFIRM_SPEED_UP, Action.BACK),
        Stage.SPEED_UP_CODE: (Action.BACK,),
        Stage.CANCEL: (Action.CONFIRM_CANCEL_SENT, Action.BACK),
        Stage.CANCEL_CODE: (Action.BACK,),
    }
)


def is_waiting_for_owner(transaction: Transaction, now: int) -> bool:
    """Whether an approval is asked for and can still be given at ``now`` (epoch ms)."""
    return (
        transaction.tier is Tier.APPROVAL
        and transaction.status is Status.QUEUED
        and transaction.consent_at is None
        and (transaction.expires_at is None or now < transaction.expires_at)
    )


def is_waiting_for_time(transaction: Transaction) -> bool:
    return transaction.tier is Tier.DELAY and transaction.status is Status.QUEUED


def is_stuck(transaction: Transaction) -> bool:
    """Whether it is on its way for long, and the owner can still order something about it."""
    return (
        transaction.is_replaceable
        and transaction.stuck_at is not None
        and transaction.wanted is None
        and transaction.cancelling_at is None
    )


def is_offered(transaction: Transaction, now: int) -> bool:
    """Whether the card asks the owner for something that needs a proof."""
    return is_stuck(transaction) or is_waiting_for_owner(transaction, now)


def actions_of(transaction: Transaction, stage: str, now: int) -> tuple[Action, ...]:
    """The buttons of a card in ``stage``; none once it is decided."""
    if is_waiting_for_time(transaction):
        return (Action.CANCEL,)
    if is_stuck(transaction):
        return WHILE_STUCK.get(stage, (Action.SPEED_UP, Action.CANCEL_SENT))
    if is_waiting_for_owner(transaction, now):
        return WHILE_WAITING.get(stage, (Action.APPROVE, Action.REJECT))
    return ()


def stage_of(transaction: Transaction, stage: str, now: int) -> str:
    """``stage``, or CARD where it does not belong to what the card asks now."""
    known = WHILE_STUCK if is_stuck(transaction) else WHILE_WAITING
    return stage if is_offered(transaction, now) and stage in known else Stage.CARD.value


def given_here(actions: tuple[Action, ...], factor: Factor | None) -> tuple[Action, ...]:
    """Without the button that leads nowhere: what needs the host is not approved in the chat."""
    return tuple(a for a in actions if a is not Action.APPROVE or factor is not Factor.HOST)


def new_handle(
    ids: Ids, action: Action, subject: str, chat_id: int, *, expires_at: int | None = None
) -> Handle:
    """A handle that no message carries yet; 22 characters of 128 unpredictable bits."""
    word = urlsafe_b64encode(ids.secret(HANDLE_BYTES)).rstrip(b"=").decode()
    return Handle(word, action, subject, "", 0, chat_id, None, None, expires_at)
