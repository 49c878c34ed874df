"""The front of the EVM stand-in: faults on demand, before whichever engine executes.

It answers HTTP bodies with HTTP bodies. Latency, refusals, lost transactions and lost answers are
made here, so they are the same for every engine. It never decides what a valid transaction is.
"""

import asyncio
import json
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from eth_hash.auto import keccak

from wallet.sandbox.evm.engine import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    PARSE_ERROR,
    Call,
    Engine,
    MiningMode,
    RpcError,
    data,
    failure,
    result,
    to_address,
    to_bytes,
)

_MODES: tuple[MiningMode, ...] = ("auto", "manual", "interval")
_TAG_POSITION = {
    "eth_getBlockByNumber": 0,
    "eth_getBalance": 1,
    "eth_getTransactionCount": 1,
    "eth_getCode": 1,
    "eth_call": 1,
    "eth_estimateGas": 1,
    "eth_feeHistory": 1,
    "eth_getStorageAt": 2,
}
_DEEP = ("safe", "finalized")


class DownError(Exception):
    """The node is down: HTTP 503 and nothing happens."""


class AnswerLostError(Exception):
    """The transaction was taken, but its sender shall not hear of it: HTTP 502."""


class ControlError(ValueError):
    """A control request that makes no sense; the message says why."""


@dataclass(slots=True)
class Faults:
    latency: float = 0.0
    down_until: float = -math.inf
    drop: int = 0
    lose: int = 0
    double: int = 0
    reject: int = 0
    reject_message: str = ""
    chain_id: int | None = None


