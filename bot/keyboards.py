"""Buttons as Telegram wants them. Pure functions."""

from collections.abc import Sequence

from aiogram.types import InlineKeyboardButton, InlineKeyboardMarkup

from bot import texts
from bot.callbacks import Dismissed, Pressed
from wallet.domain.console import Action
from wallet.ports.owner_channel import Button


def keyboard(rows: Sequence[Sequence[Button]]) -> InlineKeyboardMarkup | None:
    """None where there is no button: an edit without a keyboard takes the old one away."""
    if not rows:
        return None
    return InlineKeyboardMarkup(inline_keyboard=[[_shown(b) for b in row] for row in rows])


def offer(button: Button) -> InlineKeyboardMarkup:
    """One act and a way to put the message aside."""
    aside = InlineKeyboardButton(
        text=texts.LABELS[Action.DISMISS], callback_data=Dismissed().pack()
    )
    return InlineKeyboardMarkup(inline_keyboard=[[_shown(button)], [aside]])


def _shown(button: Button) -> InlineKeyboardButton:
    return InlineKeyboardButton(
        text=texts.LABELS[button.action],
        callback_data=Pressed(handle=button.handle).pack(),
        style=texts.STYLES.get(button.action),
    )
