"""`waiaas sandbox` as a process, and the people around it: agents, the owner at his chat, the host, the chains.

Every wait is bounded and on a fact. Nothing here imports the product: what it knows comes over the doors.
"""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
from solders.keypair import Keypair

T = TypeVar("T")

READY_SECONDS = 90
SETTLED = {"CONFIRMED", "FAILED", "CANCELLED", "EXPIRED"}
ETH, SOL = 10**18, 10**9
CHAINS = ("ethereum", "solana")
# How the check of the ledger says that a node was away.
SILENT = ("No node of ", "The balance of wallet ")


def until(look: Callable[[], T | None], what: str, seconds: float = 30) -> T:
    """What `look` finds, asked again until it finds something or the time is over."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        threading.Event().wait(0.03)


@dataclass
class Chain:
    """What one local chain says by itself, over its RPC and its control door."""

    name: str
    rpc: str
    control: str
    given: set[str] = field(default_factory=set)  # addresses whose balance a test changed

    @property
    def unit(self) -> int:
        return ETH if self.name == "ethereum" else SOL

    def ask(self, method: str, *params: Any) -> Any:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        return httpx.post(self.rpc, json=body, timeout=10).json()["result"]

    def balance(self, address: str) -> int:
        if self.name == "ethereum":
            return int(self.ask("eth_getBalance", address, "latest"), 16)
        return int(self.ask("getBalance", address, {"commitment": "processed"})["value"])

    def order(self, **orders: Any) -> None:
        answer = httpx.post(self.control, json=orders, timeout=10)
        assert answer.status_code == httpx.codes.OK, answer.text

    def set_balance(self, address: str, amount: int) -> None:
        self.given.add(address)
        self.order(set_balance={"address": address, "amount": str(amount)})

    def payments_to(self, address: str) -> list[dict[str, Any]]:
        """Every payment that really happened to `address`, failed ones left out."""
        state = httpx.get(self.control, timeout=10).json()
        if self.name == "ethereum":
            found = [t for t in state["mined"] if str(t["to"]).lower() == address.lower()]
            return [t for t in found if t.get("status", 1)]
        return [t for t in state["landed"] if t["to"] == address and not t["err"]]

    def stranger(self) -> str:
        """A fresh address nobody has paid yet."""
        if self.name == "ethereum":
            return "0x" + os.urandom(20).hex()
        return str(Keypair().pubkey())


@dataclass
class Agent:
    """A program with a session token."""

    url: str
    token: str
    chain: Chain
    wallet: dict[str, Any]

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}"} | options.pop("headers", {})
        return httpx.request(
            method, self.url + path, headers=headers, timeout=options.pop("timeout", 40), **options
        )

    def sends(
        self,
        human: str,
        *,
        to: str | None = None,
        wait: int | None = None,
        key: str | None = None,
        memo: str | None = None,
    ) -> httpx.Response:
        """Ask for a payment of `human` coins ("0.05")."""
        body = {"to": to or self.chain.stranger(), "humanAmount": human}
        headers = {} if wait is None else {"Prefer": f"wait={wait}"}
        headers |= {} if key is None else {"Idempotency-Key": key}
        body |= {} if memo is None else {"memo": memo}
        return self.request("POST", "/v1/transactions/send", json=body, headers=headers)

    def asks(self, human: str, **options: Any) -> dict[str, Any]:
        """A payment that must be admitted."""
        answer = self.sends(human, **options)
        assert answer.status_code == httpx.codes.CREATED, answer.text
        return dict(answer.json())

    def sees(self, transaction_id: str) -> dict[str, Any]:
        answer = self.request("GET", f"/v1/transactions/{transaction_id}")
        assert answer.status_code == httpx.codes.OK, answer.text
        return dict(answer.json())

    def waits_for(
        self, transaction_id: str, *statuses: str, seconds: float = 30
    ) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            try:
                row = self.sees(transaction_id)
            except (httpx.TransportError, AssertionError):
                return None  # the daemon is being restarted
            return row if row["status"] in statuses else None

        return until(look, f"{transaction_id} in {statuses}", seconds)

    def balance(self) -> int:
        return self.chain.balance(self.wallet["address"])


@dataclass
class Person:
    """Somebody at the chat page."""

    url: str  # of the chat page
    name: str = "owner"

    def messages(self) -> list[dict[str, Any]]:
        found = httpx.get(f"{self.url}/messages", params={"as": self.name}, timeout=10).json()
        return list(found)

    def says(self, text: str) -> dict[str, Any]:
        body = {"text": text, "as": self.name}
        return dict(httpx.post(f"{self.url}/messages", json=body, timeout=10).json())

    def presses(self, message: dict[str, Any], label: str, **more: Any) -> dict[str, Any]:
        """Press the button whose label begins with `label`; the toast comes back."""
        data = next(
            b["data"] for row in message["buttons"] for b in row if b["text"].startswith(label)
        )
        return self.presses_data(message["message_id"], data, **more)

    def presses_data(self, message_id: int, data: str, **more: Any) -> dict[str, Any]:
        body = {"message_id": message_id, "data": data, "as": self.name, **more}
        answer = httpx.post(f"{self.url}/press", json=body, timeout=15)
        assert answer.status_code == httpx.codes.OK, answer.text
        return dict(answer.json())

    def finds(self, *texts: str, button: str | None = None, seconds: float = 20) -> dict[str, Any]:
        """The newest message that holds all texts and, where wanted, a button with that label."""

        def look() -> dict[str, Any] | None:
            for message in self.messages()[::-1]:
                labels = [b["text"] for row in message["buttons"] for b in row]
                fits = all(text in message["text"] for text in texts)
                if fits and (button is None or any(la.startswith(button) for la in labels)):
                    return message
            return None

        return until(look, f"a message with {texts} and button {button}", seconds)

    def approves(self, *texts: str) -> None:
        card = self.finds(*texts, button="Approve")
        self.presses(card, "Approve")
        self.presses(self.finds(*texts, button="Confirm"), "Confirm")


@dataclass
class Host:
    """The operator on the machine: the owner socket and the master password."""

    socket: str
    password: str

    def request(
        self, method: str, path: str, *, proved: bool = True, **options: Any
    ) -> httpx.Response:
        headers = {"X-Master-Password": self.password} if proved else {}
        with httpx.Client(
            transport=httpx.HTTPTransport(uds=self.socket), base_url="http://waiaas", timeout=30
        ) as client:
            return client.request(method, path, headers=headers, **options)

    def does(self, method: str, path: str, **options: Any) -> Any:
        answer = self.request(method, path, **options)
        assert answer.is_success, answer.text
        return answer.json()

    def status(self) -> dict[str, Any]:
        return dict(self.does("GET", "/v1/status", proved=False))

    def rules(self, wallet_id: str) -> list[dict[str, Any]]:
        found = self.does("GET", "/v1/policies", proved=False, params={"walletId": wallet_id})
        return list(found["items"] if isinstance(found, dict) else found)

    def sets_rule(
        self, rule_type: str, rules: dict[str, Any], wallet_id: str, rule_id: str | None = None
    ) -> dict[str, Any]:
        body = {"type": rule_type, "rules": rules, "walletId": wallet_id}
        body |= {} if rule_id is None else {"id": rule_id}
        answer = dict(self.does("PUT", "/v1/policies", json=body))
        if answer["effect"] == "QUEUED":  # for the few seconds of a sandbox

            def is_over() -> bool:
                found = self.does("GET", "/v1/policies", proved=False)["queued"]
                return answer["queuedId"] not in [one["id"] for one in found]

            until(is_over, f"the {rule_type} counts", 30)
        return answer

    def books_are_right(
        self, funded: dict[str, int] | None = None, seconds: float = 30
    ) -> dict[str, Any]:
        """The ledger's and the audit log's own checks find nothing; the report of the ledger's comes back.

        ``funded``: by wallet id, base units. Every network is compared, as soon as its node answers again.
        """
        given = ",".join(f"{wallet}:{units}" for wallet, units in (funded or {}).items())
        query = {"funded": given} if given else {}

        def compared() -> dict[str, Any] | None:
            report = dict(self.does("GET", "/v1/ledger", proved=False, params=query))
            assert report["violations"] == [], report
            away = [reason for reason in report["notCompared"] if reason.startswith(SILENT)]
            return None if away else report

        report = until(compared, "every node answers the check of the ledger", seconds)
        audit = self.does("GET", "/v1/audit/verify", proved=False, params={"limit": "20000"})
        assert (audit["firstBad"], audit["done"]) == (None, True), audit
        return report

    def changes_rule(self, rule_type: str, wallet_id: str, **changes: Any) -> dict[str, Any]:
        """Change fields of the wallet's rule of that type; returns it as it was before."""
        rule = next(
            r
            for r in self.rules(wallet_id)
            if r["type"] == rule_type and r["walletId"] == wallet_id
        )
        self.sets_rule(rule_type, {**rule["rules"], **changes}, wallet_id, rule["id"])
        return rule

    def restores(self, rule: dict[str, Any]) -> None:
        """A rule as it was, with nothing that was added to it."""
        self.sets_rule(rule["type"], rule["rules"], rule["walletId"], rule["id"])

    def new_agent(self, agent: Agent, **limits: Any) -> Agent:
        """A new claimed session on the wallet of `agent`."""
        network = agent.wallet["network"]
        body = {
            "walletId": agent.wallet["id"],
            "name": "another agent",
            "limits": {f"{network}/native": str(10_000 * agent.chain.unit)},
            "maxTransactions": 10_000,
            "ttlSeconds": 604_800,
        } | limits
        code = self.does("POST", "/v1/sessions", json=body)["claimCode"]
        answer = httpx.post(f"{agent.url}/v1/sessions/claim", json={"code": code}, timeout=10)
        assert answer.is_success, answer.text
        return Agent(agent.url, answer.json()["token"], agent.chain, agent.wallet)


