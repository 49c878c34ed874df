"""Agents pay and the owner answers while the daemon is killed again and again, over nodes that lose and lie.

Half of the daemons die at a moment of the driver's choice, the others by their own hand at an instrumented step.
Every payment has a payee of its own, so the chain itself says how often it was paid.
"""

import contextlib
import os
import queue
import random
import signal
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain as joined
from typing import Any

import httpx

from tests.support.sandbox import CHAINS, SETTLED, Agent, Sandbox, until
from wallet.ports.world import CHECKPOINTS, ORDERED, RELEASED, TAPPED

# Coins of each tier in a sandbox, per chain.
TIERS = {
    "ethereum": {"INSTANT": "0.01", "NOTIFY": "0.5", "DELAY": "2", "APPROVAL": "6"},
    "solana": {"INSTANT": "0.1", "NOTIFY": "5", "DELAY": "20", "APPROVAL": "60"},
}
FAULTS = ("drop_next", "lose_answer_next", "double_next", "latency", "down")
LEADS_TO = {TAPPED: "APPROVAL", RELEASED: "DELAY"}  # the tier whose payments reach the step
STOP_EVERY = 10  # rounds
STEP_SECONDS = 6  # how long a daemon has to reach its step


def plan(kills: int, chance: random.Random) -> list[str]:
    """Where each daemon in turn dies: at a step's n-th time, or, where nothing is said, at any moment."""
    wanted: list[str] = []
    while len(wanted) < kills:
        steps = chance.sample(CHECKPOINTS, len(CHECKPOINTS))
        timed = [f"{step}:{chance.choice((1, 1, 2))}" for step in steps]
        wanted += joined.from_iterable((step, "") for step in timed)
    return wanted[:kills]


@dataclass
class Wish:
    """A payment that an agent wants, under one key for ever."""

    agent: Agent
    key: str
    tier: str
    payee: str
    row: dict[str, Any] | None = None
    refused: str | None = None
    heard: str = "nothing"  # the last answer, where it was neither


