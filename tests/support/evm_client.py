"""What tests of the local EVM node share: signed transfers, a client, the node's answers."""

from typing import Any

import httpx
import pytest
from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak as hash_of
from hexbytes import HexBytes
from web3 import AsyncHTTPProvider, AsyncWeb3
from web3.exceptions import Web3RPCError

from tests.support.evm_node import EvmNode

CHAIN_ID = 31337
ETHER = 10**18
GWEI = 10**9
PAYEE = to_checksum_address("0x000000000000000000000000000000000000dead")
SECONDS = 10

Web3 = AsyncWeb3[AsyncHTTPProvider]


def connect(node: EvmNode) -> Web3:
    # One attempt: a retry by the client would hide what the node answered.
    return AsyncWeb3(AsyncHTTPProvider(node.rpc, exception_retry_configuration=None))


def signed(account: LocalAccount, nonce: int, **fields: Any) -> bytes:
    transaction: dict[str, Any] = {
        "type": 2,
        "chainId": CHAIN_ID,
        "nonce": nonce,
        "to": PAYEE,
        "value": 1,
        "gas": 21_000,
        "maxFeePerGas": 10 * GWEI,
        "maxPriorityFeePerGas": GWEI,
    }
    return bytes(account.sign_transaction(transaction | fields).raw_transaction)


def keccak(raw: bytes) -> HexBytes:
    return HexBytes(hash_of(raw))


def digest(raw: bytes) -> str:
    return "0x" + keccak(raw).hex()


async def receipt_of(w3: Web3, raw: bytes) -> Any:
    return await w3.eth.wait_for_transaction_receipt(
        keccak(raw),
        timeout=SECONDS,
        poll_latency=0.01,
    )


async def refusal(w3: Web3, raw: bytes) -> dict[str, Any]:
    with pytest.raises(Web3RPCError) as caught:
        await w3.eth.send_raw_transaction(raw)
    assert caught.value.rpc_response is not None
    return dict(caught.value.rpc_response["error"])


def status_of_a_question(node: EvmNode) -> int:
    return httpx.post(node.rpc, json={"id": 1, "method": "eth_chainId"}).status_code


def payments(node: EvmNode, account: LocalAccount) -> list[dict[str, Any]]:
    return [tx for tx in node.mined() if tx["from"] == account.address.lower()]
