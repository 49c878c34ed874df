"""A sandbox to measure: raised rate limits, as many agents as wanted, and what the system says of its processes."""

import compileall
import os
import signal
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import httpx

from tests.bench.load import Load, request, run
from tests.support.anvil import anvil_path
from tests.support.sandbox import ETH, SOL, Agent, Host, Sandbox, sandbox, until

LIMITS = """
[limits]
session_rpm = 100000000
send_rpm = 100000000
claim_rpm = 1000000
login_rpm = 1000000
"""
NETWORKS = {"ethereum": ("evm-local", 10_000 * ETH), "solana": ("solana-localnet", 100_000 * SOL)}
WEEK = 604_800
ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("wallet", "bot", "scheduler")


@dataclass(frozen=True)
class Bench:
    """A running sandbox on a directory that outlives its daemons."""

    running: Sandbox
    engine: str

    @property
    def url(self) -> str:
        return self.running.agent_url

    @property
    def home(self) -> Path:
        return Path(self.running.facts["data_dir"])

    @property
    def daemon(self) -> int:
        return self.running.daemon_pids[-1]

    def restarts(self, number: int = signal.SIGTERM) -> float:
        """End the daemon and wait for the next one; seconds from the birth of that one until it is ready."""
        os.kill(self.daemon, number)
        self.running.sees_restart()
        return age(self.daemon)

    def agents(self, chain: str, count: int) -> list[Agent]:
        """Agents on a funded wallet of their own each, with rules wide enough for a bench."""
        return [self._agent(chain, number) for number in range(count)]

    def more_agents(self, agent: Agent, count: int) -> list[Agent]:
        """More agents on the wallet of ``agent``."""
        return [
            self.running.host.new_agent(agent, maxTransactions=1_000_000) for _ in range(count)
        ]

    def rows(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """What the database holds, read beside the daemon."""
        where = f"file:{self.home / 'waiaas.db'}?mode=ro"
        connection = sqlite3.connect(where, uri=True, timeout=5)
        try:
            return connection.execute(sql, parameters).fetchall()
        finally:
            connection.close()

    def load(self, connections: Sequence[Sequence[str]], seconds: float, expect: str = "") -> Load:
        """Run a load, and count what processor time it took the daemon and its signer."""
        pids = [self.daemon, *children(self.daemon)]
        before = sum(map(_cpu_seconds, pids))
        done = run(self.url, connections, seconds, expect)
        return replace(done, cpu_seconds=sum(map(_cpu_seconds, pids)) - before)

    def memory(self) -> float:
        """Proportional set size of the daemon and its signer, MB."""
        return sum(_pss(pid) for pid in [self.daemon, *children(self.daemon)]) / 1000

    def _agent(self, chain: str, number: int) -> Agent:
        network, funds = NETWORKS[chain]
        host = self.running.host
        body = {"name": f"{chain} {time.monotonic_ns()}", "network": network, "preset": "normal"}
        wallet = host.does("POST", "/v1/wallets", json=body)
        _widen(host, wallet["id"], f"{network}/native", funds)
        self.running.chain(chain).set_balance(wallet["address"], funds)
        agent = Agent(self.url, "", self.running.chain(chain), wallet)
        return host.new_agent(agent, maxTransactions=1_000_000)


def _widen(host: Host, wallet_id: str, asset: str, amount: int) -> None:
    units = str(amount)
    tiers = {"instant_max": units, "notify_max": units, "delay_max": units}
    host.changes_rule("SPENDING_LIMIT", wallet_id, assets={asset: tiers})
    host.changes_rule("CUMULATIVE_LIMIT", wallet_id, assets={asset: {"limit": units}})


def payment(agent: Agent, amount: str, *, to: str | None = None, wait: bool = True) -> str:
    """A request that pays a stranger and is answered when that is confirmed."""
    body = {"to": to or agent.chain.stranger(), "humanAmount": amount}
    host = agent.url.removeprefix("http://")
    headers = {"Prefer": "wait=30"} if wait else {}
    path = "/v1/transactions/send"
    return request("POST", path, host=host, token=agent.token, body=body, **headers)


def read(agent: Agent, path: str = "/v1/wallet/address") -> str:
    host = agent.url.removeprefix("http://")
    return request("GET", path, host=host, token=agent.token)


@contextmanager
def bench(*options: str) -> Iterator[Bench]:
    """A sandbox with raised limits; anvil plays Ethereum where it is installed.

    The tree is compiled first, as pip compiles an installed one: a start would be measured with compiling otherwise.
    """
    for package in PACKAGES:
        compileall.compile_dir(ROOT / package, quiet=1)
    anvil = anvil_path()
    engine = "py-evm" if anvil is None else "anvil"
    environ = {} if anvil is None else {"WAIAAS_ANVIL": str(anvil)}
    with (
        tempfile.TemporaryDirectory(prefix="waiaas-bench-") as folder,
        sandbox(
            "--evm", engine, "--data-dir", f"{folder}/home", *options, environ=environ
        ) as running,
    ):
        found = Bench(running, engine)
        with (found.home / "config.toml").open("a") as file:
            file.write(LIMITS)
        found.restarts()
        is_polling(found)  # importing the bot would be measured otherwise
        yield found


def age(pid: int) -> float:
    """Seconds since the process was born, to a hundredth."""
    ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


def children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found]


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _pss(pid: int) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return float(line.split()[1])
    return 0.0


def answers_health(url: str) -> bool:
    """Asked over a bare connection: a client that prepares for TLS would take the daemon's time."""
    connection = HTTPConnection(url.removeprefix("http://"), timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == httpx.codes.OK
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def polls(found: Bench) -> bool:
    """Whether Telegram answered the bot; its first long poll begins one call later."""
    try:
        return found.running.host.status()["bot"].get("username") is not None
    except (httpx.TransportError, AssertionError):
        return False


def is_polling(found: Bench) -> None:
    until(lambda: polls(found), "the bot polls")
