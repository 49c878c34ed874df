"""Where the log goes. A line that cannot be written is lost; what the line was about goes on."""

from contextlib import suppress
from typing import TextIO


class LossyStream:
    """Like ``stream``, but a full disk or a reader that is gone raises nothing.

    A log line stands between a signature and its payment, and in the middle of a stop.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()
