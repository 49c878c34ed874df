"""The Solana chain against the local node as a process of its own."""

from collections.abc import AsyncIterator, Iterator, Sequence

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
from tests.support.solana_chain import (
    SOL,
    connected,
    local_network,
)
from tests.support.solana_node import SolanaNode, solana_node
from wallet.chains.solana.adapter import SolanaChain
from wallet.domain.transactions import Attempt
from wallet.ports.chain import Chain, SendOutcome, Sighting


class SolanaHarness(Harness):
    unit = SOL

    def __init__(self, node: SolanaNode) -> None:
        self.node = node
        self.network = local_network(node.genesis)

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


@pytest.fixture(scope="module")
def node() -> Iterator[SolanaNode]:
    with solana_node() as running:
        yield running


@pytest.fixture
async def chain(harness: SolanaHarness) -> AsyncIterator[SolanaChain]:
    async with connected(harness.chain()) as ready:
        yield ready


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
