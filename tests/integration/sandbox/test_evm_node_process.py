"""The local EVM node as a process: how it starts, what it may be told, and that it always ends."""

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount

from tests.support.evm_node import EvmNode, evm_node

CHAIN_ID = 31337
GWEI = 10**9
SECONDS = 10

engines = pytest.mark.parametrize("engine", ["py-evm", "anvil"])


def ask(node: EvmNode, method: str, *params: object) -> dict[str, object]:
    call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    return dict(httpx.post(node.rpc, json=call).json())


def bid(account: LocalAccount, *, fee: int, tip: int) -> str:
    transaction: dict[str, Any] = {
        "type": 2,
        "chainId": CHAIN_ID,
        "nonce": 0,
        "to": account.address,
        "value": 0,
        "gas": 21_000,
        "maxFeePerGas": fee,
        "maxPriorityFeePerGas": tip,
    }
    return "0x" + bytes(account.sign_transaction(transaction).raw_transaction).hex()


def is_alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] != "Z"


@engines
def test_final_blocks_trail_the_head_by_the_chosen_depth(engine: str) -> None:
    with evm_node(engine, "--finality-depth", "3") as node:
        node.order(mine={"blocks": 5})

        blocks = [
            ask(node, "eth_getBlockByNumber", tag, False)["result"]
            for tag in ("latest", "safe", "finalized")
        ]

        assert [block["number"] for block in blocks if isinstance(block, dict)] == [
            "0x5",
            "0x2",
            "0x2",
        ]


def test_a_replacement_bids_ten_per_cent_more_on_both_fees() -> None:
    account: LocalAccount = Account.create()
    with evm_node("py-evm") as node:
        node.set_balance(account.address, 10**18)
        node.order(mining={"mode": "manual"})
        ask(node, "eth_sendRawTransaction", bid(account, fee=100 * GWEI, tip=100))

        low_fee = ask(node, "eth_sendRawTransaction", bid(account, fee=109 * GWEI, tip=110))
        low_tip = ask(node, "eth_sendRawTransaction", bid(account, fee=110 * GWEI, tip=109))
        enough = ask(node, "eth_sendRawTransaction", bid(account, fee=110 * GWEI, tip=110))

    refusal = {"code": -32000, "message": "replacement transaction underpriced"}
    assert (low_fee["error"], low_tip["error"]) == (refusal, refusal)
    assert "result" in enough


@engines
@pytest.mark.parametrize("ending", ["stdin closes", "SIGTERM", "SIGINT"])
def test_the_node_ends_at_once_with_its_parent_or_on_a_signal(engine: str, ending: str) -> None:
    with evm_node(engine) as node, httpx.Client() as client:
        client.post(node.rpc, json={"id": 1, "method": "eth_chainId", "params": []})
        if ending == "stdin closes":
            assert node.process.stdin is not None
            node.process.stdin.close()
        else:
            node.process.send_signal(getattr(signal, ending))

        assert node.process.wait(SECONDS) == 0


def test_a_slow_answer_under_way_does_not_keep_the_node_alive() -> None:
    with evm_node("py-evm") as node:
        node.order(latency={"ms": 60_000})
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(node.rpc, json={"id": 1, "method": "eth_chainId"}, timeout=0.2)

        node.process.terminate()

        assert node.process.wait(SECONDS) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="the death signal is Linux's")
def test_anvil_does_not_outlive_a_killed_node() -> None:
    with evm_node("anvil") as node:
        pid = node.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()

        os.kill(pid, signal.SIGKILL)
        node.process.wait(SECONDS)

        assert len(children) == 1
        deadline = time.monotonic() + SECONDS
        while is_alive(int(children[0])):
            assert time.monotonic() < deadline
