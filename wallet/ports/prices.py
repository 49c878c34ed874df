"""The prices port: what assets cost in dollars, or why nobody can say."""

from collections.abc import Collection, Mapping
from typing import Protocol

from wallet.domain.prices import Quote


class Prices(Protocol):
    """One source of prices, or several that must agree."""

    async def quotes(self, assets: Collection[str]) -> Mapping[str, Quote]:
        """One answer for each asset key: a price, or the gap in its place.

        Never raises for what a provider does. A price says when it was formed; whoever combines sources
        judges its age.
        """
        ...

    async def close(self) -> None: ...
