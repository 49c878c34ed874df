"""Endpoints that lie, lag, refuse batches or talk nonsense cannot make money disappear."""

import base64
import logging
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from solders.hash import Hash
from solders.keypair import Keypair

from tests.unit.chains.solana.conftest import GENESIS, ScriptedEndpoint, scripted_endpoint
from wallet.chains.solana.adapter import SolanaChain
from wallet.chains.solana.encode import Terms, attach, encode
from wallet.domain.chains import ChainName, Network
from wallet.domain.transactions import Attempt, Purpose
from wallet.errors import ChainError, Code
from wallet.ports.chain import BuildRequest, SendOutcome, Sighting

SOL = 10**9
SYSTEM = "11111111111111111111111111111111"
NETWORK = Network("solana-test", ChainName.SOLANA, GENESIS, "SOL", 9, fee_ceiling=100_000)
PAYER = Keypair.from_seed(bytes([1]) * 32)
TO = str(Keypair.from_seed(bytes([2]) * 32).pubkey())
REQUEST = BuildRequest(str(PAYER.pubkey()), TO, SOL, None, fee_ceiling=100_000)
HEIGHT, SLOT = 1_000, 1_200
NOT_OFFERED = RuntimeError(-32601, "Method not found")


class _Clock:
    def now(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()


@pytest.fixture
async def chain(endpoint: ScriptedEndpoint) -> AsyncIterator[SolanaChain]:
    ready = SolanaChain(NETWORK, [endpoint.url], _Clock(), timeout_seconds=2)
    yield ready
    await ready.close()


def _value(value: Any, slot: int = SLOT) -> dict[str, Any]:
    return {"context": {"slot": slot}, "value": value}


def _ready_to_pay(endpoint: ScriptedEndpoint) -> None:
    account = {"lamports": 10 * SOL, "owner": SYSTEM, "executable": False, "data": ["", "base64"]}
    latest = {"blockhash": str(Hash(bytes([7]) * 32)), "lastValidBlockHeight": HEIGHT + 150}
    endpoint.results |= {
        "getLatestBlockhash": _value(latest),
        "getBlockHeight": HEIGHT,
        "getMultipleAccounts": _value([account, account]),
        "simulateTransaction": _value({"err": None, "unitsConsumed": 450}),
        "getMinimumBalanceForRentExemption": 890_880,
        "getRecentPrioritizationFees": [{"slot": SLOT, "prioritizationFee": 0}],
    }


def _attempt(created_at: int = 1_700_000_000_000) -> Attempt:
    payload = encode(
        Terms(PAYER.pubkey(), PAYER.pubkey(), SOL, None, 1_000, 2_000, Hash(bytes([7]) * 32))
    )
    signed = attach(payload, bytes(PAYER.sign_message(payload)))
    return Attempt(
        transaction_id="one",
        number=1,
        purpose=Purpose.PAY,
        network=NETWORK.name,
        address=str(PAYER.pubkey()),
        hash=signed.hash,
        raw=signed.raw,
        nonce=None,
        last_valid_height=HEIGHT + 150,
        signing_height=HEIGHT,
        max_cost=SOL + 5_002,
        created_at=created_at,
    )


def _reads(endpoint: ScriptedEndpoint, height: int, status: Any, status_slot: int = SLOT) -> None:
    endpoint.results |= {
        "getEpochInfo": {"blockHeight": height, "absoluteSlot": SLOT},
        "getSignatureStatuses": _value([status], status_slot),
    }


def _methods(endpoint: ScriptedEndpoint) -> list[str]:
    calls = [one if isinstance(one, list) else [one] for one in endpoint.requests]
    return [call["method"] for some in calls for call in some]


async def _refusal(awaitable: Any) -> ChainError:
    with pytest.raises(ChainError) as caught:
        await awaitable
    return caught.value


class TestExchange:
    async def test_a_payment_is_built_in_one_exchange(
        self, endpoint: ScriptedEndpoint, chain: SolanaChain
    ) -> None:
        _ready_to_pay(endpoint)
        endpoint.reverse = True
        built = await chain.build(REQUEST)
        assert (built.last_valid_height, built.signing_height) == (HEIGHT + 150, HEIGHT)
        assert (built.max_fee, built.balance) == (5_000, 10 * SOL)
        assert [isinstance(one, list) for one in endpoint.requests] == [False, True]

    @pytest.mark.parametrize("status", [400, 403, 413])
    async def test_an_endpoint_without_batches_is_asked_call_by_call(
        self, endpoint: ScriptedEndpoint, chain: SolanaChain, status: int
    ) -> None:
        _ready_to_pay(endpoint)
        endpoint.batch_status = status
        await chain.build(REQUEST)
        await chain.build(REQUEST)
        assert [one for one in endpoint.requests if isinstance(one, list)] == [
            endpoint.requests[1]
        ]

    async def test_unknown_prices_mean_no_priority_fee(
        self, endpoint: ScriptedEndpoint, chain: SolanaChain
    ) -> None:
        _ready_to_pay(endpoint)
        endpoint.results["getRecentPrioritizationFees"] = NOT_OFFERED
        assert (await chain.build(REQUEST)).max_fee == 5_000

    async def test_the_simulated_bytes_are_the_payment_without_a_signature(
        self, endpoint: ScriptedEndpoint, chain: SolanaChain
    ) -> None:
        _ready_to_pay(endpoint)
        await chain.build(REQUEST)
        (call,) = (c for c in endpoint.requests[1] if c["method"] == "simulateTransaction")
        raw = base64.b64decode(call["params"][0])
        assert raw[:65] == b"\x01" + bytes(64)
        paid = chain.inspect(raw[65:])
        assert (paid.address, paid.to, paid.amount) == (REQUEST.address, TO, SOL)

    @pytest.mark.parametrize(
        ("method", "nonsense"),
        [
            ("getLatestBlockhash", None),
            ("getLatestBlockhash", _value({"blockhash": "x", "lastValidBlockHeight": 1_150})),
            ("getLatestBlockhash", _value({"blockhash": SYSTEM, "lastValidBlockHeight": 900})),
            ("getLatestBlockhash", _value({"blockhash": SYSTEM, "lastValidBlockHeight": 10**9})),
            ("getBlockHeight", -1),
            ("getBlockHeight", "1000"),
            ("getBlockHeight", True),
            ("getMultipleAccounts", _value([])),
            ("getMultipleAccounts", _value([{"lamports": 1.5, "owner": SYSTEM}, None])),
            ("getMinimumBalanceForRentExemption", None),
            ("simulateTransaction", []),
            ("simulateTransaction", _value({"err": None})),
            ("simulateTransaction", _value({"err": None, "unitsConsumed": -1})),
            ("getRecentPrioritizationFees", [{"slot": 1}]),
            ("getGenesisHash", 7),
        ],
    )
    async def test_nonsense_is_no_answer(
        self, endpoint: ScriptedEndpoint, chain: SolanaChain, method: str, nonsense: Any
    ) -> None:
        _ready_to_pay(endpoint)
        endpoint.results[method] = nonsense
        assert (await _refusal(chain.build(REQUEST))).code == Code.CHAIN_UNAVAILABLE

    @pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b'{"result"', b"[1, 2]"])
    async def test_a_body_that_is_no_json_rpc_is_no_answer(
        self, endpoint: ScriptedEndpoint, chain: SolanaChain, body: bytes
    ) -> None:
        endpoint.body = body
        error = await _refusal(chain.connect())
        assert error.code == Code.CHAIN_UNAVAILABLE
        assert (await chain.send(_attempt().raw)).outcome is SendOutcome.UNKNOWN

    async def test_no_error_shows_the_key_in_the_url(
        self, endpoint: ScriptedEndpoint, chain: SolanaChain
    ) -> None:
        endpoint.status = 429
        error: BaseException | None = await _refusal(chain.build(REQUEST))
        while error is not None:
            assert "secret-key" not in f"{error!r} {getattr(error, 'details', '')}"
            error = error.__context__

    async def test_no_log_shows_the_key_in_the_url(
        self, endpoint: ScriptedEndpoint, chain: SolanaChain, caplog: pytest.LogCaptureFixture
    ) -> None:
        _ready_to_pay(endpoint)
        with caplog.at_level(logging.INFO):
            await chain.build(REQUEST)
            endpoint.status = 500
            assert not await chain.is_healthy()
        assert "secret-key" not in caplog.text


