"""What a tap is, what can come of it, and whether it fits what was sent. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from wallet.domain.console import Action, Card, Handle, Stage
from wallet.domain.transactions import Transaction
from wallet.notifications.buttons import (
    is_offered,
    is_stuck,
    is_waiting_for_owner,
    is_waiting_for_time,
)
from wallet.ports.owner_channel import Button

# A cancellation of what was sent signs something new, so it is no protective act.
REPLACING: Final = frozenset(
    {Action.SPEED_UP, Action.CONFIRM_SPEED_UP, Action.CANCEL_SENT, Action.CONFIRM_CANCEL_SENT}
)
RELEASING: Final = REPLACING | {
    Action.APPROVE,
    Action.CONFIRM_APPROVE,
    Action.NEW_CODES,
    Action.CONFIRM_NEW_CODES,
}
PROTECTIVE: Final = frozenset(Action) - RELEASING
CODES_ACTIONS: Final = frozenset({Action.NEW_CODES, Action.CONFIRM_NEW_CODES, Action.NO_NEW_CODES})
CARD_ACTIONS: Final = REPLACING | {
    Action.APPROVE, Action.CONFIRM_APPROVE, Action.BACK, Action.REJECT, Action.CANCEL
}  # fmt: skip
# The stage in which each button of a card stands; Back, Reject and Cancel stand in any.
STAGE_OF: Final[Mapping[Action, Stage]] = MappingProxyType(
    {
        Action.APPROVE: Stage.CARD,
        Action.CONFIRM_APPROVE: Stage.CONFIRM,
        Action.SPEED_UP: Stage.CARD,
        Action.CONFIRM_SPEED_UP: Stage.SPEED_UP,
        Action.CANCEL_SENT: Stage.CARD,
        Action.CONFIRM_CANCEL_SENT: Stage.CANCEL,
    }
)


class Fit(StrEnum):
    """How a tap on a card compares with what was sent for its handle."""

    CARD = "CARD"  # one of the last texts of the card, in a message that carries this handle
    OLD = "OLD"  # a message of ours, but of an earlier text
    FORGED = "FORGED"


class AnswerKind(StrEnum):
    """What came of a tap or a typed code."""

    OUT_OF_DATE = "OUT_OF_DATE"
    MISMATCH = "MISMATCH"
    FROZEN = "FROZEN"
    CONFIRM_ASKED = "CONFIRM_ASKED"
    CODE_ASKED = "CODE_ASKED"
    HOST_NEEDED = "HOST_NEEDED"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"
    CANCELLED = "CANCELLED"
    SPEED_UP_ORDERED = "SPEED_UP_ORDERED"
    CANCEL_ORDERED = "CANCEL_ORDERED"
    BACK = "BACK"
    REVOKED = "REVOKED"
    STOPPED = "STOPPED"
    STOPPED_UNSTORED = "STOPPED_UNSTORED"
    RESET_CANCELLED = "RESET_CANCELLED"
    RECOVERY_CANCELLED = "RECOVERY_CANCELLED"
    LOOSENING_CANCELLED = "LOOSENING_CANCELLED"
    DISMISSED = "DISMISSED"
    PUT_ASIDE = "PUT_ASIDE"
    WRONG_CODE = "WRONG_CODE"
    USED_CODE = "USED_CODE"
    CODES_GIVEN = "CODES_GIVEN"
    CODES_GIVEN_BEFORE = "CODES_GIVEN_BEFORE"
    CODES_ON_HOST = "CODES_ON_HOST"
    NOT_WAITING = "NOT_WAITING"


@dataclass(frozen=True, slots=True)
class Answer:
    """``alert`` asks for a box to be closed instead of a passing note.

    ``bare`` says that the pressed message has nothing to offer any more: its buttons are to go, as are those
    of ``bare_messages``. With ``buttons`` the pressed message gets these in the place of its own.
    """

    kind: AnswerKind
    alert: bool = False
    params: Mapping[str, str] = field(default_factory=dict)
    bare: bool = False
    bare_messages: Sequence[int] = ()
    buttons: Sequence[Button] = ()


@dataclass(frozen=True, slots=True)
class Press:
    """A tap as the channel reports it. ``text`` is None where the message is too old to be shown."""

    handle: str
    user_id: int
    chat_id: int
    message_id: int
    text: str | None


def is_spent(handle: Handle, now: int) -> bool:
    return handle.used_at is not None or (
        handle.expires_at is not None and handle.expires_at <= now
    )


def still_waits(handle: Handle, transaction: Transaction, now: int) -> bool:
    if handle.digest != transaction.digest:
        return False
    if handle.action is Action.CANCEL:
        return is_waiting_for_time(transaction)
    if handle.action in REPLACING:
        return is_stuck(transaction)
    if handle.action is Action.BACK:
        return is_offered(transaction, now)
    return is_waiting_for_owner(transaction, now)


def fits_card(card: Card, handle: Handle, press: Press) -> Fit:
    """A handle belongs to one message. One that no message is known for was sent, and its answer was lost.

    A send with an unknown outcome is made again with fresh handles, so a card may stand in the chat twice and
    either copy can be answered (docs/decisions/0012-doubled-cards.md says why that is safe).
    """
    if card.chat_id != press.chat_id or handle.chat_id != press.chat_id:
        return Fit.FORGED
    if handle.message_id not in (None, press.message_id):
        return Fit.FORGED
    if press.text in card.renderings:
        return Fit.CARD
    if handle.rendering in (None, press.text):
        return Fit.OLD
    return Fit.FORGED


def fits_stage(action: Action, card: Card, now: int) -> bool:
    lapsed = card.stage_until is not None and card.stage_until <= now
    stage = "CARD" if lapsed else card.stage
    if action is Action.BACK:
        return stage != Stage.CARD
    return stage == STAGE_OF.get(action, stage)


def fits_message(handle: Handle, press: Press) -> bool:
    if handle.chat_id != press.chat_id:
        return False
    if handle.message_id is not None and handle.message_id != press.message_id:
        return False
    return not handle.rendering or press.text is None or handle.rendering == press.text
