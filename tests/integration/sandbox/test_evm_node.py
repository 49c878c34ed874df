"""The local EVM node behaves like a node: through web3, over HTTP, with either engine."""

import httpx
import pytest
from eth_account.signers.local import LocalAccount
from web3.exceptions import TransactionNotFound
from web3.types import TxParams, Wei

from tests.support.evm_client import (
    CHAIN_ID,
    ETHER,
    GWEI,
    PAYEE,
    Web3,
    digest,
    keccak,
    payments,
    receipt_of,
    refusal,
    signed,
)
from tests.support.evm_node import EvmNode

# Returns its 32-byte argument plus one; reverts without a reason when there is no argument.
# init: copy the 17 bytes of runtime that follow. runtime: CALLDATASIZE JUMPI, REVERT, or answer.
RUNTIME = "36600857600080fd5b600035600101600052" + "60206000f3"
DEPLOY = f"60{len(RUNTIME) // 2:02x}600c60003960{len(RUNTIME) // 2:02x}6000f3" + RUNTIME
# Emits LOG1 with topic 7 and no data, whenever it is called.
LOG_RUNTIME = "600760006000a100"
LOG_DEPLOY = (
    f"60{len(LOG_RUNTIME) // 2:02x}600c60003960{len(LOG_RUNTIME) // 2:02x}6000f3" + LOG_RUNTIME
)


async def test_a_transfer_gets_a_receipt_and_moves_exactly_its_value(
    evm: EvmNode, w3: Web3, payer: LocalAccount
) -> None:
    before = await w3.eth.get_balance(PAYEE)
    raw = signed(payer, 0, value=12345)

    sent = await w3.eth.send_raw_transaction(raw)
    receipt = await receipt_of(w3, raw)

    fee = receipt["gasUsed"] * receipt["effectiveGasPrice"]
    assert sent == keccak(raw)
    assert receipt["status"] == 1
    assert await w3.eth.get_balance(PAYEE) == before + 12345
    assert await w3.eth.get_balance(payer.address) == ETHER - 12345 - fee
    seen = await w3.eth.get_transaction(sent)
    assert (seen["from"], seen["value"], seen["blockHash"]) == (
        payer.address,
        12345,
        receipt["blockHash"],
    )
    assert [(tx["hash"], tx["value"], tx["fee"]) for tx in payments(evm, payer)] == [
        (digest(raw), "12345", str(fee))
    ]


async def test_the_questions_an_adapter_asks_are_answered(w3: Web3, payer: LocalAccount) -> None:
    raw = signed(payer, 0)
    await w3.eth.send_raw_transaction(raw)
    await receipt_of(w3, raw)

    latest = await w3.eth.get_block("latest")
    history = await w3.eth.fee_history(4, "latest", [50])

    assert await w3.eth.chain_id == CHAIN_ID
    assert await w3.net.version == str(CHAIN_ID)
    assert await w3.client_version
    assert latest["baseFeePerGas"] > 0
    assert (await w3.eth.get_block(latest["hash"]))["number"] == latest["number"]
    assert (await w3.eth.get_block(latest["number"], full_transactions=True))["transactions"]
    assert (await w3.eth.get_block("safe"))["number"] <= latest["number"]
    assert (await w3.eth.get_block("finalized"))["number"] == latest["number"]
    assert await w3.eth.gas_price > 0
    assert await w3.eth.max_priority_fee > 0
    assert len(history["baseFeePerGas"]) == len(history["gasUsedRatio"]) + 1
    assert len(history["reward"]) == len(history["gasUsedRatio"])
    assert (
        await w3.eth.estimate_gas({"from": payer.address, "to": PAYEE, "value": Wei(1)}) == 21_000
    )
    assert await w3.eth.get_code(PAYEE) == b""
    for tag in ("latest", "pending", "finalized", "safe"):
        assert await w3.eth.get_transaction_count(payer.address, tag) == 1


async def test_contracts_are_deployed_called_estimated_and_their_reverts_told(
    w3: Web3, payer: LocalAccount
) -> None:
    raw = signed(payer, 0, to="", data="0x" + DEPLOY, gas=200_000, value=0)
    await w3.eth.send_raw_transaction(raw)
    contract = (await receipt_of(w3, raw))["contractAddress"]
    question: TxParams = {
        "from": payer.address,
        "to": contract,
        "data": (41).to_bytes(32, "big"),
    }

    answer = await w3.eth.call(question)
    gas = await w3.eth.estimate_gas(question)

    assert (await w3.eth.get_code(contract)).hex() == RUNTIME
    assert int.from_bytes(answer, "big") == 42
    assert 21_000 < gas < 30_000
    with pytest.raises(Exception, match="revert"):
        await w3.eth.call({"to": contract})
    with pytest.raises(Exception, match="revert"):
        await w3.eth.estimate_gas({"to": contract})


