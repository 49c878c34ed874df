"""kill -9 of the daemon between any two steps: exactly one payment is on chain and the status tells the truth."""

from collections.abc import Iterator
from contextlib import suppress

import httpx
import pytest

from tests.support.sandbox import CHAINS, Agent, Sandbox, sandbox
from wallet.ports.world import ADMITTED, EXECUTING, RELEASED, SENT, SETTLED, STORED, TAPPED

SMALL = {"ethereum": "0.05", "solana": "0.5"}
DELAYED = {"ethereum": "2", "solana": "20"}
LARGE = {"ethereum": "7", "solana": "70"}
STEPS = (ADMITTED, EXECUTING, STORED, SENT, SETTLED)
# One daemon after another dies at its point, in the order of the tests below. Each first carries on the payment
# that its predecessor died over, so it may come by its own step before the payment that is meant.
POINTS = (
    ADMITTED, f"{EXECUTING}:2", f"{STORED}:2", SENT, f"{SETTLED}:2", TAPPED, RELEASED, f"{SENT}:4",
)  # fmt: skip


@pytest.fixture(scope="module", params=CHAINS)
def crashing(request: pytest.FixtureRequest) -> Iterator[tuple[Sandbox, Agent]]:
    with sandbox("--delay-seconds", "1", kill_at=",".join(POINTS)) as running:
        yield running, running.agent(request.param)


@pytest.mark.xdist_group("crashes")
class TestCrashes:
    @pytest.mark.parametrize("step", STEPS)
    def test_a_payment_survives_a_crash_at(
        self, crashing: tuple[Sandbox, Agent], step: str
    ) -> None:
        running, agent = crashing
        payee, coins = agent.chain.stranger(), SMALL[agent.chain.name]

        with suppress(httpx.TransportError):  # the connection dies with the daemon
            agent.sends(coins, to=payee, key=step, wait=5)
        running.sees_restart()
        row = agent.asks(coins, to=payee, key=step)  # the same answer, not a second payment

        done = agent.waits_for(row["id"], "CONFIRMED")
        assert len(agent.chain.payments_to(payee)) == 1
        assert done["txHash"]
        page = agent.request("GET", "/v1/transactions").json()
        assert [item["id"] for item in page["items"]].count(row["id"]) == 1
        assert len(page["items"]) == STEPS.index(step) + 1

    def test_a_tap_survives_a_crash_before_the_payment_leaves(
        self, crashing: tuple[Sandbox, Agent]
    ) -> None:
        running, agent = crashing
        payee = agent.chain.stranger()
        row = agent.asks(LARGE[agent.chain.name], to=payee)
        card = running.owner.finds(row["formatted"].split()[0], button="Approve")
        running.owner.presses(card, "Approve")
        confirm = running.owner.finds(row["formatted"].split()[0], button="Confirm")

        running.owner.presses(confirm, "Confirm")
        running.sees_restart()

        agent.waits_for(row["id"], "CONFIRMED")
        assert len(agent.chain.payments_to(payee)) == 1

    def test_a_release_survives_a_crash(self, crashing: tuple[Sandbox, Agent]) -> None:
        running, agent = crashing
        payee = agent.chain.stranger()

        row = agent.asks(DELAYED[agent.chain.name], to=payee)
        running.sees_restart()

        agent.waits_for(row["id"], "CONFIRMED")
        assert len(agent.chain.payments_to(payee)) == 1

    def test_a_crash_with_eight_in_flight_settles_all(
        self, crashing: tuple[Sandbox, Agent]
    ) -> None:
        running, agent = crashing
        coins = SMALL[agent.chain.name]
        payees = [agent.chain.stranger() for _ in range(8)]
        for number, payee in enumerate(payees):
            with suppress(httpx.TransportError):  # the connection dies with the daemon
                agent.sends(coins, to=payee, key=f"flight-{number}")
        running.sees_restart()

        rows = [
            agent.asks(coins, to=payee, key=f"flight-{number}")
            for number, payee in enumerate(payees)
        ]

        for row in rows:
            agent.waits_for(row["id"], "CONFIRMED")
        assert [len(agent.chain.payments_to(payee)) for payee in payees] == [1] * 8