@dataclass
class Torture:
    """One sandbox under torture. ``violations`` says what was found; nothing is the aim.

    ``points`` are what the sandbox was started with: one for each daemon, see ``plan``.
    """

    running: Sandbox
    chance: random.Random
    points: Sequence[str] = ()
    agents: list[Agent] = field(default_factory=list)
    wishes: list[Wish] = field(default_factory=list)
    kills: int = 0
    stops: int = 0
    died_at: Counter[str] = field(default_factory=Counter)  # by step; "" by the driver's hand
    violations: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.agents = [self.running.agent(chain) for chain in CHAINS]

    @property
    def step(self) -> str:
        """Where the daemon of this round kills itself; "" if nowhere."""
        point = self.points[self.kills] if self.kills < len(self.points) else ""
        return point.partition(":")[0]

    def round(self, number: int) -> None:
        """Ask, plant a fault, answer, kill, and look after everything has settled."""
        step, is_stop = self.step, number % STOP_EVERY == STOP_EVERY - 1
        mine = self._wishes(str(number), step)
        with self._fault(step):
            for wish in mine:
                self._ask(wish)
            threading.Event().wait(self.chance.random() * 0.6)
            if step == ORDERED:
                self._order(mine)
            self._answer()
            stopped = is_stop and self._stop()
            threading.Event().wait(self.chance.random() * 0.3)
            self._die("" if stopped else step)
        if is_stop:
            self._recover(stopped=stopped)
        self._settle(mine)
        self._judge(mine)

    # ---- agents

    def _wishes(self, name: str, step: str) -> list[Wish]:
        tiers = self.chance.choices(
            list(TIERS["ethereum"]), weights=(6, 2, 1, 1), k=self.chance.randint(2, 6)
        )
        tiers += [LEADS_TO[step]] if step in LEADS_TO else []
        mine = [
            self._wish(f"{name}-{n}", tier, self.chance.choice(self.agents))
            for n, tier in enumerate(tiers)
        ]
        if step == ORDERED:  # only payments on EVM can be replaced
            mine.append(self._wish(f"{name}-order", "INSTANT", self.agents[0]))
        return mine

    def _wish(self, key: str, tier: str, agent: Agent) -> Wish:
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
            else:
                wish.heard = f"{answer.status_code} {answer.text[:200]}"
            self._require_no_bug(answer)

    def _require_no_bug(self, answer: httpx.Response) -> None:
        if answer.status_code == httpx.codes.INTERNAL_SERVER_ERROR:
            self.violations.append(f"{answer.request.url.path}: {answer.text[:200]}")

    # ---- the world

    @contextlib.contextmanager
    def _fault(self, step: str) -> Iterator[None]:
        chain = self.chance.choice(self.agents).chain
        kind = self.chance.choice((*FAULTS, None))
        orders = {
            "drop_next": {"count": self.chance.randint(1, 3)},
            "lose_answer_next": {"count": self.chance.randint(1, 3)},
            "double_next": {"count": self.chance.randint(1, 3)},
            "latency": {"ms": self.chance.randint(20, 300)},
            "down": {"seconds": self.chance.random() * 3},
        }
        evm = self.agents[0].chain
        if kind is not None:
            chain.order(**{kind: orders[kind]})
        if step == ORDERED:
            evm.order(mining={"mode": "manual"})
        try:
            yield
        finally:
            chain.order(latency={"ms": 0}, up=True)
            evm.order(mining={"mode": "auto"})

    # ---- the owner

    def _answer(self) -> None:
        """The owner says yes or no to what waits: in the chat, or on the host."""
        with contextlib.suppress(httpx.TransportError):
            if self.chance.random() < 0.5:
                self._tap()
                return
            found = self.running.host.request("GET", "/v1/approvals", proved=False)
            for one in found.json().get("items", []):
                verb = self.chance.choice(("approve", "approve", "reject"))
                if one["transaction"]["tier"] == "APPROVAL":
                    path = f"/v1/transactions/{one['transaction']['id']}/{verb}"
                    self._require_no_bug(self.running.host.request("POST", path, json={}))

    def _tap(self) -> None:
        """One button of each card that has an answer; the second tap confirms the first."""
        labels = ("Confirm payment", self.chance.choice(("Approve", "Approve", "Reject")))
        for message in self.running.owner.messages()[::-1]:
            texts = [button["text"] for row in message["buttons"] for button in row]
            label = next((la for la in labels if any(te.startswith(la) for te in texts)), None)
            if label is not None:
                self.running.owner.presses(message, label)

    def _order(self, mine: list[Wish]) -> None:
        """Speed up, or cancel, what is on its way and in no block yet."""
        for wish in mine:
            if wish.row is None or wish.agent.chain.name != "ethereum":
                continue
            if wish is mine[-1]:
                self._see_signed(wish)
            verb = self.chance.choice(("speed-up", "cancel-sent"))
            path = f"/v1/transactions/{wish.row['id']}/{verb}"
            with contextlib.suppress(httpx.TransportError):
                self._require_no_bug(self.running.host.request("POST", path, json={}))

    def _see_signed(self, wish: Wish) -> None:
        """Only what is on its way can be ordered about; over a bad node that takes a moment, or for ever."""
        row = wish.row
        assert row is not None
        with contextlib.suppress(AssertionError, httpx.TransportError):
            until(lambda: wish.agent.sees(row["id"])["status"] == "SUBMITTED", "signed", 5)

    def _stop(self) -> bool:
        """Whether the daemon lived to say that it is stopped."""
        path, body = "/v1/kill-switch", {"reason": "torture"}
        try:
            answer = self.running.host.request("POST", path, proved=False, json=body)
        except httpx.TransportError:
            return False
        self.stops += 1
        return answer.is_success

    def _recover(self, *, stopped: bool) -> None:
        """A stop survives a kill; afterwards the agents come in anew."""
        host = self.running.host
        if host.status()["state"]["state"] == "NORMAL":
            if stopped:
                self.violations.append("a stop did not survive kill -9")
            return
        host.does("POST", "/v1/recover", json={})
        until(lambda: host.status()["state"]["state"] == "NORMAL", "the recovery is over", 60)
        self.agents = [host.new_agent(agent) for agent in self.agents]

    # ---- death

    def _die(self, step: str) -> None:
        """By its own hand at its step, where it gets there in time; else by ours."""
        by = step if step and self._sees_own_death() else ""
        if not by:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.running.daemon_pids[-1], signal.SIGKILL)
            self.running.sees_restart(60)
        self.kills += 1
        self.died_at[by] += 1

    def _sees_own_death(self) -> bool:
        def look() -> bool:
            try:
                self.running.sees_restart(0.2)
            except queue.Empty:
                self._answer()
                return False
            return True

        try:
            return until(look, "it reached its step", STEP_SECONDS)
        except AssertionError:
            return False

    # ---- judgement

    def _settle(self, mine: list[Wish]) -> None:
        """Ask again what is not known to be stored, answer what waits, and wait for every end.

        The daemon of the next round may reach its step already while it carries these on, and die once more.
        """
        by_chain = {agent.chain.name: agent for agent in self.agents}
        for wish in mine:
            wish.agent = by_chain[wish.agent.chain.name]

        def ended() -> bool:
            self._answer()
            ends = [self._has_ended(wish) for wish in mine]  # each of them is looked at
            return all(ends)

        try:
            until(ended, "every payment has ended", 120)
        except AssertionError:
            unheard = [f"{wish.key}: {wish.heard}" for wish in mine if wish.row is None]
            raise AssertionError(f"not every payment has ended; {unheard}") from None

    def _has_ended(self, wish: Wish) -> bool:
        if wish.row is None and wish.refused is None:
            self._ask(wish)
        if wish.row is not None:
            with contextlib.suppress(httpx.TransportError, AssertionError):
                wish.row = wish.agent.sees(wish.row["id"])
        return wish.refused is not None or (wish.row is not None and wish.row["status"] in SETTLED)

    def _judge(self, mine: list[Wish]) -> None:
        """The chain paid each payee once where its row says so, and never otherwise."""
        all_paid = 0
        for wish in mine:
            paid = len(wish.agent.chain.payments_to(wish.payee))
            all_paid += paid
            status = wish.row["status"] if wish.row else "REFUSED"
            if paid != (status == "CONFIRMED"):
                self.violations.append(f"{wish.key}: {status}, paid {paid} times")
        try:
            report = self.running.books_are_right()
            assert report["compared"] >= all_paid, report
        except AssertionError as error:
            self.violations.append(f"the books: {error}")
