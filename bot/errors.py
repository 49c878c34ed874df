"""What the owner reads when something was refused, and what the log may know when something broke."""

import traceback

from wallet.errors import WalletError

BOX_CHARACTERS = 200  # Telegram's bound for the answer to a tap


def sentence(error: WalletError) -> str:
    return f"{error.message} {error.hint}" if error.hint else error.message


def boxed(text: str) -> str:
    """The text cut to what an answer to a tap may hold."""
    return text if len(text) <= BOX_CHARACTERS else f"{text[: BOX_CHARACTERS - 1]}…"


def whereabouts(error: BaseException) -> str:
    """Kind and place of an error without its text, which may quote what the owner typed."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {frames[-1].name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}"
