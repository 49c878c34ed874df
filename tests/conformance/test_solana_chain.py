"""The Solana chain against the local node as a process of its own."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from solders.keypair import Keypair
from typing_extensions import override

from tests.conformance.chain_suite import (
    Account,
    ChainSuite,
    Harness,
    SystemClock,
    request,
    settled,
    signed_attempt,
)
from tests.support.solana_node import SolanaNode, solana_node
from wallet.chains.solana.adapter import SolanaChain
from wallet.domain.chains import ChainName, Finality, Network
from wallet.domain.transactions import Attempt, Purpose
from wallet.errors import ChainError, Code, InputError, WalletError
from wallet.ports.chain import BuildRequest, Built, Chain, Evidence, SendOutcome, Sighting, Signed

SOL = 10**9
RENT = 890_880
FINALITY_DEPTH = 32


class _Clock(SystemClock):
    """A clock that a test can put forward."""

    def __init__(self) -> None:
        self.passed = 0.0

    @override
    def monotonic(self) -> float:
        return super().monotonic() + self.passed


def _network(identity: str, finality: Finality = Finality.LATEST) -> Network:
    return Network(
        name="solana-localnet",
        chain=ChainName.SOLANA,
        identity=identity,
        symbol="SOL",
        decimals=9,
        fee_ceiling=1_000_000,
        finality=finality,
    )


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
    async with _connected(SolanaChain(_network(node.genesis), [node.rpc], _Clock())) as ready:
        yield ready


@pytest.fixture
async def deep_chain(deep_node: SolanaNode) -> AsyncIterator[SolanaChain]:
    network = _network(deep_node.genesis, Finality.FINALIZED)
    async with _connected(SolanaChain(network, [deep_node.rpc], _Clock())) as ready:
        yield ready


class _connected:  # noqa: N801 - reads as a function
    def __init__(self, chain: SolanaChain) -> None:
        self._chain = chain

    async def __aenter__(self) -> SolanaChain:
        await self._chain.connect()
        return self._chain

    async def __aexit__(self, *_: object) -> None:
        await self._chain.close()


class _closing:  # noqa: N801 - reads as a function
    def __init__(self, chain: SolanaChain) -> None:
        self._chain = chain

    async def __aenter__(self) -> None:
        pass

    async def __aexit__(self, *_: object) -> None:
        await self._chain.close()


@pytest.fixture
def payer(node: SolanaNode) -> Keypair:
    return _funded(node)


def _funded(node: SolanaNode, lamports: int = 10 * SOL) -> Keypair:
    keypair = Keypair()
    node.set_balance(str(keypair.pubkey()), lamports)
    return keypair


def _existing(node: SolanaNode) -> str:
    return str(_funded(node, SOL).pubkey())


def _request(payer: Keypair, to: str, amount: int, **more: Any) -> BuildRequest:
    terms: dict[str, Any] = {"memo": None, "fee_ceiling": 1_000_000, **more}
    return BuildRequest(address=str(payer.pubkey()), to=to, amount=amount, **terms)


def _sign(chain: SolanaChain, payer: Keypair, built: Built) -> Signed:
    return chain.attach(built.payload, bytes(payer.sign_message(built.payload)))


def _attempt(payer: Keypair, built: Built, signed: Signed, amount: int = 0) -> Attempt:
    return Attempt(
        transaction_id="one",
        number=1,
        purpose=Purpose.PAY,
        network="solana-localnet",
        address=str(payer.pubkey()),
        hash=signed.hash,
        raw=signed.raw,
        nonce=None,
        last_valid_height=built.last_valid_height,
        signing_height=built.signing_height,
        max_cost=amount + built.max_fee,
        created_at=time.time_ns() // 1_000_000,
    )


async def _signed_payment(
    chain: SolanaChain, payer: Keypair, to: str, amount: int, **more: Any
) -> Attempt:
    built = await chain.build(_request(payer, to, amount, **more))
    return _attempt(payer, built, _sign(chain, payer, built), amount)


async def _one(chain: SolanaChain, attempt: Attempt) -> Evidence:
    (evidence,) = await chain.evidence([attempt])
    return evidence


def _closed_url() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return f"http://127.0.0.1:{listening.getsockname()[1]}"


async def _refused(awaitable: Any) -> WalletError:
    with pytest.raises(WalletError) as caught:
        await awaitable
    return caught.value


class SolanaHarness(Harness):
    unit = SOL

    def __init__(self, node: SolanaNode) -> None:
        self.node = node
        self.network = _network(node.genesis)

    @override
    def chain(self, *, first: Sequence[str] = (), timeout_seconds: float = 5) -> SolanaChain:
        urls = [*first, self.node.rpc]
        return SolanaChain(self.network, urls, SystemClock(), timeout_seconds=timeout_seconds)

    @override
    def account(self) -> Account:
        keypair = Keypair()
        return Account(str(keypair.pubkey()), lambda payload: bytes(keypair.sign_message(payload)))

    @override
    def bad_addresses(self) -> Sequence[str]:
        return (
            "0x52908400098527886E0F7030069857D2E4169EE7",
            "11111111111111111111111111111111",
            "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA",
            "SysvarC1ock11111111111111111111111111111111",
            "AKnL4NNf3DGWZJS6cPknBuEGnVsV4A4m5tgebLHaRSZ99",
            "AKnL4NNf3DGWZJS6cPknBuEGnVsV4A4m5tgebLHaRS0l",
        )

    @override
    def reset(self) -> None:
        self.node.order(
            up={},
            hold={"on": False},
            latency={"ms": 0},
            drop_next={"count": 0},
            lose_answer_next={"count": 0},
            reject_next={"count": 0},
            genesis={"value": None},
            priority_fee={"microlamports": 0},
        )

    @override
    def fund(self, address: str, amount: int) -> None:
        self.node.set_balance(address, amount)

    @override
    def hold(self) -> None:
        self.node.order(hold={"on": True})

    @override
    def release(self) -> None:
        self.node.order(hold={"on": False})

    @override
    def drop_next(self) -> None:
        self.node.order(drop_next={"count": 1})

    @override
    def lose_answer_next(self) -> None:
        self.node.order(lose_answer_next={"count": 1})

    @override
    def reject_next(self, message: str | None = None) -> None:
        self.node.order(reject_next={"count": 1, "message": message})

    @override
    def go_down(self) -> None:
        self.node.order(down={"seconds": None})

    @override
    def come_up(self) -> None:
        self.node.order(up={})

    @override
    def claim_another_identity(self) -> None:
        self.node.order(genesis={"value": "EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxPkrZBG"})

    @override
    def landed(self, address: str) -> Sequence[str]:
        return [one["signature"] for one in self.node.landed() if one["payer"] == address]

    @override
    async def bury(self, chain: Chain, payer: Account, attempt: Attempt) -> None:
        self.node.advance(200)


@pytest.fixture
def harness(node: SolanaNode) -> Iterator[SolanaHarness]:
    harness = SolanaHarness(node)
    harness.reset()
    yield harness
    harness.reset()


class TestSolanaChain(ChainSuite):
    """The suite that every chain passes, but for what a Solana node cannot know while sending."""

    @override
    async def test_a_definitive_refusal_is_rejected_with_its_reason(
        self, harness: Harness, chain: Chain, payer: Account, payee: str
    ) -> None:
        """Funds and blockhashes may come right until the last height; broken bytes never do."""
        wanted = request(payer, payee, harness.unit, chain.network)
        attempt = await signed_attempt(chain, payer, wanted)
        result = await chain.send(attempt.raw[:-1])
        assert result.outcome is SendOutcome.REJECTED
        assert result.reason
        assert not harness.landed(payer.address)

    @override
    async def test_what_can_never_land_is_finally_so(
        self, harness: Harness, chain: Chain, payer: Account, payee: str
    ) -> None:
        """A node takes expired bytes when asked for no preflight, and drops them."""
        wanted = request(payer, payee, harness.unit, chain.network)
        attempt = await signed_attempt(chain, payer, wanted)
        await harness.bury(chain, payer, attempt)
        await chain.send(attempt.raw)
        evidence = await settled(chain, attempt)
        assert (evidence.sighting, evidence.final) == (Sighting.DEAD, True)
        assert attempt.hash not in harness.landed(payer.address)


class TestIdentity:
    async def test_an_endpoint_of_another_chain_is_refused(self, node: SolanaNode) -> None:
        chain = SolanaChain(
            _network("5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d"), [node.rpc], _Clock()
        )
        async with _closing(chain):
            assert (await _refused(chain.connect())).code == Code.CHAIN_IDENTITY_MISMATCH

    async def test_an_endpoint_that_turns_into_another_chain_gives_no_blockhash(
        self, node: SolanaNode, payer: Keypair
    ) -> None:
        clock = _Clock()
        request = _request(payer, _existing(node), SOL)
        async with _connected(SolanaChain(_network(node.genesis), [node.rpc], clock)) as chain:
            await chain.build(request)
            node.order(genesis={"value": "EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxPkrZBG"})
            clock.passed += 3_601
            try:
                error = await _refused(chain.build(request))
            finally:
                node.order(genesis={"value": None})
        assert error.code == Code.CHAIN_IDENTITY_MISMATCH

    async def test_a_dead_endpoint_does_not_stop_the_others(
        self, node: SolanaNode, payer: Keypair
    ) -> None:
        network = _network(node.genesis)
        async with _connected(SolanaChain(network, [_closed_url(), node.rpc], _Clock())) as chain:
            payment = await _signed_payment(chain, payer, _existing(node), SOL)
            assert (await chain.send(payment.raw)).outcome is SendOutcome.ACCEPTED
            assert await chain.is_healthy()

    async def test_nobody_answering_is_unavailable_and_shows_no_url(self) -> None:
        chain = SolanaChain(_network("x"), [_closed_url() + "/secret-key"], _Clock())
        async with _closing(chain):
            error = await _refused(chain.connect())
            assert not await chain.is_healthy()
        assert (error.code, error.retryable) == (Code.CHAIN_UNAVAILABLE, True)
        assert "secret-key" not in f"{error!r} {error.details} {error.__cause__}"


class TestBuild:
    async def test_a_payment_is_built_sent_and_seen(
        self, chain: SolanaChain, node: SolanaNode, payer: Keypair
    ) -> None:
        to = _existing(node)
        built = await chain.build(_request(payer, to, SOL, memo="invoice 7 ✓"))
        assert built.balance == 10 * SOL
        paid = chain.inspect(built.payload)
        assert (paid.address, paid.to, paid.amount) == (str(payer.pubkey()), to, SOL)
        assert (paid.memo, paid.max_fee, paid.nonce) == ("invoice 7 ✓", built.max_fee, None)
        payment = _attempt(payer, built, _sign(chain, payer, built))
        assert (await chain.send(payment.raw)).outcome is SendOutcome.ACCEPTED
        seen = await _one(chain, payment)
        assert (seen.sighting, seen.deep_enough, seen.final) == (Sighting.SUCCEEDED, True, True)
        assert seen.fee == built.max_fee
        assert (await chain.balance(to)).amount == 2 * SOL
        kept = (await chain.balance(str(payer.pubkey()))).amount
        assert kept == 9 * SOL - built.max_fee

    async def test_equal_payments_at_one_blockhash_are_two_payments(
        self, chain: SolanaChain, node: SolanaNode, payer: Keypair
    ) -> None:
        to = _existing(node)
        node.order(hold={"on": True})
        try:
            payments = [
                await _signed_payment(chain, payer, to, SOL, salt=salt) for salt in range(4)
            ]
            blockhashes = {payment.last_valid_height for payment in payments}
            outcomes = [(await chain.send(payment.raw)).outcome for payment in payments]
        finally:
            node.order(hold={"on": False})
        assert len(blockhashes) == 1
        assert len({payment.hash for payment in payments}) == 4
        assert set(outcomes) == {SendOutcome.ACCEPTED}
        assert (await chain.balance(to)).amount == 5 * SOL

    async def test_the_same_payment_with_the_same_salt_has_the_same_bytes(
        self, chain: SolanaChain, node: SolanaNode, payer: Keypair
    ) -> None:
        request = _request(payer, _existing(node), SOL, salt=17)
        one, other = await chain.build(request), await chain.build(request)
        assert one.payload == other.payload

    async def test_a_new_account_needs_the_rent_exempt_minimum(
        self, chain: SolanaChain, payer: Keypair
    ) -> None:
        to = str(Keypair().pubkey())
        error = await _refused(chain.build(_request(payer, to, RENT - 1)))
        assert error.code == Code.SIMULATION_FAILED
        assert "0.00089088 SOL" in error.message
        payment = await _signed_payment(chain, payer, to, RENT)
        await chain.send(payment.raw)
        assert (await chain.balance(to)).amount == RENT

    @pytest.mark.parametrize(
        ("balance", "amount"),
        [
            (4 * RENT + 5_000 - 1, 3 * RENT),  # would keep one lamport too little
            (3 * RENT + 5_001, 3 * RENT),  # would keep one lamport
            (RENT + 4_999, RENT - 1),  # the fee alone takes it below
        ],
    )
    async def test_the_payer_keeps_nothing_or_the_rent_exempt_minimum(
        self, chain: SolanaChain, node: SolanaNode, balance: int, amount: int
    ) -> None:
        request = _request(_funded(node, balance), _existing(node), amount)
        error = await _refused(chain.build(request))
        assert error.code == Code.SIMULATION_FAILED

    @pytest.mark.parametrize("kept", [0, RENT])
    async def test_a_wallet_can_be_emptied_or_left_at_the_minimum(
        self, chain: SolanaChain, node: SolanaNode, kept: int
    ) -> None:
        payer = _funded(node, SOL + 5_000 + kept)
        payment = await _signed_payment(chain, payer, _existing(node), SOL)
        await chain.send(payment.raw)
        assert (await _one(chain, payment)).sighting is Sighting.SUCCEEDED
        assert (await chain.balance(str(payer.pubkey()))).amount == kept

    @pytest.mark.parametrize("balance", [0, SOL, SOL + 4_999])
    async def test_a_balance_below_amount_and_fee_is_insufficient(
        self, chain: SolanaChain, node: SolanaNode, balance: int
    ) -> None:
        error = await _refused(chain.build(_request(_funded(node, balance), _existing(node), SOL)))
        assert error.code == Code.INSUFFICIENT_FUNDS

    async def test_a_fee_above_the_ceiling_is_refused(
        self, chain: SolanaChain, node: SolanaNode, payer: Keypair
    ) -> None:
        request = _request(payer, _existing(node), SOL, fee_ceiling=4_999)
        assert (await _refused(chain.build(request))).code == Code.FEE_CEILING_EXCEEDED

    async def test_a_high_market_price_is_bid_up_to_the_ceiling(
        self, chain: SolanaChain, node: SolanaNode, payer: Keypair
    ) -> None:
        node.order(priority_fee={"microlamports": 2_000_000})
        try:
            market = await chain.build(_request(payer, _existing(node), SOL))
            capped = await chain.build(_request(payer, _existing(node), SOL, fee_ceiling=5_500))
        finally:
            node.order(priority_fee={"microlamports": 0})
        assert market.max_fee == 5_000 + 2 * 1_000
        assert capped.max_fee == 5_500
        signed = _sign(chain, payer, capped)
        await chain.send(signed.raw)
        seen = await _one(chain, _attempt(payer, capped, signed))
        assert (seen.sighting, seen.fee) == (Sighting.SUCCEEDED, 5_500)

    async def test_a_program_is_no_recipient(self, chain: SolanaChain, payer: Keypair) -> None:
        upgradeable_loader = "BPFLoaderUpgradeab1e11111111111111111111111"
        with pytest.raises(InputError):
            chain.validate_address(upgradeable_loader)
        request = _request(payer, "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA", SOL)
        assert (await _refused(chain.build(request))).code == Code.SIMULATION_FAILED

    async def test_a_node_that_is_down_is_unavailable_and_comes_back(
        self, chain: SolanaChain, node: SolanaNode, payer: Keypair
    ) -> None:
        request = _request(payer, _existing(node), SOL)
        node.order(down={"seconds": None})
        try:
            error = await _refused(chain.build(request))
        finally:
            node.order(up=None)
        assert (error.code, error.retryable) == (Code.CHAIN_UNAVAILABLE, True)
        await chain.build(request)

    async def test_payments_are_built_side_by_side(
        self, chain: SolanaChain, node: SolanaNode, payer: Keypair
    ) -> None:
        to = _existing(node)
        builds = [chain.build(_request(payer, to, SOL, salt=salt)) for salt in range(20)]
        built = await asyncio.gather(*builds)
        assert len({one.payload for one in built}) == 20


class TestSend:
    async def test_the_same_bytes_may_be_sent_again_and_pay_once(
        self, chain: SolanaChain, node: SolanaNode, payer: Keypair
    ) -> None:
        to = _existing(node)
        payment = await _signed_payment(chain, payer, to, SOL)
        for _ in range(3):
            assert (await chain.send(payment.raw)).outcome is SendOutcome.ACCEPTED
        assert (await chain.balance(to)).amount == 2 * SOL

    async def test_a_lost_answer_is_unknown_and_the_payment_is_found(
        self, chain: SolanaChain, node: SolanaNode, payer: Keypair
    ) -> None:
        payment = await _signed_payment(chain, payer, _existing(node), SOL)
        node.order(lose_answer_next={"count": 1})
        assert (await chain.send(payment.raw)).outcome is SendOutcome.UNKNOWN
        assert (await _one(chain, payment)).sighting is Sighting.SUCCEEDED

    async def test_a_refusal_that_says_nothing_of_the_bytes_is_unknown(
        self, chain: SolanaChain, node: SolanaNode, payer: Keypair
    ) -> None:
        payment = await _signed_payment(chain, payer, _existing(node), SOL)
        node.order(reject_next={"count": 1})
        result = await chain.send(payment.raw)
        assert result.outcome is SendOutcome.UNKNOWN
        assert result.reason

    async def test_an_outage_is_unknown(
        self, chain: SolanaChain, node: SolanaNode, payer: Keypair
    ) -> None:
        payment = await _signed_payment(chain, payer, _existing(node), SOL)
        node.order(down={"seconds": None})
        try:
            assert (await chain.send(payment.raw)).outcome is SendOutcome.UNKNOWN
        finally:
            node.order(up=None)
        assert (await _one(chain, payment)).sighting is Sighting.UNSEEN

    async def test_bytes_that_are_no_transaction_are_rejected_when_all_say_so(
        self, chain: SolanaChain, node: SolanaNode
    ) -> None:
        junk = bytes(200)
        assert (await chain.send(junk)).outcome is SendOutcome.REJECTED
        network = _network(node.genesis)
        async with _connected(SolanaChain(network, [node.rpc, _closed_url()], _Clock())) as two:
            assert (await two.send(junk)).outcome is SendOutcome.UNKNOWN


class TestEvidence:
    async def test_a_dropped_payment_is_dead_only_after_its_last_height(
        self, chain: SolanaChain, node: SolanaNode, payer: Keypair
    ) -> None:
        payment = await _signed_payment(chain, payer, _existing(node), SOL)
        node.order(drop_next={"count": 1})
        assert (await chain.send(payment.raw)).outcome is SendOutcome.ACCEPTED
        assert (await _one(chain, payment)).sighting is Sighting.UNSEEN
        node.advance(150)
        assert (await _one(chain, payment)).sighting is Sighting.UNSEEN
        node.advance(1)
        dead = await _one(chain, payment)
        assert (dead.sighting, dead.final) == (Sighting.DEAD, True)
        await chain.send(payment.raw)
        assert (await _one(chain, payment)).sighting is Sighting.DEAD

    async def test_a_last_height_that_was_too_low_kills_nothing_early(
        self, chain: SolanaChain, node: SolanaNode, payer: Keypair
    ) -> None:
        payment = await _signed_payment(chain, payer, _existing(node), SOL)
        lied = replace(payment, last_valid_height=1)
        node.advance(149)
        assert (await _one(chain, lied)).sighting is Sighting.UNSEEN
        await chain.send(payment.raw)
        node.advance(200)
        assert (await _one(chain, lied)).sighting is Sighting.SUCCEEDED

    async def test_a_payment_without_heights_is_never_declared_dead(
        self, chain: SolanaChain, node: SolanaNode, payer: Keypair
    ) -> None:
        payment = await _signed_payment(chain, payer, _existing(node), SOL)
        unknown = replace(payment, last_valid_height=None)
        node.advance(1_000)
        assert (await _one(chain, unknown)).sighting is Sighting.UNSEEN

    async def test_a_payment_long_past_is_still_found(
        self, chain: SolanaChain, node: SolanaNode, payer: Keypair
    ) -> None:
        payment = await _signed_payment(chain, payer, _existing(node), SOL)
        await chain.send(payment.raw)
        node.advance(1_000)
        assert (await _one(chain, payment)).sighting is Sighting.SUCCEEDED

    async def test_a_payment_that_fails_on_chain_is_failed_and_costs_its_fee(
        self, chain: SolanaChain, node: SolanaNode, payer: Keypair
    ) -> None:
        built = await chain.build(_request(payer, _existing(node), 5 * SOL))
        signed = _sign(chain, payer, built)
        node.set_balance(str(payer.pubkey()), 2 * SOL)
        await chain.send(signed.raw)
        seen = await _one(chain, _attempt(payer, built, signed))
        assert (seen.sighting, seen.final) == (Sighting.FAILED, True)
        assert seen.fee == built.max_fee
        assert (await chain.balance(str(payer.pubkey()))).amount == 2 * SOL - built.max_fee

    async def test_final_means_finalized_where_the_network_says_so(
        self, deep_chain: SolanaChain, deep_node: SolanaNode
    ) -> None:
        payer = _funded(deep_node)
        payment = await _signed_payment(deep_chain, payer, _existing(deep_node), SOL)
        await deep_chain.send(payment.raw)
        first = await _one(deep_chain, payment)
        assert (first.deep_enough, first.final) == (False, False)
        deep_node.advance(1)
        confirmed = await _one(deep_chain, payment)
        assert (confirmed.deep_enough, confirmed.final) == (True, False)
        deep_node.advance(FINALITY_DEPTH)
        assert (await _one(deep_chain, payment)).final

    async def test_death_waits_for_a_finalized_height(
        self, deep_chain: SolanaChain, deep_node: SolanaNode
    ) -> None:
        payer = _funded(deep_node)
        payment = await _signed_payment(deep_chain, payer, _existing(deep_node), SOL)
        deep_node.advance(150 + FINALITY_DEPTH)
        assert (await _one(deep_chain, payment)).sighting is Sighting.UNSEEN
        deep_node.advance(1)
        assert (await _one(deep_chain, payment)).sighting is Sighting.DEAD

    async def test_many_attempts_are_answered_in_their_order(
        self, chain: SolanaChain, node: SolanaNode, payer: Keypair
    ) -> None:
        to = _existing(node)
        landed = await _signed_payment(chain, payer, to, SOL)
        waiting = await _signed_payment(chain, payer, to, SOL, salt=1)
        await chain.send(landed.raw)
        found = await chain.evidence([landed, waiting] * 300)
        expected = [Sighting.SUCCEEDED, Sighting.UNSEEN] * 300
        assert [one.sighting for one in found] == expected
        assert [one.hash for one in found] == [landed.hash, waiting.hash] * 300

    async def test_no_evidence_from_a_node_that_is_down(
        self, chain: SolanaChain, node: SolanaNode, payer: Keypair
    ) -> None:
        payment = await _signed_payment(chain, payer, _existing(node), SOL)
        node.order(down={"seconds": None})
        try:
            with pytest.raises(ChainError) as caught:
                await chain.evidence([payment])
        finally:
            node.order(up=None)
        assert caught.value.code == Code.CHAIN_UNAVAILABLE
        assert await chain.evidence([]) == []
