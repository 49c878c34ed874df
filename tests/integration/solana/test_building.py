"""Which payments are built on Solana, and which endpoints may have a say."""

import asyncio

import pytest
from solders.keypair import Keypair

from tests.support.solana_chain import (
    RENT,
    SOL,
    MovingClock,
    attempt_of,
    closed_url,
    closing,
    connected,
    evidence_of,
    existing,
    funded,
    local_network,
    payment_request,
    refused,
    sign,
    signed_payment,
)
from tests.support.solana_node import SolanaNode
from wallet.chains.solana.adapter import SolanaChain
from wallet.errors import Code, InputError
from wallet.ports.chain import SendOutcome, Sighting


class TestIdentity:
    async def test_an_endpoint_of_another_chain_is_refused(self, node: SolanaNode) -> None:
        chain = SolanaChain(
            local_network("5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d"),
            [node.rpc],
            MovingClock(),
        )
        async with closing(chain):
            assert (await refused(chain.connect())).code == Code.CHAIN_IDENTITY_MISMATCH

    async def test_an_endpoint_that_turns_into_another_chain_gives_no_blockhash(
        self, node: SolanaNode, payer: Keypair
    ) -> None:
        clock = MovingClock()
        request = payment_request(payer, existing(node), SOL)
        async with connected(SolanaChain(local_network(node.genesis), [node.rpc], clock)) as chain:
            await chain.build(request)
            node.order(genesis={"value": "EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxPkrZBG"})
            clock.passed += 3_601
            try:
                error = await refused(chain.build(request))
            finally:
                node.order(genesis={"value": None})
        assert error.code == Code.CHAIN_IDENTITY_MISMATCH

    async def test_a_dead_endpoint_does_not_stop_the_others(
        self, node: SolanaNode, payer: Keypair
    ) -> None:
        network = local_network(node.genesis)
        async with connected(
            SolanaChain(network, [closed_url(), node.rpc], MovingClock())
        ) as chain:
            payment = await signed_payment(chain, payer, existing(node), SOL)
            assert (await chain.send(payment.raw)).outcome is SendOutcome.ACCEPTED
            assert await chain.is_healthy()

    async def test_nobody_answering_is_unavailable_and_shows_no_url(self) -> None:
        chain = SolanaChain(local_network("x"), [closed_url() + "/secret-key"], MovingClock())
        async with closing(chain):
            error = await refused(chain.connect())
            assert not await chain.is_healthy()
        assert (error.code, error.retryable) == (Code.CHAIN_UNAVAILABLE, True)
        assert "secret-key" not in f"{error!r} {error.details} {error.__cause__}"


