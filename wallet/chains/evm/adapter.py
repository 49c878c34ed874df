"""The Chain port for Ethereum and its kin: plain payments of the native coin.

It holds no keys and no state of ours: nonces come from the chain and from what the caller says is
taken. What a node answers is believed only after it proved its chain id.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from wallet.chains.evm import addresses, encode, fees
from wallet.chains.evm.errors import (
    NodeError,
    Verdict,
    clean,
    reason_of,
    says_no_funds,
    verdict_on_send,
    would_fail,
)
from wallet.chains.evm.evidence import read_evidence
from wallet.chains.evm.node import TRANSPORT_FAILURES, Call, Node, is_code, quantity, required
from wallet.chains.rpc import Endpoint, EndpointError, Endpoints, Proof, label_of
from wallet.domain.chains import Network
from wallet.domain.transactions import Attempt
from wallet.errors import ChainError, Code
from wallet.ports.chain import (
    Balance,
    BuildRequest,
    Built,
    Evidence,
    Payment,
    SendOutcome,
    SendResult,
    Signed,
)
from wallet.ports.world import Clock

_LATEST: Final = "latest"
_PENDING: Final = "pending"


@dataclass(frozen=True, slots=True)
class _State:
    """What a build reads of the chain, from one endpoint."""

    count: int
    balance: int
    gas: int | NodeError  # the estimate, or why there is none
    data_fee: int


@dataclass(frozen=True, slots=True)
class _Answer:
    """What one endpoint said to our bytes."""

    verdict: Verdict
    reason: str | None = None


class EvmChain:
    """One EVM network behind ``rpc_urls``, in order of preference."""

    def __init__(
        self,
        network: Network,
        rpc_urls: Sequence[str],
        clock: Clock,
        timeout_seconds: float = 5,
    ) -> None:
        self._network = network
        self._chain_id = int(network.identity)
        self._endpoints = Endpoints(
            [Endpoint(label_of(url), Node(url, timeout_seconds)) for url in rpc_urls],
            network=network.name,
            proof=Proof(expected=network.identity, ask=_chain_id),
            clock=clock,
            timeout_seconds=timeout_seconds,
            failures=TRANSPORT_FAILURES,
        )
        self._fees = fees.Fees(self._endpoints, clock)

    @property
    def network(self) -> Network:
        return self._network

    async def connect(self) -> None:
        await self._endpoints.connect()

    async def close(self) -> None:
        for node in self._endpoints.clients:
            await node.close()

    def validate_address(self, text: str) -> str:
        return addresses.parse(text)

    async def balance(self, address: str) -> Balance:
        async def ask(node: Node) -> Balance:
            height, amount = await node.batch(
                [("eth_blockNumber", []), ("eth_getBalance", [address, _LATEST])]
            )
            return Balance(quantity(required(amount)), quantity(required(height)))

        return await self._endpoints.read(ask)

    async def build(self, request: BuildRequest) -> Built:
        data = (request.memo or "").encode()
        if self._fees.has_data_fee is None:
            await self._fees.market()  # the first reading tells what else to ask
        state, market = await asyncio.gather(
            self._endpoints.read(lambda node: self._read(node, request, data)),
            self._fees.market(),
        )
        gas = self._gas(state, market, request, data)
        floor = fees.floor_above(encode.offer_of(raw) for raw in request.outbid)
        market = replace(market, tip=max(market.tip, floor.tip))
        allowed = request.fee_ceiling - state.data_fee
        price = fees.highest_fee_per_gas(market, gas, allowed, floor)
        transfer = encode.Transfer(
            chain_id=self._chain_id,
            nonce=_nonce(request, state.count),
            tip=market.tip,
            max_fee_per_gas=price,
            gas=gas,
            to=bytes.fromhex(request.to[2:]),
            value=request.amount,
            data=data,
        )
        max_fee = transfer.max_fee + state.data_fee
        if state.balance < request.amount + max_fee:
            raise _no_funds(state.balance, request.amount + max_fee)
        return Built(
            payload=encode.encode(transfer),
            nonce=transfer.nonce,
            last_valid_height=None,
            signing_height=None,
            max_fee=max_fee,
            balance=state.balance,
        )

    async def call(self, contract: str, data: bytes) -> bytes:
        """What ``contract`` answers to a call that changes nothing, at the latest state.

        Raises ChainError: CHAIN_ERROR when the contract refuses, CHAIN_UNAVAILABLE when no node answers.
        """

        async def ask(node: Node) -> Any:
            try:
                call = {"to": contract, "data": "0x" + data.hex()}
                return await node.call("eth_call", call, _LATEST)
            except NodeError as error:
                return error  # the contract's word, not the node's trouble

        answer = await self._endpoints.read(ask)
        try:
            return bytes.fromhex(required(answer).removeprefix("0x"))
        except (NodeError, AttributeError, ValueError):
            raise ChainError(Code.CHAIN_ERROR, f"{contract} does not answer the call.") from None

    def inspect(self, payload: bytes) -> Payment:
        return self._decoded(payload).payment

    def attach(self, payload: bytes, signature: bytes) -> Signed:
        self._decoded(payload)
        return encode.attach(payload, signature)

    def detach(self, raw: bytes) -> tuple[bytes, str]:
        payload = encode.detach(raw)
        self._decoded(payload)
        return payload, encode.hash_of(raw)

    async def send(self, raw: bytes) -> SendResult:
        answers: list[_Answer] = []
        for endpoint in self._endpoints.candidates():
            answer = await self._offer(endpoint, raw)
            if answer.verdict is Verdict.KNOWN:
                return SendResult(SendOutcome.ACCEPTED)
            answers.append(answer)
        reason = next((answer.reason for answer in answers if answer.reason), None)
        if all(answer.verdict is Verdict.REFUSED for answer in answers):
            return SendResult(SendOutcome.REJECTED, reason)
        return SendResult(SendOutcome.UNKNOWN, reason)

    async def evidence(self, attempts: Sequence[Attempt]) -> Sequence[Evidence]:
        if not attempts:
            return []
        return await self._endpoints.read(
            lambda node: read_evidence(node, self._network, attempts)
        )

    async def latest_time(self) -> int:
        block = await self._endpoints.read(
            lambda node: node.call("eth_getBlockByNumber", "latest", False)  # noqa: FBT003 - JSON-RPC's
        )
        return quantity(required(block)["timestamp"]) * 1000

    async def free_nonce(self, address: str) -> int | None:
        async def ask(node: Node) -> int:
            counts = await node.batch(
                [("eth_getTransactionCount", [address, tag]) for tag in (_LATEST, _PENDING)]
            )
            return max(quantity(required(count)) for count in counts)

        return await self._endpoints.read(ask)

    async def is_healthy(self) -> bool:
        try:
            await self._endpoints.read(lambda node: node.call("eth_blockNumber"))
        except ChainError:
            return False
        return True

    def _decoded(self, payload: bytes) -> encode.Transfer:
        transfer = encode.decode(payload)
        if transfer.chain_id != self._chain_id:
            raise ChainError(
                Code.PAYLOAD_MISMATCH,
                f"The payload is for chain {transfer.chain_id}, not {self._chain_id}.",
            )
        return transfer

    async def _read(self, node: Node, request: BuildRequest, data: bytes) -> _State:
        simulation: dict[str, str] = {
            "from": request.address,
            "to": request.to,
            "value": hex(request.amount),
        }
        if data:
            simulation["data"] = "0x" + data.hex()
        calls: list[Call] = [
            ("eth_getTransactionCount", [request.address, _LATEST]),
            ("eth_getBalance", [request.address, _LATEST]),
            ("eth_estimateGas", [simulation, _LATEST]),
        ]
        has_data_fee = bool(self._fees.has_data_fee)
        if has_data_fee:
            calls.append(fees.data_fee_call(data))
        if data:
            calls.append(("eth_getCode", [request.to, _LATEST]))
        count, balance, gas, *more = await node.batch(calls)
        if data:
            _refuse_code(more.pop())
        return _State(
            quantity(required(count)),
            quantity(required(balance)),
            _estimate(gas),
            fees.data_fee(required(more.pop())) if has_data_fee else 0,
        )

    def _gas(self, state: _State, market: fees.Market, request: BuildRequest, data: bytes) -> int:
        if not isinstance(state.gas, NodeError):
            return fees.gas_limit(state.gas, data)
        # A purse that is too small makes simulations fail in many words; this one is ours.
        least = request.amount + fees.PLAIN_GAS * (market.base + market.tip)
        if says_no_funds(state.gas) or state.balance < least:
            raise _no_funds(state.balance, least)
        raise ChainError(
            Code.SIMULATION_FAILED,
            f"The payment would fail: {reason_of(state.gas)}",
            details={"reason": reason_of(state.gas)},
        )

    async def _offer(self, endpoint: Endpoint[Node], raw: bytes) -> _Answer:
        try:
            return await self._endpoints.use(endpoint, lambda node: _send(node, raw))
        except EndpointError as error:
            return _Answer(Verdict.UNCLEAR, clean(error))


async def _chain_id(node: Node) -> str:
    return str(quantity(await node.call("eth_chainId")))


async def _send(node: Node, raw: bytes) -> _Answer:
    known_as = encode.hash_of(raw)
    try:
        answer = await node.call("eth_sendRawTransaction", "0x" + raw.hex())
    except NodeError as error:
        verdict = verdict_on_send(str(error))
        if verdict is Verdict.STALE:
            return await _was_it_us(node, known_as, str(error))
        return _Answer(verdict, str(error))
    if str(answer).lower() == known_as:
        return _Answer(Verdict.KNOWN)
    return _Answer(Verdict.UNCLEAR, "the node answered with another hash")


async def _was_it_us(node: Node, known_as: str, reason: str) -> _Answer:
    receipt = await node.call("eth_getTransactionReceipt", known_as)
    return _Answer(Verdict.UNCLEAR if receipt is None else Verdict.KNOWN, reason)


def _nonce(request: BuildRequest, count: int) -> int:
    if request.nonce is not None:
        return request.nonce
    nonce = max(count, request.nonce_floor)
    while nonce in request.taken_nonces:
        nonce += 1
    return nonce


def _estimate(answer: Any) -> int | NodeError:
    if not isinstance(answer, NodeError):
        if not (gas := quantity(answer)):
            raise EndpointError("the node estimates no gas at all")
        return gas
    if says_no_funds(answer) or would_fail(answer):
        return answer
    raise answer  # the node's own trouble: another one may do better


def _refuse_code(answer: Any) -> None:
    if is_code(answer):
        raise ChainError(
            Code.SIMULATION_FAILED,
            "The recipient is a contract, so a memo would be read as a call.",
            details={"reason": "memo to a contract"},
            hint="Send it without a memo.",
        )


def _no_funds(balance: int, needed: int) -> ChainError:
    return ChainError(
        Code.INSUFFICIENT_FUNDS,
        "The balance cannot pay the amount and its fee.",
        details={"balance": str(balance), "needed": str(needed)},
    )
