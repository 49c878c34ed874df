"""A node that turns into another chain after it was proved, and nodes that contradict each other."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.unit.chains.evm.scripted_node import ScriptedNode, error, scripted_node
from tests.unit.chains.evm.test_evidence import ATTEMPT, HASH, NETWORK, RECEIPT
from wallet.chains.evm.adapter import EvmChain
from wallet.chains.rpc import PROOF_SECONDS
from wallet.errors import ChainError, Code
from wallet.ports.chain import Evidence, SendOutcome, Sighting

MAINNET = "0x1"
RAW = b"\x02\xc0"


class HandClock:
    def __init__(self) -> None:
        self.seconds = 1_000.0

    def now(self) -> int:
        return 0

    def monotonic(self) -> float:
        return self.seconds


@asynccontextmanager
async def honest() -> AsyncIterator[ScriptedNode]:
    async with scripted_node() as node:
        node.answers(
            eth_blockNumber="0x64",
            eth_getBlockByNumber={"number": "0x60"},
            eth_getTransactionCount="0x5",
            eth_getTransactionReceipt=None,
            eth_getTransactionByHash=None,
            eth_getBalance="0x7",
            eth_sendRawTransaction=error("already known"),
        )
        yield node


@pytest.fixture
async def nodes() -> AsyncIterator[tuple[ScriptedNode, ScriptedNode]]:
    async with honest() as first, honest() as second:
        yield first, second


async def mismatch(chain: EvmChain) -> Code:
    with pytest.raises(ChainError) as caught:
        await chain.balance(ATTEMPT.address)
    return caught.value.code


async def test_a_node_that_comes_back_as_another_chain_is_asked_for_nothing(
    nodes: tuple[ScriptedNode, ScriptedNode],
) -> None:
    first, second = nodes
    clock = HandClock()
    chain = EvmChain(NETWORK, [first.url, second.url], clock)
    await chain.connect()
    first.status = 503
    assert (await chain.balance(ATTEMPT.address)).amount == 7
    first.status = 200
    first.answers(eth_chainId=MAINNET, eth_getBalance="0xffff")
    first.asked.clear()

    for _ in range(3):
        clock.seconds += 60
        assert (await chain.balance(ATTEMPT.address)).amount == 7
        assert (await chain.evidence([ATTEMPT]))[0].sighting is Sighting.UNSEEN
        assert (await chain.send(RAW)).outcome is SendOutcome.ACCEPTED
    assert set(first.asked) == {"eth_chainId"}

    second.answers(eth_chainId=MAINNET)
    second.status = 503
    await mismatch(chain)
    second.status = 200
    clock.seconds += 60
    assert await mismatch(chain) is Code.CHAIN_IDENTITY_MISMATCH
    asked = len(second.asked)
    assert (await chain.send(RAW)).outcome is SendOutcome.UNKNOWN
    assert "eth_sendRawTransaction" not in second.asked[asked:]
    await chain.close()


async def test_a_silent_change_is_noticed_within_the_hour() -> None:
    clock = HandClock()
    async with honest() as node:
        chain = EvmChain(NETWORK, [node.url], clock)
        await chain.connect()
        node.answers(eth_chainId=MAINNET)
        clock.seconds += PROOF_SECONDS + 1
        node.asked.clear()
        assert await mismatch(chain) is Code.CHAIN_IDENTITY_MISMATCH
        assert (await chain.send(RAW)).outcome is SendOutcome.UNKNOWN
        assert set(node.asked) == {"eth_chainId"}
        await chain.close()


async def test_nodes_that_contradict_each_other_are_never_mixed_in_one_answer(
    nodes: tuple[ScriptedNode, ScriptedNode],
) -> None:
    """One has the receipt, just now; the other says it was long ago. Together they would prove a payment."""
    first, second = nodes
    first.answers(eth_getTransactionReceipt=RECEIPT, eth_getBlockByNumber=error("not available"))
    second.answers(eth_blockNumber="0xffff", eth_getBlockByNumber={"number": "0xffff"})
    chain = EvmChain(NETWORK, [first.url, second.url], HandClock())

    found = (await chain.evidence([ATTEMPT]))[0]
    assert (found.sighting, found.deep_enough, found.final) == (Sighting.SUCCEEDED, False, False)
    first.status = 503
    assert (await chain.evidence([ATTEMPT]))[0] == Evidence(HASH, Sighting.UNSEEN)
    await chain.close()
