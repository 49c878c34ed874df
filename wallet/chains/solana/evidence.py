"""What one endpoint says became of signed payments.

A payment is dead when the chain has passed the last height that could carry it and shows no trace of
it. For that conclusion the status is asked once more *after* the height was read, at the same
endpoint, of a node that has seen at least that height and whose history reaches back to the signing.
The heights of the signing are another endpoint's word, so its blockhash must not be valid any more either.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from wallet.chains.rpc import EndpointError
from wallet.chains.solana.answers import items, member, text, whole
from wallet.chains.solana.encode import decode, without_signature
from wallet.chains.solana.errors import RpcError
from wallet.chains.solana.node import Call, Node, good
from wallet.domain.chains import Finality
from wallet.domain.transactions import Attempt
from wallet.errors import ChainError
from wallet.ports.chain import Evidence, Sighting

BLOCKHASH_BLOCKS: Final = 150
STATUSES_AT_ONCE: Final = 256
FEES_AT_ONCE: Final = 50
_METHOD_NOT_FOUND: Final = -32601
_DEPTHS: Final = ("processed", "confirmed", "finalized")


@dataclass(frozen=True, slots=True)
class Depths:
    """How deep is deep enough, and how deep is final."""

    enough: str
    final: str

    @classmethod
    def of(cls, commitment: str, finality: Finality) -> "Depths":
        return cls(commitment, "confirmed" if finality is Finality.LATEST else "finalized")


@dataclass(frozen=True, slots=True)
class _Reading:
    """The chain's block height, and the slot it was read at."""

    height: int
    slot: int


async def read_evidence(node: Node, attempts: Sequence[Attempt], depths: Depths) -> list[Evidence]:
    """One answer per attempt, in order, all from this node."""
    found: list[Evidence] = []
    for start in range(0, len(attempts), STATUSES_AT_ONCE):
        found += await _read_some(node, attempts[start : start + STATUSES_AT_ONCE], depths)
    return found


async def _read_some(node: Node, attempts: Sequence[Attempt], depths: Depths) -> list[Evidence]:
    info, answer = await node.ask_all(
        [Call("getEpochInfo", ({"commitment": depths.final},)), _statuses_call(attempts)]
    )
    reading = _Reading(whole(good(info), "blockHeight"), whole(info, "absoluteSlot"))
    statuses = items(member(good(answer), "value"), len(attempts))
    overdue = [
        attempt
        for attempt, status in zip(attempts, statuses, strict=True)
        if status is None and _is_past(attempt, reading.height)
    ]
    dead = await _dead(node, overdue, reading) if overdue else frozenset()
    fees = await _fees(node, _settled(attempts, statuses, depths))
    return [
        _absent(attempt, reading, is_dead=attempt.hash in dead)
        if status is None
        else _seen(attempt, status, depths, fees)
        for attempt, status in zip(attempts, statuses, strict=True)
    ]


def _statuses_call(attempts: Sequence[Attempt]) -> Call:
    hashes = [attempt.hash for attempt in attempts]
    return Call("getSignatureStatuses", (hashes, {"searchTransactionHistory": True}))


async def _dead(node: Node, overdue: Sequence[Attempt], reading: _Reading) -> frozenset[str]:
    """Hashes that still left no trace after the height was read."""
    answer = await node.ask(_statuses_call(overdue))
    # Behind one URL there may be several nodes: one that lags cannot prove an absence.
    if whole(answer, "context", "slot") < reading.slot:
        return frozenset()
    statuses = items(member(answer, "value"), len(overdue))
    history_from = await _history_start(node)
    gone = [
        attempt
        for attempt, status in zip(overdue, statuses, strict=True)
        if status is None and _reaches(history_from, attempt)
    ]
    return frozenset([one.hash for one in gone]) - await _valid(node, gone)


async def _valid(node: Node, attempts: Sequence[Attempt]) -> frozenset[str]:
    """Hashes whose blockhash the node may still take, as far as it says or does not say.

    A node that does not offer the question leaves it to the heights.
    """
    found: list[str] = []
    for start in range(0, len(attempts), FEES_AT_ONCE):
        some = attempts[start : start + FEES_AT_ONCE]
        answers = await node.ask_all([_validity_call(attempt) for attempt in some])
        found += [
            attempt.hash
            for attempt, answer in zip(some, answers, strict=True)
            if _may_be_valid(answer)
        ]
    return frozenset(found)


