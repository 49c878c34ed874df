"""Prices that somebody wrote down: for the sandbox and tests.

A written price never grows old, so production takes none.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace

from wallet.domain.prices import PriceGap, Quote, parse_price
from wallet.ports.world import Clock


class StaticPrices:
    """A table of dollars per whole coin, such as {"evm-local/native": "3000"}."""

    def __init__(self, table: Mapping[str, str], clock: Clock) -> None:
        self._table = {asset: parse_price(text, 0) for asset, text in table.items()}
        self._clock = clock

    async def quotes(self, assets: Collection[str]) -> Mapping[str, Quote]:
        now = self._clock.now()
        return {
            asset: replace(self._table[asset], at=now)
            if asset in self._table
            else PriceGap.UNKNOWN
            for asset in assets
        }

    async def close(self) -> None:
        """Nothing is open."""


class NoPrices:
    """No provider is configured: nothing has a price."""

    async def quotes(self, assets: Collection[str]) -> Mapping[str, Quote]:
        return dict.fromkeys(assets, PriceGap.UNKNOWN)

    async def close(self) -> None:
        """Nothing is open."""
