"""Every source of prices takes the same exam: the fake, both web services, the feeds, and the panel of them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from typing_extensions import override

from tests.conformance.price_suite import PriceSuite
from tests.support.prices import (
    ETH,
    ETH_FEED,
    NOW,
    ODD,
    ODD_FEED,
    SOL,
    SOL_FEED,
    FakePrices,
    FeedContracts,
    PriceService,
    price_service,
)
from tests.support.stores import HandClock
from wallet.domain.prices import Price, PriceGap
from wallet.prices.chainlink import ChainlinkPrices, Feed
from wallet.prices.coingecko import CoinGeckoPrices
from wallet.prices.panel import Demands, Panel, Source
from wallet.prices.pyth import PythPrices
from wallet.prices.static import NoPrices, StaticPrices

PRICES = {ETH_FEED: "3000.25", SOL_FEED: "150", "ethereum": "3000.25", "solana": "150"}
FEEDS = {ETH: "0x" + ETH_FEED.upper(), SOL: SOL_FEED, ODD: ODD_FEED}
COINS = {ETH: "ethereum", SOL: "solana", ODD: "oddcoin"}


@pytest.fixture
async def service() -> AsyncIterator[PriceService]:
    async with price_service() as running:
        running.prices = dict(PRICES)
        yield running


class _OverHttp(PriceSuite):
    service: PriceService

    @pytest.fixture(autouse=True)
    def _keep(self, service: PriceService) -> None:
        self.service = service

    @override
    async def break_down(self) -> None:
        self.service.status = 503

    @override
    async def answer_nonsense(self) -> None:
        self.service.raw = b'{"parsed": 5, "ethereum": {"usd": "many"}}'


class TestPyth(_OverHttp):
    @pytest.fixture
    async def prices(self, service: PriceService) -> AsyncIterator[PythPrices]:
        source = PythPrices(FEEDS, service.url, "the-key", 5)
        yield source
        await source.close()

    async def test_the_key_travels_in_a_header_and_feeds_are_asked_in_one_call(
        self, prices: PythPrices, service: PriceService
    ) -> None:
        await prices.quotes([ETH, SOL])

        [(path, query)] = service.asked
        assert path == "/secret-path/v2/updates/price/latest"
        assert [value for key, value in query if key == "ids[]"] == [SOL_FEED, ETH_FEED]
        assert service.seen["Authorization"] == "Bearer the-key"

    async def test_the_upper_end_of_the_interval_counts(
        self, prices: PythPrices, service: PriceService
    ) -> None:
        service.conf = "15000"  # 150 dollars, five per cent of 3000.25 rounded down
        assert (await prices.quotes([ETH]))[ETH] == Price(315025, -2, NOW)

    async def test_a_wide_interval_is_a_contradiction(
        self, prices: PythPrices, service: PriceService
    ) -> None:
        service.conf = "15002"
        assert (await prices.quotes([ETH]))[ETH] is PriceGap.DIVERGENT


class TestCoinGecko(_OverHttp):
    @pytest.fixture
    async def prices(self, service: PriceService) -> AsyncIterator[CoinGeckoPrices]:
        source = CoinGeckoPrices(COINS, service.url, "the-key", 5)
        yield source
        await source.close()

    async def test_the_key_travels_in_a_header_and_coins_are_asked_in_one_call(
        self, prices: CoinGeckoPrices, service: PriceService
    ) -> None:
        await prices.quotes([ETH, SOL])

        [(path, query)] = service.asked
        assert path == "/secret-path/simple/price"
        assert dict(query) == {
            "ids": "ethereum,solana",
            "vs_currencies": "usd",
            "include_last_updated_at": "true",
            "precision": "full",
        }
        assert service.seen["x-cg-demo-api-key"] == "the-key"

    async def test_a_price_is_read_digit_by_digit(
        self, prices: CoinGeckoPrices, service: PriceService
    ) -> None:
        service.prices |= {"ethereum": "0.1", "solana": "1.2345678901234567890e-7"}
        found = await prices.quotes([ETH, SOL])
        assert found[ETH] == Price(1, -1, NOW)
        assert found[SOL] == Price(12345678901234567890, -26, NOW)

    @pytest.mark.parametrize(
        "coin", ["{}", '{"usd": null, "last_updated_at": 1}', '{"usd": null}']
    )
    async def test_a_coin_that_is_not_traded_has_no_price(
        self, prices: CoinGeckoPrices, service: PriceService, coin: str
    ) -> None:
        service.raw = f'{{"ethereum": {coin}}}'.encode()
        assert (await prices.quotes([ETH]))[ETH] is PriceGap.UNKNOWN


BRACKETS = b"[" * 50_000


@pytest.mark.parametrize("which", ["pyth", "coingecko"])
@pytest.mark.parametrize(
    "body",
    [
        b"", b"null", b"[]", b"<html>", b"\xff\xfe", BRACKETS, b'{"a":"' + b"x" * 300_000 + b'"}',
        b'{"parsed": "none", "ethereum": 5}',
        b'{"parsed": [{"id": "' + ETH_FEED.encode() + b'"}], "ethereum": {"usd": -3, "last_updated_at": 1}}',
        b'{"parsed": [{"id": "' + ETH_FEED.encode() + b'", "price": {"price": "0", "conf": "0", "expo": 0,'
        b' "publish_time": 1}}], "ethereum": {"usd": 0, "last_updated_at": 1}}',
        b'{"parsed": [{"id": "' + ETH_FEED.encode() + b'", "price": {"price": "1e3", "conf": "0", "expo": 0,'
        b' "publish_time": 1}}], "ethereum": {"usd": 3000}}',
        b'{"parsed": [{"id": "' + ETH_FEED.encode() + b'", "price": {"price": "1", "conf": "0", "expo": 999999,'
        b' "publish_time": 1}}], "ethereum": {"usd": true, "last_updated_at": 1}}',
        b'{"parsed": [{"id": "' + ETH_FEED.encode() + b'", "price": {"price": "1", "conf": "0", "expo": 0,'
        b' "publish_time": NaN}}], "ethereum": {"usd": NaN, "last_updated_at": 1}}',
    ],
    ids=range(13),
)  # fmt: skip
async def test_no_answer_is_believed_that_is_not_one(
    service: PriceService, which: str, body: bytes
) -> None:
    source = (
        PythPrices(FEEDS, service.url, None, 5)
        if which == "pyth"
        else CoinGeckoPrices(COINS, service.url, None, 5)
    )
    service.raw = body

    assert await source.quotes([ETH]) == {ETH: PriceGap.UNAVAILABLE}
    await source.close()


async def test_a_redirect_is_not_followed(service: PriceService) -> None:
    service.status, service.headers = 302, {"Location": service.url}
    source = CoinGeckoPrices(COINS, service.url, "the-key", 5)

    assert await source.quotes([ETH]) == {ETH: PriceGap.UNAVAILABLE}
    await source.close()
    assert len(service.asked) == 1


def test_the_paid_plan_has_its_own_header() -> None:
    source = CoinGeckoPrices(COINS, "https://pro-api.example/api/v3", "the-key", 5)
    assert source._source._client.headers["x-cg-pro-api-key"] == "the-key"


class TestChainlink(PriceSuite):
    contracts: FeedContracts

    @pytest.fixture
    def prices(self) -> ChainlinkPrices:
        at = NOW // 1000
        self.contracts = FeedContracts({"0xE": (300025_000000, at), "0x5": (150_00000000, at)})
        places = {ETH: "0xE", SOL: "0x5", ODD: "0x0"}
        return ChainlinkPrices({asset: Feed(self.contracts, at) for asset, at in places.items()})

    @override
    async def break_down(self) -> None:
        self.contracts.down = True

    @override
    async def answer_nonsense(self) -> None:
        self.contracts.raw = b"\1" * 31

    @pytest.mark.parametrize("value", [0, -1, 2**255])
    async def test_a_round_without_a_price_is_no_price(
        self, prices: ChainlinkPrices, value: int
    ) -> None:
        self.contracts.answers["0xE"] = (value, NOW // 1000)
        assert (await prices.quotes([ETH]))[ETH] is PriceGap.UNAVAILABLE

    async def test_a_feed_that_does_not_quote_dollars_is_not_used(
        self, prices: ChainlinkPrices
    ) -> None:
        self.contracts.description = "SOL / ETH"
        assert (await prices.quotes([SOL]))[SOL] is PriceGap.UNAVAILABLE

    async def test_what_never_changes_is_asked_once(self, prices: ChainlinkPrices) -> None:
        await prices.quotes([ETH])
        await prices.quotes([ETH])
        assert self.contracts.asked == ["7284e416", "313ce567", "feaf968c", "feaf968c"]


class TestFake(PriceSuite):
    fake: FakePrices

    @pytest.fixture
    def prices(self) -> FakePrices:
        table = {ETH: Price(300025, -2, NOW), SOL: Price(150, 0, NOW)}
        self.fake = FakePrices({**table, ODD: PriceGap.UNKNOWN})
        return self.fake

    @override
    async def break_down(self) -> None:
        self.fake.table = {ETH: PriceGap.UNAVAILABLE}

    @override
    async def answer_nonsense(self) -> None:
        self.fake.table[ETH] = PriceGap.UNAVAILABLE


@dataclass(slots=True)
class _Two:
    """Two sources that agree."""

    first: FakePrices
    second: FakePrices


class TestPanel(PriceSuite):
    two: _Two

    @pytest.fixture
    def prices(self) -> Panel:
        table = {ETH: Price(300025, -2, NOW), SOL: Price(150, 0, NOW)}
        self.two = _Two(FakePrices(table), FakePrices({ETH: Price(300025, -2, NOW)}))
        sources = [Source(self.two.first, 120), Source(self.two.second, 120)]
        return Panel(sources, Demands(1, 200, 15, 3), HandClock(NOW))

    @override
    async def break_down(self) -> None:
        for fake in (self.two.first, self.two.second):
            fake.table = {ETH: PriceGap.UNAVAILABLE}

    @override
    async def answer_nonsense(self) -> None:
        await self.break_down()


async def test_a_written_price_is_always_of_this_moment() -> None:
    clock = HandClock(NOW)
    source = StaticPrices({ETH: "3000.25"}, clock)
    clock.at += 1000
    assert await source.quotes([ETH, SOL]) == {
        ETH: Price(300025, -2, NOW + 1000),
        SOL: PriceGap.UNKNOWN,
    }


async def test_without_a_provider_nothing_has_a_price() -> None:
    assert await NoPrices().quotes([ETH]) == {ETH: PriceGap.UNKNOWN}
