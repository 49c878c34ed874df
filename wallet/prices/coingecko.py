"""Prices of CoinGecko (``/simple/price``), by CoinGecko's own ids of coins."""

from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import urlsplit

from wallet.domain.prices import PriceGap, Quote, parse_price
from wallet.prices.http import JsonSource, ProviderError, mapping, whole


class CoinGeckoPrices:
    """``coins`` maps asset keys to ids such as "ethereum". A key is sent as the host's plan asks for it."""

    def __init__(
        self, coins: Mapping[str, str], url: str, key: str | None, timeout_seconds: float
    ) -> None:
        self._coins = dict(coins)
        headers = {} if key is None else {_header(url): key}
        self._source = JsonSource(url, headers, timeout_seconds)

    async def quotes(self, assets: Collection[str]) -> Mapping[str, Quote]:
        wanted = {asset: self._coins[asset] for asset in assets if asset in self._coins}
        found = dict.fromkeys(assets, PriceGap.UNKNOWN)
        if not wanted:
            return found
        query = [
            ("ids", ",".join(sorted(set(wanted.values())))),
            ("vs_currencies", "usd"),
            ("include_last_updated_at", "true"),
            ("precision", "full"),
        ]
        try:
            answer = mapping(await self._source.get("/simple/price", query))
            answers = {asset: _quote(answer.get(coin)) for asset, coin in wanted.items()}
        except ProviderError:
            answers = dict.fromkeys(wanted, PriceGap.UNAVAILABLE)
        return {**found, **answers}

    async def close(self) -> None:
        await self._source.close()


def _quote(coin: Any) -> Quote:
    if coin is None or not mapping(coin):
        return PriceGap.UNKNOWN
    price = coin.get("usd")
    if price is None:  # listed, but not traded
        return PriceGap.UNKNOWN
    if type(price) is not int and not isinstance(price, str):
        raise ProviderError("the answer holds no price")
    try:
        return parse_price(str(price), whole(coin.get("last_updated_at")) * 1000)
    except ValueError:
        raise ProviderError("the answer holds no price") from None


def _header(url: str) -> str:
    host = urlsplit(url).hostname or ""
    return "x-cg-pro-api-key" if host.startswith("pro-") else "x-cg-demo-api-key"
