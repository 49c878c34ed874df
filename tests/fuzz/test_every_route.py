"""Both doors, asked for whatever their documents allow and forbid, over a real wallet: an answer of ours each time.

``WAIAAS_TEST_FUZZ`` says how many requests a route gets; ``make fuzz`` sends many.
"""

import asyncio
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.support.chain import ETHER
from tests.support.fuzzing import ROWS, Known, drawn, furnished, proofs, require_ours, sent
from tests.support.house import House, house

EXAMPLES = int(os.environ.get("WAIAAS_TEST_FUZZ", "10"))
ROUTES = [(door, row) for door, rows in ROWS.items() for row in rows]
NAMES = [f"{door} {row.method} {row.path}" for door, row in ROUTES]
# The wallet lives on between two requests: what failed once cannot be asked again in the same way.
ONCE: dict[str, Any] = {
    "deadline": None,
    "phases": [Phase.generate],
    "suppress_health_check": list(HealthCheck),
    "database": None,
}


@contextmanager
def opened(runner: asyncio.Runner, path: str = "") -> Iterator[tuple[House, Known]]:
    """A furnished house whose books must be right at the end."""
    with tempfile.TemporaryDirectory() as folder:
        entered = house(Path(folder) / "data")
        home = runner.run(entered.__aenter__())
        try:
            yield home, runner.run(furnished(home, path))
            funded = {home.world.wallet.id: 100 * ETHER}
            check = home.world.app.operations.ledger.check(with_chains=True, funded=funded)
            assert runner.run(check).violations == []
        finally:
            runner.run(entered.__aexit__(None, None, None))


def asks(runner: asyncio.Runner, home: House, known: Known, data: st.DataObject, at: int) -> None:
    """One request of a route, and what its answer must be."""
    door, row = ROUTES[at]
    sending = data.draw(drawn(door, row, known))
    answer = runner.run(sent(home, door, sending, data.draw(proofs(door, known))))
    require_ours(row, sending, answer, known)


@pytest.mark.parametrize("at", range(len(ROUTES)), ids=NAMES)
def test_whatever_a_route_is_asked_the_answer_is_one_of_ours(at: int) -> None:
    with asyncio.Runner() as runner, opened(runner, ROUTES[at][1].path) as (home, known):

        @settings(max_examples=EXAMPLES, **ONCE)
        @given(st.data())
        def every(data: st.DataObject) -> None:
            asks(runner, home, known, data, at)

        every()


@settings(max_examples=max(3, EXAMPLES // 3), **ONCE)
@given(data=st.data(), routes=st.lists(st.integers(0, len(ROUTES) - 1), min_size=15, max_size=25))
def test_requests_in_any_order_leave_the_books_right(
    data: st.DataObject, routes: list[int]
) -> None:
    with asyncio.Runner() as runner, opened(runner) as (home, known):
        for at in routes:
            asks(runner, home, known, data, at)