class TestSend:
    async def test_another_signature_in_the_answer_is_no_acceptance(
        self, endpoint: ScriptedEndpoint, chain: SolanaChain
    ) -> None:
        endpoint.results["sendTransaction"] = "1" * 64
        assert (await chain.send(_attempt().raw)).outcome is SendOutcome.UNKNOWN

    async def test_nothing_is_sent_to_another_chain(
        self, endpoint: ScriptedEndpoint, chain: SolanaChain
    ) -> None:
        endpoint.results["getGenesisHash"] = SYSTEM
        assert (await chain.send(_attempt().raw)).outcome is SendOutcome.UNKNOWN
        assert _methods(endpoint) == ["getGenesisHash"]


class TestEvidence:
    async def test_death_needs_a_status_that_was_asked_after_the_height(
        self, endpoint: ScriptedEndpoint, chain: SolanaChain
    ) -> None:
        _reads(endpoint, HEIGHT + 151, None)
        landed = {"slot": 7, "confirmations": 1, "err": None, "confirmationStatus": "confirmed"}
        asked: list[Any] = []

        def statuses(params: list[Any]) -> Any:
            asked.append(params)
            return _value([None if len(asked) == 1 else landed])

        endpoint.results["getSignatureStatuses"] = statuses
        (found,) = await chain.evidence([_attempt()])
        assert found.sighting is Sighting.UNSEEN
        reads = ["getEpochInfo", "getSignatureStatuses"]
        assert _methods(endpoint)[:4] == ["getGenesisHash", *reads, "getSignatureStatuses"]
        assert endpoint.requests[1][0]["params"] == [{"commitment": "finalized"}]
        assert [config for _, config in asked] == [{"searchTransactionHistory": True}] * 2

    async def test_while_a_payment_may_still_land_its_status_is_asked_once(
        self, endpoint: ScriptedEndpoint, chain: SolanaChain
    ) -> None:
        _reads(endpoint, HEIGHT, None)
        await chain.evidence([_attempt()])
        assert _methods(endpoint).count("getSignatureStatuses") == 1

    @pytest.mark.parametrize(
        ("height", "sighting"), [(HEIGHT + 150, Sighting.UNSEEN), (HEIGHT + 151, Sighting.DEAD)]
    )
    async def test_absence_is_death_only_past_the_last_height(
        self, endpoint: ScriptedEndpoint, chain: SolanaChain, height: int, sighting: Sighting
    ) -> None:
        _reads(endpoint, height, None)
        (found,) = await chain.evidence([_attempt()])
        assert (found.sighting, found.final) == (sighting, sighting is Sighting.DEAD)

    async def test_a_node_that_lags_behind_the_height_proves_no_absence(
        self, endpoint: ScriptedEndpoint, chain: SolanaChain
    ) -> None:
        _reads(endpoint, HEIGHT + 500, None, status_slot=SLOT - 1)
        (found,) = await chain.evidence([_attempt()])
        assert found.sighting is Sighting.UNSEEN

    @pytest.mark.parametrize(
        ("first", "block_time", "sighting"),
        [
            (0, None, Sighting.DEAD),
            (900, 1_600_000_000, Sighting.DEAD),
            (900, 1_700_000_001, Sighting.UNSEEN),
            (900, RuntimeError(-32004, "Block not available"), Sighting.UNSEEN),
            (RuntimeError(-32005, "Node is behind"), None, Sighting.UNSEEN),
            (NOT_OFFERED, None, Sighting.DEAD),
        ],
    )
    async def test_a_history_that_starts_after_the_signing_proves_no_absence(
        self,
        endpoint: ScriptedEndpoint,
        chain: SolanaChain,
        first: Any,
        block_time: Any,
        sighting: Sighting,
    ) -> None:
        _reads(endpoint, HEIGHT + 500, None)
        endpoint.results |= {"getFirstAvailableBlock": first, "getBlockTime": block_time}
        (found,) = await chain.evidence([_attempt()])
        assert found.sighting is sighting

    @pytest.mark.parametrize(
        ("said", "sighting"),
        [
            (_value(False), Sighting.DEAD),
            (_value(True), Sighting.UNSEEN),
            (_value(None), Sighting.UNSEEN),
            (RuntimeError(-32005, "Node is behind"), Sighting.UNSEEN),
            (NOT_OFFERED, Sighting.DEAD),
        ],
    )
    async def test_what_could_still_land_is_not_dead_whatever_heights_were_named_at_its_signing(
        self, endpoint: ScriptedEndpoint, chain: SolanaChain, said: Any, sighting: Sighting
    ) -> None:
        """The endpoint that built it named heights long past; the blockhash it gave is fresh."""
        _reads(endpoint, HEIGHT + 500, None)
        asked: list[Any] = []

        def is_valid(params: list[Any]) -> Any:
            asked.append(params)
            return said

        endpoint.results["isBlockhashValid"] = is_valid
        (found,) = await chain.evidence([_attempt()])
        assert found.sighting is sighting
        question = [str(Hash(bytes([7]) * 32)), {"commitment": "processed"}]
        assert asked == [question] * (2 if sighting is Sighting.DEAD else 1)

    @pytest.mark.parametrize("liar_first", [True, False])
    @pytest.mark.parametrize(
        ("height", "depth", "sighting"),
        [
            (HEIGHT + 151, None, Sighting.DEAD),
            (HEIGHT + 150, None, Sighting.UNSEEN),
            (HEIGHT + 500, "finalized", Sighting.SUCCEEDED),
        ],
    )
    async def test_a_death_that_another_endpoint_does_not_see_is_none(
        self,
        endpoint: ScriptedEndpoint,
        height: int,
        depth: str | None,
        sighting: Sighting,
        *,
        liar_first: bool,
    ) -> None:
        """Else a payment that landed, or may land, would be signed and paid a second time."""
        landed = {"slot": 7, "confirmations": None, "err": None, "confirmationStatus": depth}
        _reads(endpoint, height, None if depth is None else landed)
        async with scripted_endpoint() as liar:
            _reads(liar, HEIGHT + 500, None)
            urls = [liar.url, endpoint.url] if liar_first else [endpoint.url, liar.url]
            both = SolanaChain(NETWORK, urls, _Clock(), timeout_seconds=2)
            (found,) = await both.evidence([_attempt()])
            await both.close()
        assert found.sighting is sighting
        assert found.final is (sighting is not Sighting.UNSEEN)

    async def test_an_endpoint_that_became_another_chain_since_its_proof_proves_no_death(
        self, endpoint: ScriptedEndpoint, chain: SolanaChain
    ) -> None:
        _reads(endpoint, HEIGHT, None)
        await chain.evidence([_attempt()])  # which proves it for an hour
        _reads(endpoint, HEIGHT + 500, None)
        endpoint.results["getGenesisHash"] = SYSTEM
        (found,) = await chain.evidence([_attempt()])
        assert found.sighting is Sighting.UNSEEN
        endpoint.results["getGenesisHash"] = GENESIS
        (found,) = await chain.evidence([_attempt()])
        assert found.sighting is Sighting.DEAD

    async def test_bytes_that_cannot_be_read_are_never_dead(
        self, endpoint: ScriptedEndpoint, chain: SolanaChain
    ) -> None:
        _reads(endpoint, HEIGHT + 500, None)

        def is_valid(params: list[Any]) -> Any:
            assert params[0] == ""
            return RuntimeError(-32602, "Invalid param: WrongSize")

        endpoint.results["isBlockhashValid"] = is_valid
        (found,) = await chain.evidence([replace(_attempt(), raw=b"bent")])
        assert found.sighting is Sighting.UNSEEN

    async def test_an_endpoint_that_does_not_answer_disputes_no_death(
        self, endpoint: ScriptedEndpoint
    ) -> None:
        _reads(endpoint, HEIGHT + 500, None)
        async with scripted_endpoint() as silent:
            silent.status = 503
            both = SolanaChain(NETWORK, [endpoint.url, silent.url], _Clock(), timeout_seconds=2)
            (found,) = await both.evidence([_attempt()])
            await both.close()
        assert found.sighting is Sighting.DEAD

    @pytest.mark.parametrize(
        ("depth", "deep_enough", "final"),
        [("processed", False, False), ("confirmed", True, False), ("finalized", True, True)],
    )
    async def test_depth_is_read_from_the_status(
        self,
        endpoint: ScriptedEndpoint,
        chain: SolanaChain,
        depth: str,
        deep_enough: bool,
        final: bool,
    ) -> None:
        status = {"slot": 7, "confirmations": 1, "err": None, "confirmationStatus": depth}
        _reads(endpoint, HEIGHT, status)
        (found,) = await chain.evidence([_attempt()])
        assert (found.deep_enough, found.final) == (deep_enough, final)
        assert found.height == 7

    async def test_a_fee_the_node_does_not_tell_is_read_from_the_bytes(
        self, endpoint: ScriptedEndpoint, chain: SolanaChain
    ) -> None:
        err = {"InstructionError": [2, {"Custom": 1}]}
        status = {"slot": 7, "confirmations": None, "err": err, "confirmationStatus": None}
        _reads(endpoint, HEIGHT, status)
        endpoint.results["getTransaction"] = None
        (found,) = await chain.evidence([_attempt()])
        assert (found.sighting, found.final, found.fee) == (Sighting.FAILED, True, 5_002)

    async def test_a_status_list_of_another_length_is_no_answer(
        self, endpoint: ScriptedEndpoint, chain: SolanaChain
    ) -> None:
        _reads(endpoint, HEIGHT + 500, None)
        endpoint.results["getSignatureStatuses"] = _value([])
        assert (await _refusal(chain.evidence([_attempt()]))).code == Code.CHAIN_UNAVAILABLE
