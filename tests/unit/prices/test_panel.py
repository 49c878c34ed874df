"""The panel: what is old, alone or contradicted is no price, and nobody waits twice."""

import asyncio
from dataclasses import replace

import pytest

from tests.support.prices import ETH, NOW, SOL, FakePrices
from tests.support.stores import HandClock
from wallet.domain.prices import Price, PriceGap, Quote
from wallet.prices.panel import Demands, Panel, Source

DEMANDS = Demands(quorum=1, max_divergence_bps=200, refresh_seconds=15, timeout_seconds=3)


def dollars(value: int, age_seconds: int = 0) -> Price:
    return Price(value, 0, NOW - age_seconds * 1000)


def panel(
    *answers: Quote, quorum: int = 1, clock: HandClock | None = None
) -> tuple[Panel, list[FakePrices]]:
    fakes = [FakePrices({ETH: answer}) for answer in answers]
    demands = replace(DEMANDS, quorum=quorum)
    return Panel([Source(fake, 120) for fake in fakes], demands, clock or HandClock(NOW)), fakes


async def ether(*answers: Quote, quorum: int = 1) -> Quote:
    return (await panel(*answers, quorum=quorum)[0].quotes([ETH]))[ETH]


@pytest.mark.parametrize(
    ("answers", "quorum", "expected"),
    [
        ([dollars(3000), dollars(3010)], 2, dollars(3010)),  # the dearer one, against the spender
        ([dollars(10_000), dollars(10_201)], 1, PriceGap.DIVERGENT),
        ([dollars(3000), PriceGap.UNAVAILABLE], 1, dollars(3000)),
        ([dollars(3000), PriceGap.UNAVAILABLE], 2, PriceGap.STALE),
        ([dollars(3000), PriceGap.UNKNOWN], 1, dollars(3000)),
        ([dollars(3000), PriceGap.DIVERGENT], 1, PriceGap.DIVERGENT),
        ([dollars(3000, 120)], 1, dollars(3000, 120)),
        ([dollars(3000, 121)], 1, PriceGap.STALE),
        ([dollars(3000, -61)], 1, PriceGap.STALE),
        ([dollars(3000, 121), dollars(9000)], 1, dollars(9000)),
        ([PriceGap.UNAVAILABLE], 1, PriceGap.UNAVAILABLE),
        ([PriceGap.UNKNOWN, PriceGap.UNKNOWN], 1, PriceGap.UNKNOWN),
    ],
)
async def test_the_sources_make_one_quote(
    answers: list[Quote], quorum: int, expected: Quote
) -> None:
    assert await ether(*answers, quorum=quorum) == expected


async def test_a_price_is_kept_until_its_refresh() -> None:
    clock = HandClock(NOW)
    desk, [fake] = panel(dollars(3000), clock=clock)

    await desk.quotes([ETH])
    fake.table[ETH] = dollars(3100)
    clock.at += 14_999
    kept = await desk.quotes([ETH])
    clock.at += 1
    fresh = await desk.quotes([ETH])

    assert (kept[ETH], fresh[ETH]) == (dollars(3000), dollars(3100))
    assert len(fake.asked) == 2


async def test_a_kept_price_that_grew_too_old_is_asked_for_again() -> None:
    clock = HandClock(NOW)
    desk, [fake] = panel(dollars(3000, 118), clock=clock)
    assert (await desk.quotes([ETH]))[ETH] == dollars(3000, 118)

    clock.at += 2001

    assert (await desk.quotes([ETH]))[ETH] is PriceGap.STALE
    assert len(fake.asked) == 2


async def test_a_gap_is_kept_longer_each_time_up_to_a_minute() -> None:
    clock = HandClock(NOW)
    desk, [fake] = panel(PriceGap.UNAVAILABLE, clock=clock)
    await desk.quotes([ETH])

    for asked, seconds in enumerate((5, 10, 20, 40, 60, 60), 1):
        clock.at += seconds * 1000 - 1
        await desk.quotes([ETH])
        assert len(fake.asked) == asked
        clock.at += 1
        await desk.quotes([ETH])

    clock.at += 60_000
    fake.table[ETH] = back = Price(3000, 0, clock.at)
    assert (await desk.quotes([ETH]))[ETH] == back
    clock.at += 15_000
    fake.table[ETH] = PriceGap.UNAVAILABLE
    await desk.quotes([ETH])
    asked = len(fake.asked)
    clock.at += 5000
    await desk.quotes([ETH])
    assert len(fake.asked) == asked + 1  # the count began anew


async def test_many_who_ask_at_once_cause_one_question() -> None:
    desk, [fake] = panel(dollars(3000))
    go = asyncio.Event()
    fake.before = go.wait

    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(desk.quotes([ETH])) for _ in range(8)]
        await fake.arrived.wait()
        go.set()

    assert [task.result()[ETH] for task in asked] == [dollars(3000)] * 8
    assert len(fake.asked) == 1


async def test_a_source_that_hangs_is_a_gap_and_the_others_count() -> None:
    hanging, quick = FakePrices(), FakePrices({ETH: dollars(3000)})
    hanging.before = asyncio.Event().wait
    demands = replace(DEMANDS, timeout_seconds=0.05)
    desk = Panel([Source(hanging, 120), Source(quick, 120)], demands, HandClock(NOW))

    assert (await desk.quotes([ETH]))[ETH] == dollars(3000)


async def test_each_source_has_its_own_age() -> None:
    chain = FakePrices({ETH: dollars(3000, 3600)})
    desk = Panel([Source(chain, 3900)], DEMANDS, HandClock(NOW))
    assert (await desk.quotes([ETH]))[ETH] == dollars(3000, 3600)


async def test_what_was_asked_once_is_refreshed_together_and_all_are_closed() -> None:
    clock = HandClock(NOW)
    desk, [fake] = panel(dollars(3000), clock=clock)
    await desk.quotes([ETH])
    clock.at += 15_000
    await desk.quotes([SOL])
    await desk.close()

    assert fake.asked == [{ETH}, {ETH, SOL}]
    assert fake.closed
