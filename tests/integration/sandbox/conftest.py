"""The local EVM node, once per file and engine, well behaved before every test."""

from collections.abc import AsyncIterator, Iterator

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount

from tests.support.evm_client import ETHER, Web3, connect
from tests.support.evm_node import EvmNode, evm_node


@pytest.fixture(scope="module", params=["py-evm", "anvil"])
def evm_process(request: pytest.FixtureRequest) -> Iterator[EvmNode]:
    with evm_node(request.param) as running:
        yield running


@pytest.fixture
def evm(evm_process: EvmNode) -> EvmNode:
    evm_process.order(
        up={},
        mining={"mode": "auto"},
        latency={"ms": 0},
        drop_next={"count": 0},
        lose_answer_next={"count": 0},
        double_next={"count": 0},
        reject_next={"count": 0},
        chain_id={"value": None},
    )
    return evm_process


@pytest.fixture
async def w3(evm: EvmNode) -> AsyncIterator[Web3]:
    client = connect(evm)
    yield client
    await client.provider.disconnect()


@pytest.fixture
def payer(evm: EvmNode) -> LocalAccount:
    account: LocalAccount = Account.create()
    evm.set_balance(account.address, ETHER)
    return account
