"""Bad days: nodes that are down, lie or lose; a drained wallet; Telegram away; the daemon killed again."""

from collections.abc import Iterator

import httpx
import pytest

from tests.support.disk import full_disk_of
from tests.support.sandbox import CHAINS, Sandbox, sandbox, until

SMALL = {"ethereum": "0.05", "solana": "0.5"}
own_sandbox = pytest.mark.xdist_group("bad-days")


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    """For days that others would notice: it still works after each of them."""
    with sandbox() as made:
        yield made


@pytest.mark.xdist_group("shared-sandbox")
@pytest.mark.parametrize("chain", CHAINS)
def test_an_accepted_payment_finishes_when_the_node_is_back(shared: Sandbox, chain: str) -> None:
    agent, payee = shared.agent(chain), shared.chain(chain).stranger()
    agent.chain.order(down={"seconds": None})
    try:
        row = agent.asks(SMALL[chain], to=payee)
        read = agent.request("GET", "/v1/wallet/balance")
        assert read.status_code == httpx.codes.SERVICE_UNAVAILABLE
        assert read.json()["retryable"] is True
        assert agent.sees(row["id"])["status"] in {"PENDING", "EXECUTING"}
    finally:
        agent.chain.order(up=True)

    agent.waits_for(row["id"], "CONFIRMED", seconds=60)
    assert len(agent.chain.payments_to(payee)) == 1


@pytest.mark.xdist_group("shared-sandbox")
@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("fault", ["drop_next", "lose_answer_next"])
def test_a_node_that_loses_a_payment_or_its_answer_changes_nothing(
    shared: Sandbox, chain: str, fault: str
) -> None:
    agent, payee = shared.agent(chain), shared.chain(chain).stranger()
    agent.chain.order(**{fault: {"count": 1}})

    row = agent.asks(SMALL[chain], to=payee)

    agent.waits_for(row["id"], "CONFIRMED", seconds=60)
    assert len(agent.chain.payments_to(payee)) == 1


@own_sandbox
def test_a_rejected_payment_does_not_stop_the_wallets_later_ones(running: Sandbox) -> None:
    """Drained behind our back between building and sending: the nonce is filled and payments go on."""
    agent = running.agent("ethereum")
    payee, later = agent.chain.stranger(), agent.chain.stranger()
    agent.chain.order(
        reject_next={"count": 1, "message": "insufficient funds for gas * price + value"},
    )
    first = agent.asks("0.05", to=payee)
    until(
        lambda: agent.sees(first["id"])["status"] in {"SUBMITTED", "CONFIRMED", "FAILED"},
        "it was signed",
    )
    second = agent.asks("0.05", to=later)

    agent.waits_for(second["id"], "CONFIRMED", seconds=60)
    ended = agent.waits_for(first["id"], "CONFIRMED", "FAILED", seconds=60)
    assert len(agent.chain.payments_to(payee)) == (1 if ended["status"] == "CONFIRMED" else 0)


@own_sandbox
def test_a_drained_wallet_fails_truthfully_and_pays_again_once_funded(running: Sandbox) -> None:
    for name in CHAINS:
        agent = running.agent(name)
        agent.chain.set_balance(agent.wallet["address"], agent.chain.unit // 1000)
        row = agent.asks(SMALL[name], wait=20)
        assert (row["status"], row["error"]) == ("FAILED", "INSUFFICIENT_FUNDS")
        agent.chain.set_balance(agent.wallet["address"], 5 * agent.chain.unit)
        assert agent.asks(SMALL[name], wait=20)["status"] == "CONFIRMED"
        agent.chain.set_balance(agent.wallet["address"], 10_000 * agent.chain.unit)


@own_sandbox
def test_cards_arrive_later_when_telegram_was_away_and_the_host_can_approve(
    running: Sandbox,
) -> None:
    agent = running.agent("ethereum")
    payee = agent.chain.stranger()
    fault = {"kind": "502", "method": "sendMessage", "count": 6}
    httpx.post(f"{running.owner.url}/fault", json=fault).raise_for_status()
    row = agent.asks("7", to=payee)

    running.host.does("POST", f"/v1/transactions/{row['id']}/approve", json={})

    agent.waits_for(row["id"], "CONFIRMED")
    assert len(agent.chain.payments_to(payee)) == 1
    httpx.post(f"{running.owner.url}/fault", json={"kind": "clear"}).raise_for_status()
    running.owner.finds("7 ETH", seconds=60)


@own_sandbox
def test_a_full_disk_is_a_clear_answer_and_pays_nothing_until_there_is_room(
    running: Sandbox,
) -> None:
    """The running daemon gets not one byte into any file: its database, its log, its anchor."""
    agent = running.agent("ethereum")
    waits, payee = agent.chain.stranger(), agent.chain.stranger()
    agent.chain.order(down={"seconds": None})
    before = agent.asks("0.05", to=waits)
    with full_disk_of(running.daemon_pids[-1]):
        agent.chain.order(up=True)
        for key in ("full", "full", "another"):
            answer = agent.sends("0.05", to=payee, key=key)
            assert answer.status_code == httpx.codes.SERVICE_UNAVAILABLE, answer.text
            assert answer.json()["code"] == "STORAGE_FULL"
        page = agent.request("GET", "/v1/transactions").json()
        assert page["items"][0]["id"] == before["id"]
        assert agent.sees(before["id"])["status"] in {"PENDING", "EXECUTING"}
        assert running.host.status()["state"]["state"] == "NORMAL"
        assert agent.chain.payments_to(waits) == agent.chain.payments_to(payee) == []

    row = agent.asks("0.05", to=payee, key="full")
    agent.waits_for(row["id"], "CONFIRMED", seconds=60)
    agent.waits_for(before["id"], "CONFIRMED", seconds=60)
    assert len(agent.chain.payments_to(waits)) == len(agent.chain.payments_to(payee)) == 1
    assert running.lines.empty()  # it was the same process all the time


@own_sandbox
def test_kill_after_kill_the_same_key_stays_one_payment(running: Sandbox) -> None:
    agent = running.agent("solana")
    payee = agent.chain.stranger()
    first = agent.asks("0.5", to=payee, key="stable")
    for _ in range(3):
        running.kills_daemon()
        again = agent.asks("0.5", to=payee, key="stable")
        assert again["id"] == first["id"]

    agent.waits_for(first["id"], "CONFIRMED")
    assert len(agent.chain.payments_to(payee)) == 1


@own_sandbox
def test_a_stranger_gets_nothing_at_all(running: Sandbox) -> None:
    for text in ("/start", "/status", "/killswitch", "/start ABCDEFGHJK", "hello"):
        running.stranger.says(text)
    running.owner.says("/help")
    running.owner.finds("/status")

    said = [m for m in running.stranger.messages() if m["from"] == "bot"]
    assert said == []
    assert running.host.status()["state"]["state"] == "NORMAL"