def _validity_call(attempt: Attempt) -> Call:
    try:
        blockhash = str(decode(without_signature(attempt.raw)).blockhash)
    except ChainError:  # stored bytes that were bent: the node refuses the question
        blockhash = ""
    return Call("isBlockhashValid", (blockhash, {"commitment": "processed"}))


def _may_be_valid(answer: Any) -> bool:
    if isinstance(answer, RpcError):
        return answer.code != _METHOD_NOT_FOUND
    return member(answer, "value") is not False


def _is_past(attempt: Attempt, height: int) -> bool:
    """Whether no block above ``height`` can carry the attempt.

    The endpoint that named the last valid height may have lied, so the height at signing counts too.
    """
    if attempt.last_valid_height is None or attempt.signing_height is None:
        return False
    return height > max(attempt.last_valid_height, attempt.signing_height + BLOCKHASH_BLOCKS)


async def _history_start(node: Node) -> int | None:
    """Epoch seconds from which the node knows every transaction; None when it cannot tell.

    A node that does not offer the question is taken to know all: 0.
    """
    try:
        first = whole(await node.ask(Call("getFirstAvailableBlock")))
        return whole(await node.ask(Call("getBlockTime", (first,)))) if first > 0 else 0
    except RpcError as error:
        return 0 if error.code == _METHOD_NOT_FOUND else None
    except EndpointError:
        return None


def _reaches(history_from: int | None, attempt: Attempt) -> bool:
    return history_from is not None and history_from * 1000 <= attempt.created_at


def _absent(attempt: Attempt, reading: _Reading, *, is_dead: bool) -> Evidence:
    if not is_dead:
        return Evidence(attempt.hash, Sighting.UNSEEN)
    return Evidence(attempt.hash, Sighting.DEAD, final=True, height=reading.height)


def _seen(attempt: Attempt, status: Any, depths: Depths, fees: dict[str, int]) -> Evidence:
    failed = member(status, "err") is not None
    return Evidence(
        attempt.hash,
        Sighting.FAILED if failed else Sighting.SUCCEEDED,
        deep_enough=_has_depth(status, depths.enough),
        final=_has_depth(status, depths.final),
        height=whole(status, "slot"),
        fee=fees.get(attempt.hash),
    )


def _has_depth(status: Any, wanted: str) -> bool:
    reached = member(status, "confirmationStatus")
    if reached is None:  # old nodes: no number of confirmations means rooted
        reached = "finalized" if member(status, "confirmations") is None else "processed"
    if reached not in _DEPTHS:
        raise EndpointError(f"an endpoint named an unknown depth: {text(reached)[:20]}")
    return _DEPTHS.index(reached) >= _DEPTHS.index(wanted)


def _settled(
    attempts: Sequence[Attempt], statuses: Sequence[Any], depths: Depths
) -> list[Attempt]:
    return [
        attempt
        for attempt, status in zip(attempts, statuses, strict=True)
        if status is not None and _has_depth(status, depths.enough)
    ]


async def _fees(node: Node, attempts: Sequence[Attempt]) -> dict[str, int]:
    """What each cost in lamports, as the node says or else as its own bytes say."""
    fees: dict[str, int] = {}
    for start in range(0, len(attempts), FEES_AT_ONCE):
        some = attempts[start : start + FEES_AT_ONCE]
        answers = await _landed(node, [attempt.hash for attempt in some])
        for attempt, answer in zip(some, answers, strict=True):
            fee = _fee(attempt, answer)
            if fee is not None:
                fees[attempt.hash] = fee
    return fees


async def _landed(node: Node, hashes: Sequence[str]) -> list[Any]:
    config = {
        "commitment": "confirmed",
        "encoding": "base64",
        "maxSupportedTransactionVersion": 0,
    }
    try:
        return await node.ask_all([Call("getTransaction", (one, config)) for one in hashes])
    except EndpointError:
        return [None] * len(hashes)


def _fee(attempt: Attempt, answer: Any) -> int | None:
    try:
        if isinstance(answer, dict):
            return whole(answer, "meta", "fee")
        return decode(without_signature(attempt.raw)).max_fee
    except (ChainError, EndpointError):
        return None
