"""What becomes of a Solana payment once it is signed."""

from dataclasses import replace

import pytest
from solders.keypair import Keypair

from tests.support.solana_chain import (
    FINALITY_DEPTH,
    SOL,
    MovingClock,
    attempt_of,
    closed_url,
    connected,
    evidence_of,
    existing,
    funded,
    local_network,
    payment_request,
    sign,
    signed_payment,
)
from tests.support.solana_node import SolanaNode
from wallet.chains.solana.adapter import SolanaChain
from wallet.errors import ChainError, Code
from wallet.ports.chain import SendOutcome, Sighting


class TestSend:
    async def test_the_same_bytes_may_be_sent_again_and_pay_once(
        self, chain: SolanaChain, node: SolanaNode, payer: Keypair
    ) -> None:
        to = existing(node)
        payment = await signed_payment(chain, payer, to, SOL)
        for _ in range(3):
            assert (await chain.send(payment.raw)).outcome is SendOutcome.ACCEPTED
        assert (await chain.balance(to)).amount == 2 * SOL

    async def test_a_lost_answer_is_unknown_and_the_payment_is_found(
        self, chain: SolanaChain, node: SolanaNode, payer: Keypair
    ) -> None:
        payment = await signed_payment(chain, payer, existing(node), SOL)
        node.order(lose_answer_next={"count": 1})
        assert (await chain.send(payment.raw)).outcome is SendOutcome.UNKNOWN
        assert (await evidence_of(chain, payment)).sighting is Sighting.SUCCEEDED

    async def test_a_refusal_that_says_nothing_of_the_bytes_is_unknown(
        self, chain: SolanaChain, node: SolanaNode, payer: Keypair
    ) -> None:
        payment = await signed_payment(chain, payer, existing(node), SOL)
        node.order(reject_next={"count": 1})
        result = await chain.send(payment.raw)
        assert result.outcome is SendOutcome.UNKNOWN
        assert result.reason

    async def test_an_outage_is_unknown(
        self, chain: SolanaChain, node: SolanaNode, payer: Keypair
    ) -> None:
        payment = await signed_payment(chain, payer, existing(node), SOL)
        node.order(down={"seconds": None})
        try:
            assert (await chain.send(payment.raw)).outcome is SendOutcome.UNKNOWN
        finally:
            node.order(up=None)
        assert (await evidence_of(chain, payment)).sighting is Sighting.UNSEEN

    async def test_bytes_that_are_no_transaction_are_rejected_when_all_say_so(
        self, chain: SolanaChain, node: SolanaNode
    ) -> None:
        junk = bytes(200)
        assert (await chain.send(junk)).outcome is SendOutcome.REJECTED
        network = local_network(node.genesis)
        async with connected(SolanaChain(network, [node.rpc, closed_url()], MovingClock())) as two:
            assert (await two.send(junk)).outcome is SendOutcome.UNKNOWN