class Front:
    """One JSON-RPC endpoint and its control; times come from the event loop's clock."""

    def __init__(self, engine: Engine, *, finality_depth: int = 0) -> None:
        self._engine = engine
        self._depth = finality_depth
        self._faults = Faults()
        self._mining: tuple[MiningMode, float] = ("auto", 0)
        self._orders = self._table()

    async def rpc(self, body: bytes) -> bytes:
        """Answer a request or a batch; raises `DownError` or `AnswerLostError`."""
        if self._faults.latency:
            await asyncio.sleep(self._faults.latency)
        if self.is_down:
            raise DownError
        try:
            request = json.loads(body)
        except ValueError:
            return failure({}, RpcError("parse error", code=PARSE_ERROR))
        if isinstance(request, list) and request:
            answers = [await self._one(call) for call in request]
            return b"[" + b",".join(answers) + b"]"
        return await self._one(request)

    @property
    def is_down(self) -> bool:
        return asyncio.get_running_loop().time() < self._faults.down_until

    async def _one(self, call: Any) -> bytes:
        if not isinstance(call, dict) or not isinstance(call.get("method"), str):
            return failure({}, RpcError("invalid request", code=INVALID_REQUEST))
        if not isinstance(call.get("params") or [], list):
            return failure(call, RpcError("params must be a list", code=INVALID_PARAMS))
        return await self._route(call, call["method"])

    async def _route(self, call: Call, method: str) -> bytes:
        if method == "eth_sendRawTransaction":
            return await self._send(call)
        lie = self._faults.chain_id
        if lie is not None and method in ("eth_chainId", "net_version"):
            return result(call, hex(lie) if method == "eth_chainId" else str(lie))
        position = _TAG_POSITION.get(method)
        if position is not None:
            call = await self._with_finality(call, position)
        return await self._engine.answer(call)

    async def _with_finality(self, call: Call, position: int) -> Call:
        params = call.get("params") or []
        if len(params) <= position or params[position] not in _DEEP:
            return call
        tag = "latest"
        if self._depth:
            tag = hex(max(0, await self._engine.head() - self._depth))
        return {**call, "params": [*params[:position], tag, *params[position + 1 :]]}

    async def _send(self, call: Call) -> bytes:
        faults = self._faults
        try:
            (raw,) = map(to_bytes, call.get("params") or ())
        except (ValueError, RpcError):
            return failure(call, RpcError("expected one signed transaction", code=INVALID_PARAMS))
        if faults.reject:
            faults.reject -= 1
            return failure(call, RpcError(faults.reject_message))
        if faults.drop:
            faults.drop -= 1
            return result(call, data(keccak(raw)))
        answer = await self._engine.answer(call)
        if faults.double:
            faults.double -= 1
            answer = await self._engine.answer(call)
        if faults.lose:
            faults.lose -= 1
            raise AnswerLostError
        return answer

    async def state(self) -> dict[str, Any]:
        faults, (mode, seconds) = self._faults, self._mining
        mined = await self._engine.mined()
        return {
            "ok": True,
            "head": await self._engine.head(),
            "mining": {"mode": mode, "seconds": seconds},
            "latency_ms": round(faults.latency * 1000),
            "down": self.is_down,
            "drop_next": faults.drop,
            "lose_answer_next": faults.lose,
            "double_next": faults.double,
            "reject_next": faults.reject,
            "chain_id": faults.chain_id,
            "mined": [transaction.as_json() for transaction in mined],
        }

    async def control(self, orders: Any) -> dict[str, Any]:
        """Carry out orders in their order; raises `ControlError` before doing anything unknown."""
        if not isinstance(orders, dict):
            raise ControlError("expected a JSON object")
        unknown = sorted(orders.keys() - self._orders.keys())
        if unknown:
            raise ControlError(f"unknown: {', '.join(unknown)}; known: {', '.join(self._orders)}")
        try:
            for name, fields in orders.items():
                await self._orders[name](fields if isinstance(fields, dict) else {})
        except (KeyError, TypeError, ValueError, RpcError) as error:
            raise ControlError(f"{type(error).__name__}: {error}") from error
        return {"ok": True, "head": await self._engine.head()}

    def _table(self) -> dict[str, Callable[[dict[str, Any]], Awaitable[None]]]:
        return {
            "set_balance": self._set_balance,
            "mining": self._set_mining,
            "mine": self._mine,
            "latency": self._set_latency,
            "drop_next": self._drop_next,
            "lose_answer_next": self._lose_next,
            "double_next": self._double_next,
            "reject_next": self._reject_next,
            "down": self._go_down,
            "up": self._come_up,
            "chain_id": self._lie,
        }

    async def _set_balance(self, fields: dict[str, Any]) -> None:
        amount = int(fields["amount"])
        if not 0 <= amount < 2**256:
            raise ControlError("amount must fit 256 bits")
        to_address(fields["address"])
        await self._engine.set_balance(fields["address"], amount)

    async def _set_mining(self, fields: dict[str, Any]) -> None:
        mode, seconds = fields["mode"], float(fields.get("seconds", 1))
        if mode not in _MODES or seconds <= 0:
            raise ControlError("mode must be auto, manual or interval; seconds more than 0")
        await self._engine.set_mining(mode, seconds)
        self._mining = (mode, seconds)

    async def _mine(self, fields: dict[str, Any]) -> None:
        await self._engine.mine(int(fields.get("blocks", 1)))

    async def _set_latency(self, fields: dict[str, Any]) -> None:
        self._faults.latency = float(fields["ms"]) / 1000

    async def _drop_next(self, fields: dict[str, Any]) -> None:
        self._faults.drop = int(fields.get("count", 1))

    async def _lose_next(self, fields: dict[str, Any]) -> None:
        self._faults.lose = int(fields.get("count", 1))

    async def _double_next(self, fields: dict[str, Any]) -> None:
        """The next sends arrive twice, as through a proxy that tries again; the second answer is heard."""
        self._faults.double = int(fields.get("count", 1))

    async def _reject_next(self, fields: dict[str, Any]) -> None:
        default = "insufficient funds for gas * price + value"
        self._faults.reject_message = str(fields.get("message", default))
        self._faults.reject = int(fields.get("count", 1))

    async def _go_down(self, fields: dict[str, Any]) -> None:
        seconds = fields.get("seconds")
        length = math.inf if seconds is None else float(seconds)
        self._faults.down_until = asyncio.get_running_loop().time() + length

    async def _come_up(self, _: dict[str, Any]) -> None:
        self._faults.down_until = -math.inf

    async def _lie(self, fields: dict[str, Any]) -> None:
        value = fields.get("value")
        self._faults.chain_id = None if value is None else int(value)