@dataclass
class Sandbox:
    """A running sandbox."""

    process: subprocess.Popen[str]
    facts: dict[str, Any]
    lines: "queue.Queue[dict[str, Any]]"
    daemon_pids: list[int] = field(default_factory=list)
    given: set[str] = field(default_factory=set)

    @property
    def agent_url(self) -> str:
        return str(self.facts["agent_url"])

    @property
    def owner(self) -> Person:
        return Person(self.facts["telegram_url"])

    @property
    def stranger(self) -> Person:
        return Person(self.facts["telegram_url"], "stranger")

    @property
    def host(self) -> Host:
        password = Path(self.facts["password_file"]).read_text().strip()
        return Host(self.facts["owner_socket"], password)

    def renews_sessions(self, seconds: float = 30) -> None:
        """Take the offer of new demo sessions on the chat page; `agent` gives those from then on."""

        def is_offered() -> bool:
            found = httpx.get(f"{self.facts['telegram_url']}/info", timeout=10).json()
            return bool(found["offer"] == "OPEN")

        until(is_offered, "new demo sessions are offered", seconds)
        answer = httpx.post(f"{self.facts['telegram_url']}/sessions", json={}, timeout=60)
        assert answer.json() == {"made": True}, answer.text
        self.takes_sessions()

    def takes_sessions(self) -> None:
        """The line that tells of new demo sessions."""
        line = self.lines.get(timeout=30)
        assert list(line) == ["sessions"], line
        self.facts["sessions"] = line["sessions"]

    def chain(self, name: str) -> Chain:
        short = "evm" if name == "ethereum" else "solana"
        rpc, control = self.facts[f"{short}_rpc"], self.facts[f"{short}_control"]
        return Chain(name, rpc, control, self.given)

    def agent(self, name: str) -> Agent:
        wallet = next(w for w in self.facts["wallets"] if w["chain"] == name)
        token = next(s["token"] for s in self.facts["sessions"] if s["walletId"] == wallet["id"])
        return Agent(self.agent_url, token, self.chain(name), wallet)

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    def books_are_right(self) -> dict[str, Any]:
        """Every invariant of the ledger holds, the chains agree, and the audit log fits."""
        funded = {
            wallet["id"]: (10_000 * ETH if wallet["chain"] == "ethereum" else 100_000 * SOL)
            for wallet in self.facts["wallets"]
            if wallet["address"] not in self.given
        }
        self.is_ready()
        return self.host.books_are_right(funded)

    def kills_daemon(self) -> None:
        """kill -9, then wait for the restarted daemon to be ready."""
        os.kill(self.daemon_pids[-1], signal.SIGKILL)
        self.sees_restart()

    def sees_restart(self, seconds: float = 30) -> None:
        line = self.lines.get(timeout=seconds)
        assert line["daemon_restarted"] is True, line
        self.daemon_pids.append(line["daemon_pid"])
        self.is_ready()

    def is_ready(self, seconds: float = 30) -> None:
        def look() -> bool:
            try:
                return (
                    httpx.get(f"{self.agent_url}/ready", timeout=5).status_code == httpx.codes.OK
                )
            except httpx.TransportError:
                return False

        until(look, "the daemon is ready", seconds)


