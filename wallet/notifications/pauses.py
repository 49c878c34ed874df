"""How long a delivery that failed waits before it is tried again."""

from typing import Final

from wallet.ports.owner_channel import ChannelError

FIRST_RETRY_MS: Final = 1_000
LONGEST_RETRY_MS: Final = 300_000


def pause_ms(attempts: int, error: ChannelError) -> int:
    """Doubling from a second to five minutes, or as long as the channel said."""
    if error.retry_after is not None:
        return int(error.retry_after * 1000)
    doubled = FIRST_RETRY_MS << min(max(attempts - 1, 0), 20)
    return min(doubled, LONGEST_RETRY_MS)
