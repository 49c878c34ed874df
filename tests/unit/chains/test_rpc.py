"""Endpoints: proof before use, fail-over for reads, and patience with what failed lately."""

import asyncio
from dataclasses import dataclass, field

import pytest

from wallet.chains.rpc import PROOF_SECONDS, Endpoint, EndpointError, Endpoints, Proof, label_of
from wallet.errors import ChainError, Code


@dataclass(slots=True)
class HandClock:
    seconds: float = 1000.0

    def now(self) -> int:
        return 0

    def monotonic(self) -> float:
        return self.seconds


@dataclass(slots=True)
class Client:
    """A node in memory. ``trouble`` is raised instead of an answer; ``stuck`` never answers."""

    identity: str = "mine"
    trouble: Exception | None = None
    stuck: bool = False
    proofs: int = 0
    asked: int = 0
    log: list[str] = field(default_factory=list)

    async def prove(self) -> str:
        self.proofs += 1
        await self._answer()
        return self.identity

    async def ask(self) -> "Client":
        self.asked += 1
        await self._answer()
        return self

    async def _answer(self) -> None:
        await asyncio.sleep(60 if self.stuck else 0)
        if self.trouble is not None:
            raise self.trouble


def endpoints(*clients: Client, clock: HandClock | None = None) -> Endpoints[Client]:
    return Endpoints(
        [Endpoint(f"host{number}:1", client) for number, client in enumerate(clients)],
        network="net",
        proof=Proof(expected="mine", ask=Client.prove),
        clock=clock or HandClock(),
        timeout_seconds=0.05,
        failures=(LookupError,),
    )


async def refusal(group: Endpoints[Client]) -> ChainError:
    with pytest.raises(ChainError) as caught:
        await group.read(Client.ask)
    return caught.value


async def test_an_endpoint_is_proved_once_and_again_after_an_hour() -> None:
    client, clock = Client(), HandClock()
    group = endpoints(client, clock=clock)
    await group.connect()
    for _ in range(3):
        await group.read(Client.ask)
    assert client.proofs == 1
    clock.seconds += PROOF_SECONDS
    await group.read(Client.ask)
    assert client.proofs == 2


@pytest.mark.parametrize(
    "trouble", [EndpointError("no"), ConnectionResetError(), TimeoutError(), LookupError("url")]
)
async def test_after_any_failure_the_next_answers_and_the_proof_is_asked_again(
    trouble: Exception,
) -> None:
    first, second, clock = Client(), Client(), HandClock()
    group = endpoints(first, second, clock=clock)
    await group.connect()
    first.trouble = trouble
    assert await group.read(Client.ask) is second
    first.trouble = None
    assert await group.read(Client.ask) is second  # the first rests
    clock.seconds += 1
    assert await group.read(Client.ask) is first
    assert first.proofs == 2


async def test_a_bug_is_no_failure_of_the_endpoint() -> None:
    first, second = Client(trouble=ZeroDivisionError()), Client()
    with pytest.raises(ZeroDivisionError):
        await endpoints(first, second).read(Client.ask)
    assert second.asked == 0


async def test_an_answer_that_is_a_refusal_comes_through_without_asking_others() -> None:
    first, second = Client(), Client()
    group = endpoints(first, second)
    await group.connect()
    first.trouble = ChainError(Code.SIMULATION_FAILED, "it would fail")
    assert (await refusal(group)).code is Code.SIMULATION_FAILED
    assert second.asked == 0


async def test_nothing_is_asked_of_an_endpoint_of_another_chain() -> None:
    foreign, mine = Client(identity="other"), Client()
    group = endpoints(foreign, mine)
    with pytest.raises(ChainError) as caught:
        await group.connect()
    assert caught.value.code is Code.CHAIN_IDENTITY_MISMATCH
    assert await group.read(Client.ask) is mine
    assert foreign.asked == 0


async def test_only_foreign_endpoints_are_a_mismatch_and_silence_is_unavailable() -> None:
    assert (await refusal(endpoints(Client(identity="x")))).code is Code.CHAIN_IDENTITY_MISMATCH
    silent = await refusal(endpoints(Client(identity="x"), Client(trouble=OSError())))
    assert silent.code is Code.CHAIN_UNAVAILABLE
    assert silent.retryable


async def test_connecting_needs_one_that_answers() -> None:
    await endpoints(Client(trouble=OSError()), Client()).connect()
    with pytest.raises(ChainError) as caught:
        await endpoints(Client(trouble=OSError()), Client(stuck=True)).connect()
    assert caught.value.code is Code.CHAIN_UNAVAILABLE


async def test_a_silent_endpoint_costs_all_who_wait_one_timeout_together() -> None:
    client = Client(stuck=True)
    group = endpoints(client)
    async with asyncio.timeout(20):
        outcomes = await asyncio.gather(
            *(group.read(Client.ask) for _ in range(50)), return_exceptions=True
        )
    assert all(isinstance(outcome, ChainError) for outcome in outcomes)
    assert client.proofs == 1


async def test_a_library_s_words_stay_out_of_the_error_for_they_may_hold_the_url() -> None:
    error = await refusal(endpoints(Client(trouble=LookupError("https://node/v3/secret-key"))))
    assert "secret-key" not in repr((error.message, error.details, error.__cause__))
    assert error.details["endpoints"] == ["host0:1: LookupError"]


async def test_who_stops_waiting_does_not_blame_the_endpoint() -> None:
    client = Client()
    group = endpoints(client)
    await group.connect()
    client.stuck = True
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await group.read(Client.ask)
    client.stuck = False
    await group.read(Client.ask)
    assert client.proofs == 1


def test_a_label_is_the_host_and_port_alone() -> None:
    assert label_of("https://user:pw@node.example/v3/key?x=1") == "node.example"
    assert label_of("http://127.0.0.1:8545/key") == "127.0.0.1:8545"


def test_a_network_without_endpoints_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="at least one"):
        endpoints()