async def test_logs_are_found_by_address_and_topic(w3: Web3, payer: LocalAccount) -> None:
    raw = signed(payer, 0, to="", data="0x" + LOG_DEPLOY, gas=200_000, value=0)
    await w3.eth.send_raw_transaction(raw)
    contract = (await receipt_of(w3, raw))["contractAddress"]
    call = signed(payer, 1, to=contract, gas=60_000, value=0)
    await w3.eth.send_raw_transaction(call)
    await receipt_of(w3, call)

    found = await w3.eth.get_logs({"fromBlock": 0, "address": contract, "topics": [f"0x{7:064x}"]})
    none = await w3.eth.get_logs({"fromBlock": 0, "address": contract, "topics": [f"0x{8:064x}"]})

    assert [log["transactionHash"] for log in found] == [keccak(call)]
    assert none == []


async def test_twenty_nonces_sent_out_of_order_are_all_mined(
    evm: EvmNode, w3: Web3, payer: LocalAccount
) -> None:
    raws = [signed(payer, nonce) for nonce in range(20)]

    for raw in raws[:0:-1]:
        await w3.eth.send_raw_transaction(raw)
    waiting = payments(evm, payer)
    await w3.eth.send_raw_transaction(raws[0])
    for raw in raws:
        await receipt_of(w3, raw)

    assert waiting == []
    assert sorted(tx["nonce"] for tx in payments(evm, payer)) == list(range(20))
    assert await w3.eth.get_transaction_count(payer.address) == 20


async def test_the_pending_nonce_counts_the_pool_up_to_the_gap(
    evm: EvmNode, w3: Web3, payer: LocalAccount
) -> None:
    evm.order(mining={"mode": "manual"})

    for nonce in (0, 1, 3):
        await w3.eth.send_raw_transaction(signed(payer, nonce))

    assert await w3.eth.get_transaction_count(payer.address, "pending") == 2
    assert await w3.eth.get_transaction_count(payer.address, "latest") == 0
    evm.order(mine={"blocks": 1})
    assert await w3.eth.get_transaction_count(payer.address, "latest") == 2


async def test_a_replacement_must_pay_more_and_then_takes_the_place(
    evm: EvmNode, w3: Web3, payer: LocalAccount
) -> None:
    evm.order(mining={"mode": "manual"})
    first = signed(payer, 0, value=1)
    same_fee = signed(payer, 0, value=2)
    better = signed(payer, 0, value=3, maxFeePerGas=20 * GWEI, maxPriorityFeePerGas=2 * GWEI)
    await w3.eth.send_raw_transaction(first)

    refused = await refusal(w3, same_fee)
    await w3.eth.send_raw_transaction(better)
    evm.order(mine={"blocks": 1})

    assert "replacement transaction underpriced" in refused["message"]
    assert (await receipt_of(w3, better))["status"] == 1
    assert [tx["hash"] for tx in payments(evm, payer)] == [digest(better)]
    with pytest.raises(TransactionNotFound):
        await w3.eth.get_transaction_receipt(keccak(first))


