"""What decisions need to know of the world: prices and balances.

Both are read before a unit of work and handed in with their age, because nothing inside a unit asks a network.
What cannot be read is left out, and the rules ask the owner about it.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from wallet.domain.intents import Intent
from wallet.domain.prices import PriceGap, Quote, Worth
from wallet.domain.rules import Holding
from wallet.domain.wallets import Wallet
from wallet.errors import WalletError
from wallet.ports.chain import Chain
from wallet.ports.prices import Prices
from wallet.ports.world import Clock

BALANCE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Known:
    """What a decision may lean on besides the store."""

    worth: Worth | PriceGap = PriceGap.UNKNOWN
    balances: Mapping[str, Holding] = field(default_factory=dict)


class Readings:
    """Reads prices and balances; never raises for what the world does."""

    def __init__(self, clock: Clock, prices: Prices, chains: Mapping[str, Chain]) -> None:
        self._clock = clock
        self._prices = prices
        self._chains = chains

    async def quotes(self, intent: Intent) -> Mapping[str, Quote]:
        """What the intent's asset costs, and the coin that its fee is paid in."""
        return await self._prices.quotes({intent.asset.key, intent.asset.native_key})

    async def balances(self, wallet: Wallet) -> Mapping[str, Holding]:
        """What the wallet holds of its native coin; empty where no node answers in time."""
        try:
            async with asyncio.timeout(BALANCE_SECONDS):
                found = await self._chains[wallet.network].balance(wallet.address)
        except (WalletError, TimeoutError):
            return {}
        return {f"{wallet.network}/native": Holding(found.amount, self._clock.now())}
