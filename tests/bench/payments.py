"""Figures of payments, from POST to CONFIRMED, and of a crash among them."""

import signal
import time
from concurrent.futures import ThreadPoolExecutor

from tests.bench.load import Load
from tests.bench.report import figure, rate
from tests.bench.world import Bench, payment
from tests.support.sandbox import SETTLED, Agent

SECONDS = 5.0
RUNS = 3
AMOUNT = {"ethereum": "0.0001", "solana": "0.001"}
REQUESTS = 50
IN_FLIGHT = 8


def pay(found: Bench, agents: list[Agent]) -> list[Load]:
    """One connection per agent, each asking for the next payment when the last is confirmed."""
    wanted = [[payment(a, AMOUNT[a.chain.name]) for _ in range(REQUESTS)] for a in agents]
    return [found.load(wanted, SECONDS, '"status":"CONFIRMED"') for _ in range(RUNS)]


def sends(found: Bench, chain: str, suffix: str = "") -> None:
    agents = found.agents(chain, 16)
    engine = found.engine if chain == "ethereum" else "local ledger"
    note = f"{chain} POST to CONFIRMED on {engine}; unexpected = not confirmed"
    rate(f"{chain}_send_1{suffix}", pay(found, agents[:1]), f"1 agent, {note}")
    rate(f"{chain}_send_16_wallets{suffix}", pay(found, agents), f"16 agents, own wallets, {note}")
    crowd = found.more_agents(agents[0], 16)
    rate(f"{chain}_send_16_on_one{suffix}", pay(found, crowd), f"16 agents, ONE wallet, {note}")
    if chain == "ethereum":
        figure(
            f"nonce_gap{suffix}",
            "nonces",
            "pending minus latest count of that wallet, afterwards",
            value=gap(agents[0]),
        )


def gap(agent: Agent) -> int:
    counts = [
        int(agent.chain.ask("eth_getTransactionCount", agent.wallet["address"], tag), 16)
        for tag in ("pending", "latest")
    ]
    return counts[0] - counts[1]


def crashes(found: Bench) -> None:
    for chain in AMOUNT:
        crash(found, chain)


def crash(found: Bench, chain: str) -> None:
    """kill -9 while 8 payments are under way; every one must end as the chain tells it."""
    agents = found.agents(chain, IN_FLIGHT)
    payees = [agent.chain.stranger() for agent in agents]
    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        rows = list(pool.map(_asks, agents, payees))
        unsettled = found.rows(
            "SELECT count(*) FROM transactions WHERE status NOT IN ('CONFIRMED','FAILED')"
        )
        ready = found.restarts(signal.SIGKILL)
        began = time.monotonic()
        ended = list(pool.map(lambda a, row: a.waits_for(row, *SETTLED), agents, rows))
    seconds = time.monotonic() - began
    paid = [len(a.chain.payments_to(payee)) for a, payee in zip(agents, payees, strict=True)]
    truthful = sum(
        count == (row["status"] == "CONFIRMED") for count, row in zip(paid, ended, strict=True)
    )
    figure(
        f"{chain}_kill9_settled",
        "seconds from the birth of the next daemon",
        f"kill -9 with {IN_FLIGHT} payments asked for",
        value=ready + seconds,
        ready=ready,
        open_when_killed=unsettled[0][0],
        truthful=truthful,
        statuses=sorted(row["status"] for row in ended),
    )


def _asks(agent: Agent, payee: str) -> str:
    return str(agent.asks(AMOUNT[agent.chain.name], to=payee)["id"])
