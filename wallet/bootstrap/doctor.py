"""What the running daemon can say about its own health: networks, prices and bot."""

import asyncio
from collections.abc import Mapping
from typing import Any

from wallet.domain.prices import PriceGap
from wallet.errors import WalletError
from wallet.ports.chain import Chain
from wallet.ports.prices import Prices
from wallet.settings import Settings


async def examine(
    settings: Settings, chains: Mapping[str, Chain], prices: Prices, bot: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Each network proved or the reason why not, coins without a price, and what the bot's poller last met."""
    answers = await asyncio.gather(*(_network(chain) for chain in chains.values()))
    return {
        "dataDir": str(settings.data_dir),
        "networks": dict(zip(chains, answers, strict=True)),
        "prices": await _prices(settings, chains, prices),
        "bot": dict(bot),
    }


async def _network(chain: Chain) -> Mapping[str, Any]:
    try:
        await chain.connect()
    except WalletError as error:
        return {"ok": False, "code": error.code.value, "message": error.message}
    return {"ok": True}


async def _prices(
    settings: Settings, chains: Mapping[str, Chain], prices: Prices
) -> Mapping[str, Any]:
    if not settings.prices.providers:
        return {"status": "OK", "message": "No provider is configured."}
    quotes = await prices.quotes([chain.network.native.key for chain in chains.values()])
    gaps = [f"{key}: {quote}" for key, quote in quotes.items() if isinstance(quote, PriceGap)]
    if not gaps:
        return {"status": "OK", "message": "Every coin has a price."}
    return {
        "status": "WARN",
        "message": f"Without a price in dollars: {', '.join(gaps)}.",
        "fix": "Look at [prices] in config.toml; until then rules in dollars ask the owner.",
    }