def _read(stream: Any, lines: "queue.Queue[dict[str, Any]]") -> None:
    for line in stream:
        if line.startswith("{"):
            lines.put(json.loads(line))


@contextmanager
def sandbox(
    *options: str, kill_at: str | None = None, environ: dict[str, str] | None = None
) -> Iterator[Sandbox]:
    """Run `waiaas sandbox --json --no-demo --port 0`; everything it started ends with it.

    At the end the books must be right, whatever the test did.
    """
    command = [sys.executable, "-m", "wallet", "sandbox", "--json", "--no-demo", "--port", "0"]
    env = {k: v for k, v in os.environ.items() if not k.startswith("WAIAAS_")} | (environ or {})
    if kill_at is not None:
        env["WAIAAS_SANDBOX_KILL_AT"] = kill_at
    process = subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, text=True, env=env, stdin=subprocess.DEVNULL
    )
    lines: queue.Queue[dict[str, Any]] = queue.Queue()
    reader = threading.Thread(target=_read, args=(process.stdout, lines), daemon=True)
    reader.start()
    try:
        facts = lines.get(timeout=READY_SECONDS)
        assert facts.get("ready") is True, facts
        running = Sandbox(process, facts, lines, [facts["daemon_pid"]])
        yield running
        running.books_are_right()
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)
            raise
        finally:
            reader.join(5)
            if process.stdout is not None:
                process.stdout.close()


def all_of(rows: Sequence[dict[str, Any]], status: str) -> bool:
    return all(row["status"] == status for row in rows)
