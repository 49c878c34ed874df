"""Buttons as Telegram wants them. Pure functions."""

from collections.abc import Sequence

from aiogram.types import InlineKeyboardButton, InlineKeyboardMarkup

from bot import texts
from bot.callbacks import Pressed
from wallet.ports.owner_channel import Button


def keyboard(rows: Sequence[Sequence[Button]]) -> InlineKeyboardMarkup | None:
    """None where there is no button: an edit without a keyboard takes the old one away."""
    if not rows:
        return None
    return InlineKeyboardMarkup(inline_keyboard=[[_shown(b) for b in row] for row in rows])


def _shown(button: Button) -> InlineKeyboardButton:
    return InlineKeyboardButton(
        text=texts.LABELS[button.action],
        callback_data=Pressed(handle=button.handle).pack(),
        style=texts.STYLES.get(button.action),
    )
