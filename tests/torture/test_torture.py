"""A few rounds of torture in every test run; `make torture N=500` is the long one."""

import random

import pytest

from tests.support.sandbox import Sandbox, sandbox
from tests.torture.driver import STOP_EVERY, Torture, Wish


@pytest.mark.timeout(600)  # four restarts and a recovery of a real process
def test_kills_while_money_moves_leave_the_books_and_the_chain_at_one() -> None:
    with sandbox("--delay-seconds", "1") as running:
        torture = Torture(running, random.Random(7))
        for number in (0, 1, STOP_EVERY - 1, STOP_EVERY):
            torture.round(number)

        assert torture.violations == []
        assert (torture.kills, torture.stops) == (4, 1)
        assert any(wish.row and wish.row["status"] == "CONFIRMED" for wish in torture.wishes)


@pytest.mark.xdist_group("shared-sandbox")
def test_a_payment_that_the_chain_does_not_know_is_a_violation(shared: Sandbox) -> None:
    torture = Torture(shared, random.Random(1))
    agent = torture.agents[0]
    row = {"id": "none", "status": "CONFIRMED"}

    torture._judge([Wish(agent, "wish", "INSTANT", agent.chain.stranger(), row)])

    assert torture.violations == ["wish: CONFIRMED, paid 0 times"]
