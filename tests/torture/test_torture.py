"""A few rounds of torture in every test run; `make torture N=500` is the long one."""

import random
from collections import Counter

import pytest

from tests.support.sandbox import Sandbox, sandbox
from tests.torture.driver import STOP_EVERY, Torture, Wish, plan
from wallet.ports.world import CHECKPOINTS


# httpcore forgets to close a Unix socket that nobody listens on, and here nobody listens at times.
@pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"
)
@pytest.mark.timeout(600)  # four restarts and a recovery of a real process
def test_kills_while_money_moves_leave_the_books_and_the_chain_at_one() -> None:
    points = ["STORED:2", "", "", "ORDERED"]
    with sandbox("--delay-seconds", "1", kill_at=",".join(points)) as running:
        torture = Torture(running, random.Random(7), points)
        for number in (0, 1, STOP_EVERY - 1, STOP_EVERY):
            torture.round(number)

        assert torture.violations == []
        assert (torture.kills, torture.stops) == (4, 1)
        assert torture.died_at.total() == 4
        assert (
            torture.died_at["STORED"] == 1
        )  # a bad node may keep the order from being given in time
        assert any(wish.row and wish.row["status"] == "CONFIRMED" for wish in torture.wishes)


def test_half_of_the_kills_are_at_every_step_in_turn() -> None:
    points = plan(4 * len(CHECKPOINTS), random.Random(1))

    assert points[1::2] == [""] * (2 * len(CHECKPOINTS))
    steps = Counter(point.partition(":")[0] for point in points[::2])
    assert steps == dict.fromkeys(CHECKPOINTS, 2)


@pytest.mark.xdist_group("shared-sandbox")
def test_a_payment_that_the_chain_does_not_know_is_a_violation(shared: Sandbox) -> None:
    torture = Torture(shared, random.Random(1))
    agent = torture.agents[0]
    row = {"id": "none", "status": "CONFIRMED"}

    torture._judge([Wish(agent, "wish", "INSTANT", agent.chain.stranger(), row)])

    assert torture.violations == ["wish: CONFIRMED, paid 0 times"]


@pytest.mark.xdist_group("shared-sandbox")
def test_books_that_no_node_was_asked_about_are_not_right(shared: Sandbox) -> None:
    agent = shared.agent("ethereum")
    agent.chain.order(down={"seconds": None})
    try:
        with pytest.raises(AssertionError, match="every node answers"):
            shared.host.books_are_right({agent.wallet["id"]: 0}, seconds=0)
    finally:
        agent.chain.order(up=True)
