"""What a node's words mean. Nodes tell errors apart by text alone, so this is a table of texts.

A text that is not in the table decides nothing: what is unknown stays unknown.
"""

import re
from enum import StrEnum
from typing import Any, Final

from wallet.chains.rpc import EndpointError


class NodeError(EndpointError):
    """The node answered with a JSON-RPC error. ``data`` is what a revert returned, if anything."""

    def __init__(self, message: str, *, code: int | None = None, data: object = None) -> None:
        super().__init__(clean(message))
        self.code = code
        self.data = data


class Verdict(StrEnum):
    """What an answer to sending bytes says of the bytes."""

    KNOWN = "KNOWN"  # the node has them already
    STALE = "STALE"  # the nonce is used, perhaps by these very bytes
    REFUSED = "REFUSED"  # these bytes will never pass as they are
    UNCLEAR = "UNCLEAR"


# The first row with a matching text counts: "replacement … underpriced" is no "underpriced".
_SEND: Final[tuple[tuple[Verdict, tuple[str, ...]], ...]] = (
    (
        Verdict.KNOWN,
        (
            "already known",
            "already imported",
            "known transaction",
            "alreadyknown",
            "already in the pool",
            "already exists in the mempool",
        ),
    ),
    (Verdict.STALE, ("nonce too low", "nonce is too low", "nonce has already been used")),
    (Verdict.UNCLEAR, ("replacement", "already reserved", "nonce too high", "pool is full")),
    (
        Verdict.REFUSED,
        (
            "insufficient funds",
            "insufficient balance",
            "doesn't have enough funds",
            "intrinsic gas",
            "gas limit is too low",
            "floor data gas",
            "less than block base fee",
            "less than the block's basefee",
            "max fee per gas less than",
            "fee cap less than block base fee",
            "maxfeepergas cannot be less than",
            "invalid chain id",
            "invalid chainid",
            "wrong chain id",
            "incorrect chain id",
            "chain id mismatch",
            "higher than max fee per gas",
            "exceeds block gas limit",
            "exceeds maximum per-transaction gas",
            "exceeds the configured cap",
            "underpriced",
            "type not supported",
            "unsupported transaction type",
            "oversized data",
            "invalid sender",
            "invalid signature",
            "invalid transaction v, r, s",
            "rlp:",
            "failed to decode",
            "could not decode",
            "too short",
        ),
    ),
)
_FUNDS: Final = ("insufficient funds", "insufficient balance", "doesn't have enough funds")
_DETERMINISTIC: Final = (
    "revert",
    "out of gas",
    "outofgas",
    "gas required exceeds allowance",
    "invalid opcode",
    "invalidfeopcode",
    "opcodenotfound",
    "invalid jump",
    "invalidjump",
    "stack underflow",
    "stackunderflow",
    "always failing transaction",
)
_REVERTED: Final = 3
_ERROR_STRING: Final = "0x08c379a0"
_PANIC: Final = "0x4e487b71"
_LONGEST_REASON: Final = 200
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]+")


def verdict_on_send(message: str) -> Verdict:
    text = message.lower()
    for verdict, parts in _SEND:
        if any(part in text for part in parts):
            return verdict
    return Verdict.UNCLEAR


def says_no_funds(error: NodeError) -> bool:
    return any(part in str(error).lower() for part in _FUNDS)


def would_fail(error: NodeError) -> bool:
    """Whether a simulation's error is the payment's own, the same at any endpoint."""
    return error.code == _REVERTED or any(part in str(error).lower() for part in _DETERMINISTIC)


def reason_of(error: NodeError) -> str:
    """Why a simulation failed, in the contract's words where it gave any."""
    data = error.data.get("data") if isinstance(error.data, dict) else error.data
    if isinstance(data, str) and data.startswith(_ERROR_STRING):
        return _error_string(data) or str(error)
    if isinstance(data, str) and data.startswith(_PANIC):
        return f"the contract panicked with code 0x{data[-2:]}"
    return str(error)


def clean(text: Any) -> str:
    """A stranger's text, fit to be shown: one line of printable ASCII, at most 200 characters."""
    return _UNPRINTABLE.sub(" ", str(text)).strip()[:_LONGEST_REASON]


def _error_string(data: str) -> str | None:
    # Error(string): selector, offset word, length word, bytes.
    try:
        body = bytes.fromhex(data[len(_ERROR_STRING) :])
    except ValueError:
        return None
    size = int.from_bytes(body[32:64], "big")
    text = body[64 : 64 + min(size, _LONGEST_REASON)]
    return clean(text.decode(errors="replace")) or None
