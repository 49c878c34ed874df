"""The real clock, identifiers and crash points."""

import os
import secrets
import signal
import time
import uuid
from collections import Counter

_COUNTER_MAX = 0xFFF


class SystemClock:
    def now(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()


class SystemIds:
    """UUIDv7 (RFC 9562): 48 bits of milliseconds, a 12-bit counter, 62 random bits; monotonic here."""

    def __init__(self) -> None:
        self._last = (0, 0)

    def new(self) -> str:
        millis, counter = time.time_ns() // 1_000_000, 0
        last_millis, last_counter = self._last
        if millis <= last_millis:
            millis, counter = last_millis, last_counter + 1
            if counter > _COUNTER_MAX:
                millis, counter = millis + 1, 0
        self._last = (millis, counter)
        value = (millis & 0xFFFFFFFFFFFF) << 80
        value |= 0x7 << 76 | counter << 64 | 0b10 << 62 | secrets.randbits(62)
        return str(uuid.UUID(int=value))

    def secret(self, size: int) -> bytes:
        return secrets.token_bytes(size)

    def below(self, bound: int) -> int:
        return secrets.randbelow(bound)


class NoCheckpoints:
    def reached(self, name: str) -> None:
        """Nothing happens in production."""


class KillAt:
    """Kills this very process at the n-th time a step is reached. Sandboxes only."""

    def __init__(self, text: str) -> None:
        name, _, count = text.partition(":")
        self._name = name
        self._count = int(count or 1)
        self._seen: Counter[str] = Counter()

    def reached(self, name: str) -> None:
        self._seen[name] += 1
        if name == self._name and self._seen[name] == self._count:
            os.kill(os.getpid(), signal.SIGKILL)
