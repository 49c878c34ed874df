"""Parameters of the Solana stand-in's methods, and a node's errors for those that do not fit."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, cast

from solders.message import Message, MessageV0, from_bytes_versioned
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.transaction import SanitizeError, VersionedTransaction

from wallet.sandbox.solana.ledger import U64_MAX
from wallet.sandbox.solana.shapes import Json, base58_decode

PACKET_BYTES: Final = 1232

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
PREFLIGHT_FAILURE: Final = -32002
BAD_SIGNATURE: Final = -32003
BLOCK_NOT_AVAILABLE: Final = -32009
UNSUPPORTED_VERSION: Final = -32015
MIN_CONTEXT_SLOT: Final = -32016


class RpcError(Exception):
    """A JSON-RPC error object on its way to the caller."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.json: Json = {"code": code, "message": message}
        if data is not None:
            self.json["data"] = data


class Params:
    """The positional parameters of one call, read with a node's error for what does not fit."""

    def __init__(self, values: list[Any]) -> None:
        self._values = values

    def get(self, index: int) -> Any:
        if index >= len(self._values):
            wanted = f"`params` should have at least {index + 1} argument(s)"
            raise RpcError(INVALID_PARAMS, wanted)
        return self._values[index]

    def config(self, index: int) -> Json:
        found = self._values[index] if index < len(self._values) else None
        if found is None:
            return {}
        if not isinstance(found, dict):
            raise RpcError(INVALID_PARAMS, "Invalid params: expected a configuration object")
        return cast("Json", found)

    def text(self, index: int) -> str:
        return _text(self.get(index))

    def integer(self, index: int) -> int:
        value = self.get(index)
        if type(value) is not int or not 0 <= value <= U64_MAX:
            raise RpcError(INVALID_PARAMS, "Invalid params: expected u64")
        return value

    def texts(self, index: int, most: int) -> list[str]:
        values = self.get(index)
        if not isinstance(values, list):
            raise RpcError(INVALID_PARAMS, "Invalid params: expected a list")
        if len(values) > most:
            raise RpcError(INVALID_PARAMS, f"Too many inputs provided; max {most}")
        return [_text(value) for value in values]

    def address(self, index: int) -> Pubkey:
        return parse_address(self.text(index))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise RpcError(INVALID_PARAMS, "Invalid params: expected a string")
    return value


@contextmanager
def _refusing(what: str) -> Iterator[None]:
    try:
        yield
    except (ValueError, SanitizeError) as error:
        raise RpcError(INVALID_PARAMS, f"Invalid param: {what}") from error


def parse_address(text: str) -> Pubkey:
    with _refusing("address"):
        return Pubkey.from_string(text)


def parse_signature(text: str) -> Signature:
    with _refusing("signature"):
        return Signature.from_string(text)


def parse_message(text: str) -> Message | MessageV0:
    with _refusing("message"):
        message = from_bytes_versioned(base64.b64decode(text, validate=True))
    if not isinstance(message, Message | MessageV0):
        raise RpcError(INVALID_PARAMS, "Invalid param: message version")
    return message


def _check_size(raw: bytes) -> None:
    if len(raw) > PACKET_BYTES:
        why = f"transaction too large: {len(raw)} bytes (max: {PACKET_BYTES} bytes)"
        raise RpcError(INVALID_PARAMS, why)


def parse_transaction(text: str, encoding: str) -> VersionedTransaction:
    """Decode and check the shape of a transaction; signatures are checked by whoever cares."""
    with _refusing("transaction"):
        raw = (
            base58_decode(text) if encoding == "base58" else base64.b64decode(text, validate=True)
        )
        _check_size(raw)
        transaction = VersionedTransaction.from_bytes(raw)
        transaction.sanitize()
        return transaction
