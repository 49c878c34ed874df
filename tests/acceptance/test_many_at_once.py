"""Many at once: no nonce gap, no double payment, no limit exceeded."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.support.sandbox import CHAINS, Sandbox

pytestmark = pytest.mark.xdist_group("shared-sandbox")
SMALL = {"ethereum": "0.001", "solana": "0.01"}


@pytest.fixture(params=CHAINS)
def chain(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_twenty_concurrent_sends_from_one_wallet_all_confirm(shared: Sandbox, chain: str) -> None:
    agent = shared.agent(chain)
    payees = [agent.chain.stranger() for _ in range(20)]

    with ThreadPoolExecutor(20) as pool:
        rows = list(pool.map(lambda payee: agent.asks(SMALL[chain], to=payee), payees))

    for row in rows:
        agent.waits_for(row["id"], "CONFIRMED")
    assert [len(agent.chain.payments_to(payee)) for payee in payees] == [1] * 20
    if chain == "ethereum":
        address = agent.wallet["address"]
        latest = int(agent.chain.ask("eth_getTransactionCount", address, "latest"), 16)
        pending = int(agent.chain.ask("eth_getTransactionCount", address, "pending"), 16)
        assert latest == pending


def test_equal_payments_at_once_are_all_paid(shared: Sandbox, chain: str) -> None:
    agent, payee = shared.agent(chain), shared.chain(chain).stranger()

    with ThreadPoolExecutor(6) as pool:
        rows = list(pool.map(lambda _: agent.asks(SMALL[chain], to=payee), range(6)))

    hashes = {agent.waits_for(row["id"], "CONFIRMED")["txHash"] for row in rows}
    assert len(hashes) == len(agent.chain.payments_to(payee)) == 6


def test_of_two_racing_for_the_last_of_a_limit_exactly_one_passes(
    shared: Sandbox, chain: str
) -> None:
    agent = shared.agent(chain)
    asset = f"{agent.wallet['network']}/native"
    room = agent.chain.unit * 15 // 1000  # one payment of 0.01 with its fee ceiling, not two
    limited = shared.host.new_agent(
        agent, limits={asset: str(room + agent.chain.unit // 100)}, maxTransactions=100
    )
    payee = agent.chain.stranger()

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: limited.sends("0.01", to=payee), range(2)))

    assert sorted(a.status_code for a in answers) == [201, 403]
    refused = next(a for a in answers if a.status_code == httpx.codes.FORBIDDEN).json()
    assert refused["code"] == "SESSION_LIMIT_EXCEEDED"
    paid = next(a for a in answers if a.status_code == httpx.codes.CREATED).json()
    limited.waits_for(paid["id"], "CONFIRMED")
    assert len(agent.chain.payments_to(payee)) == 1


def test_the_same_key_is_one_payment_serial_and_parallel(shared: Sandbox, chain: str) -> None:
    agent, payee = shared.agent(chain), shared.chain(chain).stranger()
    key = f"parallel-{payee}"

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: agent.sends(SMALL[chain], to=payee, key=key), range(10)))
    again = agent.sends(SMALL[chain], to=payee, key=key)

    assert {a.json()["id"] for a in answers} == {again.json()["id"]}
    assert again.headers["Idempotency-Replayed"] == "true"
    agent.waits_for(again.json()["id"], "CONFIRMED")
    assert len(agent.chain.payments_to(payee)) == 1
    other = agent.sends(SMALL[chain], to=agent.chain.stranger(), key=key)
    assert other.status_code == httpx.codes.UNPROCESSABLE_ENTITY
    assert other.json()["code"] == "IDEMPOTENCY_KEY_REUSED"
