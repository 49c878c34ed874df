"""kill -9 of the daemon between any two steps: exactly one payment is on chain and the status tells the truth."""

from contextlib import suppress

import httpx
import pytest

from tests.support.sandbox import CHAINS, sandbox

SMALL = {"ethereum": "0.05", "solana": "0.5"}
DELAYED = {"ethereum": "2", "solana": "20"}
LARGE = {"ethereum": "7", "solana": "70"}


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("step", ["ADMITTED", "EXECUTING", "STORED", "SENT", "SETTLED"])
def test_a_payment_survives_a_crash_at(step: str, chain: str) -> None:
    with sandbox(kill_at=step) as running:
        agent = running.agent(chain)
        payee = agent.chain.stranger()

        with suppress(httpx.TransportError):  # the connection dies with the daemon
            agent.sends(SMALL[chain], to=payee, key="once", wait=5)
        running.sees_restart()
        row = agent.asks(
            SMALL[chain], to=payee, key="once"
        )  # the same answer, not a second payment

        done = agent.waits_for(row["id"], "CONFIRMED")
        assert len(agent.chain.payments_to(payee)) == 1
        assert done["txHash"]
        page = agent.request("GET", "/v1/transactions").json()
        assert [item["id"] for item in page["items"]] == [row["id"]]


@pytest.mark.parametrize("chain", CHAINS)
def test_a_tap_survives_a_crash_before_the_payment_leaves(chain: str) -> None:
    with sandbox(kill_at="TAPPED") as running:
        agent = running.agent(chain)
        payee = agent.chain.stranger()
        row = agent.asks(LARGE[chain], to=payee)
        card = running.owner.finds(row["formatted"].split()[0], button="Approve")
        running.owner.presses(card, "Approve")
        confirm = running.owner.finds(row["formatted"].split()[0], button="Confirm")

        running.owner.presses(confirm, "Confirm")
        running.sees_restart()

        agent.waits_for(row["id"], "CONFIRMED")
        assert len(agent.chain.payments_to(payee)) == 1


@pytest.mark.parametrize("chain", CHAINS)
def test_a_release_survives_a_crash(chain: str) -> None:
    with sandbox("--delay-seconds", "1", kill_at="RELEASED") as running:
        agent = running.agent(chain)
        payee = agent.chain.stranger()

        row = agent.asks(DELAYED[chain], to=payee)
        running.sees_restart()

        agent.waits_for(row["id"], "CONFIRMED")
        assert len(agent.chain.payments_to(payee)) == 1


@pytest.mark.parametrize("chain", CHAINS)
def test_a_crash_with_eight_in_flight_settles_all(chain: str) -> None:
    with sandbox(kill_at="SENT:3") as running:
        agent = running.agent(chain)
        payees = [agent.chain.stranger() for _ in range(8)]
        for number, payee in enumerate(payees):
            with suppress(httpx.TransportError):  # the connection dies with the daemon
                agent.sends(SMALL[chain], to=payee, key=f"flight-{number}")
        running.sees_restart()

        rows = [
            agent.asks(SMALL[chain], to=payee, key=f"flight-{number}")
            for number, payee in enumerate(payees)
        ]

        for row in rows:
            agent.waits_for(row["id"], "CONFIRMED")
        assert [len(agent.chain.payments_to(payee)) for payee in payees] == [1] * 8
