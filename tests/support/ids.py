"""Identifiers in order and secrets without surprise."""

import hashlib


class DeterministicIds:
    """Strictly increasing identifiers; ``below`` walks through its range."""

    def __init__(self) -> None:
        self._next = 0

    def new(self) -> str:
        self._next += 1
        return f"01900000-0000-7000-8000-{self._next:012x}"

    def secret(self, size: int) -> bytes:
        return self._digest()[:size]

    def below(self, bound: int) -> int:
        return int.from_bytes(self._digest()) % bound

    def _digest(self) -> bytes:
        self._next += 1
        return hashlib.sha512(str(self._next).encode()).digest()
