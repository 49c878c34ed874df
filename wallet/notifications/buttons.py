"""Which buttons a card has, and the opaque handles they carry."""

from base64 import urlsafe_b64encode
from typing import Final

from wallet.domain.console import Action, Handle
from wallet.domain.owner import Factor
from wallet.domain.tiers import Tier
from wallet.domain.transactions import Status, Transaction
from wallet.ports.world import Ids

HANDLE_BYTES: Final = 16


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


def actions_of(transaction: Transaction, stage: str, now: int) -> tuple[Action, ...]:
    """The buttons of a card in ``stage`` (CARD, CONFIRM or CODE); none once it is decided."""
    if is_waiting_for_time(transaction):
        return (Action.CANCEL,)
    if not is_waiting_for_owner(transaction, now):
        return ()
    match stage:
        case "CONFIRM":
            return (Action.CONFIRM_APPROVE, Action.BACK)
        case "CODE":
            return (Action.BACK,)
        case _:
            return (Action.APPROVE, Action.REJECT)


def given_here(actions: tuple[Action, ...], factor: Factor | None) -> tuple[Action, ...]:
    """Without the button that leads nowhere: what needs the host is not approved in the chat."""
    return tuple(a for a in actions if a is not Action.APPROVE or factor is not Factor.HOST)


def new_handle(
    ids: Ids, action: Action, subject: str, chat_id: int, *, expires_at: int | None = None
) -> Handle:
    """A handle that no message carries yet; 22 characters of 128 unpredictable bits."""
    word = urlsafe_b64encode(ids.secret(HANDLE_BYTES)).rstrip(b"=").decode()
    return Handle(word, action, subject, "", 0, chat_id, None, None, expires_at)
