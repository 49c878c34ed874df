"""Bounded, quiet reading of JSON from a provider. What it answers is believed as little as any stranger's."""

import json
import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import httpx

_LARGEST_ANSWER: Final = 256 * 1024
_MOST_BRACKETS: Final = 2000  # the parser nests on the C stack
_NUMBER: Final = re.compile(r"-?[0-9]{1,30}")

Query = Sequence[tuple[str, str]]


class ProviderError(Exception):
    """The provider gave no usable answer. The text never holds its URL: URLs may carry keys."""


class JsonSource:
    """GET below one base URL. Redirects are not followed and the environment's proxies are not used."""

    def __init__(self, url: str, headers: Mapping[str, str], timeout_seconds: float) -> None:
        logging.getLogger("httpx").setLevel(logging.WARNING)  # it would log every URL
        self._url = url.rstrip("/")
        self._client = httpx.AsyncClient(
            headers={"Accept": "application/json", **headers},
            timeout=timeout_seconds,
            trust_env=False,
        )

    async def get(self, path: str, query: Query) -> Any:
        """The parsed answer; numbers with a fraction stay text. Raises ProviderError."""
        try:
            return _parsed(await self._read(path, query))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ProviderError(type(error).__name__) from None

    async def close(self) -> None:
        await self._client.aclose()

    async def _read(self, path: str, query: Query) -> str:
        body = bytearray()
        params = httpx.QueryParams(tuple(query))
        async with self._client.stream("GET", self._url + path, params=params) as response:
            if response.status_code != httpx.codes.OK:
                raise ProviderError(f"HTTP {response.status_code}")
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > _LARGEST_ANSWER:
                    raise ProviderError("the answer is too long")
        try:
            return body.decode("utf-8")
        except UnicodeDecodeError:
            raise ProviderError("the answer is no text") from None


def _parsed(text: str) -> Any:
    if text.count("[") + text.count("{") > _MOST_BRACKETS:
        raise ProviderError("the answer is nested too deeply")
    try:
        # Text, not floats: 0.1 has no exact float, and money is never one.
        return json.loads(text, parse_float=str, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise ProviderError("the answer is not JSON") from None


def _refuse(name: str) -> Any:
    raise ValueError(name)


def whole(value: object) -> int:
    """An integer, or one written as text; ProviderError for anything else."""
    if type(value) is int:
        return value
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return int(value)
    raise ProviderError("the answer holds no whole number where one belongs")


def mapping(value: object) -> Mapping[str, Any]:
    """A JSON object; ProviderError for anything else."""
    if not isinstance(value, dict):
        raise ProviderError("the answer holds no object where one belongs")
    return value
