"""Reading a contract: its bytes, or an error that leaves the node in good standing."""

from collections.abc import AsyncIterator

import pytest

from tests.support.clock import SettableClock
from tests.unit.chains.evm.scripted_node import ScriptedNode, error, scripted_node
from wallet.chains.evm.adapter import EvmChain
from wallet.domain.chains import ChainName, Network
from wallet.domain.prices import Price
from wallet.errors import ChainError, Code
from wallet.prices.chainlink import ChainlinkPrices, Feed

NETWORK = Network("evm-local", ChainName.ETHEREUM, "31337", "ETH", 18, 10**16)
CONTRACT = "0x5f4eC3Df9cbd43714FE2740f5E3616155c5b8419"


@pytest.fixture
async def server() -> AsyncIterator[ScriptedNode]:
    async with scripted_node() as running:
        yield running


@pytest.fixture
async def chain(server: ScriptedNode) -> AsyncIterator[EvmChain]:
    chain = EvmChain(NETWORK, [server.url], SettableClock(), 5)
    yield chain
    await chain.close()


async def test_a_call_is_read_at_the_latest_state(server: ScriptedNode, chain: EvmChain) -> None:
    asked: list[object] = []

    def answer(params: list[object]) -> str:
        asked.extend(params)
        return "0x0102"

    server.answers(eth_call=answer)

    assert await chain.call(CONTRACT, b"\xfe\xaf") == b"\1\2"
    assert asked == [{"to": CONTRACT, "data": "0xfeaf"}, "latest"]


@pytest.mark.parametrize("answer", [error("execution reverted"), None, 5, "0xzz", "0x1"])
async def test_a_contract_that_does_not_answer_is_no_fault_of_the_node(
    server: ScriptedNode, chain: EvmChain, answer: object
) -> None:
    server.answers(eth_call=answer)

    with pytest.raises(ChainError) as refused:
        await chain.call(CONTRACT, b"")

    assert refused.value.code is Code.CHAIN_ERROR
    assert server.asked.count("eth_chainId") == 1
    server.answers(eth_blockNumber="0x1")
    assert await chain.is_healthy()
    assert server.asked.count("eth_chainId") == 1  # its proof still stands


async def test_a_feed_is_read_through_the_adapter(server: ScriptedNode, chain: EvmChain) -> None:
    def answer(params: list[dict[str, str]]) -> str:
        text = b"ETH / USD"
        return (
            "0x"
            + {
                "0x7284e416": f"{32:064x}{len(text):064x}{text.hex():0<64}",
                "0x313ce567": f"{8:064x}",
                "0xfeaf968c": f"{1:064x}{3000_12345678:064x}{5:064x}{1_800_000_000:064x}{1:064x}",
            }[params[0]["data"]]
        )

    server.answers(eth_call=answer)
    prices = ChainlinkPrices({"evm-local/native": Feed(chain, CONTRACT)})

    found = await prices.quotes(["evm-local/native"])

    assert found == {"evm-local/native": Price(3000_12345678, -8, 1_800_000_000_000)}