class TestEvidence:
    async def test_a_dropped_payment_is_dead_only_after_its_last_height(
        self, chain: SolanaChain, node: SolanaNode, payer: Keypair
    ) -> None:
        payment = await signed_payment(chain, payer, existing(node), SOL)
        node.order(drop_next={"count": 1})
        assert (await chain.send(payment.raw)).outcome is SendOutcome.ACCEPTED
        assert (await evidence_of(chain, payment)).sighting is Sighting.UNSEEN
        node.advance(150)
        assert (await evidence_of(chain, payment)).sighting is Sighting.UNSEEN
        node.advance(1)
        dead = await evidence_of(chain, payment)
        assert (dead.sighting, dead.final) == (Sighting.DEAD, True)
        await chain.send(payment.raw)
        assert (await evidence_of(chain, payment)).sighting is Sighting.DEAD

    async def test_a_last_height_that_was_too_low_kills_nothing_early(
        self, chain: SolanaChain, node: SolanaNode, payer: Keypair
    ) -> None:
        payment = await signed_payment(chain, payer, existing(node), SOL)
        lied = replace(payment, last_valid_height=1)
        node.advance(149)
        assert (await evidence_of(chain, lied)).sighting is Sighting.UNSEEN
        await chain.send(payment.raw)
        node.advance(200)
        assert (await evidence_of(chain, lied)).sighting is Sighting.SUCCEEDED

    async def test_a_payment_without_heights_is_never_declared_dead(
        self, chain: SolanaChain, node: SolanaNode, payer: Keypair
    ) -> None:
        payment = await signed_payment(chain, payer, existing(node), SOL)
        unknown = replace(payment, last_valid_height=None)
        node.advance(1_000)
        assert (await evidence_of(chain, unknown)).sighting is Sighting.UNSEEN

    async def test_a_payment_long_past_is_still_found(
        self, chain: SolanaChain, node: SolanaNode, payer: Keypair
    ) -> None:
        payment = await signed_payment(chain, payer, existing(node), SOL)
        await chain.send(payment.raw)
        node.advance(1_000)
        assert (await evidence_of(chain, payment)).sighting is Sighting.SUCCEEDED

    async def test_a_payment_that_fails_on_chain_is_failed_and_costs_its_fee(
        self, chain: SolanaChain, node: SolanaNode, payer: Keypair
    ) -> None:
        built = await chain.build(payment_request(payer, existing(node), 5 * SOL))
        signed = sign(chain, payer, built)
        node.set_balance(str(payer.pubkey()), 2 * SOL)
        await chain.send(signed.raw)
        seen = await evidence_of(chain, attempt_of(payer, built, signed))
        assert (seen.sighting, seen.final) == (Sighting.FAILED, True)
        assert seen.fee == built.max_fee
        assert (await chain.balance(str(payer.pubkey()))).amount == 2 * SOL - built.max_fee

    async def test_final_means_finalized_where_the_network_says_so(
        self, deep_chain: SolanaChain, deep_node: SolanaNode
    ) -> None:
        payer = funded(deep_node)
        payment = await signed_payment(deep_chain, payer, existing(deep_node), SOL)
        await deep_chain.send(payment.raw)
        first = await evidence_of(deep_chain, payment)
        assert (first.deep_enough, first.final) == (False, False)
        deep_node.advance(1)
        confirmed = await evidence_of(deep_chain, payment)
        assert (confirmed.deep_enough, confirmed.final) == (True, False)
        deep_node.advance(FINALITY_DEPTH)
        assert (await evidence_of(deep_chain, payment)).final

    async def test_death_waits_for_a_finalized_height(
        self, deep_chain: SolanaChain, deep_node: SolanaNode
    ) -> None:
        payer = funded(deep_node)
        payment = await signed_payment(deep_chain, payer, existing(deep_node), SOL)
        deep_node.advance(150 + FINALITY_DEPTH)
        assert (await evidence_of(deep_chain, payment)).sighting is Sighting.UNSEEN
        deep_node.advance(1)
        assert (await evidence_of(deep_chain, payment)).sighting is Sighting.DEAD

    async def test_many_attempts_are_answered_in_their_order(
        self, chain: SolanaChain, node: SolanaNode, payer: Keypair
    ) -> None:
        to = existing(node)
        landed = await signed_payment(chain, payer, to, SOL)
        waiting = await signed_payment(chain, payer, to, SOL, salt=1)
        await chain.send(landed.raw)
        found = await chain.evidence([landed, waiting] * 300)
        expected = [Sighting.SUCCEEDED, Sighting.UNSEEN] * 300
        assert [one.sighting for one in found] == expected
        assert [one.hash for one in found] == [landed.hash, waiting.hash] * 300

    async def test_no_evidence_from_a_node_that_is_down(
        self, chain: SolanaChain, node: SolanaNode, payer: Keypair
    ) -> None:
        payment = await signed_payment(chain, payer, existing(node), SOL)
        node.order(down={"seconds": None})
        try:
            with pytest.raises(ChainError) as caught:
                await chain.evidence([payment])
        finally:
            node.order(up=None)
        assert caught.value.code == Code.CHAIN_UNAVAILABLE
        assert await chain.evidence([]) == []
