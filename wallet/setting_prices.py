"""The [prices] section, and which provider knows an asset by which name: built in, or in [prices.assets]."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final

from wallet.domain.prices import parse_price
from wallet.setting_keys import Key, Problems, checked, text, url, whole

PROVIDERS: Final = ("pyth", "coingecko", "chainlink", "static")
FEED_KEYS: Final[Mapping[str, Key]] = MappingProxyType({name: Key(str) for name in PROVIDERS})
_ASSET: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}/[0-9A-Za-z]{1,64}")
_PYTH: Final = re.compile(r"(?:0x)?[0-9a-fA-F]{64}")
_COIN: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
_CONTRACT: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}/0x[0-9a-fA-F]{40}")


@dataclass(frozen=True, slots=True)
class Prices:
    """Who says what coins cost in dollars, and when that is believed. No provider: nothing has a price."""

    providers: list[str] = field(
        default_factory=list, metadata={"key": Key(list, choices=PROVIDERS)}
    )
    quorum: int = whole(1, 1, len(PROVIDERS))
    max_age_seconds: int = whole(120, 1, 86_400)
    chainlink_max_age_seconds: int = whole(3900, 1, 172_800)  # feeds are renewed once an hour
    max_divergence_bps: int = whole(200, 1, 10_000)
    refresh_seconds: int = whole(15, 1, 3600)
    timeout_seconds: int = whole(3, 1, 30)
    pyth_url: str = url("https://pyth.dourolabs.app/hermes")
    pyth_key_file: str = text("")
    coingecko_url: str = url("https://api.coingecko.com/api/v3")
    coingecko_key_file: str = text("")


@dataclass(frozen=True, slots=True)
class AssetFeeds:
    """The names of one asset at the providers; None where a provider does not price it."""

    pyth: str | None = None  # price feed id
    coingecko: str | None = None  # coin id
    chainlink: str | None = None  # network/contract of the feed
    static: str | None = None  # dollars per whole coin


_ETH = AssetFeeds("ff61491a931112ddf1bd8147cd1b641375f79f5825126d665480874634fd0ace", "ethereum")
_SOL = AssetFeeds("ef0d8b6fda2ceba41da15d4095d1da392a0d2f8ed0c6c7bc0f4cfac8c280b56d", "solana")
_POL = AssetFeeds(
    "ffd11c5a1cfd42f80afb2df4d9f264c15f956d68153335374ec10722edd70472", "polygon-ecosystem-token"
)
_ON_ETHEREUM = "ethereum-mainnet"
_POLYGON = "polygon-mainnet"
# A test network's coin is priced like the real one, so that rules in dollars can be rehearsed.
KNOWN_FEEDS: Final[Mapping[str, AssetFeeds]] = MappingProxyType(
    {
        f"{_ON_ETHEREUM}/native": replace(
            _ETH, chainlink=f"{_ON_ETHEREUM}/0x5f4eC3Df9cbd43714FE2740f5E3616155c5b8419"
        ),
        "arbitrum-mainnet/native": replace(
            _ETH, chainlink="arbitrum-mainnet/0x639Fe6ab55C921f74e7fac1ee960C0B6293ba612"
        ),
        "optimism-mainnet/native": replace(
            _ETH, chainlink="optimism-mainnet/0x13e3Ee699D1909E989722E753853AE30b17e08c5"
        ),
        "base-mainnet/native": replace(
            _ETH, chainlink="base-mainnet/0x71041dddad3595F9CEd3DcCFBe3D1F4b0a16Bb70"
        ),
        f"{_POLYGON}/native": replace(
            _POL, chainlink=f"{_POLYGON}/0xAB594600376Ec9fD91F8e885dADF0CE036862dE0"
        ),
        "solana-mainnet/native": replace(
            _SOL, chainlink=f"{_ON_ETHEREUM}/0x4ffC43a60e009B551865A93d232E33Fce9f01507"
        ),
        "ethereum-sepolia/native": _ETH,
        "solana-devnet/native": _SOL,
        "solana-testnet/native": _SOL,
    }
)


def feeds_of(table: Any, networks: Iterable[str], problems: Problems) -> Mapping[str, AssetFeeds]:
    """Built-in feeds of the active ``networks``, with what [prices.assets] says on top."""
    active = set(networks)
    found = {asset: feeds for asset, feeds in KNOWN_FEEDS.items() if _network(asset) in active}
    if not isinstance(table, Mapping):
        problems.add("prices.assets", 'must be tables: [prices.assets."network/native"]')
        return MappingProxyType(found)
    for asset, given in table.items():
        where = f'prices.assets."{asset}"'
        if _ASSET.fullmatch(asset) is None or not isinstance(given, Mapping):
            problems.add(where, "must be a table named after an asset: network/native")
            continue
        values = checked(where, given, FEED_KEYS, problems)
        _require_shapes(where, values, problems)
        found[asset] = replace(found.get(asset, AssetFeeds()), **values)
    return MappingProxyType(found)


def _network(asset: str) -> str:
    return asset.partition("/")[0]


def _require_shapes(where: str, values: Mapping[str, str], problems: Problems) -> None:
    shapes = (
        ("pyth", _PYTH, "must be a price feed id of 64 hex digits"),
        ("coingecko", _COIN, "must be a coin id such as ethereum"),
        ("chainlink", _CONTRACT, "must be the feed's network/0x… contract"),
    )
    for key, shape, message in shapes:
        if key in values and shape.fullmatch(values[key]) is None:
            problems.add(f"{where}.{key}", message)
    if "static" in values:
        try:
            parse_price(values["static"], 0)
        except ValueError:
            problems.add(f"{where}.static", 'must be dollars per whole coin such as "3000"')
