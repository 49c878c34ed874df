"""Prices of the Pyth network, from a Hermes service (``/v2/updates/price/latest``)."""

import re
from collections.abc import Collection, Mapping
from typing import Any, Final

from wallet.domain.prices import BPS, Price, PriceGap, Quote
from wallet.prices.http import JsonSource, ProviderError, mapping, whole

FEED: Final = re.compile(r"(?:0x)?[0-9a-fA-F]{64}")
# A wider interval means that Pyth's publishers do not agree among themselves.
WIDEST_INTERVAL_BPS: Final = 500


class PythPrices:
    """``feeds`` maps asset keys to price feed ids. The upper end of the interval is taken as the price."""

    def __init__(
        self, feeds: Mapping[str, str], url: str, key: str | None, timeout_seconds: float
    ) -> None:
        self._feeds = {asset: _plain(feed) for asset, feed in feeds.items()}
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        self._source = JsonSource(url, headers, timeout_seconds)

    async def quotes(self, assets: Collection[str]) -> Mapping[str, Quote]:
        wanted = {asset: self._feeds[asset] for asset in assets if asset in self._feeds}
        found = dict.fromkeys(assets, PriceGap.UNKNOWN)
        if not wanted:
            return found
        try:
            updates = await self._updates(sorted(set(wanted.values())))
            answers: dict[str, Quote] = {
                asset: _quote(updates.get(feed)) for asset, feed in wanted.items()
            }
        except ProviderError:
            answers = dict.fromkeys(wanted, PriceGap.UNAVAILABLE)
        return {**found, **answers}

    async def close(self) -> None:
        await self._source.close()

    async def _updates(self, feeds: list[str]) -> Mapping[str, Any]:
        query = [("ids[]", feed) for feed in feeds]
        query += [("parsed", "true"), ("ignore_invalid_price_ids", "true")]
        answer = mapping(await self._source.get("/v2/updates/price/latest", query))
        parsed = answer.get("parsed")
        if not isinstance(parsed, list):
            raise ProviderError("the answer has no parsed prices")
        return {_plain(str(mapping(update).get("id"))): update for update in parsed}


def _quote(update: Any) -> Quote:
    if update is None:
        return PriceGap.UNKNOWN
    price = mapping(mapping(update).get("price"))
    value, interval = whole(price.get("price")), whole(price.get("conf"))
    if value <= 0 or interval < 0:
        raise ProviderError("the answer holds no price")
    if interval * BPS > WIDEST_INTERVAL_BPS * value:
        return PriceGap.DIVERGENT
    try:
        return Price(
            value + interval, whole(price.get("expo")), whole(price.get("publish_time")) * 1000
        )
    except ValueError:
        raise ProviderError("the answer holds no price") from None


def _plain(feed: str) -> str:
    return feed.lower().removeprefix("0x")
