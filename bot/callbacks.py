"""What buttons carry: an opaque handle, never an amount."""

from typing import Final

from aiogram.filters.callback_data import CallbackData

HANDLE_LENGTH: Final = 22


class Pressed(CallbackData, prefix="a"):
    """A button whose meaning is stored under its handle: 24 bytes of the 64 that Telegram allows."""

    handle: str
