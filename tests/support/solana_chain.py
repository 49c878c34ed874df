"""Payments of the tests on a local Solana node."""

import socket
import time
from typing import Any

import pytest
from solders.keypair import Keypair
from typing_extensions import override

from tests.conformance.chain_suite import (
    SystemClock,
)
from tests.support.solana_node import SolanaNode
from wallet.chains.solana.adapter import SolanaChain
from wallet.domain.chains import ChainName, Finality, Network
from wallet.domain.transactions import Attempt, Purpose
from wallet.errors import WalletError
from wallet.ports.chain import BuildRequest, Built, Evidence, Signed

SOL = 10**9
RENT = 890_880
FINALITY_DEPTH = 32


class MovingClock(SystemClock):
    """A clock that a test can put forward."""

    def __init__(self) -> None:
        self.passed = 0.0

    @override
    def monotonic(self) -> float:
        return super().monotonic() + self.passed


def local_network(identity: str, finality: Finality = Finality.LATEST) -> Network:
    return Network(
        name="solana-localnet",
        chain=ChainName.SOLANA,
        identity=identity,
        symbol="SOL",
        decimals=9,
        fee_ceiling=1_000_000,
        finality=finality,
    )


class connected:  # noqa: N801 - reads as a function
    def __init__(self, chain: SolanaChain) -> None:
        self._chain = chain

    async def __aenter__(self) -> SolanaChain:
        await self._chain.connect()
        return self._chain

    async def __aexit__(self, *_: object) -> None:
        await self._chain.close()


class closing:  # noqa: N801 - reads as a function
    def __init__(self, chain: SolanaChain) -> None:
        self._chain = chain

    async def __aenter__(self) -> None:
        pass

    async def __aexit__(self, *_: object) -> None:
        await self._chain.close()


def funded(node: SolanaNode, lamports: int = 10 * SOL) -> Keypair:
    keypair = Keypair()
    node.set_balance(str(keypair.pubkey()), lamports)
    return keypair


def existing(node: SolanaNode) -> str:
    return str(funded(node, SOL).pubkey())


def payment_request(payer: Keypair, to: str, amount: int, **more: Any) -> BuildRequest:
    terms: dict[str, Any] = {"memo": None, "fee_ceiling": 1_000_000, **more}
    return BuildRequest(address=str(payer.pubkey()), to=to, amount=amount, **terms)


def sign(chain: SolanaChain, payer: Keypair, built: Built) -> Signed:
    return chain.attach(built.payload, bytes(payer.sign_message(built.payload)))


def attempt_of(payer: Keypair, built: Built, signed: Signed, amount: int = 0) -> Attempt:
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


async def signed_payment(
    chain: SolanaChain, payer: Keypair, to: str, amount: int, **more: Any
) -> Attempt:
    built = await chain.build(payment_request(payer, to, amount, **more))
    return attempt_of(payer, built, sign(chain, payer, built), amount)


async def evidence_of(chain: SolanaChain, attempt: Attempt) -> Evidence:
    (evidence,) = await chain.evidence([attempt])
    return evidence


def closed_url() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return f"http://127.0.0.1:{listening.getsockname()[1]}"


async def refused(awaitable: Any) -> WalletError:
    with pytest.raises(WalletError) as caught:
        await awaitable
    return caught.value
