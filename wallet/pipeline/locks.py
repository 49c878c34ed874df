"""One lock per paying address: nonces, balances and attempts of an address are judged by one task at a time."""

import asyncio


class AddressLocks:
    """Locks by (network, address). In-process only: one writer process is the rule."""

    def __init__(self) -> None:
        self._locks: dict[tuple[str, str], asyncio.Lock] = {}

    def of(self, network: str, address: str) -> asyncio.Lock:
        return self._locks.setdefault((network, address), asyncio.Lock())
