"""What every Chain must do, whatever network it speaks to. Each network plugs in its own harness."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

import pytest

from wallet.domain.chains import Network
from wallet.domain.transactions import Attempt, Purpose
from wallet.errors import ChainError, Code, InputError
from wallet.ports.chain import (
    BuildRequest,
    Built,
    Chain,
    Evidence,
    SendOutcome,
    Sighting,
    Signed,
)

SECONDS = 10.0
HOUR_MS = 3_600_000
UNREACHABLE = "http://127.0.0.1:1"


class SystemClock:
    def now(self) -> int:
        return int(time.time() * 1000)

    def monotonic(self) -> float:
        return time.monotonic()


@dataclass(frozen=True, slots=True)
class Account:
    """A payer of the tests; ``sign`` answers as the signer does."""

    address: str
    sign: Callable[[bytes], bytes]


class Harness(ABC):
    """One running local network and the means to make it misbehave.

    ``unit`` is a comfortable amount: more than any fee, and enough for the network to keep an
    account alive. Every test starts after ``reset``: up, including at once, no faults.
    """

    network: Network
    unit: int

    @abstractmethod
    def chain(self, *, first: Sequence[str] = (), timeout_seconds: float = 5) -> Chain:
        """A new adapter that is not connected; ``first`` are URLs to prefer to the network's."""

    @abstractmethod
    def account(self) -> Account: ...

    @abstractmethod
    def bad_addresses(self) -> Sequence[str]: ...

    @abstractmethod
    def reset(self) -> None: ...

    @abstractmethod
    def fund(self, address: str, amount: int) -> None: ...

    @abstractmethod
    def hold(self) -> None:
        """Include nothing until ``release``."""

    @abstractmethod
    def release(self) -> None: ...

    @abstractmethod
    def drop_next(self) -> None:
        """Acknowledge the next transaction and forget it."""

    @abstractmethod
    def lose_answer_next(self) -> None:
        """Take the next transaction, but do not say so."""

    @abstractmethod
    def reject_next(self, message: str | None = None) -> None:
        """Refuse the next transaction; by default for want of funds."""

    @abstractmethod
    def go_down(self) -> None: ...

    @abstractmethod
    def come_up(self) -> None: ...

    @abstractmethod
    def claim_another_identity(self) -> None: ...

    @abstractmethod
    def landed(self, address: str) -> Sequence[str]:
        """Hashes of what ``address`` paid for, in the order of the chain."""

    @abstractmethod
    async def bury(self, chain: Chain, payer: Account, attempt: Attempt) -> None:
        """Make it impossible, finally, that ``attempt`` ever lands."""


def request(payer: Account, to: str, amount: int, network: Network) -> BuildRequest:
    return BuildRequest(
        address=payer.address, to=to, amount=amount, memo=None, fee_ceiling=network.fee_ceiling
    )


def attempt_of(payer: Account, built: Built, signed: Signed, network: Network) -> Attempt:
    return Attempt(
        transaction_id="tx",
        number=1,
        purpose=Purpose.PAY,
        network=network.name,
        address=payer.address,
        hash=signed.hash,
        raw=signed.raw,
        nonce=built.nonce,
        last_valid_height=built.last_valid_height,
        signing_height=built.signing_height,
        max_cost=built.max_fee,
        created_at=0,
    )


async def signed_attempt(chain: Chain, payer: Account, wanted: BuildRequest) -> Attempt:
    """Build and sign, without sending."""
    built = await chain.build(wanted)
    signed = chain.attach(built.payload, payer.sign(built.payload))
    return attempt_of(payer, built, signed, chain.network)


async def until(
    ask: Callable[[], Awaitable[Evidence]], wanted: Callable[[Evidence], bool]
) -> Evidence:
    """Ask until the answer is the wanted one; fail after ten seconds."""
    deadline = time.monotonic() + SECONDS
    while True:
        answer = await ask()
        if wanted(answer):
            return answer
        assert time.monotonic() < deadline, f"still {answer}"
        await asyncio.sleep(0.02)


