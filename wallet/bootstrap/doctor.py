"""What the running daemon can say about its own health: networks and bot."""

import asyncio
from collections.abc import Mapping
from typing import Any

from wallet.errors import WalletError
from wallet.ports.chain import Chain
from wallet.settings import Settings


async def examine(
    settings: Settings, chains: Mapping[str, Chain], bot: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Each network proved or the reason why not, and what the bot's poller last met."""
    answers = await asyncio.gather(*(_network(chain) for chain in chains.values()))
    return {
        "dataDir": str(settings.data_dir),
        "networks": dict(zip(chains, answers, strict=True)),
        "bot": dict(bot),
    }


async def _network(chain: Chain) -> Mapping[str, Any]:
    try:
        await chain.connect()
    except WalletError as error:
        return {"ok": False, "code": error.code.value, "message": error.message}
    return {"ok": True}
