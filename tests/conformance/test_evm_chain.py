"""The EVM adapter against the local node, with either engine."""

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from typing import Any

import httpx
import pytest
from eth_account import Account as Keys
from eth_hash.auto import keccak
from typing_extensions import override

from tests.conformance.chain_suite import (
    Account,
    ChainSuite,
    Harness,
    SystemClock,
    request,
    settled,
    signed_attempt,
)
from tests.support.evm_node import EvmNode, evm_node
from wallet.chains.evm.adapter import EvmChain
from wallet.domain.chains import ChainName, Finality, Network
from wallet.domain.transactions import Attempt
from wallet.errors import ChainError, Code
from wallet.ports.chain import Chain, SendOutcome, Sighting

ETHER = 10**18
GWEI = 10**9
NETWORK = Network(
    name="evm-local",
    chain=ChainName.ETHEREUM,
    identity="31337",
    symbol="ETH",
    decimals=18,
    fee_ceiling=ETHER // 100,
    finality=Finality.LATEST,
)


def account() -> Account:
    keys = Keys.create()

    def sign(payload: bytes) -> bytes:
        signature = keys.unsafe_sign_hash(keccak(payload))
        parity = signature.v - 27
        return signature.r.to_bytes(32, "big") + signature.s.to_bytes(32, "big") + bytes([parity])

    return Account(keys.address, sign)


class EvmHarness(Harness):
    network = NETWORK
    unit = ETHER

    def __init__(self, node: EvmNode) -> None:
        self.node = node

    @override
    def chain(
        self,
        *,
        first: Sequence[str] = (),
        timeout_seconds: float = 5,
        network: Network = NETWORK,
    ) -> EvmChain:
        return EvmChain(network, [*first, self.node.rpc], SystemClock(), timeout_seconds)

    @override
    def account(self) -> Account:
        return account()

    @override
    def bad_addresses(self) -> Sequence[str]:
        return (
            "0x" + "0" * 40,
            "0x52908400098527886E0F7030069857D2E4169EE",
            "52908400098527886E0F7030069857D2E4169EE7",
            "0X52908400098527886E0F7030069857D2E4169EE7",
            "0x52908400098527886e0F7030069857D2E4169EE7",
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1Beaeb",
            "vitalik.eth",
            "9xQeWvG816bUx9EPjHmaT23yvVM2ZWbrrpZb9PusVFin",
        )

    @override
    def reset(self) -> None:
        self.node.order(
            up={},
            mining={"mode": "auto"},
            latency={"ms": 0},
            drop_next={"count": 0},
            lose_answer_next={"count": 0},
            reject_next={"count": 0},
            chain_id={"value": None},
        )

    @override
    def fund(self, address: str, amount: int) -> None:
        self.node.set_balance(address, amount)

    @override
    def hold(self) -> None:
        self.node.order(mining={"mode": "manual"})

    @override
    def release(self) -> None:
        self.node.order(mining={"mode": "auto"})

    @override
    def drop_next(self) -> None:
        self.node.order(drop_next={"count": 1})

    @override
    def lose_answer_next(self) -> None:
        self.node.order(lose_answer_next={"count": 1})

    @override
    def reject_next(self, message: str | None = None) -> None:
        self.node.order(reject_next={"count": 1} | ({"message": message} if message else {}))

    @override
    def go_down(self) -> None:
        self.node.order(down={})

    @override
    def come_up(self) -> None:
        self.node.order(up={})

    @override
    def claim_another_identity(self) -> None:
        self.node.order(chain_id={"value": 1})

    @override
    def landed(self, address: str) -> Sequence[str]:
        return [tx["hash"] for tx in self.node.mined() if tx["from"] == address.lower()]

    @override
    async def bury(self, chain: Chain, payer: Account, attempt: Attempt) -> None:
        wanted = replace(request(payer, payer.address, 0, NETWORK), nonce=attempt.nonce)
        sibling = await signed_attempt(chain, payer, wanted)
        await chain.send(sibling.raw)
        await settled(chain, sibling)

    def rpc(self, method: str, *params: Any) -> Any:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        answer = httpx.post(self.node.rpc, json=body).json()
        assert "error" not in answer, answer
        return answer["result"]


@pytest.fixture(scope="module", params=["eth-tester", "anvil"])
def node(request: pytest.FixtureRequest) -> Iterator[EvmNode]:
    with evm_node(request.param) as running:
        yield running


@pytest.fixture
def harness(node: EvmNode) -> Iterator[EvmHarness]:
    harness = EvmHarness(node)
    harness.reset()
    yield harness
    harness.reset()


@pytest.fixture
async def chain(harness: EvmHarness) -> AsyncIterator[EvmChain]:
    chain = harness.chain()
    await chain.connect()
    yield chain
    await chain.close()


class TestEvmChain(ChainSuite):
    """The suite that every chain passes."""
