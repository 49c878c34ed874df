"""Payments that a real node holds, loses or undoes: sped up, cancelled, filled and told truthfully.

The daemon is the production one on a local anvil whose blocks are made on order and are final three blocks later.
"""

import os
import signal
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.production import Installation, installation
from tests.support.sandbox import ETH, Agent, until

pytestmark = pytest.mark.xdist_group("stuck-payments")

GWEI = 10**9
DEPTH = 2  # confirmations
FINALITY_DEPTH = 3
AMOUNTS = (f"0.05{n:02d}" for n in range(11, 99) if n % 10)
STUCK_SECONDS = 2


def strict(config: str) -> str:
    """Finality is the chain's own, two blocks are deep enough, and the owner is asked soon."""
    return f"{config}confirmations = {DEPTH}\n\n[execution]\nstuck_seconds = {STUCK_SECONDS}\n"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A daemon whose owner is paired; blocks come only when told to."""
    depth = ("anvil", "--finality-depth", str(FINALITY_DEPTH))
    folder = tmp_path_factory.mktemp("stuck")
    with installation(folder, engine=depth, configure=strict) as made:
        made.starts()
        made.pairs()
        band = {"tapMax": str(1000 * ETH), "codeMax": str(1000 * ETH)}
        made.host.does("PUT", "/v1/bands", json={"bands": {"evm-local/native": band}})
        made.node.order(mine={"blocks": FINALITY_DEPTH + 1})
        made.node.order(mining={"mode": "manual"})
        yield made


@pytest.fixture
def agent(installed: Installation, request: pytest.FixtureRequest) -> Agent:
    """An agent with a funded wallet of its own."""
    name = f"w{abs(hash(request.node.name)) % 10**9}"
    wallet = installed.says(
        "wallet", "create", "--name", name, "--network", "evm-local", "--preset", "normal"
    )
    return installed.new_agent(wallet)


def mine(agent: Agent, blocks: int = 1) -> None:
    agent.chain.order(mine={"blocks": blocks})


def finalize(agent: Agent) -> None:
    mine(agent, FINALITY_DEPTH + 1)


def raise_base_fee(agent: Agent, gwei: int) -> None:
    agent.chain.ask("anvil_setNextBlockBaseFeePerGas", hex(gwei * GWEI))
    mine(agent)


def sent(agent: Agent, *, to: str | None = None) -> dict[str, Any]:
    """A payment, of an amount of its own, that the node's pool holds."""
    row = agent.asks(next(AMOUNTS), to=to)
    until(lambda: agent.sees(row["id"])["status"] == "SUBMITTED", "it was signed")
    until(lambda: pooled(agent), "the node has it")
    return agent.sees(row["id"])


def pooled(agent: Agent) -> list[dict[str, Any]]:
    """What the node's pool holds of the wallet, in the order of nonces."""
    content = agent.chain.ask("txpool_content")
    found: list[dict[str, Any]] = []
    for queue in content.values():
        for sender, by_nonce in queue.items():
            if sender.lower() == agent.wallet["address"].lower():
                found += by_nonce.values()
    return sorted(found, key=lambda one: int(one["nonce"], 16))


def replaced(agent: Agent, before: str) -> dict[str, Any]:
    """The payload that took the place of `before` in the pool."""

    def look() -> dict[str, Any] | None:
        found = [one for one in pooled(agent) if one["hash"] != before]
        return found[0] if len(found) == 1 else None

    return until(look, "another payload took its place in the pool")


def debits(agent: Agent) -> int:
    """What ever left the wallet, by the chain's own books."""
    return 1000 * ETH - agent.balance()


def test_a_stuck_payment_is_sped_up_by_two_taps_and_paid_once(
    installed: Installation, agent: Agent
) -> None:
    payee = agent.chain.stranger()
    row = sent(agent, to=payee)
    (first,) = pooled(agent)
    card = installed.owner.finds(row["formatted"], "Fee then at most 0.02 ETH", button="Speed up")

    installed.owner.presses(card, "Speed up")
    installed.owner.presses(installed.owner.finds(row["formatted"], button="Confirm"), "Confirm")

    second = replaced(agent, first["hash"])
    assert second["nonce"] == first["nonce"]
    assert second["to"].lower() == payee.lower()
    for fee in ("maxFeePerGas", "maxPriorityFeePerGas"):
        assert int(second[fee], 16) * 10 >= int(first[fee], 16) * 11
    finalize(agent)
    done = agent.waits_for(row["id"], "CONFIRMED")
    assert done["txHash"] == second["hash"]
    assert len(agent.chain.payments_to(payee)) == 1
    assert debits(agent) == int(done["amount"]) + int(done["fee"])


