"""Blocks, transactions and receipts of py-evm in the JSON a node answers with."""

from typing import Any

import rlp  # type: ignore[import-untyped]
from eth._utils.address import generate_contract_address
from eth.abc import BlockAPI, ReceiptAPI, SignedTransactionAPI

from wallet.sandbox.evm.engine import data

Json = dict[str, Any]
Header = Any  # py-evm types headers of the oldest fork, without the fields added since
LEGACY, ACCESS_LIST, DYNAMIC_FEE = 0, 1, 2


def type_of(transaction: SignedTransactionAPI) -> int:
    return getattr(transaction, "type_id", None) or LEGACY


def price_of(transaction: SignedTransactionAPI, base_fee: int) -> int:
    """Return what the transaction pays per gas in a block with `base_fee`, in wei."""
    tip = min(transaction.max_priority_fee_per_gas, transaction.max_fee_per_gas - base_fee)
    return base_fee + tip


def block_json(block: BlockAPI) -> Json:
    """Return the block with transaction hashes in place of transactions."""
    header = block.header
    return {
        "hash": data(header.hash),
        "parentHash": data(header.parent_hash),
        "sha3Uncles": data(header.uncles_hash),
        "miner": data(header.coinbase),
        "stateRoot": data(header.state_root),
        "transactionsRoot": data(header.transaction_root),
        "receiptsRoot": data(header.receipt_root),
        "logsBloom": _bloom(header.bloom),
        "extraData": data(header.extra_data),
        "mixHash": data(header.mix_hash),
        "nonce": data(header.nonce),
        "size": hex(len(rlp.encode(block))),
        "transactions": [data(transaction.hash) for transaction in block.transactions],
        "uncles": [],
        **_numbers(header),
        **_since_shanghai(header),
    }


def _numbers(header: Header) -> Json:
    return {
        "number": hex(header.block_number),
        "difficulty": "0x0",
        "totalDifficulty": "0x0",
        "gasLimit": hex(header.gas_limit),
        "gasUsed": hex(header.gas_used),
        "timestamp": hex(header.timestamp),
        "baseFeePerGas": hex(header.base_fee_per_gas),
    }


def _since_shanghai(header: Header) -> Json:
    return {
        "withdrawals": [],
        "withdrawalsRoot": data(header.withdrawals_root),
        "blobGasUsed": hex(header.blob_gas_used),
        "excessBlobGas": hex(header.excess_blob_gas),
        "parentBeaconBlockRoot": data(header.parent_beacon_block_root),
        "requestsHash": data(header.requests_hash),
    }


def transaction_json(transaction: SignedTransactionAPI) -> Json:
    """Return a transaction that is in no block yet; `place` completes it."""
    kind = type_of(transaction)
    shared = {
        "hash": data(transaction.hash),
        "type": hex(kind),
        "nonce": hex(transaction.nonce),
        "from": data(transaction.sender),
        "to": data(transaction.to) if transaction.to else None,
        "value": hex(transaction.value),
        "gas": hex(transaction.gas),
        "input": data(transaction.data),
        "r": hex(transaction.r),
        "s": hex(transaction.s),
        "blockHash": None,
        "blockNumber": None,
        "transactionIndex": None,
    }
    return shared | (_legacy(transaction) if kind == LEGACY else _typed(transaction, kind))


def _legacy(transaction: SignedTransactionAPI) -> Json:
    return {
        "v": hex(transaction.v),  # type: ignore[attr-defined]  # only legacy ones have it
        "chainId": hex(transaction.chain_id or 0),
        "gasPrice": hex(transaction.gas_price),
    }


def _typed(transaction: SignedTransactionAPI, kind: int) -> Json:
    fields = {
        "v": hex(transaction.y_parity),
        "yParity": hex(transaction.y_parity),
        "chainId": hex(transaction.chain_id or 0),
        "accessList": [
            {"address": data(address), "storageKeys": [f"0x{slot:064x}" for slot in slots]}
            for address, slots in transaction.access_list
        ],
    }
    if kind == ACCESS_LIST:
        return fields | {"gasPrice": hex(transaction.gas_price)}
    return fields | {
        "gasPrice": hex(transaction.max_fee_per_gas),
        "maxFeePerGas": hex(transaction.max_fee_per_gas),
        "maxPriorityFeePerGas": hex(transaction.max_priority_fee_per_gas),
    }


def place(transaction: SignedTransactionAPI, header: Header, index: int) -> Json:
    """Return a transaction as part of a block."""
    return transaction_json(transaction) | {
        "blockHash": data(header.hash),
        "blockNumber": hex(header.block_number),
        "transactionIndex": hex(index),
        "gasPrice": hex(price_of(transaction, header.base_fee_per_gas or 0)),
    }


def receipts_json(block: BlockAPI, receipts: tuple[ReceiptAPI, ...]) -> list[Json]:
    """Return the receipts of a block, with its logs numbered through the block."""
    answers: list[Json] = []
    used, logs = 0, 0
    for index, (transaction, receipt) in enumerate(zip(block.transactions, receipts, strict=True)):
        position = {
            "transactionHash": data(transaction.hash),
            "transactionIndex": hex(index),
            "blockHash": data(block.header.hash),
            "blockNumber": hex(block.number),
        }
        answers.append(
            {
                **position,
                **_outcome(transaction, receipt),
                "gasUsed": hex(receipt.gas_used - used),
                "effectiveGasPrice": hex(
                    price_of(transaction, block.header.base_fee_per_gas or 0)
                ),
                "logs": _logs(receipt, position, logs),
            }
        )
        used, logs = receipt.gas_used, logs + len(receipt.logs)
    return answers


def _outcome(transaction: SignedTransactionAPI, receipt: ReceiptAPI) -> Json:
    created = None
    if not transaction.to:
        created = data(generate_contract_address(transaction.sender, transaction.nonce))
    return {
        "type": hex(type_of(transaction)),
        "from": data(transaction.sender),
        "to": data(transaction.to) if transaction.to else None,
        "status": "0x1" if receipt.state_root == b"\x01" else "0x0",
        "cumulativeGasUsed": hex(receipt.gas_used),
        "contractAddress": created,
        "logsBloom": _bloom(receipt.bloom),
    }


def _logs(receipt: ReceiptAPI, position: Json, first: int) -> list[Json]:
    return [
        {
            "address": data(log.address),
            "topics": [f"0x{topic:064x}" for topic in log.topics],
            "data": data(log.data),
            "logIndex": hex(first + offset),
            "removed": False,
            **position,
        }
        for offset, log in enumerate(receipt.logs)
    ]


def _bloom(bloom: int) -> str:
    return f"0x{bloom:0512x}"
