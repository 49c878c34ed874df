"""The local Solana node as a process of its own, and a client for its control endpoint."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

STOP_SECONDS = 5


@dataclass(frozen=True, slots=True)
class SolanaNode:
    """A running node: `rpc` and `control` are loopback URLs."""

    rpc: str
    control: str
    genesis: str

    def order(self, **orders: Any) -> dict[str, Any]:
        """Send control orders; raises `AssertionError` when the node refuses them."""
        response = httpx.post(self.control, json=orders)
        assert response.status_code == httpx.codes.OK, response.text
        return dict(response.json())

    def set_balance(self, address: str, amount: int) -> None:
        self.order(set_balance={"address": address, "amount": str(amount)})

    def advance(self, slots: int) -> None:
        self.order(advance={"slots": slots})

    def landed(self) -> list[dict[str, Any]]:
        return list(httpx.get(self.control).json()["landed"])


@contextmanager
def solana_node(*, slot_ms: int = 0, finality_depth: int = 0) -> Iterator[SolanaNode]:
    """Run a node until the context ends; with `slot_ms` 0 its slots move by hand only."""
    command = [sys.executable, "-m", "wallet.sandbox.solana", "--exit-with-stdin"]
    command += ["--slot-ms", str(slot_ms), "--finality-depth", str(finality_depth)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            yield SolanaNode(ready["rpc"], ready["control"], ready["genesis"])
        finally:
            _stop(process)


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
