"""A production-kind installation pointed at the local stand-ins, driven by the command line alone."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.support.evm_node import EvmNode, evm_node
from tests.support.sandbox import ETH, Agent, Chain, Host, Person, until
from tests.support.telegram_sandbox import TelegramSandbox, telegram_sandbox

PASSWORD = "correct horse battery staple"


@dataclass
class Installation:
    """A data directory, the daemon on it, and the world around it."""

    data_dir: Path
    password_file: Path
    node: EvmNode
    telegram: TelegramSandbox
    daemon: subprocess.Popen[str] | None = None
    said: list[str] = field(default_factory=list)
    # What wallets were given from outside, by id; no entry where a test's chain or books forget something.
    funded: dict[str, int] = field(default_factory=dict)

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "wallet", *words, "--data-dir", str(self.data_dir)]

    def runs(
        self,
        *words: str,
        proved: bool = True,
        code: int = 0,
        stdin: str | None = None,
        environ: dict[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run `waiaas WORDS`, with `environ` added; the exit code must be `code`."""
        more = ["--password-file", str(self.password_file)] if proved else []
        done = subprocess.run(
            [*self.command(*words), *more],
            capture_output=True,
            text=True,
            timeout=60,
            input=stdin,
            env=environment() | (environ or {}),
        )
        assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def says(self, *words: str, proved: bool = True) -> Any:
        """The JSON document of a command."""
        return json.loads(self.runs(*words, "--json", proved=proved).stdout)

    def starts(self, *words: str, proved: bool = True) -> None:
        more = ["--password-file", str(self.password_file)] if proved else []
        with self.log.open("a") as log:
            self.daemon = subprocess.Popen(
                [*self.command("start", "--port", "0", *words), *more],
                stdout=subprocess.DEVNULL,
                stderr=log,
                stdin=subprocess.DEVNULL,
                text=True,
                env=environment(),
            )
        until((self.data_dir / "daemon.json").exists, "the daemon is ready")

    def starts_and_says(self, *words: str) -> dict[str, Any]:
        """The first line that a starting daemon prints."""
        more = ["--password-file", str(self.password_file)]
        self.daemon = subprocess.Popen(
            [*self.command("start", "--port", "0", *words), *more],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            text=True,
            env=environment(),
        )
        assert self.daemon.stdout is not None
        with self.daemon.stdout as said:
            return dict(json.loads(said.readline()))

    def stops(self) -> None:
        if self.daemon is not None:
            self.daemon.terminate()
            assert self.daemon.wait(15) == 0
            self.daemon = None

    @property
    def log(self) -> Path:
        """What daemons that were started by ``starts`` logged."""
        return self.data_dir.parent / "daemon.log"

    @property
    def is_running(self) -> bool:
        return self.daemon is not None and self.daemon.poll() is None

    def books_are_right(self) -> dict[str, Any]:
        return self.host.books_are_right(self.funded)

    @property
    def facts(self) -> dict[str, Any]:
        return dict(json.loads((self.data_dir / "daemon.json").read_text()))

    @property
    def host(self) -> Host:
        return Host(self.facts["owner_socket"], PASSWORD)

    @property
    def owner(self) -> Person:
        return Person(self.telegram.chat)

    @property
    def stranger(self) -> Person:
        return Person(self.telegram.chat, "stranger")

    def pairs(self) -> None:
        """The whole ceremony: a code on the host, /start in the chat, a yes on the host."""
        code = self.says("pair", "--no-wait")["code"]
        self.owner.says(f"/start {code}")
        until(
            lambda: self.says("pair", "--status", proved=False)["state"] == "CANDIDATE",
            "the code arrived",
        )
        sender = self.says("pair", "--status", proved=False)["candidate"]
        self.says("pair", "--confirm", str(sender["id"]))

    def new_agent(self, wallet: dict[str, Any]) -> Agent:
        """A funded wallet's claimed session."""
        chain = Chain("ethereum", self.node.rpc, self.node.control)
        more = 1000 * ETH - chain.balance(wallet["address"])
        self.node.set_balance(wallet["address"], 1000 * ETH)
        self.funded[wallet["id"]] = self.funded.get(wallet["id"], 0) + more
        body = {
            "walletId": wallet["id"],
            "name": "agent",
            "limits": {f"{wallet['network']}/native": str(500 * ETH)},
        }
        code = self.host.does("POST", "/v1/sessions", json=body)["claimCode"]
        url = self.facts["agent_url"]
        token = httpx.post(f"{url}/v1/sessions/claim", json={"code": code}).json()["token"]
        return Agent(url, token, chain, wallet)


def environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith("WAIAAS_")}


@contextmanager
def installation(
    tmp_path: Path,
    *options: str,
    engine: tuple[str, ...] = ("py-evm",),
    configure: Callable[[str], str] | None = None,
) -> Iterator[Installation]:
    """`waiaas init` done; nothing runs yet. ``engine`` are arguments of the local node."""
    password_file = tmp_path / "password"
    password_file.write_text(PASSWORD)
    password_file.chmod(0o600)
    with evm_node(*engine) as node, telegram_sandbox() as telegram:
        token_file = tmp_path / "token"
        token_file.write_text(telegram.token)
        token_file.chmod(0o600)
        made = Installation(tmp_path / "data", password_file, node, telegram)
        made.runs(
            "init",
            "--non-interactive",
            "--keystore-profile",
            "MODERATE",  # the time of an unlock is not what these tests are about
            "--network",
            f"evm-local={node.rpc}",
            "--bot-token-file",
            str(token_file),
            "--bot-api-url",
            telegram.api,
            *options,
        )
        config = made.data_dir / "config.toml"
        config.write_text((configure or relaxed)(config.read_text()))
        try:
            yield made
            if made.is_running:
                made.books_are_right()
        finally:
            if made.daemon is not None:
                made.daemon.kill()
                made.daemon.wait(10)


def relaxed(config: str) -> str:
    """The same configuration with finality at the newest block: the local node has no other."""
    lines = []
    for line in config.splitlines():
        lines.append('finality = "latest"' if line.strip().startswith("finality") else line)
    return "\n".join(lines) + "\n"
