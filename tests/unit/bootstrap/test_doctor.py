"""What the daemon says of its prices."""

from pathlib import Path

from tests.support.chain import EVM, SOL, LedgerChain
from tests.support.prices import NOW, FakePrices
from wallet.bootstrap.doctor import examine
from wallet.domain.prices import Price, PriceGap
from wallet.settings import load


async def test_a_coin_without_a_price_is_named_where_prices_are_wanted(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[prices]\nproviders = ["coingecko"]\n')
    chains = {network.name: LedgerChain(network) for network in (EVM, SOL)}
    prices = FakePrices({EVM.native.key: Price(3000, 0, NOW), SOL.native.key: PriceGap.STALE})

    lacking = await examine(load(tmp_path, {}), chains, prices, {})
    prices.table[SOL.native.key] = Price(150, 0, NOW)
    whole = await examine(load(tmp_path, {}), chains, prices, {})
    unwanted = await examine(load(tmp_path / "none", {}), chains, FakePrices(), {})

    assert lacking["prices"]["status"] == "WARN"
    assert f"{SOL.native.key}: STALE" in lacking["prices"]["message"]
    assert whole["prices"]["status"] == "OK"
    assert unwanted["prices"]["status"] == "OK"
