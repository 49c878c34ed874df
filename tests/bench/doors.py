"""Figures of the agents' door: reads and denials."""

from tests.bench.report import rate
from tests.bench.world import Bench, payment, read
from tests.support.sandbox import Agent

SECONDS = 3.0
RUNS = 3
CONNECTIONS = (1, 16)


def reads(found: Bench, agent: Agent, suffix: str = "") -> None:
    for count in CONNECTIONS:
        wanted = [[read(agent)]] * count
        runs = [found.load(wanted, SECONDS, "address") for _ in range(RUNS)]
        rate(f"read_{count}{suffix}", runs, f"GET /v1/wallet/address, {count} connections")


def denials(found: Bench, agent: Agent, suffix: str = "") -> None:
    """Every request names another recipient, so none is answered from memory."""
    for count in CONNECTIONS:
        wanted = [[payment(agent, "0.001", wait=False) for _ in range(2000)] for _ in range(count)]
        runs = [found.load(wanted, SECONDS, "ruleId") for _ in range(RUNS)]
        rate(f"denial_{count}{suffix}", runs, f"recipient not listed, {count} connections")


def forbidden(found: Bench) -> Agent:
    """An agent whose wallet pays one listed address only."""
    agent = found.agents("ethereum", 1)[0]
    rules = {"allowed_addresses": [agent.chain.stranger()], "otherwise": "deny"}
    found.running.host.sets_rule("WHITELIST", rules, agent.wallet["id"])
    return agent
