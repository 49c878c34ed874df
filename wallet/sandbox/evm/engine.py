"""JSON-RPC as geth and anvil speak it: errors, hex numbers, and what an engine must offer.

Nothing here knows a chain. The in-process chain and the anvil process both implement `Engine`;
`wallet.sandbox.evm.front` stands before either of them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from eth_typing import Address

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
SERVER_ERROR = -32000
REVERTED = 3

Call = Mapping[str, Any]
MiningMode = Literal["auto", "manual", "interval"]


class RpcError(Exception):
    """An answer with an error in it: `code` and `message` as a node would give them."""

    def __init__(self, message: str, *, code: int = SERVER_ERROR, data: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data


@dataclass(frozen=True, slots=True, kw_only=True)
class MinedTransaction:
    """One transaction of the canonical chain; `value` and `fee` are wei, addresses lower case."""

    hash: str
    sender: str
    to: str | None
    value: int
    nonce: int
    block: int
    fee: int
    succeeded: bool
    input: str

    def as_json(self) -> dict[str, Any]:
        return {
            "hash": self.hash,
            "from": self.sender,
            "to": self.to,
            "value": str(self.value),
            "nonce": self.nonce,
            "block": self.block,
            "fee": str(self.fee),
            "status": int(self.succeeded),
            "input": self.input,
        }


class Engine(Protocol):
    """A chain that answers JSON-RPC and takes orders from the control endpoint."""

    async def answer(self, call: Call) -> bytes:
        """Answer one call with one complete JSON-RPC response object."""
        ...

    async def head(self) -> int:
        """Return the number of the newest block."""
        ...

    async def set_balance(self, address: str, amount: int) -> None:
        """Make the newest balance of `address` exactly `amount` wei, up or down."""
        ...

    async def set_mining(self, mode: MiningMode, seconds: float) -> None:
        """Choose when blocks are made; `seconds` counts for `interval` alone."""
        ...

    async def mine(self, blocks: int) -> None:
        """Make `blocks` blocks now, the first with everything executable."""
        ...

    async def mined(self) -> list[MinedTransaction]:
        """List every transaction of the canonical chain, oldest first."""
        ...

    async def run(self) -> None:
        """Do the engine's own work (blocks by the clock) until cancelled."""
        ...


def result(call: Call, value: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": call.get("id"), "result": value}).encode()


def failure(call: Call, error: RpcError) -> bytes:
    body: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.data is not None:
        body["data"] = error.data
    return json.dumps({"jsonrpc": "2.0", "id": call.get("id"), "error": body}).encode()


def to_bytes(text: Any) -> bytes:
    """Read `0x…` data; raises `RpcError` (invalid params)."""
    if isinstance(text, str) and text.startswith("0x"):
        try:
            return bytes.fromhex(text[2:])
        except ValueError:
            pass
    raise RpcError("invalid argument: not a hex string", code=INVALID_PARAMS)


def to_int(text: Any) -> int:
    """Read a `0x…` quantity (plain integers pass); raises `RpcError` (invalid params)."""
    if isinstance(text, int):
        return text
    try:
        return int(text, 16)
    except (TypeError, ValueError):
        raise RpcError("invalid argument: not a hex number", code=INVALID_PARAMS) from None


def to_address(text: Any) -> Address:
    address = to_bytes(text)
    if len(address) != 20:  # noqa: PLR2004  an address is twenty bytes
        raise RpcError("invalid argument: not an address", code=INVALID_PARAMS)
    return Address(address)


def data(value: bytes) -> str:
    return "0x" + value.hex()
