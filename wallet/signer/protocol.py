"""What crosses the socket pair between daemon and signer: frames, values, errors. No I/O, no crypto.

A frame is a four-byte big-endian length and that many bytes of JSON. A request is ``{id, op, args}``; its
answer ``{id, result}`` or ``{id, error}``, in any order. Bytes travel as base64.
"""

import base64
import json
import struct
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

from wallet import errors
from wallet.errors import Code, WalletError

MAX_FRAME_BYTES: Final = 1024 * 1024
_LENGTH: Final = struct.Struct(">I")
_CLASSES: Final[dict[str, type[WalletError]]] = {
    kind.__name__: kind for kind in (errors.InputError, errors.ConflictError, errors.KeystoreError)
}

Json = dict[str, Any]


class BrokenFrameError(Exception):
    """The other side does not speak this protocol; nothing more can be read from it."""


class Frames:
    """Cuts a byte stream into JSON objects."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Json]:
        """Yield every frame that ``data`` completes."""
        self._buffer += data
        while (body := self._next()) is not None:
            yield decode(body)

    def _next(self) -> bytes | None:
        if len(self._buffer) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._buffer)
        if length > MAX_FRAME_BYTES:
            raise BrokenFrameError(f"A frame of {length} bytes is too long.")
        end = _LENGTH.size + length
        if len(self._buffer) < end:
            return None
        body = bytes(self._buffer[_LENGTH.size : end])
        # A frame may hold the master password: leave no copy in the buffer.
        self._buffer[:end] = bytes(end)
        del self._buffer[:end]
        return body


def encode(message: Json) -> bytes:
    body = json.dumps(message, separators=(",", ":")).encode()
    if len(body) > MAX_FRAME_BYTES:
        raise BrokenFrameError(f"A frame of {len(body)} bytes is too long.")
    return _LENGTH.pack(len(body)) + body


def decode(body: bytes) -> Json:
    try:
        message = json.loads(body)
    except ValueError:
        raise BrokenFrameError("A frame is not JSON.") from None
    if not isinstance(message, dict):
        raise BrokenFrameError("A frame is not a JSON object.")
    return message


def to_base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def from_base64(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def error_to_json(error: WalletError) -> Json:
    return {
        "class": type(error).__name__,
        "code": str(error.code),
        "message": error.message,
        "retryable": error.retryable,
        "details": error.details,
        "hint": error.hint,
    }


def error_from_json(data: Json) -> WalletError:
    kind = _CLASSES.get(data["class"], errors.KeystoreError)
    return kind(
        Code(data["code"]),
        data["message"],
        retryable=data["retryable"],
        details=data["details"],
        hint=data["hint"],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletFacts:
    """The public side of one key. ``public_key`` in hex, ``address`` as its chain writes it."""

    wallet_id: str
    chain: str
    network: str
    address: str
    public_key: str

    def to_json(self) -> Json:
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderFacts:
    """The public facts of the keystore. ``created_at`` in epoch milliseconds.

    Before an unlock they are only what the file says; the unlock authenticates them.
    """

    version: int
    kind: str
    keystore_id: str
    created_at: int
    bot_api_url: str
    memory_kib: int
    time_cost: int
    parallelism: int

    @property
    def names(self) -> tuple[str, str, str]:
        """Which keystore it is, and what it speaks to; a change of password keeps them."""
        return self.kind, self.keystore_id, self.bot_api_url

    def to_json(self) -> Json:
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """``kind`` is None while there is no keystore. Locked, ``wallets`` are what the files say."""

    locked: bool
    kind: str | None
    wallets: tuple[WalletFacts, ...]

    def to_json(self) -> Json:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Json) -> Self:
        wallets = tuple(WalletFacts(**wallet) for wallet in data["wallets"])
        return cls(locked=data["locked"], kind=data["kind"], wallets=wallets)
