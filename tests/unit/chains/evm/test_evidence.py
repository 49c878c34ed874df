"""Evidence from nodes that lag, forget, or are young: nothing is final unless it surely is."""

from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import chain as joined
from typing import Any

import pytest

from tests.conformance.chain_suite import SystemClock
from tests.unit.chains.evm.scripted_node import ScriptedNode, error, scripted_node
from wallet.chains.evm.adapter import EvmChain
from wallet.domain.chains import ChainName, Network
from wallet.domain.transactions import Attempt, Purpose
from wallet.errors import ChainError, Code
from wallet.ports.chain import Evidence, SendOutcome, Sighting

HASH = "0x" + "ab" * 32
NETWORK = Network("evm-local", ChainName.ETHEREUM, "31337", "ETH", 18, 10**16, confirmations=3)
ATTEMPT = Attempt(
    transaction_id="tx",
    number=1,
    purpose=Purpose.PAY,
    network="evm-local",
    address="0x3535353535353535353535353535353535353535",
    hash=HASH,
    raw=b"",
    nonce=5,
    last_valid_height=None,
    signing_height=None,
    max_cost=0,
    created_at=0,
)
RECEIPT: dict[str, Any] = {
    "transactionHash": HASH,
    "blockNumber": "0x64",
    "status": "0x1",
    "gasUsed": "0x5208",
    "effectiveGasPrice": "0x2",
}


@pytest.fixture
async def server() -> AsyncIterator[ScriptedNode]:
    async with scripted_node() as running:
        running.answers(
            eth_blockNumber="0x64",
            eth_getBlockByNumber={"number": "0x60"},
            eth_getTransactionCount="0x5",
            eth_getTransactionReceipt=None,
            eth_getTransactionByHash=None,
        )
        yield running


@pytest.fixture
async def chain(server: ScriptedNode) -> AsyncIterator[EvmChain]:
    chain = EvmChain(NETWORK, [server.url], SystemClock())
    yield chain
    await chain.close()


async def evidence(chain: EvmChain) -> Evidence:
    return (await chain.evidence([ATTEMPT]))[0]


async def test_an_unused_nonce_is_unseen(chain: EvmChain) -> None:
    assert await evidence(chain) == Evidence(HASH, Sighting.UNSEEN)


async def test_a_receipt_mined_between_two_looks_beats_the_used_nonce(
    server: ScriptedNode, chain: EvmChain
) -> None:
    answers = joined([None], [RECEIPT] * 10)
    server.answers(eth_getTransactionCount="0x6")
    server.results["eth_getTransactionReceipt"] = lambda _: next(answers)
    assert await evidence(chain) == Evidence(HASH, Sighting.UNSEEN)
    found = await evidence(chain)
    assert found.sighting is Sighting.SUCCEEDED


async def test_a_transaction_the_node_still_knows_has_not_lost_its_nonce(
    server: ScriptedNode, chain: EvmChain
) -> None:
    server.answers(eth_getTransactionCount="0x6", eth_getTransactionByHash={"hash": HASH})
    assert await evidence(chain) == Evidence(HASH, Sighting.UNSEEN)


async def test_a_nonce_that_is_used_only_at_the_first_look_is_not_taken(
    server: ScriptedNode, chain: EvmChain
) -> None:
    counts = iter(["0x6", "0x5"])
    server.results["eth_getTransactionCount"] = lambda _: next(counts)
    assert await evidence(chain) == Evidence(HASH, Sighting.UNSEEN)


async def test_a_used_nonce_is_taken_when_the_receipt_was_asked_for_afterwards(
    server: ScriptedNode, chain: EvmChain
) -> None:
    server.answers(eth_getTransactionCount="0x6")
    assert await evidence(chain) == Evidence(HASH, Sighting.NONCE_TAKEN, final=True)
    last_first_count = server.asked.index("eth_getTransactionCount")
    assert "eth_getTransactionReceipt" in server.asked[last_first_count + 3 :]


@pytest.mark.parametrize("answer", [None, error("finalized block not found", -39001)])
async def test_a_young_chain_has_nothing_final(
    server: ScriptedNode, chain: EvmChain, answer: object
) -> None:
    server.answers(
        eth_getBlockByNumber=answer,
        eth_getTransactionCount=error("finalized block not found", -39001),
        eth_getTransactionReceipt=RECEIPT | {"blockNumber": "0x1"},
    )
    found = await evidence(chain)
    assert (found.sighting, found.deep_enough, found.final) == (Sighting.SUCCEEDED, True, False)


