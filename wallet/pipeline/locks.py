"""One lock per paying address: nonces, balances and attempts of an address are judged by one task at a time."""

import asyncio


class AddressLocks:
    """Locks by (network, address). In-process only: one writer process is the rule."""

    def __init__(self) -> None:
        self._locks: dict[tuple[str, str], asyncio.Lock] = {}
        self._sending: dict[tuple[str, str], asyncio.Lock] = {}

    def of(self, network: str, address: str) -> asyncio.Lock:
        return self._locks.setdefault((network, address), asyncio.Lock())

    def sending(self, network: str, address: str) -> asyncio.Lock:
        """Taken while holding the address lock, so that stored bytes leave in the order of their nonces."""
        return self._sending.setdefault((network, address), asyncio.Lock())
