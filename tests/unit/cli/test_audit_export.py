"""An export holds one page at a time, however long the log is."""

import tracemalloc
from typing import Any

from wallet.cli.audit import PAGE, _every

ROWS = 200_000
MOST_BYTES = 4 * 2**20


class LongLog:
    """Rows made as they are asked for."""

    def __init__(self) -> None:
        self.largest = 0

    def rows(self, after: int, limit: int, transaction_id: str | None) -> list[dict[str, Any]]:
        assert transaction_id is None
        numbers = range(after + 1, min(after + limit, ROWS) + 1)
        self.largest = max(self.largest, len(numbers))
        return [{"number": number, "hash": "ab" * 32, "details": {}} for number in numbers]

    def verify(self, after: int, hashed: str, known: str | None) -> dict[str, Any]:
        raise NotImplementedError

    def newest(self) -> int:
        return ROWS


def test_an_export_takes_constant_memory_and_leaves_nothing_out() -> None:
    log = LongLog()
    tracemalloc.start()
    try:
        last = count = 0
        for row in _every(log, 0):
            assert row["number"] == last + 1
            last, count = row["number"], count + 1
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (last, count, log.largest) == (ROWS, ROWS, PAGE)
    assert peak < MOST_BYTES
