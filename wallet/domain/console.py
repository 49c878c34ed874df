"""What the owner sees and presses: cards, alerts, handles, challenges, stored updates."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Card:
    """One message per transaction, edited through its whole life. A card is state, not a log.

    ``wanted`` grows with every change of its transaction; the drainer renders the row as it is now and sets
    ``shown``. ``renderings`` keeps the last three texts, which a tap must match.
    """

    transaction_id: str
    chat_id: int
    wanted: int
    shown: int
    message_id: int | None = None
    delivered_at: int | None = None
    retry_at: int = 0
    attempts: int = 0
    renderings: tuple[str, ...] = ()
    stage: str = "CARD"  # CARD, or what was pressed: see ``Stage``
    stage_until: int | None = None


class Stage(StrEnum):
    """How far the owner is with a card: nothing pressed, a confirmation asked for, or a code awaited."""

    CARD = "CARD"
    CONFIRM = "CONFIRM"  # Approve was pressed
    CODE = "CODE"
    SPEED_UP = "SPEED_UP"
    SPEED_UP_CODE = "SPEED_UP_CODE"
    CANCEL = "CANCEL"
    CANCEL_CODE = "CANCEL_CODE"


class AlertState(StrEnum):
    WAITING = "WAITING"
    SENT = "SENT"
    PARKED = "PARKED"


@dataclass(frozen=True, slots=True)
class Alert:
    """A message to the owner that belongs to no transaction. ``dedup_key`` is unique for ever."""

    id: int
    dedup_key: str
    kind: str
    payload: Mapping[str, str]
    state: AlertState
    attempts: int
    retry_at: int
    created_at: int


class Action(StrEnum):
    """What a button does."""

    APPROVE = "APPROVE"
    CONFIRM_APPROVE = "CONFIRM_APPROVE"
    BACK = "BACK"
    REJECT = "REJECT"
    CANCEL = "CANCEL"
    SPEED_UP = "SPEED_UP"
    CONFIRM_SPEED_UP = "CONFIRM_SPEED_UP"
    CANCEL_SENT = "CANCEL_SENT"
    CONFIRM_CANCEL_SENT = "CONFIRM_CANCEL_SENT"
    REVOKE_SESSION = "REVOKE_SESSION"
    CONFIRM_KILL = "CONFIRM_KILL"
    DISMISS = "DISMISS"
    PUT_ASIDE = "PUT_ASIDE"  # takes the buttons off a notice; the notice stays
    NEW_CODES = "NEW_CODES"
    CONFIRM_NEW_CODES = "CONFIRM_NEW_CODES"
    NO_NEW_CODES = "NO_NEW_CODES"
    CANCEL_RECOVERY = "CANCEL_RECOVERY"
    CANCEL_RESET = "CANCEL_RESET"
    CANCEL_LOOSENING = "CANCEL_LOOSENING"


@dataclass(frozen=True, slots=True)
class Handle:
    """The opaque word in a button, bound to what its card showed."""

    handle: str
    action: Action
    subject: str  # transaction id, session id, or empty
    digest: str  # of the transaction; empty where there is none
    policy_version: int
    chat_id: int
    message_id: int | None  # filled in once the message exists
    rendering: str | None  # the text it was sent with, for messages that are not cards
    expires_at: int | None
    used_at: int | None = None


@dataclass(frozen=True, slots=True)
class Challenge:
    """A wait for a factor, single use, for one transaction."""

    id: str
    purpose: str
    subject: str
    digest: str
    factor: str
    tries_left: int
    expires_at: int
    consumed_at: int | None = None


@dataclass(frozen=True, slots=True)
class StoredUpdate:
    """A Telegram update of the owner's chat, stored before it is acknowledged."""

    update_id: int
    body: str
    received_at: int
    attempts: int = 0
    handled_at: int | None = None
