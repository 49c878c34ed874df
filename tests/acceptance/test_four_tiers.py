"""The main job on both chains: an agent asks, the owner answers in the chat, the wallet pays."""

import pytest
from eth_utils.address import to_checksum_address

from tests.support.sandbox import CHAINS, Sandbox, until

pytestmark = pytest.mark.xdist_group("shared-sandbox")

AMOUNTS = {  # per tier, in coins, on each chain
    "ethereum": {"INSTANT": "0.05", "NOTIFY": "0.5", "DELAY": "2", "APPROVAL": "7"},
    "solana": {"INSTANT": "0.5", "NOTIFY": "5", "DELAY": "20", "APPROVAL": "70"},
}


@pytest.fixture(params=CHAINS)
def chain(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def units(shared: Sandbox, chain: str, human: str) -> int:
    whole, _, fraction = human.partition(".")
    unit = shared.chain(chain).unit
    return int(whole) * unit + (int(fraction) * unit // 10 ** len(fraction) if fraction else 0)


def test_an_instant_payment_is_confirmed_in_the_answer(shared: Sandbox, chain: str) -> None:
    agent, payee = shared.agent(chain), shared.chain(chain).stranger()

    row = agent.asks(AMOUNTS[chain]["INSTANT"], to=payee, wait=20)

    assert (row["tier"], row["status"]) == ("INSTANT", "CONFIRMED")
    assert agent.chain.balance(payee) == units(shared, chain, AMOUNTS[chain]["INSTANT"])
    assert len(agent.chain.payments_to(payee)) == 1


def test_a_notify_payment_is_confirmed_and_the_owner_is_told(shared: Sandbox, chain: str) -> None:
    agent, payee = shared.agent(chain), shared.chain(chain).stranger()

    row = agent.asks(AMOUNTS[chain]["NOTIFY"], to=payee, wait=20)

    assert (row["tier"], row["status"]) == ("NOTIFY", "CONFIRMED")
    card = shared.owner.finds(payee_text(payee))
    assert not card["buttons"]


def test_a_delayed_payment_leaves_by_itself(shared: Sandbox, chain: str) -> None:
    agent, payee = shared.agent(chain), shared.chain(chain).stranger()

    row = agent.asks(AMOUNTS[chain]["DELAY"], to=payee)

    assert (row["tier"], row["status"]) == ("DELAY", "QUEUED")
    shared.owner.finds(payee_text(payee), button="Cancel")
    assert agent.chain.balance(payee) == 0
    done = agent.waits_for(row["id"], "CONFIRMED")
    assert done["executedAt"] >= row["dueAt"]
    assert agent.chain.balance(payee) == units(shared, chain, AMOUNTS[chain]["DELAY"])


def test_a_delayed_payment_is_cancelled_by_a_button(shared: Sandbox, chain: str) -> None:
    agent, payee = shared.agent(chain), shared.chain(chain).stranger()
    row = agent.asks(AMOUNTS[chain]["DELAY"], to=payee)

    card = shared.owner.finds(payee_text(payee), button="Cancel")
    shared.owner.presses(card, "Cancel")

    agent.waits_for(row["id"], "CANCELLED")
    until(
        lambda: not shared.owner.finds(payee_text(payee))["buttons"], "the buttons are taken away"
    )
    same = shared.owner.finds(payee_text(payee))
    assert same["message_id"] == card["message_id"]
    assert agent.chain.payments_to(payee) == []


def test_a_large_payment_leaves_after_a_tap(shared: Sandbox, chain: str) -> None:
    agent, payee = shared.agent(chain), shared.chain(chain).stranger()
    row = agent.asks(AMOUNTS[chain]["APPROVAL"], to=payee)
    assert (row["tier"], row["status"]) == ("APPROVAL", "QUEUED")

    shared.owner.approves(payee_text(payee))

    agent.waits_for(row["id"], "CONFIRMED")
    assert agent.chain.balance(payee) == units(shared, chain, AMOUNTS[chain]["APPROVAL"])
    assert len(agent.chain.payments_to(payee)) == 1


def test_a_large_payment_is_rejected(shared: Sandbox, chain: str) -> None:
    agent, payee = shared.agent(chain), shared.chain(chain).stranger()
    row = agent.asks(AMOUNTS[chain]["APPROVAL"], to=payee)

    card = shared.owner.finds(payee_text(payee), button="Reject")
    shared.owner.presses(card, "Reject")

    assert agent.waits_for(row["id"], "CANCELLED")["error"] == "OWNER_REJECTED"
    assert agent.chain.payments_to(payee) == []


def test_a_large_payment_nobody_answers_expires(shared: Sandbox, chain: str) -> None:
    agent, payee = shared.agent(chain), shared.chain(chain).stranger()
    before = shared.host.changes_rule("SPENDING_LIMIT", agent.wallet["id"], approval_timeout=2)
    try:
        row = agent.asks(AMOUNTS[chain]["APPROVAL"], to=payee)
        agent.waits_for(row["id"], "EXPIRED")
    finally:
        shared.host.restores(before)

    late = shared.owner.finds(payee_text(payee))
    until(lambda: not shared.owner.finds(payee_text(payee))["buttons"], "no buttons are left")
    assert late["text"]
    assert agent.chain.payments_to(payee) == []


def test_a_button_of_a_decided_card_answers_and_does_nothing(shared: Sandbox, chain: str) -> None:
    agent, payee = shared.agent(chain), shared.chain(chain).stranger()
    row = agent.asks(AMOUNTS[chain]["APPROVAL"], to=payee)
    card = shared.owner.finds(payee_text(payee), button="Approve")
    data = next(
        b["data"] for line in card["buttons"] for b in line if b["text"].startswith("Approve")
    )
    shared.owner.presses(card, "Reject")
    agent.waits_for(row["id"], "CANCELLED")

    toast = shared.owner.presses_data(card["message_id"], data)

    assert toast["answer"]
    assert agent.sees(row["id"])["status"] == "CANCELLED"
    assert agent.chain.payments_to(payee) == []


def test_the_chains_own_balances_equal_the_ledger(shared: Sandbox, chain: str) -> None:
    """Run last in this file: everything that left is a payment or a fee that a row tells of."""
    agent = shared.agent(chain)
    funded = (10_000 if chain == "ethereum" else 100_000) * agent.chain.unit
    spent, cursor = 0, None
    while True:
        query = {"limit": "100"} | ({} if cursor is None else {"cursor": cursor})
        page = agent.request("GET", "/v1/transactions", params=query).json()
        for row in page["items"]:
            assert row["status"] in {"CONFIRMED", "CANCELLED", "EXPIRED"}, row
            if row["status"] == "CONFIRMED":
                spent += int(row["amount"]) + int(row["fee"])
        cursor = page["cursor"]
        if not page["hasMore"]:
            break

    assert agent.balance() == funded - spent


def payee_text(payee: str) -> str:
    """Addresses are shown whole; EVM ones in their checksummed spelling, so compare a stable part."""
    if not payee.startswith("0x"):
        return payee
    return to_checksum_address(payee)
