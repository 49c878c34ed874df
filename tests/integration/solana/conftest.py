"""A connected chain, and a payer with ten coins."""

from collections.abc import AsyncIterator, Iterator

import pytest
from solders.keypair import Keypair

from tests.support.solana_chain import (
    FINALITY_DEPTH,
    MovingClock,
    connected,
    funded,
    local_network,
)
from tests.support.solana_node import SolanaNode, solana_node
from wallet.chains.solana.adapter import SolanaChain
from wallet.domain.chains import Finality


@pytest.fixture(scope="module")
def node() -> Iterator[SolanaNode]:
    with solana_node() as running:
        yield running


@pytest.fixture(scope="module")
def deep_node() -> Iterator[SolanaNode]:
    """A node where finality lags behind."""
    with solana_node(finality_depth=FINALITY_DEPTH) as running:
        yield running


@pytest.fixture
async def chain(node: SolanaNode) -> AsyncIterator[SolanaChain]:
    async with connected(
        SolanaChain(local_network(node.genesis), [node.rpc], MovingClock())
    ) as ready:
        yield ready


@pytest.fixture
async def deep_chain(deep_node: SolanaNode) -> AsyncIterator[SolanaChain]:
    network = local_network(deep_node.genesis, Finality.FINALIZED)
    async with connected(SolanaChain(network, [deep_node.rpc], MovingClock())) as ready:
        yield ready


@pytest.fixture
def payer(node: SolanaNode) -> Keypair:
    return funded(node)
