"""Any interleaving of requests, answers, orders, settlements, failures, prices, restarts and time, on the real store.

However they fall, what leaves the chains' accounts never exceeds a limit, and the checker finds nothing.
"""

import asyncio
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from tests.support.chain import ETHER, EVM, FEE_CEILING, SOL
from tests.support.ledger_play import Budget, Cast, Play
from tests.support.promises import HOUR, DollarWindow, Rate, Window
from tests.support.world import built

MEMORY = Path("/dev/shm")  # a disk's pace says nothing here, and takes most of the time
ALWAYS = (
    *("poll", "mine", "cancel", "mend", "crash", "restart", "resume"),
    *("settle", "take", "approve", "fault") * 2, *("wait",) * 3, *("pay",) * 9,
)  # fmt: skip
SHORT = (
    "poll",
    "mend",
    "crash",
    "restart",
    "fault",
    "take",
    "settle",
    *("wait",) * 3,
    *("pay",) * 5,
)
ORDERS = (*("hold",) * 3, *("speed_up",) * 3, "cancel_sent")
PRICES = ("price", "price", "lose_price") * 2

ONE = ETHER // 2 + FEE_CEILING  # room for one payment, and none for a dearer one

CASTS = {
    "amounts": Cast(
        networks=(EVM.name, EVM.name),
        budgets=(Budget(0, 30 * ETHER), Budget(0, 3 * ETHER), Budget(1, 30 * ETHER)),
        each=(Window(4 * ETHER, HOUR),),
        all=(Window(5 * ETHER, 2 * HOUR),),
        steps=ALWAYS + ORDERS,
    ),
    "orders": Cast(
        networks=(EVM.name,),
        budgets=(Budget(0, 30 * ETHER), Budget(0, ONE)),
        each=(Window(2 * ONE, HOUR),),
        steps=(*SHORT, *ORDERS, *ORDERS),
        amounts=(ETHER // 2,),
    ),
    "counts": Cast(
        networks=(EVM.name, EVM.name),
        budgets=(Budget(0, 50 * ETHER, count=2), Budget(0, 50 * ETHER), Budget(1, 50 * ETHER)),
        each=(Rate(per_hour=3, per_day=5),),
        all=(Rate(per_hour=4, per_day=7), Window(6 * ETHER, HOUR)),
        steps=ALWAYS + ORDERS,
    ),
    "dollars": Cast(
        networks=(EVM.name, SOL.name),
        budgets=(Budget(0, 30 * ETHER), Budget(1, 30 * ETHER)),
        each=(DollarWindow(4_000, HOUR),),
        all=(DollarWindow(5_000, 2 * HOUR),),
        steps=ALWAYS + ORDERS + PRICES,
    ),
    "solana": Cast(
        networks=(SOL.name, SOL.name),
        budgets=(Budget(0, 30 * ETHER), Budget(0, 3 * ETHER), Budget(1, 30 * ETHER, count=4)),
        each=(Window(4 * ETHER, HOUR),),
        all=(Window(5 * ETHER, 2 * HOUR),),
        steps=(*ALWAYS, *("lose", "mine") * 2),
    ),
}


async def play(cast: Cast, steps: list[tuple[str, int]], folder: Path) -> None:
    async with built(folder) as world:
        playing = Play(world, cast)
        await playing.begin()
        for name, number in steps:
            await playing.act(name, number)
        await playing.require_right_books()
        await playing.end()
        note(f"{len(playing.seen.asked)} admitted, {len(playing.seen.debits)} debits")
        await playing.require_right_books()


@pytest.mark.parametrize("name", CASTS)
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_interleaving_spends_above_a_limit_or_bends_the_books(
    name: str, data: st.DataObject
) -> None:
    cast = CASTS[name]
    step = st.tuples(st.sampled_from(cast.steps), st.integers(0, 11))
    steps = data.draw(st.lists(step, min_size=15, max_size=40))
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as home:
        folder = Path(home) / "data"
        folder.mkdir(mode=0o700)
        asyncio.run(play(cast, steps, folder))