class TestBuild:
    async def test_a_payment_is_built_sent_and_seen(
        self, chain: SolanaChain, node: SolanaNode, payer: Keypair
    ) -> None:
        to = existing(node)
        built = await chain.build(payment_request(payer, to, SOL, memo="invoice 7 ✓"))
        assert built.balance == 10 * SOL
        paid = chain.inspect(built.payload)
        assert (paid.address, paid.to, paid.amount) == (str(payer.pubkey()), to, SOL)
        assert (paid.memo, paid.max_fee, paid.nonce) == ("invoice 7 ✓", built.max_fee, None)
        payment = attempt_of(payer, built, sign(chain, payer, built))
        assert (await chain.send(payment.raw)).outcome is SendOutcome.ACCEPTED
        seen = await evidence_of(chain, payment)
        assert (seen.sighting, seen.deep_enough, seen.final) == (Sighting.SUCCEEDED, True, True)
        assert seen.fee == built.max_fee
        assert (await chain.balance(to)).amount == 2 * SOL
        kept = (await chain.balance(str(payer.pubkey()))).amount
        assert kept == 9 * SOL - built.max_fee

    async def test_equal_payments_at_one_blockhash_are_two_payments(
        self, chain: SolanaChain, node: SolanaNode, payer: Keypair
    ) -> None:
        to = existing(node)
        node.order(hold={"on": True})
        try:
            payments = [
                await signed_payment(chain, payer, to, SOL, salt=salt) for salt in range(4)
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
        request = payment_request(payer, existing(node), SOL, salt=17)
        one, other = await chain.build(request), await chain.build(request)
        assert one.payload == other.payload

    async def test_a_new_account_needs_the_rent_exempt_minimum(
        self, chain: SolanaChain, payer: Keypair
    ) -> None:
        to = str(Keypair().pubkey())
        error = await refused(chain.build(payment_request(payer, to, RENT - 1)))
        assert error.code == Code.SIMULATION_FAILED
        assert "0.00089088 SOL" in error.message
        payment = await signed_payment(chain, payer, to, RENT)
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
        request = payment_request(funded(node, balance), existing(node), amount)
        error = await refused(chain.build(request))
        assert error.code == Code.SIMULATION_FAILED

    @pytest.mark.parametrize("kept", [0, RENT])
    async def test_a_wallet_can_be_emptied_or_left_at_the_minimum(
        self, chain: SolanaChain, node: SolanaNode, kept: int
    ) -> None:
        payer = funded(node, SOL + 5_000 + kept)
        payment = await signed_payment(chain, payer, existing(node), SOL)
        await chain.send(payment.raw)
        assert (await evidence_of(chain, payment)).sighting is Sighting.SUCCEEDED
        assert (await chain.balance(str(payer.pubkey()))).amount == kept

    @pytest.mark.parametrize("balance", [0, SOL, SOL + 4_999])
    async def test_a_balance_below_amount_and_fee_is_insufficient(
        self, chain: SolanaChain, node: SolanaNode, balance: int
    ) -> None:
        error = await refused(
            chain.build(payment_request(funded(node, balance), existing(node), SOL))
        )
        assert error.code == Code.INSUFFICIENT_FUNDS

    async def test_a_fee_above_the_ceiling_is_refused(
        self, chain: SolanaChain, node: SolanaNode, payer: Keypair
    ) -> None:
        request = payment_request(payer, existing(node), SOL, fee_ceiling=4_999)
        assert (await refused(chain.build(request))).code == Code.FEE_CEILING_EXCEEDED

    async def test_a_high_market_price_is_bid_up_to_the_ceiling(
        self, chain: SolanaChain, node: SolanaNode, payer: Keypair
    ) -> None:
        node.order(priority_fee={"microlamports": 2_000_000})
        try:
            market = await chain.build(payment_request(payer, existing(node), SOL))
            capped = await chain.build(
                payment_request(payer, existing(node), SOL, fee_ceiling=5_500)
            )
        finally:
            node.order(priority_fee={"microlamports": 0})
        assert market.max_fee == 5_000 + 2 * 1_000
        assert capped.max_fee == 5_500
        signed = sign(chain, payer, capped)
        await chain.send(signed.raw)
        seen = await evidence_of(chain, attempt_of(payer, capped, signed))
        assert (seen.sighting, seen.fee) == (Sighting.SUCCEEDED, 5_500)

    async def test_a_program_is_no_recipient(self, chain: SolanaChain, payer: Keypair) -> None:
        upgradeable_loader = "BPFLoaderUpgradeab1e11111111111111111111111"
        with pytest.raises(InputError):
            chain.validate_address(upgradeable_loader)
        request = payment_request(payer, "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA", SOL)
        assert (await refused(chain.build(request))).code == Code.SIMULATION_FAILED

    async def test_a_node_that_is_down_is_unavailable_and_comes_back(
        self, chain: SolanaChain, node: SolanaNode, payer: Keypair
    ) -> None:
        request = payment_request(payer, existing(node), SOL)
        node.order(down={"seconds": None})
        try:
            error = await refused(chain.build(request))
        finally:
            node.order(up=None)
        assert (error.code, error.retryable) == (Code.CHAIN_UNAVAILABLE, True)
        await chain.build(request)

    async def test_payments_are_built_side_by_side(
        self, chain: SolanaChain, node: SolanaNode, payer: Keypair
    ) -> None:
        to = existing(node)
        builds = [chain.build(payment_request(payer, to, SOL, salt=salt)) for salt in range(20)]
        built = await asyncio.gather(*builds)
        assert len({one.payload for one in built}) == 20
