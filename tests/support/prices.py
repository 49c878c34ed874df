"""A web service of prices as Pyth's Hermes and CoinGecko answer, Chainlink feeds, and a fake of the port."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from wallet.domain.prices import PriceGap, Quote, parse_price
from wallet.errors import ChainError, Code

ETH, SOL, ODD = "evm-local/native", "sol-local/native", "odd-local/native"
ETH_FEED, SOL_FEED, ODD_FEED = "ff" * 32, "ef" * 32, "0d" * 32
NOW = 1_800_000_000_000


class FakePrices:
    """The port, answering what a test says."""

    def __init__(self, table: Mapping[str, Quote] | None = None) -> None:
        self.table: dict[str, Quote] = dict(table or {})
        self.asked: list[frozenset[str]] = []
        self.down = False
        self.before: Callable[[], Any] | None = None
        self.closed = False
        self.arrived = asyncio.Event()

    async def quotes(self, assets: Collection[str]) -> Mapping[str, Quote]:
        self.asked.append(frozenset(assets))
        self.arrived.set()
        if self.before is not None:
            await self.before()
        missing = PriceGap.UNAVAILABLE if self.down else PriceGap.UNKNOWN
        known = {} if self.down else self.table
        return {asset: known.get(asset, missing) for asset in assets}

    async def close(self) -> None:
        self.closed = True


@dataclass(slots=True)
class PriceService:
    """Both web services at once. ``prices`` by feed id or coin id; a raw body replaces every answer."""

    url: str = ""
    prices: dict[str, str] = field(default_factory=dict)
    at: int = NOW
    conf: str = "0"
    raw: bytes | None = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, list[tuple[str, str]]]] = field(default_factory=list)
    seen: dict[str, str] = field(default_factory=dict)  # headers of the last request

    async def serve(self, request: web.Request) -> web.Response:
        self.asked.append((request.path, list(request.query.items())))
        self.seen = dict(request.headers)
        if self.raw is not None or self.status != 200:
            return web.Response(body=self.raw, status=self.status, headers=self.headers)
        if request.path.endswith("/v2/updates/price/latest"):
            return web.json_response(self._hermes(request.query.getall("ids[]")))
        return web.Response(
            text=self._gecko(request.query["ids"].split(",")), content_type="application/json"
        )

    def _hermes(self, feeds: list[str]) -> dict[str, Any]:
        parsed = []
        for feed in feeds:
            if feed in self.prices:
                price = parse_price(self.prices[feed], 0)
                shape = {
                    "price": str(price.value),
                    "conf": self.conf,
                    "expo": price.exponent,
                    "publish_time": self.at // 1000,
                }
                parsed.append({"id": feed, "price": shape, "ema_price": shape, "metadata": {}})
        return {"binary": {"encoding": "hex", "data": ["00"]}, "parsed": parsed}

    def _gecko(self, coins: list[str]) -> str:
        known = [
            f'"{coin}": {{"usd": {self.prices[coin]}, "last_updated_at": {self.at // 1000}}}'
            for coin in coins
            if coin in self.prices
        ]
        return f"{{{', '.join(known)}}}"


@asynccontextmanager
async def price_service() -> AsyncIterator[PriceService]:
    service = PriceService()
    app = web.Application()
    app.router.add_get("/{tail:.*}", service.serve)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        service.url = f"http://127.0.0.1:{runner.addresses[0][1]}/secret-path"
        yield service
    finally:
        await runner.cleanup()


@dataclass(slots=True)
class FeedContracts:
    """Chainlink feeds by address, answering in the ABI's bytes."""

    answers: dict[str, tuple[int, int]] = field(default_factory=dict)  # value, updated at (s)
    decimals: int = 8
    description: str = "ETH / USD"
    down: bool = False
    raw: bytes | None = None
    asked: list[str] = field(default_factory=list)

    async def call(self, contract: str, data: bytes) -> bytes:
        self.asked.append(data.hex())
        if self.down or contract not in self.answers:
            raise ChainError(Code.CHAIN_UNAVAILABLE, "No node.")
        match data.hex():
            case "7284e416":
                text = self.description.encode()
                return words(32, len(text)) + text.ljust(32, b"\0")
            case "313ce567":
                return words(self.decimals)
            case "feaf968c" if self.raw is not None:
                return self.raw
            case "feaf968c":
                value, at = self.answers[contract]
                return words(7, value, at, at, 7)
            case _:
                raise ChainError(Code.CHAIN_ERROR, "execution reverted")


def words(*values: int) -> bytes:
    return b"".join((value % 2**256).to_bytes(32, "big") for value in values)
