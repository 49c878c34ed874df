"""The local EVM node misbehaves as it is told, and only so."""

import time
from typing import Any

import httpx
import pytest
from eth_account.signers.local import LocalAccount
from web3.exceptions import TransactionNotFound
from web3.types import Wei

from tests.support.evm_client import (
    SECONDS,
    Web3,
    keccak,
    payments,
    receipt_of,
    refusal,
    signed,
    status_of_a_question,
)
from tests.support.evm_node import EvmNode


async def test_a_dropped_transaction_is_acknowledged_and_never_lands_until_sent_again(
    evm: EvmNode, w3: Web3, payer: LocalAccount
) -> None:
    raw = signed(payer, 0)
    evm.order(drop_next={"count": 1})

    acknowledged = await w3.eth.send_raw_transaction(raw)

    assert acknowledged == keccak(raw)
    assert await w3.eth.get_transaction_count(payer.address, "pending") == 0
    with pytest.raises(TransactionNotFound):
        await w3.eth.get_transaction(acknowledged)
    await w3.eth.send_raw_transaction(raw)
    assert (await receipt_of(w3, raw))["status"] == 1


async def test_a_lost_answer_hides_a_transaction_that_was_taken(
    evm: EvmNode, w3: Web3, payer: LocalAccount
) -> None:
    raw = signed(payer, 0)
    evm.order(lose_answer_next={"count": 1})

    with pytest.raises(Exception, match="502"):
        await w3.eth.send_raw_transaction(raw)

    assert (await receipt_of(w3, raw))["status"] == 1
    assert len(payments(evm, payer)) == 1


async def test_a_doubled_send_is_answered_for_its_second_delivery_and_lands_once(
    evm: EvmNode, w3: Web3, payer: LocalAccount
) -> None:
    raw = signed(payer, 0)
    evm.order(double_next={"count": 1})

    refused = await refusal(w3, raw)

    assert "already" in refused["message"] or "nonce too low" in refused["message"]
    assert (await receipt_of(w3, raw))["status"] == 1
    assert len(payments(evm, payer)) == 1


async def test_a_rejection_carries_the_ordered_message_and_takes_nothing(
    evm: EvmNode, w3: Web3, payer: LocalAccount
) -> None:
    raw = signed(payer, 0)
    evm.order(reject_next={"count": 1, "message": "already reserved"})

    refused = await refusal(w3, raw)

    assert refused == {"code": -32000, "message": "already reserved"}
    assert payments(evm, payer) == []
    await w3.eth.send_raw_transaction(raw)
    assert (await receipt_of(w3, raw))["status"] == 1


async def test_a_node_that_is_down_answers_503_until_it_is_up(evm: EvmNode, w3: Web3) -> None:
    evm.order(down={"seconds": None})

    with pytest.raises(Exception, match="503"):
        await w3.eth.block_number
    assert evm.state()["down"] is True
    evm.order(up={})

    assert await w3.eth.block_number >= 0


def test_a_short_outage_ends_by_itself(evm: EvmNode) -> None:
    evm.order(down={"seconds": 2})
    deadline = time.monotonic() + SECONDS

    outages = 0
    while status_of_a_question(evm) == httpx.codes.SERVICE_UNAVAILABLE:
        outages += 1
        assert time.monotonic() < deadline

    assert outages
    assert status_of_a_question(evm) == httpx.codes.OK


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("{", -32700),
        ("[]", -32600),
        ('{"id":1}', -32600),
        ('{"id":1,"method":"eth_getBalance","params":{}}', None),
        ('{"id":1,"method":"eth_sendRawTransaction","params":{"raw":"0x"}}', -32602),
        ('{"id":1,"method":"eth_sendRawTransaction","params":[]}', -32602),
        ('{"id":1,"method":"eth_sendRawTransaction","params":["0xzz"]}', -32602),
        ('{"id":1,"method":"eth_sendRawTransaction","params":["0x02f8"]}', None),
    ],
)
def test_nonsense_is_refused_and_the_node_goes_on(
    evm: EvmNode, body: str, code: int | None
) -> None:
    response = httpx.post(evm.rpc, content=body)

    assert response.status_code == httpx.codes.OK
    assert code is None or response.json()["error"]["code"] == code
    assert "error" in response.json()
    assert status_of_a_question(evm) == httpx.codes.OK


async def test_every_answer_waits_for_the_ordered_latency(evm: EvmNode, w3: Web3) -> None:
    evm.order(latency={"ms": 150})
    started = time.monotonic()

    await w3.eth.chain_id

    assert time.monotonic() - started >= 0.15


async def test_the_node_can_lie_about_its_chain(evm: EvmNode, w3: Web3) -> None:
    evm.order(chain_id={"value": Wei(1)})

    assert await w3.eth.chain_id == 1
    assert await w3.net.version == "1"


@pytest.mark.parametrize(
    "orders",
    [
        {"mime": {}},
        {"mining": {"mode": "never"}},
        {"set_balance": {"address": "0x1", "amount": "1"}},
        [],
    ],
)
def test_a_senseless_order_is_refused(evm: EvmNode, orders: Any) -> None:
    response = httpx.post(evm.control, json=orders)

    assert response.status_code == 400
    assert response.json()["ok"] is False


@pytest.mark.parametrize("path", ["/", "/control"])
def test_only_a_loopback_host_is_answered(evm: EvmNode, path: str) -> None:
    response = httpx.post(evm.rpc + path, json={}, headers={"Host": "other.example:80"})

    assert response.status_code == 403