@pytest.mark.parametrize("amount", [0, 1, 3 * ETHER, 2**200])
async def test_a_balance_is_set_exactly_up_and_down_even_with_blocks_between(
    evm: EvmNode, w3: Web3, payer: LocalAccount, amount: int
) -> None:
    evm.set_balance(payer.address, amount)

    assert await w3.eth.get_balance(payer.address) == amount
    head = await w3.eth.block_number
    assert await w3.eth.get_balance(payer.address, head) == amount
    evm.order(mine={"blocks": 2})
    assert await w3.eth.get_balance(payer.address) == amount
    evm.set_balance(payer.address, ETHER // 2)
    assert await w3.eth.get_balance(payer.address) == ETHER // 2


async def test_a_lowered_balance_can_no_longer_be_spent_and_a_raised_one_can(
    evm: EvmNode, w3: Web3, payer: LocalAccount
) -> None:
    raw = signed(payer, 0, value=ETHER // 2)
    evm.set_balance(payer.address, ETHER // 2)

    refused = await refusal(w3, raw)
    evm.set_balance(payer.address, ETHER)
    await w3.eth.send_raw_transaction(raw)

    assert "insufficient funds for gas * price + value" in refused["message"].lower()
    assert (await receipt_of(w3, raw))["status"] == 1


async def test_sending_the_same_bytes_again_is_harmless_while_waiting_and_when_mined(
    evm: EvmNode, w3: Web3, payer: LocalAccount
) -> None:
    evm.order(mining={"mode": "manual"})
    raw = signed(payer, 0)
    await w3.eth.send_raw_transaction(raw)

    while_waiting = await refusal(w3, raw)
    evm.order(mine={"blocks": 1})
    when_mined = await refusal(w3, raw)

    assert while_waiting == {"code": -32000, "message": "already known"}
    assert when_mined == {"code": -32000, "message": "already known"}
    assert len(payments(evm, payer)) == 1


@pytest.mark.parametrize(
    ("nonce", "fields", "message"),
    [
        (0, {"value": 2}, "nonce too low"),
        (1, {"value": 2 * ETHER}, "insufficient funds for gas * price + value"),
        (1, {"gas": 20_999}, "intrinsic gas too low"),
        (
            1,
            {"maxFeePerGas": 1, "maxPriorityFeePerGas": 1},
            "max fee per gas less than block base fee",
        ),
    ],
)
async def test_an_impossible_transaction_is_refused_in_the_words_of_a_node(
    evm: EvmNode, w3: Web3, payer: LocalAccount, nonce: int, fields: dict[str, int], message: str
) -> None:
    first = signed(payer, 0)
    await w3.eth.send_raw_transaction(first)
    await receipt_of(w3, first)

    refused = await refusal(w3, signed(payer, nonce, **fields))

    assert refused["code"] in (-32000, -32003)
    assert message in refused["message"].lower()
    assert len(payments(evm, payer)) == 1


async def test_a_transaction_for_another_chain_is_refused(w3: Web3, payer: LocalAccount) -> None:
    assert "chain id" in (await refusal(w3, signed(payer, 0, chainId=1)))["message"].lower()


def test_an_unknown_method_is_told_apart(evm: EvmNode) -> None:
    answer = httpx.post(evm.rpc, json={"jsonrpc": "2.0", "id": 7, "method": "eth_coffee"}).json()

    assert (answer["id"], answer["error"]["code"]) == (7, -32601)


async def test_a_batch_is_answered_in_order(w3: Web3, payer: LocalAccount) -> None:
    async with w3.batch_requests() as batch:
        batch.add(w3.eth.get_balance(payer.address))
        batch.add(w3.eth.get_transaction_count(payer.address))
        answers = await batch.async_execute()

    assert list[object](answers) == [ETHER, 0]


async def test_blocks_come_by_the_clock_in_interval_mode(
    evm: EvmNode, w3: Web3, payer: LocalAccount
) -> None:
    evm.order(mining={"mode": "interval", "seconds": 1})
    raw = signed(payer, 0)

    await w3.eth.send_raw_transaction(raw)

    assert payments(evm, payer) == []
    assert (await receipt_of(w3, raw))["status"] == 1


async def test_leaving_manual_mode_mines_what_waited(
    evm: EvmNode, w3: Web3, payer: LocalAccount
) -> None:
    evm.order(mining={"mode": "manual"})
    raw = signed(payer, 0)
    await w3.eth.send_raw_transaction(raw)

    evm.order(mining={"mode": "auto"})

    assert (await receipt_of(w3, raw))["status"] == 1


async def test_a_snapshot_undoes_a_payment_and_the_same_bytes_can_be_mined_again(
    evm: EvmNode, w3: Web3, payer: LocalAccount
) -> None:
    snapshot = (await w3.provider.make_request("evm_snapshot", []))["result"]
    raw = signed(payer, 0)
    await w3.eth.send_raw_transaction(raw)
    await receipt_of(w3, raw)

    await w3.provider.make_request("evm_revert", [snapshot])

    assert await w3.eth.get_balance(payer.address) == ETHER
    assert payments(evm, payer) == []
    await w3.eth.send_raw_transaction(raw)
    assert (await receipt_of(w3, raw))["status"] == 1
    assert len(payments(evm, payer)) == 1
