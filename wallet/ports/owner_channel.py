"""The owner's channel: where cards are shown and alerts are said. Telegram implements it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from wallet.domain.console import Action, Alert, Card
from wallet.domain.owner import Factor
from wallet.domain.transactions import Transaction
from wallet.domain.wallets import Wallet


@dataclass(frozen=True, slots=True)
class Button:
    """One button: what it does and the opaque handle it carries."""

    action: Action
    handle: str


@dataclass(frozen=True, slots=True)
class CardView:
    """Everything a card shows, as the transaction is now."""

    transaction: Transaction
    wallet: Wallet
    symbol: str
    decimals: int
    fee_symbol: str
    fee_decimals: int
    explorer: str | None
    stage: str  # CARD, CONFIRM or CODE
    factor: Factor | None  # what an approval needs, while one is asked for
    buttons: Sequence[Sequence[Button]]
    audit_head: str  # number and short hash of the newest audit row


class ChannelError(Exception):
    """The channel did not deliver. ``retry_after`` in seconds; ``gone`` when the message no longer exists."""

    def __init__(
        self, reason: str, *, retry_after: float | None = None, gone: bool = False
    ) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
        self.gone = gone


class OwnerChannel(Protocol):
    """Raises ChannelError when a message could not be delivered; the caller keeps and retries."""

    def render(self, view: CardView) -> str:
        """The text of a card exactly as the channel will show and return it. Pure."""
        ...

    async def show(self, card: Card, view: CardView) -> int:
        """Send the card, or edit it in place where ``message_id`` is known; returns the message id."""
        ...

    async def say(self, chat_id: int, alert: Alert) -> int:
        """Send an alert; returns the message id."""
        ...

    def render_alert(self, kind: str, facts: Mapping[str, str]) -> str:
        """The text of an alert exactly as the channel will show and return it. Pure."""
        ...

    async def retire(self, chat_id: int, message_id: int, view: CardView) -> None:
        """Take the buttons off a message that is not the payment's card any more, and say so in it."""
        ...

    async def offer(
        self, chat_id: int, kind: str, facts: Mapping[str, str], buttons: Sequence[Button]
    ) -> int:
        """Send an alert with these buttons under each other; returns the message id."""
        ...
