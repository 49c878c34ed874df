"""The local EVM node as a process of its own, and a client for its control endpoint."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from tests.support.anvil import require_anvil

STOP_SECONDS = 5


@dataclass(frozen=True, slots=True)
class EvmNode:
    """A running node: `rpc` and `control` are loopback URLs."""

    rpc: str
    control: str
    engine: str
    process: subprocess.Popen[str]

    def order(self, **orders: Any) -> dict[str, Any]:
        """Send control orders; raises `AssertionError` when the node refuses them."""
        response = httpx.post(self.control, json=orders)
        assert response.status_code == httpx.codes.OK, response.text
        return dict(response.json())

    def set_balance(self, address: str, amount: int) -> None:
        self.order(set_balance={"address": address, "amount": str(amount)})

    def state(self) -> dict[str, Any]:
        return dict(httpx.get(self.control).json())

    def mined(self) -> list[dict[str, Any]]:
        return list(self.state()["mined"])


@contextmanager
def evm_node(engine: str = "py-evm", *arguments: str) -> Iterator[EvmNode]:
    """Run a node until the context ends; skips the test when its engine is not installed."""
    command = [sys.executable, "-m", "wallet.sandbox.evm", "--exit-with-stdin", *arguments]
    command += ["--engine", engine]
    if engine == "anvil":
        command += ["--anvil", str(require_anvil())]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            yield EvmNode(ready["rpc"], ready["control"], ready["engine"], process)
        finally:
            _stop(process)


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
