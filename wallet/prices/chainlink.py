"""Prices of Chainlink's data feeds, read from their contracts (AggregatorV3Interface).

A feed may stand on another network than the coin it prices. Contracts are read through that network's
endpoints, which have proved which chain they serve.
"""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from wallet.domain.prices import Price, PriceGap, Quote
from wallet.errors import ChainError

DECIMALS: Final = bytes.fromhex("313ce567")  # decimals()
DESCRIPTION: Final = bytes.fromhex("7284e416")  # description()
LATEST_ROUND: Final = bytes.fromhex("feaf968c")  # latestRoundData()
_WORD: Final = 32
_ROUND_WORDS: Final = 5
_LARGEST_DECIMALS: Final = 36
_SIGN_BIT: Final = 1 << 255


class Contracts(Protocol):
    """One network's contracts, for reading."""

    async def call(self, contract: str, data: bytes) -> bytes:
        """What a contract answers at the latest state; ChainError where it or every node does not."""
        ...


@dataclass(frozen=True, slots=True)
class Feed:
    """A feed's contract, and how to reach it."""

    contracts: Contracts
    address: str


class ChainlinkPrices:
    """``feeds`` maps asset keys to feeds. A feed that does not say that it quotes dollars is not used."""

    def __init__(self, feeds: Mapping[str, Feed]) -> None:
        self._feeds = dict(feeds)
        self._decimals: dict[str, int] = {}

    async def quotes(self, assets: Collection[str]) -> Mapping[str, Quote]:
        asked = list(assets)
        answers = await asyncio.gather(*(self._quote(asset) for asset in asked))
        return dict(zip(asked, answers, strict=True))

    async def close(self) -> None:
        """The endpoints belong to their chain."""

    async def _quote(self, asset: str) -> Quote:
        feed = self._feeds.get(asset)
        if feed is None:
            return PriceGap.UNKNOWN
        try:
            decimals = self._decimals.get(asset)
            if decimals is None:
                decimals = self._decimals[asset] = await _decimals(feed)
            return _price(await feed.contracts.call(feed.address, LATEST_ROUND), decimals)
        except (ChainError, ValueError):
            return PriceGap.UNAVAILABLE


async def _decimals(feed: Feed) -> int:
    """How many places the feed has, once it said that it quotes dollars."""
    description = await feed.contracts.call(feed.address, DESCRIPTION)
    if not _text(description).replace(" ", "").endswith("/USD"):
        raise ValueError("the feed does not quote dollars")
    answer = await feed.contracts.call(feed.address, DECIMALS)
    decimals = int.from_bytes(answer, "big")
    if len(answer) != _WORD or decimals > _LARGEST_DECIMALS:
        raise ValueError("the feed has no decimals")
    return decimals


def _price(answer: bytes, decimals: int) -> Price:
    if len(answer) != _WORD * _ROUND_WORDS:
        raise ValueError("the feed has no round")
    words = [int.from_bytes(answer[at : at + _WORD], "big") for at in range(0, len(answer), _WORD)]
    value, updated_at = words[1], words[3]
    if value >= _SIGN_BIT or updated_at.bit_length() > 40:  # noqa: PLR2004 - seconds for 30,000 years
        raise ValueError("the feed's round is of another world")
    return Price(value, -decimals, updated_at * 1000)


def _text(answer: bytes) -> str:
    """An ABI-encoded string: offset, length, bytes."""
    length = int.from_bytes(answer[_WORD : 2 * _WORD], "big")
    text = answer[2 * _WORD : 2 * _WORD + min(length, 64)]
    return text.decode("ascii")  # its error is a ValueError