@pytest.mark.parametrize(
    ("block", "deep", "final"),
    [(0x66, False, False), (0x63, False, False), (0x62, True, False), (0x60, True, True)],
)
async def test_depth_and_finality_count_from_the_block(
    server: ScriptedNode, chain: EvmChain, block: int, deep: bool, final: bool
) -> None:
    server.answers(eth_getTransactionReceipt=RECEIPT | {"blockNumber": hex(block)})
    found = await evidence(chain)
    assert (found.deep_enough, found.final, found.height) == (deep, final, block)


async def test_the_fee_includes_what_a_roll_up_paid_for_data(
    server: ScriptedNode, chain: EvmChain
) -> None:
    server.answers(eth_getTransactionReceipt=RECEIPT | {"status": "0x0", "l1Fee": "0x7"})
    found = await evidence(chain)
    assert (found.sighting, found.fee) == (Sighting.FAILED, 21_000 * 2 + 7)


@pytest.mark.parametrize(
    "receipt",
    [
        RECEIPT | {"transactionHash": "0x" + "cd" * 32},
        RECEIPT | {"status": None},
        RECEIPT | {"gasUsed": None},
        error("transaction indexing is in progress"),
        "0x1",
    ],
)
async def test_a_receipt_that_cannot_be_read_is_no_evidence(
    server: ScriptedNode, chain: EvmChain, receipt: object
) -> None:
    server.answers(eth_getTransactionReceipt=receipt)
    with pytest.raises(ChainError) as caught:
        await evidence(chain)
    assert caught.value.code is Code.CHAIN_UNAVAILABLE
    assert "secret-key" not in repr(caught.value.details)


async def test_the_next_endpoint_answers_whole_when_the_first_breaks_off(
    server: ScriptedNode,
) -> None:
    async with scripted_node() as broken:
        broken.answers(eth_blockNumber="0xffff", eth_getTransactionCount="0xff")
        chain = EvmChain(NETWORK, [broken.url, server.url], SystemClock())
        found = await evidence(chain)
        await chain.close()
    assert found == Evidence(HASH, Sighting.UNSEEN)


async def test_a_low_nonce_is_accepted_only_if_our_own_bytes_used_it(
    server: ScriptedNode, chain: EvmChain
) -> None:
    server.answers(eth_sendRawTransaction=error("nonce too low"))
    assert (await chain.send(b"\x02\xc0")).outcome is SendOutcome.UNKNOWN
    server.answers(eth_getTransactionReceipt=RECEIPT)
    assert (await chain.send(b"\x02\xc0")).outcome is SendOutcome.ACCEPTED


async def test_another_hash_than_ours_is_no_acceptance(
    server: ScriptedNode, chain: EvmChain
) -> None:
    server.answers(eth_sendRawTransaction=HASH)
    assert (await chain.send(b"\x02\xc0")).outcome is SendOutcome.UNKNOWN


async def test_one_acceptance_is_enough_and_one_doubt_is_no_rejection(
    server: ScriptedNode,
) -> None:
    async with scripted_node() as other:
        chain = EvmChain(NETWORK, [server.url, other.url], SystemClock())
        server.answers(eth_sendRawTransaction=error("insufficient funds for transfer"))
        outcomes = []
        for message in ("insufficient funds", "the moon", "already known"):
            other.answers(eth_sendRawTransaction=error(message))
            outcomes.append((await chain.send(b"\x02\xc0")).outcome)
        await chain.close()
    assert outcomes == [SendOutcome.REJECTED, SendOutcome.UNKNOWN, SendOutcome.ACCEPTED]


async def test_attempts_of_several_addresses_are_judged_by_their_own_counts(
    server: ScriptedNode, chain: EvmChain
) -> None:
    other = replace(ATTEMPT, address="0x" + "22" * 20, hash="0x" + "cd" * 32)
    server.results["eth_getTransactionCount"] = lambda params: (
        "0x6" if params[0] == other.address else "0x5"
    )
    answers = await chain.evidence([ATTEMPT, other])
    assert [answer.sighting for answer in answers] == [Sighting.UNSEEN, Sighting.NONCE_TAKEN]