def test_a_fee_spike_is_outlasted_by_a_speed_up_on_the_host(
    installed: Installation, agent: Agent
) -> None:
    row = sent(agent)
    (first,) = pooled(agent)
    raise_base_fee(agent, 2 * int(first["maxFeePerGas"], 16) // GWEI + 1)
    assert agent.sees(row["id"])["status"] == "SUBMITTED"

    installed.says("speed-up", row["id"], "--yes")

    second = replaced(agent, first["hash"])
    assert int(second["maxFeePerGas"], 16) > 2 * int(first["maxFeePerGas"], 16)
    finalize(agent)
    assert agent.waits_for(row["id"], "CONFIRMED")["txHash"] == second["hash"]


def test_blocks_that_come_by_themselves_race_a_speed_up(
    installed: Installation, agent: Agent
) -> None:
    payees = [agent.chain.stranger() for _ in range(3)]
    installed.node.order(mining={"mode": "interval", "seconds": 1})
    try:
        rows = [agent.asks(next(AMOUNTS), to=payee) for payee in payees]
        until(lambda: agent.sees(rows[-1]["id"])["status"] != "EXECUTING", "it was signed")
        path = f"/v1/transactions/{rows[-1]['id']}/speed-up"
        ordered = installed.host.request("POST", path, json={})
        assert ordered.is_success or ordered.json()["code"] == "TX_ALREADY_PROCESSED"
        done = [agent.waits_for(row["id"], "CONFIRMED") for row in rows]
        until(lambda: all(agent.sees(one["id"])["finalizedAt"] for one in done), "all is final")
    finally:
        installed.node.order(mining={"mode": "manual"})

    assert [len(agent.chain.payments_to(payee)) for payee in payees] == [1, 1, 1]
    assert debits(agent) == sum(int(one["amount"]) + int(one["fee"]) for one in done)


def test_a_cancellation_that_wins_says_cancelling_until_it_is_final(
    installed: Installation, agent: Agent
) -> None:
    payee = agent.chain.stranger()
    row = sent(agent, to=payee)
    (first,) = pooled(agent)
    card = installed.owner.finds(row["formatted"], button="Cancel payment")

    installed.owner.presses(card, "Cancel payment")
    installed.owner.presses(installed.owner.finds(row["formatted"], button="Confirm"), "Confirm")

    second = replaced(agent, first["hash"])
    assert (second["nonce"], int(second["value"], 16)) == (first["nonce"], 0)
    assert second["to"].lower() == agent.wallet["address"].lower()
    installed.owner.finds(row["formatted"], "Cancelling; it may still be paid")
    mine(agent)
    until(lambda: not pooled(agent), "the cancellation is in a block")
    assert agent.sees(row["id"])["status"] == "SUBMITTED"
    assert agent.sees(row["id"])["cancelling"] is True
    finalize(agent)
    done = agent.waits_for(row["id"], "CANCELLED")
    assert (done["txHash"], done["cancelling"]) == (second["hash"], False)
    assert agent.chain.payments_to(payee) == []
    assert debits(agent) == int(done["fee"]) > 0
    installed.owner.finds(
        row["formatted"], "Nothing was paid; the fee of the cancellation was spent."
    )


def test_a_cancellation_that_loses_is_told_as_a_payment(
    installed: Installation, agent: Agent
) -> None:
    payee = agent.chain.stranger()
    row = sent(agent, to=payee)
    (first,) = pooled(agent)
    agent.chain.order(
        drop_next={"count": 1}
    )  # the node acknowledges the cancellation and loses it

    installed.says("cancel", row["id"], "--yes")
    until(lambda: agent.sees(row["id"])["cancelling"], "it is being cancelled")
    until(lambda: agent.sees(row["id"])["txHash"] != first["hash"], "the cancellation is signed")
    finalize(agent)

    done = agent.waits_for(row["id"], "CONFIRMED")
    assert done["txHash"] == first["hash"]
    assert len(agent.chain.payments_to(payee)) == 1
    assert debits(agent) == int(done["amount"]) + int(done["fee"])
    installed.owner.finds(
        row["formatted"], "Paid", "It was on the chain before your cancellation."
    )


@pytest.mark.parametrize("verb", ["speed-up", "cancel"])
def test_an_order_survives_kill_9(installed: Installation, agent: Agent, verb: str) -> None:
    payee = agent.chain.stranger()
    row = sent(agent, to=payee)
    (first,) = pooled(agent)

    installed.says(verb, row["id"], "--yes")
    assert installed.daemon is not None
    os.kill(installed.daemon.pid, signal.SIGKILL)
    installed.daemon.wait(10)
    (installed.data_dir / "daemon.json").unlink()
    installed.starts()
    agent.url = installed.facts["agent_url"]

    second = replaced(agent, first["hash"])
    finalize(agent)
    done = agent.waits_for(row["id"], "CONFIRMED", "CANCELLED")
    assert done["txHash"] == second["hash"]
    paid = 1 if verb == "speed-up" else 0
    assert done["status"] == ("CONFIRMED" if paid else "CANCELLED")
    assert len(agent.chain.payments_to(payee)) == paid
    assert debits(agent) == paid * int(done["amount"]) + int(done["fee"])


def test_a_payment_that_the_node_dropped_is_sent_again_as_it_was(
    installed: Installation, agent: Agent
) -> None:
    row = sent(agent)
    (first,) = pooled(agent)
    agent.chain.ask("anvil_dropTransaction", first["hash"])

    (again,) = until(lambda: pooled(agent), "the node has it again")
    assert again["hash"] == first["hash"]
    finalize(agent)
    assert agent.waits_for(row["id"], "CONFIRMED")["txHash"] == first["hash"]


def test_a_gap_below_a_waiting_payment_is_filled(installed: Installation, agent: Agent) -> None:
    """Somebody else's payment with our key counted when ours was built; a reorg took it away again."""
    payee, address = agent.chain.stranger(), agent.wallet["address"]
    agent.chain.ask("anvil_impersonateAccount", address)
    foreign = {"from": address, "to": agent.chain.stranger(), "value": "0x1", "nonce": "0x0"}
    agent.chain.ask("eth_sendTransaction", foreign)
    mine(agent)
    row = sent(agent, to=payee)
    agent.chain.ask("anvil_reorg", 1, [])
    agent.chain.ask(
        "anvil_dropTransaction", row["txHash"]
    )  # anvil does not look at its pool again

    fill = until(
        lambda: next((one for one in pooled(agent) if int(one["nonce"], 16) == 0), None),
        "an empty payment takes the free number",
        90,
    )
    assert (int(fill["value"], 16), fill["to"].lower()) == (0, address.lower())
    installed.owner.finds("A gap before a waiting payment was filled", row["id"])
    mine(agent, 2)
    finalize(agent)
    done = agent.waits_for(row["id"], "CONFIRMED")
    assert len(agent.chain.payments_to(payee)) == 1
    assert debits(agent) == int(done["amount"]) + int(done["fee"])


def test_a_reorg_before_the_depth_changes_nothing(agent: Agent) -> None:
    row = sent(agent)
    mine(agent)
    agent.chain.ask("anvil_reorg", 1, [])

    until(lambda: pooled(agent) or mined(agent, row["txHash"]), "it is on its way again")
    assert agent.sees(row["id"])["status"] == "SUBMITTED"
    finalize(agent)
    done = agent.waits_for(row["id"], "CONFIRMED")
    assert done["txHash"] == row["txHash"]
    assert debits(agent) == int(done["amount"]) + int(done["fee"])


def test_a_reorg_after_the_depth_alarms_and_never_changes_the_spend(
    installed: Installation, agent: Agent
) -> None:
    payee = agent.chain.stranger()
    row = sent(agent, to=payee)
    mine(agent, DEPTH)
    paid = agent.waits_for(row["id"], "CONFIRMED")
    assert paid["finalizedAt"] is None

    agent.chain.ask("anvil_reorg", DEPTH, [])

    installed.owner.finds("A confirmed payment left the chain again", seconds=40)
    (again,) = until(lambda: pooled(agent), "the same bytes are sent again")
    assert again["hash"] == row["txHash"]
    after = agent.sees(row["id"])
    assert (after["status"], after["fee"], after["finalizedAt"]) == (
        "CONFIRMED",
        paid["fee"],
        None,
    )
    mine(agent)
    assert mined(agent, row["txHash"])
    installed.books_are_right()  # in another block it may cost another fee; that is counted once final
    finalize(agent)
    until(lambda: agent.sees(row["id"])["finalizedAt"], "it is final")
    assert len(agent.chain.payments_to(payee)) == 1
    done = agent.sees(row["id"])
    assert debits(agent) == int(done["amount"]) + int(done["fee"])


def mined(agent: Agent, known_as: str) -> bool:
    return agent.chain.ask("eth_getTransactionReceipt", known_as) is not None


def test_the_host_is_refused_with_a_reason(installed: Installation, agent: Agent) -> None:
    row = sent(agent)
    path = f"/v1/transactions/{row['id']}"
    bare = installed.host.request("POST", f"{path}/speed-up", proved=False, json={})
    assert bare.status_code == httpx.codes.UNAUTHORIZED
    other = installed.host.request("POST", f"{path}/speed-up", json={"feeCeiling": "1"})
    assert (other.status_code, other.json()["code"]) == (403, "CARD_MISMATCH")
    finalize(agent)
    agent.waits_for(row["id"], "CONFIRMED")
    late = installed.host.request("POST", f"{path}/cancel-sent", json={})
    assert (late.status_code, late.json()["code"]) == (409, "TX_ALREADY_PROCESSED")
