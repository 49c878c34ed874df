"""The providers as settings name them: which are built, with which keys, and which are refused."""

from pathlib import Path
from typing import Any, cast

import pytest

from tests.support.chain import EVM, LedgerChain
from tests.support.prices import ETH, NOW, price_service
from tests.support.stores import HandClock
from wallet.bootstrap.prices import build_prices, require_honest_prices
from wallet.bootstrap.start import Launch, serve
from wallet.domain.prices import Price, PriceGap
from wallet.errors import Code, InputError
from wallet.ports.chain import Chain
from wallet.prices.static import NoPrices
from wallet.settings import Settings, load

FEED = "ff61491a931112ddf1bd8147cd1b641375f79f5825126d665480874634fd0ace"


def settings(folder: Path, text: str) -> Settings:
    (folder / "config.toml").write_text(text)
    return load(folder, {})


def build(found: Settings, **chains: Any) -> Any:
    return build_prices(found, HandClock(NOW), cast(dict[str, Chain], chains))


def test_without_providers_nothing_is_built(tmp_path: Path) -> None:
    assert isinstance(build(load(tmp_path, {})), NoPrices)


async def test_two_services_must_agree_and_get_their_keys(tmp_path: Path) -> None:
    (tmp_path / "pyth.key").write_text("pyth-secret\n")
    async with price_service() as service:
        service.prices = {FEED: "3000", "ethereum": "3010"}
        found = build(
            settings(
                tmp_path,
                f"""
[prices]
providers = ["pyth", "coingecko"]
quorum = 2
pyth_url = "{service.url}"
pyth_key_file = "pyth.key"
coingecko_url = "{service.url}"
[prices.assets."{ETH}"]
pyth = "{FEED}"
coingecko = "ethereum"
""",
            )
        )
        agreed = await found.quotes([ETH])
        headers = service.seen
        await found.close()

    assert agreed == {ETH: Price(3010, 0, NOW)}
    assert len(service.asked) == 2
    assert headers.get("Authorization") in (None, "Bearer pyth-secret")  # the last of the two


def test_a_key_file_that_is_missing_is_a_mistake_of_the_settings(tmp_path: Path) -> None:
    text = '[prices]\nproviders = ["pyth"]\npyth_key_file = "none"\n'
    with pytest.raises(InputError) as refused:
        build(settings(tmp_path, text))
    assert refused.value.code is Code.CONFIG_ERROR


async def test_a_feed_on_a_network_that_is_not_configured_or_has_no_contracts_is_none(
    tmp_path: Path,
) -> None:
    contract = "0x" + "5f" * 20
    text = (
        '[prices]\nproviders = ["chainlink"]\n'
        f'[prices.assets."{ETH}"]\nchainlink = "{EVM.name}/{contract}"\n'
        f'[prices.assets."elsewhere/native"]\nchainlink = "elsewhere/{contract}"\n'
    )
    found = build(settings(tmp_path, text), **{EVM.name: LedgerChain(EVM)})

    assert await found.quotes([ETH, "elsewhere/native"]) == {
        ETH: PriceGap.UNKNOWN,
        "elsewhere/native": PriceGap.UNKNOWN,
    }


async def test_production_takes_no_written_prices(tmp_path: Path) -> None:
    found = settings(tmp_path, '[prices]\nproviders = ["static"]\n')
    (tmp_path / "kind").write_text("production\n")

    require_honest_prices(found, "sandbox")
    with pytest.raises(InputError, match="static"):
        require_honest_prices(found, "production")
    assert await serve(Launch(found, "production")) == 1
