"""The audit chain: each row's hash covers the row before it, and a walk names the first row that does not fit.

A row is HMAC-chained while the keystore is open, which nobody without the data key can continue or rewrite,
and chained plainly while it is locked. An HMAC covers everything before it, so the first one after plain
rows seals them as they were then.
"""

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

GENESIS: Final = "0" * 64
HMAC: Final = "hmac"
PLAIN: Final = "plain"
SHORT: Final = 8  # hex digits of a head as cards show it

Head = tuple[int, str]
START: Final[Head] = (0, GENESIS)

_DOMAIN: Final = "waiaas/audit/1\0"


def row_hash(previous: str, row: Mapping[str, Any], key: bytes | None) -> str:
    """Hex HMAC-SHA256 under ``key``, or SHA-256 without one, over the previous hash and the row."""
    covered = {
        "number": row["number"],
        "at": row["at"],
        "fact": row["fact"],
        "actor": row["actor"],
        "walletId": row["wallet_id"],
        "sessionId": row["session_id"],
        "transactionId": row["transaction_id"],
        "details": row["details"],
    }
    text = f"{_DOMAIN}{previous}{_canonical(covered)}".encode("ascii")
    if key is None:
        return hashlib.sha256(text).hexdigest()
    return hmac.new(key, text, hashlib.sha256).hexdigest()


def short(head: Head) -> str:
    """Number and first eight digits, as cards and the daily message show it."""
    number, digits = head
    return f"{number}:{digits[:SHORT]}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a walk along the chain found. ``first_bad`` is the number of the first row that does not fit.

    ``proved`` rows carry an HMAC that is right, ``sealed`` ones are plain and fit, and an HMAC that is right
    follows; ``open`` ones are plain, fit, and nothing seals them yet. ``unproved`` are stretches (first, last)
    of HMAC rows that could not be judged because no key was given. ``head`` is where the walk stands.
    """

    proved: int
    sealed: int
    open: int
    unproved: tuple[tuple[int, int], ...]
    head: Head
    first_bad: int | None = None
    reason: str | None = None

    @property
    def is_sound(self) -> bool:
        return self.first_bad is None

    @property
    def checked(self) -> int:
        """Rows whose hash was computed and found right."""
        return self.proved + self.sealed + self.open

    @property
    def unchecked(self) -> int:
        return sum(last - first + 1 for first, last in self.unproved)

    def then(self, following: "Verdict") -> "Verdict":
        """One walk out of this one and the one that went on from its head."""
        sealed = self.open if following.proved else 0
        return replace(
            following,
            proved=self.proved + following.proved,
            sealed=self.sealed + sealed + following.sealed,
            open=self.open - sealed + following.open,
            unproved=_joined(self.unproved, following.unproved),
        )


def nothing_walked(head: Head = START) -> Verdict:
    return Verdict(0, 0, 0, (), head)


def verify(
    rows: Iterable[Mapping[str, Any]],
    key: bytes | None,
    *,
    head: Head = START,
    known: Mapping[int, str] | None = None,
) -> Verdict:
    """Check rows that follow ``head``, in the order of their numbers.

    A change, a gap, a swap and a row chained in another way are all named by number. ``known`` maps numbers
    to the beginning of the hash that was noted elsewhere; a row that is another one is named too. Rows cut
    from the end only show against what is known: see ``missing_end``.
    """
    walk = _Walk(key, head, known or {})
    for row in rows:
        reason = walk.step(row)
        if reason is not None:
            return replace(walk.verdict(), first_bad=walk.number + 1, reason=reason)
    return walk.verdict()


def missing_end(verdict: Verdict, known: Mapping[int, str]) -> Verdict:
    """The verdict of a walk to the end of the log, where something known lies beyond it: the tail was cut."""
    number = verdict.head[0]
    beyond = max(known, default=0)
    if not verdict.is_sound or beyond <= number:
        return verdict
    reason = f"the log ends at row {number}, and row {beyond} was known: the end was cut off"
    return replace(verdict, first_bad=number + 1, reason=reason)


class _Walk:
    """Where a walk stands. ``number`` is that of the last row that was let pass."""

    def __init__(self, key: bytes | None, head: Head, known: Mapping[int, str]) -> None:
        self._key = key
        self._known = known
        self.number, self._previous = head
        self._proved = self._sealed = self._open = 0
        self._unproved: list[tuple[int, int]] = []

    def step(self, row: Mapping[str, Any]) -> str | None:
        """Take one row; why it does not fit, where it does not."""
        number = self.number + 1
        if row["number"] != number:
            return f"row {number} is missing"
        noted = self._known.get(number)
        if noted is not None and not str(row["hash"]).startswith(noted):
            return f"row {number} is not the one that was noted as {noted}: it or one before it was rewritten"
        if row["chaining"] == HMAC and self._key is None:
            self._leave_open(number)
        elif not _fits(self._previous, row, self._key):
            return f"row {number} does not fit its hash"
        elif row["chaining"] == HMAC:
            self._proved += 1
            self._sealed += self._open
            self._open = 0
        else:
            self._open += 1
        self.number, self._previous = number, row["hash"]
        return None

    def _leave_open(self, number: int) -> None:
        self._unproved = list(_joined(tuple(self._unproved), ((number, number),)))

    def verdict(self) -> Verdict:
        return Verdict(
            self._proved,
            self._sealed,
            self._open,
            tuple(self._unproved),
            (self.number, self._previous),
        )


def _joined(
    first: tuple[tuple[int, int], ...], second: tuple[tuple[int, int], ...]
) -> tuple[tuple[int, int], ...]:
    """Two lists of stretches in order as one; neighbours become one stretch."""
    if not first or not second or first[-1][1] + 1 != second[0][0]:
        return (*first, *second)
    return (*first[:-1], (first[-1][0], second[0][1]), *second[1:])


def _fits(previous: str, row: Mapping[str, Any], key: bytes | None) -> bool:
    if row["chaining"] not in (HMAC, PLAIN):
        return False
    expected = row_hash(previous, row, key if row["chaining"] == HMAC else None)
    return hmac.compare_digest(expected.encode(), str(row["hash"]).encode())


def _canonical(value: Any) -> str:
    """Sorted keys, compact, ASCII, no NaN."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )
