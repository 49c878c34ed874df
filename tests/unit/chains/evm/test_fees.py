"""Fees: what is offered, what the ceiling does to it, and how often the node is asked."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.chains.evm.scripted_node import ScriptedNode, error, scripted_node
from wallet.chains.evm.fees import (
    TIP_FLOOR,
    Fees,
    Floor,
    Market,
    floor_above,
    gas_limit,
    highest_fee_per_gas,
)
from wallet.chains.evm.node import TRANSPORT_FAILURES, Node, quantity
from wallet.chains.rpc import Endpoint, Endpoints, Proof
from wallet.errors import ChainError, Code

GWEI = 10**9
WEI = st.integers(0, 10**15)
HISTORY = {
    "oldestBlock": "0x1",
    "baseFeePerGas": [hex(9 * GWEI), hex(10 * GWEI)],
    "reward": [["0x0"], [hex(3 * GWEI)], [hex(GWEI)], [hex(2 * GWEI)]],
    "gasUsedRatio": [0.5],
}


@dataclass(slots=True)
class HandClock:
    seconds: float = 100.0

    def now(self) -> int:
        return int(self.seconds * 1000)

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
async def server() -> AsyncIterator[ScriptedNode]:
    async with scripted_node() as running:
        running.answers(
            eth_feeHistory=HISTORY, eth_maxPriorityFeePerGas=hex(GWEI), eth_getCode="0x"
        )
        yield running


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def fees(server: ScriptedNode, clock: HandClock) -> AsyncIterator[Fees]:
    node = Node(server.url, 5)

    async def identity(node: Node) -> str:
        return str(quantity(await node.call("eth_chainId")))

    endpoints = Endpoints(
        [Endpoint("local", node)],
        network="evm-local",
        proof=Proof(expected="31337", ask=identity),
        clock=clock,
        timeout_seconds=5,
        failures=TRANSPORT_FAILURES,
    )
    yield Fees(endpoints, clock)
    await node.close()


async def test_the_market_is_the_next_block_s_base_fee_and_the_suggested_tip(fees: Fees) -> None:
    assert await fees.market() == Market(10 * GWEI, GWEI, has_data_fee=False)


async def test_many_payments_of_one_moment_share_one_reading(
    server: ScriptedNode, fees: Fees, clock: HandClock
) -> None:
    await asyncio.gather(*(fees.market() for _ in range(20)))
    assert server.asked.count("eth_feeHistory") == 1
    clock.seconds += 0.4
    await fees.market()
    assert server.asked.count("eth_feeHistory") == 1
    clock.seconds += 0.2
    await fees.market()
    assert server.asked.count("eth_feeHistory") == 2
    assert server.asked.count("eth_getCode") == 1


async def test_without_a_suggestion_the_middle_tip_of_late_blocks_is_taken(
    server: ScriptedNode, fees: Fees
) -> None:
    server.answers(eth_maxPriorityFeePerGas=error("method not found", -32601))
    assert (await fees.market()).tip == 2 * GWEI


async def test_a_tip_is_never_below_what_nodes_relay(server: ScriptedNode, fees: Fees) -> None:
    server.answers(eth_maxPriorityFeePerGas="0x0")
    assert (await fees.market()).tip == TIP_FLOOR


@pytest.mark.parametrize("history", [None, {}, {"baseFeePerGas": []}, {"baseFeePerGas": [None]}])
async def test_a_node_that_tells_no_base_fee_is_no_use(
    server: ScriptedNode, fees: Fees, history: object
) -> None:
    server.answers(eth_feeHistory=history)
    with pytest.raises(ChainError) as caught:
        await fees.market()
    assert caught.value.code is Code.CHAIN_UNAVAILABLE


@given(WEI, WEI, st.integers(21_000, 10**7), st.integers(0, 10**24))
def test_the_offer_fits_the_ceiling_and_survives_the_next_block(
    base: int, tip: int, gas: int, allowed: int
) -> None:
    market = Market(base, tip, has_data_fee=False)
    least = -(-base * 9 // 8) + tip
    try:
        offer = highest_fee_per_gas(market, gas, allowed)
    except ChainError as refusal:
        assert refusal.code is Code.FEE_CEILING_EXCEEDED  # noqa: PT017
        assert gas * least > allowed
    else:
        assert gas * offer <= allowed
        assert least <= offer <= 2 * base + tip


@pytest.mark.parametrize(
    ("estimate", "data", "offered"),
    [
        (21_000, b"", 21_000),
        (21_000 + 3 * 16, b"abc", 21_000 + 3 * 40),
        (21_000 + 3 * 40, b"abc", 21_000 + 3 * 40),
        (30_000, b"", 36_000),
        (21_001, b"", 25_202),
        (21_049, b"abc", 25_259),
    ],
)
def test_plain_accounts_get_exactly_their_gas_and_code_a_fifth_more(
    estimate: int, data: bytes, offered: int
) -> None:
    assert gas_limit(estimate, data) == offered


@given(offers=st.lists(st.tuples(WEI, WEI), max_size=5), base=WEI, tip=WEI, allowed=WEI)
def test_a_replacement_beats_every_offer_by_a_tenth_or_is_not_made(
    offers: list[tuple[int, int]], base: int, tip: int, allowed: int
) -> None:
    floor = floor_above(offers)
    raised = Market(base, max(tip, floor.tip), has_data_fee=False)
    if allowed < max(-(-base * 9 // 8) + raised.tip, floor.max_fee_per_gas):
        with pytest.raises(ChainError):
            highest_fee_per_gas(raised, 21_000, allowed * 21_000, floor)
        return
    price = highest_fee_per_gas(raised, 21_000, allowed * 21_000, floor)
    assert price <= allowed
    assert all(raised.tip * 10 >= t * 11 and price * 10 >= h * 11 for t, h in offers)


def test_nothing_to_outbid_asks_for_nothing() -> None:
    assert floor_above([]) == Floor()
