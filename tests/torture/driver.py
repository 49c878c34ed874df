"""Agents pay and the owner answers while the daemon is killed again and again, over nodes that lose and lie.

Every payment has a payee of its own, so the chain itself says how often it was paid.
"""

import contextlib
import os
import random
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.support.sandbox import CHAINS, SETTLED, Agent, Sandbox, until

# Coins of each tier in a sandbox, per chain.
TIERS = {
    "ethereum": {"INSTANT": "0.01", "NOTIFY": "0.5", "DELAY": "2", "APPROVAL": "6"},
    "solana": {"INSTANT": "0.1", "NOTIFY": "5", "DELAY": "20", "APPROVAL": "60"},
}
FAULTS = ("drop_next", "lose_answer_next", "latency", "down")
STOP_EVERY = 10  # rounds


@dataclass
class Wish:
    """A payment that an agent wants, under one key for ever."""

    agent: Agent
    key: str
    tier: str
    payee: str
    row: dict[str, Any] | None = None
    refused: str | None = None


@dataclass
class Torture:
    """One sandbox under torture. ``violations`` says what was found; nothing is the aim."""

    running: Sandbox
    chance: random.Random
    agents: list[Agent] = field(default_factory=list)
    wishes: list[Wish] = field(default_factory=list)
    kills: int = 0
    stops: int = 0
    violations: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.agents = [self.running.agent(chain) for chain in CHAINS]

    def round(self, number: int) -> None:
        """Ask, plant a fault, answer, kill, and look after everything has settled."""
        mine = [self._wish(f"{number}-{one}") for one in range(self.chance.randint(2, 6))]
        with self._fault():
            for wish in mine:
                self._ask(wish)
            threading.Event().wait(self.chance.random() * 0.6)
            self._answer()
            if number % STOP_EVERY == STOP_EVERY - 1:
                self._stop()
            threading.Event().wait(self.chance.random() * 0.3)
            self._kill()
        if number % STOP_EVERY == STOP_EVERY - 1:
            self._recover()
        self._settle(mine)
        self._judge(mine)

    def _wish(self, key: str) -> Wish:
        agent = self.chance.choice(self.agents)
        tier = self.chance.choices(list(TIERS["ethereum"]), weights=(6, 2, 1, 1))[0]
        wish = Wish(agent, f"wish-{key}", tier, agent.chain.stranger())
        self.wishes.append(wish)
        return wish

    def _ask(self, wish: Wish) -> None:
        """Ask once; an answer that is lost, or a daemon that is gone, is asked again later by the same key."""
        coins = TIERS[wish.agent.chain.name][wish.tier]
        with contextlib.suppress(httpx.TransportError):
            answer = wish.agent.sends(coins, to=wish.payee, key=wish.key)
            if answer.status_code == httpx.codes.CREATED:
                wish.row = answer.json()
            elif answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
                wish.refused = answer.json()["code"]

    @contextlib.contextmanager
    def _fault(self) -> Iterator[None]:
        chain = self.chance.choice(self.agents).chain
        kind = self.chance.choice((*FAULTS, None))
        orders = {
            "drop_next": {"count": self.chance.randint(1, 3)},
            "lose_answer_next": {"count": self.chance.randint(1, 3)},
            "latency": {"ms": self.chance.randint(20, 300)},
            "down": {"seconds": self.chance.random() * 3},
        }
        if kind is not None:
            chain.order(**{kind: orders[kind]})
        try:
            yield
        finally:
            chain.order(latency={"ms": 0}, up=True)

    def _answer(self) -> None:
        """The owner says yes or no to what waits, from the host."""
        with contextlib.suppress(httpx.TransportError):
            found = self.running.host.request("GET", "/v1/approvals", proved=False)
            for one in found.json().get("items", []):
                verb = self.chance.choice(("approve", "approve", "reject"))
                if one["transaction"]["tier"] == "APPROVAL":
                    path = f"/v1/transactions/{one['transaction']['id']}/{verb}"
                    self.running.host.request("POST", path, json={})

    def _kill(self) -> None:
        os.kill(self.running.daemon_pids[-1], signal.SIGKILL)
        self.kills += 1
        self.running.sees_restart(60)

    def _stop(self) -> None:
        self.stops += 1
        with contextlib.suppress(httpx.TransportError):
            self.running.host.request(
                "POST", "/v1/kill-switch", proved=False, json={"reason": "torture"}
            )

    def _recover(self) -> None:
        """The stop survived the kill; afterwards the agents come in anew."""
        host = self.running.host
        if host.status()["state"]["state"] == "NORMAL":
            self.violations.append("a stop did not survive kill -9")
            return
        host.does("POST", "/v1/recover", json={})
        until(lambda: host.status()["state"]["state"] == "NORMAL", "the recovery is over", 60)
        self.agents = [host.new_agent(agent) for agent in self.agents]

    def _settle(self, mine: list[Wish]) -> None:
        """Ask again what is not known to be stored, answer what waits, and wait for every end."""
        by_chain = {agent.chain.name: agent for agent in self.agents}
        for wish in mine:
            wish.agent = by_chain[wish.agent.chain.name]
            if wish.row is None and wish.refused is None:
                self._ask(wish)
        open_wishes = [wish for wish in mine if wish.row is not None]

        def ended() -> bool:
            self._answer()
            for wish in open_wishes:
                assert wish.row is not None
                with contextlib.suppress(httpx.TransportError):
                    wish.row = wish.agent.sees(wish.row["id"])
            return all(wish.row and wish.row["status"] in SETTLED for wish in open_wishes)

        until(ended, "every payment has ended", 120)

    def _judge(self, mine: list[Wish]) -> None:
        """The chain paid each payee once where its row says so, and never otherwise."""
        for wish in mine:
            paid = len(wish.agent.chain.payments_to(wish.payee))
            status = wish.row["status"] if wish.row else "REFUSED"
            if paid != (status == "CONFIRMED"):
                self.violations.append(f"{wish.key}: {status}, paid {paid} times")
        try:
            self.running.books_are_right()
        except AssertionError as error:
            self.violations.append(f"the books: {error}")