async def settled(chain: Chain, attempt: Attempt) -> Evidence:
    async def ask() -> Evidence:
        return (await chain.evidence([attempt]))[0]

    return await until(ask, lambda evidence: evidence.deep_enough or evidence.final)


async def sighting(chain: Chain, attempt: Attempt) -> Sighting:
    return (await chain.evidence([attempt]))[0].sighting


class ChainSuite:
    """Inherit, and provide the fixtures ``harness`` and ``chain`` (connected)."""

    @pytest.fixture
    def payer(self, harness: Harness) -> Account:
        account = harness.account()
        harness.fund(account.address, 100 * harness.unit)
        return account

    @pytest.fixture
    def payee(self, harness: Harness) -> str:
        return harness.account().address

    def test_an_address_of_the_network_is_its_own_normal_form(
        self, harness: Harness, chain: Chain
    ) -> None:
        address = harness.account().address
        assert chain.validate_address(address) == address

    def test_what_is_no_address_is_refused_and_the_field_named(
        self, harness: Harness, chain: Chain
    ) -> None:
        for text in (
            *harness.bad_addresses(),
            "",
            " ",
            "0x",
            "é" * 40,
            harness.account().address + " ",
        ):
            with pytest.raises(InputError) as caught:
                chain.validate_address(text)
            assert caught.value.code is Code.INVALID_ADDRESS
            assert caught.value.details["issues"][0]["path"] == "to"

    async def test_the_newest_block_is_as_old_as_it_says(
        self, harness: Harness, chain: Chain, payer: Account, payee: str
    ) -> None:
        wanted = request(payer, payee, harness.unit, chain.network)
        attempt = await signed_attempt(chain, payer, wanted)
        await chain.send(attempt.raw)
        await settled(chain, attempt)
        at = await chain.latest_time()
        assert abs(at - SystemClock().now()) < HOUR_MS

    async def test_an_unused_account_has_its_first_nonce_free_where_there_are_nonces(
        self, harness: Harness, chain: Chain
    ) -> None:
        assert await chain.free_nonce(harness.account().address) in {0, None}

    async def test_the_balance_is_what_was_funded(self, harness: Harness, chain: Chain) -> None:
        account = harness.account()
        assert (await chain.balance(account.address)).amount == 0
        harness.fund(account.address, 7 * harness.unit)
        balance = await chain.balance(account.address)
        assert balance.amount == 7 * harness.unit
        assert balance.height >= 0

    @pytest.mark.parametrize("memo", [None, "invoice 42", "für Ölfarbe 🎨"])
    async def test_a_built_payload_says_exactly_what_was_asked(
        self, harness: Harness, chain: Chain, payer: Account, payee: str, memo: str | None
    ) -> None:
        wanted = replace(request(payer, payee, harness.unit, chain.network), memo=memo)
        built = await chain.build(wanted)
        payment = chain.inspect(built.payload)
        assert (payment.to, payment.amount, payment.memo) == (payee, harness.unit, memo)
        assert payment.nonce == built.nonce
        assert payment.address in {None, payer.address}
        assert 0 < payment.max_fee <= built.max_fee <= wanted.fee_ceiling
        assert built.balance == 100 * harness.unit

    @pytest.mark.parametrize("memo", [None, "rent for May"])
    async def test_a_payment_lands_and_moves_exactly_its_amount_and_fee(
        self, harness: Harness, chain: Chain, payer: Account, payee: str, memo: str | None
    ) -> None:
        wanted = replace(request(payer, payee, harness.unit, chain.network), memo=memo)
        attempt = await signed_attempt(chain, payer, wanted)

        sent = await chain.send(attempt.raw)
        evidence = await settled(chain, attempt)

        assert sent.outcome is SendOutcome.ACCEPTED
        assert evidence.sighting is Sighting.SUCCEEDED
        assert evidence.hash == attempt.hash
        assert evidence.height is not None
        assert evidence.fee is not None
        assert 0 < evidence.fee <= attempt.max_cost
        assert (await chain.balance(payee)).amount == harness.unit
        left = (await chain.balance(payer.address)).amount
        assert left == 99 * harness.unit - evidence.fee
        assert list(harness.landed(payer.address)) == [attempt.hash]

    async def test_the_same_bytes_may_be_sent_any_number_of_times_and_pay_once(
        self, harness: Harness, chain: Chain, payer: Account, payee: str
    ) -> None:
        harness.hold()
        attempt = await signed_attempt(
            chain, payer, request(payer, payee, harness.unit, chain.network)
        )
        waiting = [await chain.send(attempt.raw) for _ in range(3)]
        harness.release()
        await settled(chain, attempt)
        mined = [await chain.send(attempt.raw) for _ in range(2)]

        assert {result.outcome for result in waiting + mined} == {SendOutcome.ACCEPTED}
        assert list(harness.landed(payer.address)) == [attempt.hash]
        assert (await chain.balance(payee)).amount == harness.unit

    async def test_what_waits_is_unseen_and_nothing_about_it_is_final(
        self, harness: Harness, chain: Chain, payer: Account, payee: str
    ) -> None:
        harness.hold()
        attempt = await signed_attempt(
            chain, payer, request(payer, payee, harness.unit, chain.network)
        )
        await chain.send(attempt.raw)
        assert await chain.evidence([attempt]) == [Evidence(attempt.hash, Sighting.UNSEEN)]

    async def test_a_dropped_payment_is_unseen_and_lands_when_sent_again(
        self, harness: Harness, chain: Chain, payer: Account, payee: str
    ) -> None:
        attempt = await signed_attempt(
            chain, payer, request(payer, payee, harness.unit, chain.network)
        )
        harness.drop_next()
        assert (await chain.send(attempt.raw)).outcome is SendOutcome.ACCEPTED
        assert await sighting(chain, attempt) is Sighting.UNSEEN
        assert (await chain.send(attempt.raw)).outcome is SendOutcome.ACCEPTED
        assert (await settled(chain, attempt)).sighting is Sighting.SUCCEEDED
        assert list(harness.landed(payer.address)) == [attempt.hash]

    async def test_a_lost_answer_is_unknown_and_the_evidence_tells(
        self, harness: Harness, chain: Chain, payer: Account, payee: str
    ) -> None:
        attempt = await signed_attempt(
            chain, payer, request(payer, payee, harness.unit, chain.network)
        )
        harness.lose_answer_next()
        assert (await chain.send(attempt.raw)).outcome is SendOutcome.UNKNOWN
        assert (await settled(chain, attempt)).sighting is Sighting.SUCCEEDED
        assert (await chain.send(attempt.raw)).outcome is SendOutcome.ACCEPTED
        assert list(harness.landed(payer.address)) == [attempt.hash]

    async def test_a_definitive_refusal_is_rejected_with_its_reason(
        self, harness: Harness, chain: Chain, payer: Account, payee: str
    ) -> None:
        attempt = await signed_attempt(
            chain, payer, request(payer, payee, harness.unit, chain.network)
        )
        harness.reject_next()
        result = await chain.send(attempt.raw)
        assert result.outcome is SendOutcome.REJECTED
        assert result.reason
        assert await sighting(chain, attempt) is Sighting.UNSEEN
        assert not harness.landed(payer.address)

    async def test_a_refusal_in_unheard_of_words_decides_nothing(
        self, harness: Harness, chain: Chain, payer: Account, payee: str
    ) -> None:
        attempt = await signed_attempt(
            chain, payer, request(payer, payee, harness.unit, chain.network)
        )
        harness.reject_next("the moon is in the wrong house")
        assert (await chain.send(attempt.raw)).outcome is SendOutcome.UNKNOWN

    async def test_while_the_node_is_down_reads_say_so_and_sends_are_unknown(
        self, harness: Harness, chain: Chain, payer: Account, payee: str
    ) -> None:
        wanted = request(payer, payee, harness.unit, chain.network)
        attempt = await signed_attempt(chain, payer, wanted)
        assert await chain.is_healthy()
        harness.go_down()

        for ask in (
            lambda: chain.balance(payee),
            chain.latest_time,
            lambda: chain.build(wanted),
            lambda: chain.evidence([attempt]),
        ):
            with pytest.raises(ChainError) as caught:
                await ask()
            assert caught.value.code is Code.CHAIN_UNAVAILABLE
            assert caught.value.retryable
        assert (await chain.send(attempt.raw)).outcome is SendOutcome.UNKNOWN
        assert not await chain.is_healthy()

        harness.come_up()
        assert await chain.is_healthy()
        assert (await chain.send(attempt.raw)).outcome is SendOutcome.ACCEPTED
        assert (await settled(chain, attempt)).sighting is Sighting.SUCCEEDED

    async def test_an_endpoint_of_another_chain_is_refused_at_connecting(
        self, harness: Harness
    ) -> None:
        harness.claim_another_identity()
        stranger = harness.chain()
        try:
            with pytest.raises(ChainError) as caught:
                await stranger.connect()
        finally:
            await stranger.close()
        assert caught.value.code is Code.CHAIN_IDENTITY_MISMATCH

    async def test_an_endpoint_that_comes_back_as_another_chain_is_sent_nothing(
        self, harness: Harness, chain: Chain, payer: Account, payee: str
    ) -> None:
        attempt = await signed_attempt(
            chain, payer, request(payer, payee, harness.unit, chain.network)
        )
        harness.go_down()
        assert not await chain.is_healthy()
        harness.claim_another_identity()
        harness.come_up()

        assert (await chain.send(attempt.raw)).outcome is SendOutcome.UNKNOWN
        with pytest.raises(ChainError) as caught:
            await chain.balance(payee)
        assert caught.value.code is Code.CHAIN_IDENTITY_MISMATCH
        assert not harness.landed(payer.address)

    async def test_an_unreachable_endpoint_is_passed_over(
        self, harness: Harness, payer: Account, payee: str
    ) -> None:
        chain = harness.chain(first=[UNREACHABLE])
        try:
            await chain.connect()
            attempt = await signed_attempt(
                chain, payer, request(payer, payee, harness.unit, chain.network)
            )
            assert (await chain.send(attempt.raw)).outcome is SendOutcome.ACCEPTED
            assert (await settled(chain, attempt)).sighting is Sighting.SUCCEEDED
        finally:
            await chain.close()

    async def test_a_refusal_by_one_of_two_endpoints_is_not_a_rejection(
        self, harness: Harness, payer: Account, payee: str
    ) -> None:
        chain = harness.chain(first=[UNREACHABLE])
        try:
            attempt = await signed_attempt(
                chain, payer, request(payer, payee, harness.unit, chain.network)
            )
            harness.reject_next()
            assert (await chain.send(attempt.raw)).outcome is SendOutcome.UNKNOWN
        finally:
            await chain.close()

    async def test_a_purse_that_cannot_pay_amount_and_fee_is_told_so(
        self, harness: Harness, chain: Chain, payer: Account, payee: str
    ) -> None:
        for amount in (100 * harness.unit, 1000 * harness.unit):
            with pytest.raises(ChainError) as caught:
                await chain.build(request(payer, payee, amount, chain.network))
            assert caught.value.code is Code.INSUFFICIENT_FUNDS

    async def test_an_empty_purse_is_told_so(
        self, harness: Harness, chain: Chain, payee: str
    ) -> None:
        with pytest.raises(ChainError) as caught:
            await chain.build(request(harness.account(), payee, harness.unit, chain.network))
        assert caught.value.code is Code.INSUFFICIENT_FUNDS

    async def test_fees_above_the_ceiling_stop_the_build(
        self, harness: Harness, chain: Chain, payer: Account, payee: str
    ) -> None:
        wanted = replace(request(payer, payee, harness.unit, chain.network), fee_ceiling=1)
        with pytest.raises(ChainError) as caught:
            await chain.build(wanted)
        assert caught.value.code is Code.FEE_CEILING_EXCEEDED

    async def test_bytes_that_are_no_payment_of_ours_are_a_mismatch(
        self, harness: Harness, chain: Chain, payer: Account, payee: str
    ) -> None:
        built = await chain.build(request(payer, payee, harness.unit, chain.network))
        for payload in (
            b"",
            b"\x02",
            b"\x80",
            built.payload[:-1],
            built.payload + b"\0",
            b"x" * 200,
        ):
            with pytest.raises(ChainError) as caught:
                chain.inspect(payload)
            assert caught.value.code is Code.PAYLOAD_MISMATCH

    async def test_signed_bytes_give_back_their_payload_and_their_hash(
        self, harness: Harness, chain: Chain, payer: Account, payee: str
    ) -> None:
        built = await chain.build(request(payer, payee, harness.unit, chain.network))
        signed = chain.attach(built.payload, payer.sign(built.payload))
        assert chain.detach(signed.raw) == (built.payload, signed.hash)
        for raw in (b"", b"\x02", signed.raw[:-1], signed.raw + b"\0", built.payload):
            with pytest.raises(ChainError) as caught:
                chain.detach(raw)
            assert caught.value.code is Code.PAYLOAD_MISMATCH

    async def test_a_signature_of_the_wrong_size_is_refused(
        self, harness: Harness, chain: Chain, payer: Account, payee: str
    ) -> None:
        built = await chain.build(request(payer, payee, harness.unit, chain.network))
        signature = payer.sign(built.payload)
        for wrong in (b"", signature[:-1], signature + b"\0"):
            with pytest.raises(ChainError) as caught:
                chain.attach(built.payload, wrong)
            assert caught.value.code is Code.PAYLOAD_MISMATCH

    async def test_two_equal_payments_never_share_their_bytes_and_both_land(
        self, harness: Harness, chain: Chain, payer: Account, payee: str
    ) -> None:
        wanted = request(payer, payee, harness.unit, chain.network)
        first = await signed_attempt(chain, payer, wanted)
        taken = frozenset() if first.nonce is None else frozenset({first.nonce})
        second = await signed_attempt(chain, payer, replace(wanted, taken_nonces=taken, salt=1))
        assert first.hash != second.hash

        for attempt in (first, second):
            assert (await chain.send(attempt.raw)).outcome is SendOutcome.ACCEPTED
        for attempt in (first, second):
            assert (await settled(chain, attempt)).sighting is Sighting.SUCCEEDED
        assert (await chain.balance(payee)).amount == 2 * harness.unit

    async def test_evidence_is_given_in_the_order_of_the_question(
        self, harness: Harness, chain: Chain, payer: Account, payee: str
    ) -> None:
        wanted = request(payer, payee, harness.unit, chain.network)
        first = await signed_attempt(chain, payer, wanted)
        await chain.send(first.raw)
        await settled(chain, first)
        second = await signed_attempt(chain, payer, replace(wanted, salt=2))

        assert await chain.evidence([]) == []
        answers = await chain.evidence([second, first, second])
        assert [answer.hash for answer in answers] == [second.hash, first.hash, second.hash]
        assert [answer.sighting for answer in answers] == [
            Sighting.UNSEEN,
            Sighting.SUCCEEDED,
            Sighting.UNSEEN,
        ]

    async def test_what_can_never_land_is_finally_so(
        self, harness: Harness, chain: Chain, payer: Account, payee: str
    ) -> None:
        attempt = await signed_attempt(
            chain, payer, request(payer, payee, harness.unit, chain.network)
        )
        await harness.bury(chain, payer, attempt)
        evidence = await settled(chain, attempt)
        assert evidence.sighting in {Sighting.DEAD, Sighting.NONCE_TAKEN}
        assert evidence.final
        assert (await chain.send(attempt.raw)).outcome is not SendOutcome.ACCEPTED
        assert attempt.hash not in harness.landed(payer.address)
