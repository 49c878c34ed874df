"""The anvil engine of the EVM stand-in: a child process, spoken to over kept connections.

anvil answers JSON-RPC itself; this module passes it on and translates the control orders. A
resend of known bytes is answered "already known", as by the in-process engine.
"""

import asyncio
import ctypes
import json
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_hash.auto import keccak
from typing_extensions import override

from wallet.sandbox.evm.engine import (
    Call,
    Engine,
    MinedTransaction,
    MiningMode,
    RpcError,
    data,
    failure,
    to_bytes,
    to_int,
)

START_SECONDS = 15
_LISTENING = re.compile(rb"Listening on 127\.0\.0\.1:(\d+)")
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_PR_SET_PDEATHSIG = 1
_HASHES_ONLY, _WHOLE = (False,), (True,)  # the last argument of eth_getBlockByNumber

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Connections:
    """A lean HTTP/1.1 client for one loopback address: POST JSON, keep the connection."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[Stream] = []

    async def post(self, body: bytes) -> bytes:
        """Send one request and return the body of its answer; raises `OSError` or `EOFError`."""
        if self._idle:
            stream = self._idle.pop()
        else:
            stream = await asyncio.open_connection("127.0.0.1", self._port, limit=2**26)
        try:
            answer = await _exchange(stream, body, self._port)
        except BaseException:
            stream[1].close()
            raise
        self._idle.append(stream)
        return answer

    def close(self) -> None:
        while self._idle:
            self._idle.pop()[1].close()


async def _exchange(stream: Stream, body: bytes, port: int) -> bytes:
    reader, writer = stream
    head = (
        f"POST / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    answer = await reader.readuntil(b"\r\n\r\n")
    length = _LENGTH.search(answer)
    if length is None:
        raise EOFError("anvil answered without a length")
    return await reader.readexactly(int(length[1]))


@dataclass(frozen=True, slots=True)
class SeenBlock:
    hash: str
    mined: tuple[MinedTransaction, ...]


class AnvilEngine(Engine):
    def __init__(self, connections: Connections, process: asyncio.subprocess.Process) -> None:
        self._connections = connections
        self._process = process
        self._seen: list[SeenBlock] = []

    @override
    async def answer(self, call: Call) -> bytes:
        answer = await self._connections.post(json.dumps(call).encode())
        if call["method"] != "eth_sendRawTransaction" or b'"error"' not in answer:
            return answer
        digest = data(keccak(to_bytes(call["params"][0])))
        if await self.ask("eth_getTransactionByHash", digest):
            return failure(call, RpcError("already known"))
        return answer

    async def ask(self, method: str, *params: Any) -> Any:
        """Return the result of a call of our own; raises `RpcError` when anvil refuses it."""
        call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        answer = json.loads(await self._connections.post(json.dumps(call).encode()))
        if "error" in answer:
            raise RpcError(answer["error"]["message"], code=answer["error"]["code"])
        return answer["result"]

    @override
    async def head(self) -> int:
        return to_int(await self.ask("eth_blockNumber"))

    @override
    async def set_balance(self, address: str, amount: int) -> None:
        await self.ask("anvil_setBalance", address, hex(amount))

    @override
    async def set_mining(self, mode: MiningMode, seconds: float) -> None:
        """Choose when blocks are made; anvil counts whole seconds, at least one."""
        if mode == "interval":
            await self.ask("evm_setIntervalMining", max(1, round(seconds)))
            return
        await self.ask("evm_setIntervalMining", 0)
        await self.ask("evm_setAutomine", mode == "auto")
        if mode == "auto" and to_int((await self.ask("txpool_status"))["pending"]):
            await self.ask("evm_mine")

    @override
    async def mine(self, blocks: int) -> None:
        for _ in range(blocks):
            await self.ask("evm_mine")

    @override
    async def mined(self) -> list[MinedTransaction]:
        while self._seen and not await self._is_canonical(len(self._seen) - 1):
            self._seen.pop()
        for number in range(len(self._seen), await self.head() + 1):
            self._seen.append(await self._read(number))
        return [transaction for block in self._seen for transaction in block.mined]

    async def _is_canonical(self, number: int) -> bool:
        block = await self.ask("eth_getBlockByNumber", hex(number), *_HASHES_ONLY)
        return block is not None and block["hash"] == self._seen[number].hash

    async def _read(self, number: int) -> SeenBlock:
        block = await self.ask("eth_getBlockByNumber", hex(number), *_WHOLE)
        receipts = await self.ask("eth_getBlockReceipts", hex(number)) or []
        pairs = zip(block["transactions"], receipts, strict=True)
        return SeenBlock(block["hash"], tuple(_mined(*pair) for pair in pairs))

    @override
    async def run(self) -> None:
        """Read anvil's log away, or it would block on a full pipe; its end must not come first."""
        assert self._process.stdout is not None
        while await self._process.stdout.read(65536):
            pass
        raise ChildProcessError(f"anvil ended with code {await self._process.wait()}")


def _mined(transaction: dict[str, Any], receipt: dict[str, Any]) -> MinedTransaction:
    return MinedTransaction(
        hash=transaction["hash"],
        sender=transaction["from"],
        to=transaction["to"],
        value=to_int(transaction["value"]),
        nonce=to_int(transaction["nonce"]),
        block=to_int(transaction["blockNumber"]),
        fee=to_int(receipt["gasUsed"]) * to_int(receipt["effectiveGasPrice"]),
        succeeded=receipt["status"] == "0x1",
        input=transaction["input"],
    )


@asynccontextmanager
async def anvil(binary: Path, chain_id: int) -> AsyncIterator[AnvilEngine]:
    """Run anvil on a free port for as long as the context lasts."""
    process = await asyncio.create_subprocess_exec(
        binary,
        *("--host", "127.0.0.1", "--port", "0", "--chain-id", str(chain_id)),
        *("--color", "never", "--order", "fees"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        preexec_fn=_die_with_parent if sys.platform == "linux" else None,
    )
    try:
        async with asyncio.timeout(START_SECONDS):
            port = await _port(process)
        connections = Connections(port)
        yield AnvilEngine(connections, process)
        connections.close()
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _port(process: asyncio.subprocess.Process) -> int:
    assert process.stdout is not None
    async for line in process.stdout:
        found = _LISTENING.search(line)
        if found:
            return int(found[1])
    raise ChildProcessError("anvil ended before it listened")


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
