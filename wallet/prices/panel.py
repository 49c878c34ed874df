"""Several sources of prices that must agree. Fail closed: what is old, alone or contradicted is no price."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from wallet.domain.prices import Price, PriceGap, Quote, agreed
from wallet.ports.prices import Prices
from wallet.ports.world import Clock

# How long a gap is kept before the sources are asked again: doubled with each one that follows, because whoever
# asks may have to wait for a source that hangs.
FIRST_GAP_SECONDS = 5
LONGEST_GAP_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Source:
    """A provider, and how old its prices may be. Chains are told a price less often than web services."""

    prices: Prices
    max_age_seconds: int


@dataclass(frozen=True, slots=True)
class Demands:
    """What makes a price believable, and how long it is kept."""

    quorum: int
    max_divergence_bps: int
    refresh_seconds: int
    timeout_seconds: float


@dataclass(frozen=True, slots=True)
class _Kept:
    """A quote, until when it need not be asked for again (monotonic), and until when it is fresh (epoch ms)."""

    quote: Quote
    again_at: float
    fresh_until: int
    gaps: int = 0  # how many in a row


class Panel:
    """The port over several providers.

    A call waits for the providers once per refresh, and never longer than their time limit; between that it
    answers from memory.
    """

    def __init__(self, sources: Sequence[Source], demands: Demands, clock: Clock) -> None:
        self._sources = tuple(sources)
        self._demands = demands
        self._clock = clock
        self._kept: dict[str, _Kept] = {}
        self._asking = asyncio.Lock()

    async def quotes(self, assets: Collection[str]) -> Mapping[str, Quote]:
        if not self._are_kept(assets):
            async with self._asking:
                if not self._are_kept(assets):  # somebody else asked while we queued
                    await self._ask({*assets, *self._kept})
        return {asset: self._kept[asset].quote for asset in assets}

    async def close(self) -> None:
        for source in self._sources:
            await source.prices.close()

    def _are_kept(self, assets: Collection[str]) -> bool:
        now, mono = self._clock.now(), self._clock.monotonic()
        found = [self._kept.get(asset) for asset in assets]
        return all(
            kept is not None and mono < kept.again_at and now <= kept.fresh_until for kept in found
        )

    async def _ask(self, assets: Collection[str]) -> None:
        answers = await asyncio.gather(*(self._answer(source, assets) for source in self._sources))
        now, mono = self._clock.now(), self._clock.monotonic()
        for asset in assets:
            quote, fresh_until = self._judged([answer[asset] for answer in answers], now)
            if isinstance(quote, PriceGap):
                self._kept[asset] = self._gap(asset, quote, now, mono)
            else:
                again_at = mono + self._demands.refresh_seconds
                self._kept[asset] = _Kept(quote, again_at, fresh_until)

    def _gap(self, asset: str, gap: PriceGap, now: int, mono: float) -> _Kept:
        before = self._kept.get(asset)
        gaps = 1 if before is None else before.gaps + 1
        wait = min(FIRST_GAP_SECONDS * 2 ** min(gaps - 1, 10), LONGEST_GAP_SECONDS)
        return _Kept(gap, mono + wait, now + 1000 * wait, gaps)

    async def _answer(self, source: Source, assets: Collection[str]) -> Mapping[str, Quote]:
        try:
            async with asyncio.timeout(self._demands.timeout_seconds):
                return await source.prices.quotes(assets)
        except TimeoutError:
            return dict.fromkeys(assets, PriceGap.UNAVAILABLE)

    def _judged(self, answers: Sequence[Quote], now: int) -> tuple[Quote, int]:
        """One quote out of the sources' answers, and until when all of them are fresh."""
        pairs = list(zip(answers, self._sources, strict=True))
        known = [(quote, source) for quote, source in pairs if quote is not PriceGap.UNKNOWN]
        if not known:
            return PriceGap.UNKNOWN, 0
        if any(quote is PriceGap.DIVERGENT for quote, _ in known):
            return PriceGap.DIVERGENT, 0
        fresh = [
            (quote, quote.at + 1000 * source.max_age_seconds)
            for quote, source in known
            if isinstance(quote, Price) and quote.is_fresh(now, 1000 * source.max_age_seconds)
        ]
        if len(fresh) < self._demands.quorum:
            old = any(isinstance(quote, Price) for quote, _ in known)
            return PriceGap.STALE if old else PriceGap.UNAVAILABLE, 0
        quote = agreed(
            [price for price, _ in fresh],
            quorum=self._demands.quorum,
            max_divergence_bps=self._demands.max_divergence_bps,
        )
        return quote, min(until for _, until in fresh)
