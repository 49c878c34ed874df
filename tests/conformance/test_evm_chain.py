"""The EVM adapter against the local node, with either engine."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from typing import Any

import httpx
import pytest
from eth_account import Account as Keys
from eth_hash.auto import keccak
from eth_utils.address import to_checksum_address
from typing_extensions import override

from tests.conformance.chain_suite import (
    SECONDS,
    Account,
    ChainSuite,
    Harness,
    SystemClock,
    attempt_of,
    request,
    settled,
    signed_attempt,
    until,
)
from tests.support.evm_node import EvmNode, evm_node
from wallet.chains.evm.adapter import EvmChain
from wallet.chains.evm.encode import decode, encode
from wallet.chains.evm.fees import DATA_FEE_ORACLE
from wallet.domain.chains import ChainName, Finality, Network
from wallet.domain.transactions import Attempt
from wallet.errors import ChainError, Code
from wallet.ports.chain import BuildRequest, Chain, Evidence, SendOutcome, Sighting

ETHER = 10**18
GWEI = 10**9
NETWORK = Network(
    name="evm-local",
    chain=ChainName.ETHEREUM,
    identity="31337",
    symbol="ETH",
    decimals=18,
    fee_ceiling=ETHER // 100,
    finality=Finality.LATEST,
)


def account() -> Account:
    keys = Keys.create()

    def sign(payload: bytes) -> bytes:
        signature = keys.unsafe_sign_hash(keccak(payload))
        parity = signature.v - 27
        return b"".join(
            (signature.r.to_bytes(32, "big"), signature.s.to_bytes(32, "big"), bytes([parity]))
        )

    return Account(keys.address, sign)


# Emits a log and takes any value.
LOGS = "600760006000a100"
# Reverts with Error("no thanks"): copy the 100 bytes behind the code to memory, and revert with them.
REVERTS = (
    "6064600c60003960646000fd"
    "08c379a0" + f"{32:064x}" + f"{9:064x}" + b"no thanks".hex().ljust(64, "0")
)


class EvmHarness(Harness):
    network = NETWORK
    unit = ETHER

    def __init__(self, node: EvmNode) -> None:
        self.node = node

    @override
    def chain(
        self,
        *,
        first: Sequence[str] = (),
        timeout_seconds: float = 5,
        network: Network = NETWORK,
    ) -> EvmChain:
        return EvmChain(network, [*first, self.node.rpc], SystemClock(), timeout_seconds)

    @override
    def account(self) -> Account:
        return account()

    @override
    def bad_addresses(self) -> Sequence[str]:
        return (
            "0x" + "0" * 40,
            "0x52908400098527886E0F7030069857D2E4169EE",
            "52908400098527886E0F7030069857D2E4169EE7",
            "0X52908400098527886E0F7030069857D2E4169EE7",
            "0x52908400098527886e0F7030069857D2E4169EE7",
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1Beaeb",
            "vitalik.eth",
            "9xQeWvG816bUx9EPjHmaT23yvVM2ZWbrrpZb9PusVFin",
        )

    @override
    def reset(self) -> None:
        self.node.order(
            up={},
            mining={"mode": "auto"},
            latency={"ms": 0},
            drop_next={"count": 0},
            lose_answer_next={"count": 0},
            double_next={"count": 0},
            reject_next={"count": 0},
            chain_id={"value": None},
        )

    @override
    def fund(self, address: str, amount: int) -> None:
        self.node.set_balance(address, amount)

    @override
    def hold(self) -> None:
        self.node.order(mining={"mode": "manual"})

    @override
    def release(self) -> None:
        self.node.order(mining={"mode": "auto"})

    @override
    def drop_next(self) -> None:
        self.node.order(drop_next={"count": 1})

    @override
    def lose_answer_next(self) -> None:
        self.node.order(lose_answer_next={"count": 1})

    @override
    def reject_next(self, message: str | None = None) -> None:
        self.node.order(reject_next={"count": 1} | ({"message": message} if message else {}))

    @override
    def go_down(self) -> None:
        self.node.order(down={})

    @override
    def come_up(self) -> None:
        self.node.order(up={})

    @override
    def claim_another_identity(self) -> None:
        self.node.order(chain_id={"value": 1})

    @override
    def landed(self, address: str) -> Sequence[str]:
        return [tx["hash"] for tx in self.node.mined() if tx["from"] == address.lower()]

    def deploy(self, runtime: str) -> str:
        """Put a contract on the chain; its address."""
        keys = Keys.create()
        self.fund(keys.address, ETHER)
        size = f"{len(runtime) // 2:02x}"
        fields: dict[str, Any] = {
            "chainId": 31337,
            "nonce": 0,
            "value": 0,
            "gas": 500_000,
            "maxFeePerGas": 100 * GWEI,
            "maxPriorityFeePerGas": GWEI,
            "data": f"0x60{size}600c60003960{size}6000f3{runtime}",
        }
        raw = bytes(keys.sign_transaction(fields).raw_transaction)
        digest = self.rpc("eth_sendRawTransaction", "0x" + raw.hex())
        deadline = time.monotonic() + SECONDS
        while (receipt := self.rpc("eth_getTransactionReceipt", digest)) is None:
            assert time.monotonic() < deadline
        return to_checksum_address(receipt["contractAddress"])

    @override
    async def bury(self, chain: Chain, payer: Account, attempt: Attempt) -> None:
        wanted = replace(request(payer, payer.address, 0, NETWORK), nonce=attempt.nonce)
        sibling = await signed_attempt(chain, payer, wanted)
        await chain.send(sibling.raw)
        await settled(chain, sibling)

    def rpc(self, method: str, *params: Any) -> Any:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        answer = httpx.post(self.node.rpc, json=body).json()
        assert "error" not in answer, answer
        return answer["result"]


@pytest.fixture(scope="module", params=["py-evm", "anvil"])
def node(request: pytest.FixtureRequest) -> Iterator[EvmNode]:
    with evm_node(request.param) as running:
        yield running


@pytest.fixture
def harness(node: EvmNode) -> Iterator[EvmHarness]:
    harness = EvmHarness(node)
    harness.reset()
    yield harness
    harness.reset()


@pytest.fixture
async def chain(harness: EvmHarness) -> AsyncIterator[EvmChain]:
    chain = harness.chain()
    await chain.connect()
    yield chain
    await chain.close()


class TestEvmChain(ChainSuite):
    """The suite that every chain passes."""

    async def test_a_memo_to_a_contract_is_refused(
        self, harness: EvmHarness, chain: EvmChain, payer: Account
    ) -> None:
        contract = harness.deploy(LOGS)
        wanted = replace(request(payer, contract, ETHER, NETWORK), memo="hello")
        with pytest.raises(ChainError) as caught:
            await chain.build(wanted)
        assert caught.value.code is Code.SIMULATION_FAILED

    async def test_a_contract_that_takes_money_is_paid_with_gas_to_spare(
        self, harness: EvmHarness, chain: EvmChain, payer: Account
    ) -> None:
        contract = harness.deploy(LOGS)
        attempt = await signed_attempt(chain, payer, request(payer, contract, ETHER, NETWORK))
        await chain.send(attempt.raw)
        assert (await settled(chain, attempt)).sighting is Sighting.SUCCEEDED
        assert (await chain.balance(contract)).amount == ETHER

    async def test_a_contract_that_refuses_money_stops_the_build_with_its_reason(
        self, harness: EvmHarness, chain: EvmChain, payer: Account
    ) -> None:
        contract = harness.deploy(REVERTS)
        with pytest.raises(ChainError) as caught:
            await chain.build(request(payer, contract, ETHER, NETWORK))
        assert caught.value.code is Code.SIMULATION_FAILED
        assert "no thanks" in caught.value.message
        assert not caught.value.retryable

    async def test_a_payment_that_fails_on_chain_costs_its_fee_and_is_told_as_failed(
        self, harness: EvmHarness, chain: EvmChain, payer: Account
    ) -> None:
        contract = harness.deploy(REVERTS)
        built = await chain.build(request(payer, harness.account().address, ETHER, NETWORK))
        transfer = decode(built.payload)
        payload = encode(replace(transfer, to=bytes.fromhex(contract[2:]), gas=60_000))
        signed = chain.attach(payload, payer.sign(payload))
        attempt = attempt_of(payer, built, signed, NETWORK)
        await chain.send(attempt.raw)
        evidence = await settled(chain, attempt)
        assert evidence.sighting is Sighting.FAILED
        assert evidence.final
        left = (await chain.balance(payer.address)).amount
        assert left == 100 * ETHER - (evidence.fee or 0)

    async def test_forty_payments_of_one_purse_take_forty_nonces_and_all_land(
        self, harness: EvmHarness, chain: EvmChain, payer: Account, payee: str
    ) -> None:
        attempts: list[Attempt] = []
        for _ in range(40):
            taken = frozenset(attempt.nonce for attempt in attempts if attempt.nonce is not None)
            wanted = replace(request(payer, payee, 1, NETWORK), taken_nonces=taken)
            attempts.append(await signed_attempt(chain, payer, wanted))
        assert [attempt.nonce for attempt in attempts] == list(range(40))
        results = await asyncio.gather(*(chain.send(attempt.raw) for attempt in attempts))
        assert {result.outcome for result in results} == {SendOutcome.ACCEPTED}
        for attempt in attempts:
            assert (await settled(chain, attempt)).sighting is Sighting.SUCCEEDED
        assert (await chain.balance(payee)).amount == 40

    async def test_a_gap_among_the_taken_nonces_is_filled_first(
        self, chain: EvmChain, payer: Account, payee: str
    ) -> None:
        wanted = request(payer, payee, 1, NETWORK)
        cases: list[tuple[BuildRequest, int]] = [
            (replace(wanted, taken_nonces=frozenset({0, 2})), 1),
            (replace(wanted, taken_nonces=frozenset({5})), 0),
            (replace(wanted, nonce_floor=7, taken_nonces=frozenset({0, 7, 8})), 9),
            (replace(wanted, nonce=3, taken_nonces=frozenset({3})), 3),
        ]
        for asked, nonce in cases:
            assert (await chain.build(asked)).nonce == nonce

    async def test_a_ceiling_below_the_comfortable_fee_is_used_to_its_last_wei(
        self, harness: EvmHarness, chain: EvmChain, payer: Account, payee: str
    ) -> None:
        comfortable = await chain.build(request(payer, payee, 1, NETWORK))
        ceiling = comfortable.max_fee - 21_000
        tight = await chain.build(replace(request(payer, payee, 1, NETWORK), fee_ceiling=ceiling))
        assert tight.max_fee == ceiling

    async def test_a_payload_that_outbids_takes_the_place_of_what_the_node_holds(
        self, harness: EvmHarness, chain: EvmChain, payer: Account, payee: str
    ) -> None:
        harness.hold()
        wanted = request(payer, payee, 1, NETWORK)
        first = await signed_attempt(chain, payer, wanted)
        await chain.send(first.raw)
        higher = replace(wanted, nonce=first.nonce, outbid=(first.raw,))
        second = await signed_attempt(chain, payer, higher)
        empty = replace(higher, to=payer.address, amount=0, outbid=(first.raw, second.raw))
        third = await signed_attempt(chain, payer, empty)
        sent = [await chain.send(one.raw) for one in (second, third)]
        harness.release()
        seen = await settled(chain, third)
        assert [result.outcome for result in sent] == [SendOutcome.ACCEPTED] * 2
        assert seen.sighting is Sighting.SUCCEEDED
        assert list(harness.landed(payer.address)) == [third.hash]

    async def test_what_outbids_is_not_built_above_its_ceiling(
        self, harness: EvmHarness, chain: EvmChain, payer: Account, payee: str
    ) -> None:
        wanted = request(payer, payee, 1, NETWORK)
        first = await signed_attempt(chain, payer, wanted)
        ceiling = first.max_cost * 9 // 8 - 1
        higher = replace(wanted, nonce=0, outbid=(first.raw,), fee_ceiling=ceiling)
        with pytest.raises(ChainError) as caught:
            await chain.build(higher)
        assert caught.value.code is Code.FEE_CEILING_EXCEEDED

    async def test_the_free_nonce_is_the_first_that_neither_chain_nor_pool_has(
        self, harness: EvmHarness, chain: EvmChain, payer: Account, payee: str
    ) -> None:
        wanted = request(payer, payee, 1, NETWORK)
        landed = await signed_attempt(chain, payer, wanted)
        await chain.send(landed.raw)
        await settled(chain, landed)
        harness.hold()
        found = [await chain.free_nonce(payer.address)]
        for nonce in (3, 1, 2):
            await chain.send(
                (await signed_attempt(chain, payer, replace(wanted, nonce=nonce))).raw
            )
            found.append(await chain.free_nonce(payer.address))
        harness.release()
        assert found == [1, 1, 2, 4]

    async def test_a_payload_of_another_chain_is_a_mismatch(
        self, chain: EvmChain, payer: Account, payee: str
    ) -> None:
        built = await chain.build(request(payer, payee, 1, NETWORK))
        other = encode(replace(decode(built.payload), chain_id=1))
        for ask in (chain.inspect, lambda payload: chain.attach(payload, payer.sign(payload))):
            with pytest.raises(ChainError) as caught:
                ask(other)
            assert caught.value.code is Code.PAYLOAD_MISMATCH

    async def test_a_fee_below_the_base_fee_is_rejected_by_the_node_itself(
        self, harness: EvmHarness, chain: EvmChain, payer: Account, payee: str
    ) -> None:
        built = await chain.build(request(payer, payee, 1, NETWORK))
        cheap = encode(replace(decode(built.payload), max_fee_per_gas=1, tip=1))
        raw = chain.attach(cheap, payer.sign(cheap)).raw
        assert (await chain.send(raw)).outcome is SendOutcome.REJECTED


@pytest.fixture(scope="module", params=["py-evm", "anvil"])
def deep(request: pytest.FixtureRequest) -> Iterator[EvmHarness]:
    """A node whose blocks are final three blocks later."""
    with evm_node(request.param, "--finality-depth", "3") as running:
        yield EvmHarness(running)


DEEP = replace(NETWORK, finality=Finality.FINALIZED, confirmations=2)


async def test_depth_and_finality_are_told_apart(deep: EvmHarness) -> None:
    chain, payer = deep.chain(network=DEEP), deep.account()
    deep.fund(payer.address, ETHER)
    attempt = await signed_attempt(chain, payer, request(payer, payer.address, 1, DEEP))
    await chain.send(attempt.raw)
    seen = [await included(chain, attempt)]
    for _ in range(3):
        deep.node.order(mine={"blocks": 1})
        seen += await chain.evidence([attempt])
    await chain.close()

    assert {evidence.sighting for evidence in seen} == {Sighting.SUCCEEDED}
    assert [evidence.deep_enough for evidence in seen] == [False, True, True, True]
    assert [evidence.final for evidence in seen] == [False, False, False, True]


async def test_a_nonce_is_taken_only_when_its_taker_is_final(deep: EvmHarness) -> None:
    chain, payer = deep.chain(network=DEEP), deep.account()
    deep.fund(payer.address, ETHER)
    wanted = request(payer, payer.address, 1, DEEP)
    loser = await signed_attempt(chain, payer, wanted)
    winner = await signed_attempt(chain, payer, replace(wanted, amount=2))
    await chain.send(winner.raw)
    await included(chain, winner)
    early = (await chain.evidence([loser, winner]))[0]
    deep.node.order(mine={"blocks": 3})
    late = await chain.evidence([loser, winner])
    result = await chain.send(loser.raw)
    await chain.close()

    assert (early.sighting, early.final) == (Sighting.UNSEEN, False)
    assert (late[0].sighting, late[0].final) == (Sighting.NONCE_TAKEN, True)
    assert (late[1].sighting, late[1].final) == (Sighting.SUCCEEDED, True)
    assert result.outcome is SendOutcome.UNKNOWN


async def test_a_block_that_is_undone_leaves_the_payment_unseen_and_sendable(
    deep: EvmHarness,
) -> None:
    chain, payer = deep.chain(network=DEEP), deep.account()
    deep.fund(payer.address, ETHER)
    attempt = await signed_attempt(chain, payer, request(payer, payer.address, 1, DEEP))
    before = deep.rpc("evm_snapshot")
    await chain.send(attempt.raw)
    await included(chain, attempt)
    deep.rpc("evm_revert", before)
    gone = (await chain.evidence([attempt]))[0]
    again = await chain.send(attempt.raw)
    back = await included(chain, attempt)
    await chain.close()

    assert (gone.sighting, gone.final) == (Sighting.UNSEEN, False)
    assert again.outcome is SendOutcome.ACCEPTED
    assert back.sighting is Sighting.SUCCEEDED


async def test_the_data_fee_of_a_roll_up_counts_against_the_ceiling() -> None:
    data_fee = ETHER // 1000
    answer = f"7f{data_fee:064x}60005260206000f3"
    with evm_node("anvil") as running:
        harness = EvmHarness(running)
        harness.rpc("anvil_setCode", DATA_FEE_ORACLE, "0x" + answer)
        chain, payer = harness.chain(), harness.account()
        harness.fund(payer.address, ETHER)
        wanted = request(payer, payer.address, 1, NETWORK)
        built = await chain.build(wanted)
        with pytest.raises(ChainError) as caught:
            await chain.build(replace(wanted, fee_ceiling=2 * data_fee))
        await chain.close()
    assert built.max_fee == 2 * data_fee + chain.inspect(built.payload).max_fee
    assert caught.value.code is Code.FEE_CEILING_EXCEEDED


async def included(chain: EvmChain, attempt: Attempt) -> Evidence:
    async def ask() -> Evidence:
        return (await chain.evidence([attempt]))[0]

    return await until(ask, lambda evidence: evidence.height is not None)
