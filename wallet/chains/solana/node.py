"""JSON-RPC with one Solana endpoint: single calls, and batches where the endpoint takes them."""

import asyncio
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from solana.exceptions import SolanaRpcException
from solana.rpc.async_http_provider import AsyncHTTPProvider

from wallet.chains.rpc import EndpointError
from wallet.chains.solana.errors import RpcError

# HTTP answers of providers that take single calls only.
_NO_BATCH: Final = frozenset({400, 403, 405, 413, 415, 422, 501})

# The HTTP client under solana-py logs every URL at INFO, and URLs carry keys.
logging.getLogger("httpx2").setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True)
class Call:
    """One JSON-RPC call with positional parameters."""

    method: str
    params: tuple[Any, ...] = ()

    def envelope(self, number: int) -> dict[str, Any]:
        return {
            "jsonrpc": "2.0",
            "id": number,
            "method": self.method,
            "params": list(self.params),
        }


@dataclass(frozen=True, slots=True)
class _Body:
    """What solana-py's provider takes as a request."""

    text: str

    def to_json(self) -> str:
        return self.text


class Node:
    """One URL, over solana-py's HTTP provider; the results stay plain JSON, which costs least.

    Errors never hold the URL, which often carries a key.
    """

    def __init__(self, url: str, label: str, timeout_seconds: float) -> None:
        self.label = label
        self._url = url
        self._timeout = timeout_seconds
        self._takes_batches = True
        self._provider: AsyncHTTPProvider | None = None

    async def ask(self, call: Call) -> Any:
        """The result; EndpointError (its RpcError when the node refused) when there is none."""
        return good(_outcome(await self._post(call.envelope(0))))

    async def ask_all(self, calls: Sequence[Call]) -> list[Any]:
        """The results in order, an RpcError as the value of each refused call.

        In which order the node executes them is not defined: ask() twice where that matters.
        """
        if self._takes_batches and len(calls) > 1:
            found = await self._ask_batch(calls)
            if found is not None:
                return found
        posts = (self._post(call.envelope(number)) for number, call in enumerate(calls))
        answers = await asyncio.gather(*posts, return_exceptions=True)
        outcomes = [_outcome(_raised(answer)) for answer in answers]
        self._takes_batches = self._takes_batches and len(calls) < 2  # noqa: PLR2004 - a batch
        return outcomes

    async def close(self) -> None:
        provider, self._provider = self._provider, None
        if provider is not None:
            await provider.close()

    async def _ask_batch(self, calls: Sequence[Call]) -> list[Any] | None:
        """None when the endpoint takes no batches."""
        try:
            answer = await self._post([call.envelope(n) for n, call in enumerate(calls)])
        except HttpError as error:
            if error.status in _NO_BATCH:
                return None
            raise
        if not isinstance(answer, list):
            return None
        by_number = {item.get("id"): item for item in answer if isinstance(item, dict)}
        return [_outcome(by_number.get(number)) for number in range(len(calls))]

    async def _post(self, body: object) -> Any:
        answer = await self._exchange(json.dumps(body, separators=(",", ":")))
        # Raised out here: the exception caught inside has the URL in its text.
        if isinstance(answer, EndpointError):
            raise answer
        try:
            return json.loads(answer)
        except ValueError:
            raise EndpointError(f"{self.label} did not answer with JSON") from None

    async def _exchange(self, body: str) -> str | EndpointError:
        try:
            provider = self._provider or await self._open()
            return await provider.make_request_unparsed(_Body(body))
        except SolanaRpcException as error:
            # Its text names only the request; what happened is the cause.
            response = getattr(error.__cause__, "response", None)
            what = type(error.__cause__).__name__
        except (OSError, RuntimeError, ValueError) as error:
            response, what = None, type(error).__name__
        if response is None:
            return EndpointError(f"{self.label}: {what}")
        return HttpError(self.label, int(response.status_code))

    async def _open(self) -> AsyncHTTPProvider:
        # Off the loop: it loads the system's certificates, 50 ms each time.
        opened = await asyncio.to_thread(
            AsyncHTTPProvider,
            self._url,
            timeout=self._timeout,
            http2=False,
            max_transport_retries=0,
        )
        if self._provider is not None:
            await opened.close()
            return self._provider
        self._provider = opened
        return opened


class HttpError(EndpointError):
    """The endpoint answered with an HTTP error instead of JSON-RPC."""

    def __init__(self, label: str, status: int) -> None:
        super().__init__(f"{label}: HTTP {status}")
        self.status = status


def good(outcome: Any) -> Any:
    """The result itself; raises it when it is an RpcError."""
    if isinstance(outcome, RpcError):
        raise outcome
    return outcome


def _outcome(answer: object) -> Any:
    """The result in a JSON-RPC answer, or an RpcError as a value."""
    if isinstance(answer, dict) and answer.get("error") is None and "result" in answer:
        return answer["result"]
    error = answer.get("error") if isinstance(answer, dict) else None
    if not isinstance(error, dict) or type(error.get("code")) is not int:
        raise EndpointError("an endpoint answered with something else than JSON-RPC")
    return RpcError(error["code"], str(error.get("message")), error.get("data"))


def _raised(answer: Any) -> Any:
    if isinstance(answer, BaseException):
        raise answer
    return answer
