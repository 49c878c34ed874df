"""One Ethereum node over HTTP: JSON-RPC calls, batches, and strict reading of hex.

web3's own transport opens a connection and hops to a thread for every request, and logs URLs, which
carry keys. Its provider is kept for the protocol; the transport below it keeps connections open.
"""

import asyncio
import json
from collections.abc import Sequence
from typing import Any, Final, cast

from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientOSError,
    ClientSession,
    ClientTimeout,
    ServerDisconnectedError,
    TCPConnector,
)
from typing_extensions import override
from web3 import AsyncHTTPProvider
from web3.types import RPCEndpoint, RPCResponse

from wallet.chains.evm.errors import NodeError
from wallet.chains.rpc import EndpointError

Call = tuple[str, list[Any]]

TRANSPORT_FAILURES: Final[tuple[type[Exception], ...]] = (ClientError,)
_OK: Final = 200
_LARGEST_ANSWER: Final = 16 * 1024 * 1024
_KEEP_ALIVE_SECONDS: Final = 30
_LARGEST_BATCH: Final = 50


class KeepAliveProvider(AsyncHTTPProvider):
    """AsyncHTTPProvider over one session whose connections stay open. It logs nothing."""

    def __init__(self, url: str, timeout_seconds: float) -> None:
        super().__init__(url, exception_retry_configuration=None)
        self._timeout = ClientTimeout(total=timeout_seconds)
        self._session: ClientSession | None = None

    @override
    async def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        body = await self._make_request(method, self.encode_rpc_request(method, params))
        return self.decode_rpc_response(body)

    @override
    async def _make_request(self, method: RPCEndpoint, request_data: bytes) -> bytes:
        try:
            return await self._post(request_data)
        except ClientConnectorError:
            raise
        except (ServerDisconnectedError, ClientOSError):
            # The node closed an idle connection. Every call may be repeated: reads change nothing,
            # and the same signed bytes can land only once.
            return await self._post(request_data)

    async def _post(self, body: bytes) -> bytes:
        if self._session is None:
            connector = TCPConnector(limit=64, keepalive_timeout=_KEEP_ALIVE_SECONDS)
            self._session = ClientSession(connector=connector, timeout=self._timeout)
        headers = {"Content-Type": "application/json"}
        async with self._session.post(
            str(self.endpoint_uri), data=body, headers=headers, allow_redirects=False
        ) as response:
            if response.status != _OK:
                raise EndpointError(f"HTTP {response.status}")
            answer = bytearray()
            async for chunk in response.content.iter_any():
                answer += chunk
                if len(answer) > _LARGEST_ANSWER:
                    raise EndpointError("the answer is too long")
        return bytes(answer)

    @override
    async def disconnect(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None


class Node:
    """Calls to one node. Every method raises EndpointError when there is no usable answer."""

    def __init__(self, url: str, timeout_seconds: float) -> None:
        self._provider = KeepAliveProvider(url, timeout_seconds)
        self._batches = True

    async def call(self, method: str, *params: Any) -> Any:
        """The result; raises NodeError for a JSON-RPC error."""
        try:
            response = await self._provider.make_request(RPCEndpoint(method), list(params))
        except ValueError:
            raise EndpointError("the answer is not JSON") from None
        return required(_answer(response))

    async def batch(self, calls: Sequence[Call]) -> list[Any]:
        """One answer per call, in order: a result, or a NodeError as a value.

        The node may work on the calls in any order: no answer is later than another.
        """
        answers: list[Any] = []
        for start in range(0, len(calls), _LARGEST_BATCH):
            answers += await self._batch(calls[start : start + _LARGEST_BATCH])
        return answers

    async def close(self) -> None:
        await self._provider.disconnect()

    async def _batch(self, calls: Sequence[Call]) -> list[Any]:
        if self._batches and len(calls) > 1:
            responses = await self._posted(calls)
            if isinstance(responses, list):
                return _in_order(responses, len(calls))
            self._batches = False  # some nodes take one call at a time
        return list(await asyncio.gather(*(self._settled(call) for call in calls)))

    async def _posted(self, calls: Sequence[Call]) -> Any:
        body = [
            {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
            for number, (method, params) in enumerate(calls)
        ]
        request = json.dumps(body, separators=(",", ":")).encode()
        raw = await self._provider._make_request(RPCEndpoint("batch"), request)  # noqa: SLF001
        try:
            return json.loads(raw)
        except ValueError:
            raise EndpointError("the answer is not JSON") from None

    async def _settled(self, call: Call) -> Any:
        method, params = call
        try:
            return await self.call(method, *params)
        except NodeError as error:
            return error


def required(answer: Any) -> Any:
    """A batch's answer, or the NodeError it is."""
    if isinstance(answer, NodeError):
        raise answer
    return answer


def quantity(value: Any) -> int:
    """A ``0x…`` quantity; EndpointError for anything else."""
    # int() would also take signs, spaces, underscores and other alphabets' digits.
    if isinstance(value, str) and value[:2] == "0x" and value.isascii() and value.isalnum():
        try:
            return int(value, 16)
        except ValueError:
            pass
    raise EndpointError("the answer holds no hex quantity where one belongs")


def is_code(answer: Any) -> bool:
    """Whether an eth_getCode answer holds any."""
    code = required(answer)
    if not isinstance(code, str) or not code.startswith("0x"):
        raise EndpointError("the answer holds no code where it belongs")
    return code != "0x"


def _in_order(responses: list[Any], count: int) -> list[Any]:
    answers = {
        response["id"]: _answer(response)
        for response in responses
        if isinstance(response, dict) and isinstance(response.get("id"), int)
    }
    if answers.keys() != set(range(count)):
        raise EndpointError("the batch was not answered call by call")
    return [answers[number] for number in range(count)]


def _answer(response: Any) -> Any:
    if not isinstance(response, dict):
        raise EndpointError("the answer is not a JSON-RPC response")
    error = response.get("error")
    if isinstance(error, dict):
        code = error.get("code")
        return NodeError(
            str(error.get("message", "")),
            code=code if isinstance(code, int) else None,
            data=error.get("data"),
        )
    if error is not None or "result" not in response:
        return NodeError(str(error))
    return cast("dict[str, Any]", response)["result"]
