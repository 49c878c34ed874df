"""The providers of prices, as [prices] names them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

from wallet.errors import Code, InputError
from wallet.ports.chain import Chain
from wallet.ports.prices import Prices
from wallet.ports.world import Clock
from wallet.prices.static import NoPrices
from wallet.settings import Settings, secret_in


def build_prices(settings: Settings, clock: Clock, chains: Mapping[str, Chain]) -> Prices:
    """The panel of the configured providers. Imports an HTTP library, so call it in a thread.

    InputError(CONFIG_ERROR) where a key file cannot be read.
    """
    if not settings.prices.providers:
        return NoPrices()
    from wallet.prices.panel import Demands, Panel, Source  # noqa: PLC0415 - beside what it combines

    prices = settings.prices
    makers: Mapping[str, Callable[[], Prices]] = {
        "pyth": lambda: _pyth(settings),
        "coingecko": lambda: _coingecko(settings),
        "chainlink": lambda: _chainlink(settings, chains),
        "static": lambda: _static(settings, clock),
    }
    sources = [
        Source(
            makers[name](),
            prices.chainlink_max_age_seconds if name == "chainlink" else prices.max_age_seconds,
        )
        for name in prices.providers
    ]
    demands = Demands(
        quorum=prices.quorum,
        max_divergence_bps=prices.max_divergence_bps,
        refresh_seconds=prices.refresh_seconds,
        timeout_seconds=prices.timeout_seconds,
    )
    return Panel(sources, demands, clock)


def require_honest_prices(settings: Settings, kind: str) -> None:
    """Raise CONFIG_ERROR for written prices in production: they never grow old, whatever happens outside."""
    if kind == "production" and "static" in settings.prices.providers:
        raise InputError(
            Code.CONFIG_ERROR,
            "prices.providers: static prices are for the sandbox only.",
            hint="Use pyth, coingecko or chainlink.",
        )


def _pyth(settings: Settings) -> Prices:
    from wallet.prices.pyth import PythPrices  # noqa: PLC0415 - heavy

    feeds = {asset: one.pyth for asset, one in settings.price_feeds.items() if one.pyth}
    key = _key(settings.data_dir, settings.prices.pyth_key_file)
    return PythPrices(feeds, settings.prices.pyth_url, key, settings.prices.timeout_seconds)


def _coingecko(settings: Settings) -> Prices:
    from wallet.prices.coingecko import CoinGeckoPrices  # noqa: PLC0415 - heavy

    coins = {asset: one.coingecko for asset, one in settings.price_feeds.items() if one.coingecko}
    key = _key(settings.data_dir, settings.prices.coingecko_key_file)
    return CoinGeckoPrices(
        coins, settings.prices.coingecko_url, key, settings.prices.timeout_seconds
    )


def _chainlink(settings: Settings, chains: Mapping[str, Chain]) -> Prices:
    from wallet.prices.chainlink import (  # noqa: PLC0415 - beside its siblings
        ChainlinkPrices,
        Contracts,
        Feed,
    )

    feeds = {}
    for asset, one in settings.price_feeds.items():
        network, _, contract = (one.chainlink or "").partition("/")
        chain = chains.get(network)
        if chain is not None and hasattr(chain, "call"):  # feeds stand on EVM networks
            feeds[asset] = Feed(cast(Contracts, chain), contract)
    return ChainlinkPrices(feeds)


def _static(settings: Settings, clock: Clock) -> Prices:
    from wallet.prices.static import StaticPrices  # noqa: PLC0415 - beside its siblings

    table = {asset: one.static for asset, one in settings.price_feeds.items() if one.static}
    return StaticPrices(table, clock)


def _key(data_dir: Path, file: str) -> str | None:
    return secret_in(data_dir / file).reveal() if file else None
