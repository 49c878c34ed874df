"""What one node says of our attempts: seen, deep enough, final, or overtaken at its nonce.

Everything in one reading comes from one node. That a nonce is gone counts only when the same node,
asked again afterwards, still knows nothing of our bytes: a payment may be mined between two looks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wallet.chains.evm.errors import NodeError
from wallet.chains.evm.node import Call, Node, quantity, required
from wallet.chains.rpc import EndpointError
from wallet.domain.chains import Finality, Network
from wallet.domain.transactions import Attempt
from wallet.ports.chain import Evidence, Sighting


@dataclass(frozen=True, slots=True)
class _Reading:
    latest: int
    finalized: int | None  # None: the node has no finalized block, so nothing is final
    counts: Mapping[str, int | None]  # per address: finalized transactions
    receipts: Sequence[Any]


async def read_evidence(
    node: Node, network: Network, attempts: Sequence[Attempt]
) -> list[Evidence]:
    """One Evidence per attempt, in order. Raises EndpointError."""
    reading = await _read(node, network.finality, attempts)
    found = [
        _judge(network, attempt, receipt, reading)
        for attempt, receipt in zip(attempts, reading.receipts, strict=True)
    ]
    overtaken = [
        index
        for index, attempt in enumerate(attempts)
        if found[index].sighting is Sighting.UNSEEN
        and _is_past(reading.counts.get(attempt.address), attempt)
    ]
    if overtaken:
        verdicts = await _look_again(node, network.finality, [attempts[i] for i in overtaken])
        for index, verdict in zip(overtaken, verdicts, strict=True):
            found[index] = verdict
    return found


async def _read(node: Node, finality: Finality, attempts: Sequence[Attempt]) -> _Reading:
    addresses = sorted({attempt.address for attempt in attempts})
    tag = finality.value
    calls: list[Call] = [("eth_blockNumber", [])]
    calls += [("eth_getTransactionCount", [address, tag]) for address in addresses]
    calls += [("eth_getTransactionReceipt", [attempt.hash]) for attempt in attempts]
    if finality is Finality.FINALIZED:
        calls.append(("eth_getBlockByNumber", [tag, False]))
    answers = await node.batch(calls)
    finalized = _number(answers.pop()) if finality is Finality.FINALIZED else None
    latest, *rest = answers
    counts = zip(addresses, map(_count, rest[: len(addresses)]), strict=True)
    return _Reading(quantity(required(latest)), finalized, dict(counts), rest[len(addresses) :])


async def _look_again(
    node: Node, finality: Finality, attempts: Sequence[Attempt]
) -> list[Evidence]:
    calls: list[Call] = []
    for attempt in attempts:
        calls += [
            ("eth_getTransactionReceipt", [attempt.hash]),
            ("eth_getTransactionByHash", [attempt.hash]),
            ("eth_getTransactionCount", [attempt.address, finality.value]),
        ]
    answers = await node.batch(calls)
    return [
        _overtaken(attempt, *answers[3 * index : 3 * index + 3])
        for index, attempt in enumerate(attempts)
    ]


def _overtaken(attempt: Attempt, receipt: Any, transaction: Any, count: Any) -> Evidence:
    is_gone = required(receipt) is None and required(transaction) is None
    if is_gone and _is_past(_count(count), attempt):
        return Evidence(attempt.hash, Sighting.NONCE_TAKEN, final=True)
    return Evidence(attempt.hash, Sighting.UNSEEN)


def _judge(network: Network, attempt: Attempt, answer: Any, reading: _Reading) -> Evidence:
    receipt = required(answer)
    if receipt is None:
        return Evidence(attempt.hash, Sighting.UNSEEN)
    if not isinstance(receipt, dict):
        raise EndpointError("the receipt is none")
    if receipt.get("blockNumber") is None:
        return Evidence(attempt.hash, Sighting.UNSEEN)
    if str(receipt.get("transactionHash")).lower() != attempt.hash.lower():
        raise EndpointError("the receipt is another transaction's")
    height = quantity(receipt["blockNumber"])
    # The block may be younger than the reading of the head; it is in the chain all the same.
    latest = max(reading.latest, height)
    finalized = latest if network.finality is Finality.LATEST else reading.finalized
    return Evidence(
        attempt.hash,
        Sighting.SUCCEEDED if quantity(receipt.get("status")) else Sighting.FAILED,
        deep_enough=latest - height + 1 >= network.confirmations,
        final=finalized is not None and height <= finalized,
        height=height,
        fee=_fee(receipt),
    )


def _fee(receipt: Mapping[str, Any]) -> int:
    gas, price = quantity(receipt.get("gasUsed")), quantity(receipt.get("effectiveGasPrice"))
    data_fee = receipt.get("l1Fee")
    return gas * price + (0 if data_fee is None else quantity(data_fee))


def _is_past(count: int | None, attempt: Attempt) -> bool:
    return count is not None and attempt.nonce is not None and count > attempt.nonce


def _count(answer: Any) -> int | None:
    """A young chain has no finalized block and answers with an error: then nothing is final."""
    return None if isinstance(answer, NodeError) else quantity(answer)


def _number(block: Any) -> int | None:
    return quantity(block.get("number")) if isinstance(block, dict) else None
